import type { RunSummary } from '../../src-main/protocol/data-types.ts';

/**
 * The filter above the list of runs: words that must all be found, each in any text of a run, or as `key:value` in one:
 * `state:finished`, `tag:ablation`, `acc1:>60`, `is:pinned`; a minus before it turns it round.
 */

type Texts = Readonly<Record<string, (run: RunSummary) => readonly string[]>>;
type Numbers = Readonly<Record<string, (run: RunSummary) => number | null>>;

const TEXTS: Texts = {
  id: ({ id }) => [id],
  model: ({ model }) => [model],
  teacher: ({ teacher }) => [teacher],
  data: ({ dataPath }) => [dataPath],
  state: ({ state }) => [state],
  tag: ({ tags }) => tags,
  note: ({ note }) => [note],
};
const NUMBERS: Numbers = {
  acc1: (run) => run.bestAcc1,
  acc5: (run) => run.bestAcc5,
  loss: (run) => run.bestLoss,
  ema: (run) => run.emaAcc1,
  epochs: (run) => run.epochs,
};
const FLAGS: Readonly<Record<string, (run: RunSummary) => boolean>> = {
  pinned: (run) => run.pinned,
  outside: (run) => run.outside,
  readonly: (run) => run.readOnly,
};

/** Tells whether the filter asks for a run; a filter without words asks for all. */
export function runMatches(run: RunSummary, filter: string): boolean {
  const words = filter.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  return words
    .map((word) => word.replace(/"/g, ''))
    .every((word) => (word.startsWith('-') ? !fits(run, word.slice(1)) : fits(run, word)));
}

function fits(run: RunSummary, word: string): boolean {
  const [, key = '', value = ''] = /^(\w+):(.*)$/.exec(word) ?? [];
  if (key === 'is') return FLAGS[value.toLowerCase()]?.(run) ?? false;
  if (TEXTS[key]) return holds(TEXTS[key](run), value);
  if (NUMBERS[key]) return compares(NUMBERS[key](run), value);
  return Object.values(TEXTS).some((texts) => holds(texts(run), word));
}

function holds(texts: readonly string[], part: string): boolean {
  return texts.some((text) => text.toLowerCase().includes(part.toLowerCase()));
}

function compares(number: number | null, asked: string): boolean {
  const [, sign, limit] = /^(>=|<=|>|<|=)?(-?[\d.]+)$/.exec(asked) ?? [];
  if (number === null || limit === undefined) return false;
  const than = Number(limit);
  if (sign === '>') return number > than;
  if (sign === '<') return number < than;
  if (sign === '<=') return number <= than;
  return sign === '>=' ? number >= than : number === than;
}

/** Columns of the list of runs by which it can be sorted. */
export const RUN_COLUMNS = [
  ...(['pinned', 'created', 'state', 'model', 'teacher', 'dataPath', 'epoch'] as const),
  ...(['lastAcc1', 'bestAcc1', 'emaAcc1', 'seconds', 'bytes', 'lastAcc5', 'bestAcc5', 'emaAcc5'] as const),
  ...(['lastLoss', 'bestLoss', 'emaLoss', 'imagesPerSecond'] as const),
] as const;
export type RunColumn = (typeof RUN_COLUMNS)[number];

/** Sorts runs by a column; runs without a value come last either way. */
export function sortRuns(runs: readonly RunSummary[], column: RunColumn, down: boolean): RunSummary[] {
  const sign = down ? -1 : 1;
  return [...runs].sort((one, other) => {
    const [a, b] = [one[column], other[column]];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    if (a === b) return other.created - one.created;
    return (a < b ? -1 : 1) * sign;
  });
}
