import {
  closingOf,
  rangeOf,
  rescalingsOf,
  type GraphSketch,
  type Rescaling,
  type TensorRef,
} from '../formats/graph-sketch.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import type { CardValues, TeacherCard } from '../protocol/teacher-card.ts';

/** Facts about the numbers that a graph takes and gives. */
export interface GraphFacts {
  closing: ReturnType<typeof closingOf>;
  range: ReturnType<typeof rangeOf>;
  steps: string;
}

export function graphFacts(
  sketch: GraphSketch,
  { input, output, inputType }: { input: TensorRef; output: TensorRef; inputType: TeacherCard['inputType'] },
): GraphFacts {
  const rescalings = rescalingsOf(sketch, input);
  const bytes = inputType === 'uint8';
  return {
    closing: closingOf(sketch, output),
    range: bytes ? 'byte' : rangeOf(rescalings),
    steps: [...(bytes ? ['uint8'] : []), ...rescalings.map(stepText)].join(', '),
  };
}

function stepText({ op, value }: Rescaling): string {
  return `${op} ${
    value
      ? value
          .slice(0, 3)
          .map((number) => Number(number.toPrecision(4)))
          .join(' ')
      : '?'
  }`;
}

/** Mean and std that show pixels as they are, by the end of their range. */
const PLAIN = { unit: { top: 1, std: 1 }, byte: { top: 255, std: 1 / 255 } } as const;

/**
 * Derives from the graph those fields of a card that nothing else gives; notes say which were taken.
 * @param said what card and file say in words.
 * @throws StillhouseError `teacher.answers`, `teacher.sigmoid`, `teacher.normalises`, `teacher.scale-unclear` where
 * they contradict each other.
 */
export function valuesOfGraph(
  path: string,
  facts: GraphFacts,
  said: CardValues,
): { values: CardValues; notes: PlainError[] } {
  const notes: PlainError[] = [];
  const output = outputOf(path, facts, said, notes);
  const pixels = pixelsOf(path, facts, said, notes);
  return { values: { ...pixels, ...(output && { output }) }, notes };
}

function outputOf(
  path: string,
  { closing }: GraphFacts,
  { output: said }: CardValues,
  notes: PlainError[],
): CardValues['output'] | null {
  if (closing === null) return null;
  if (closing === 'sigmoid') throw new StillhouseError('teacher.sigmoid', { path });
  // Logarithms of probabilities are logits: their softmax is the same.
  const seen = closing === 'softmax' ? 'probabilities' : 'logits';
  const shown = closing === 'softmax' ? 'Softmax' : 'LogSoftmax';
  if (said && said !== seen) throw new StillhouseError('teacher.answers', { path, said, seen, shown });
  if (!said && seen === 'probabilities')
    notes.push(toPlainError(new StillhouseError('teacher.taken-probabilities', { path, shown })));
  return seen;
}

function pixelsOf(
  path: string,
  { range, steps }: GraphFacts,
  { mean, std }: CardValues,
  notes: PlainError[],
): Pick<CardValues, 'mean' | 'std'> {
  if (range === null || (range === 'unclear' && mean && std)) return {};
  if (range === 'unclear') throw new StillhouseError('teacher.scale-unclear', { path, steps });
  const { top, std: plain } = PLAIN[range];
  const right = {
    rightMean: '0 0 0',
    rightStd: [plain, plain, plain].map((one) => Number(one.toPrecision(6))).join(' '),
  };
  const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) <= 1e-3 * Math.max(wanted, 0.001);
  if (mean?.some((one) => !near(one, 0)) || std?.some((one) => !near(one, plain))) {
    const given = { mean: (mean ?? [0, 0, 0]).join(' '), std: (std ?? [plain, plain, plain]).join(' ') };
    throw new StillhouseError('teacher.normalises', { path, ...given, steps, ...right });
  }
  if (!mean || !std)
    notes.push(toPlainError(new StillhouseError('teacher.taken-pixels', { path, steps, top, ...right })));
  return { mean: [0, 0, 0], std: [plain, plain, plain] };
}
