import { existsSync, readFileSync, statSync } from 'node:fs';
import { preparationOf } from '../model/zoo.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import { reason, type ReasonValue } from '../protocol/reasons.ts';
import { CARD_FIELDS, parseCard, type CardField, type CardValues, type TeacherCard } from '../protocol/teacher-card.ts';
import { writeFileAtomic } from '../base/files.ts';
import { teacherKind } from '../runs/teacher-kind.ts';
import { valuesOfGraph, type GraphFacts } from './teacher-graph.ts';
import { readOnnxFile, readSavedModel } from './foreign-model.ts';
import { contradiction } from './network.ts';
import { headClasses, withWeights, type Weights } from './weights.ts';

/** Puts the card of a teacher together: card file, then weight file, then defaults. Nothing is run. */

/** Values where neither card nor file gives one: the numbers of most networks trained on ImageNet. */
const DEFAULTS = {
  inputSize: 224,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  cropRatio: 0.875,
  interpolation: 'bicubic',
  output: 'logits',
} as const;

/** Returns the path of the card of a weight file or folder: beside it, so that both can be moved together. */
export function cardPath(path: string): string {
  return `${path.replace(/[\\/]+$/, '')}.card.json`;
}

/**
 * Reads the whole card of a teacher.
 * @param model the timm name of the network, for a weight file.
 * @param kept what a run that is resumed has taken before: it counts where the card file says nothing.
 * @throws StillhouseError `file.missing`, `weights.*`, `teacher.card`, `teacher.format`, `teacher.interface`,
 * `argument.invalid` for an unknown model.
 */
export async function readTeacherCard(path: string, model: string, kept: CardValues = {}): Promise<TeacherCard> {
  if (!existsSync(path)) throw new StillhouseError('file.missing', { path });
  return wholeCard(path, model, readCardFile(path), kept);
}

async function wholeCard(path: string, model: string, card: CardValues, kept: CardValues = {}): Promise<TeacherCard> {
  const found = await factsOf(path, model, { ...kept, ...card });
  if (found.kind === 'timm' && card.output === 'probabilities')
    throw wrong(cardPath(path), 'output', reason('value.card-logits'), card.output);
  const told = { ...defined(found.values), ...kept };
  const seen = found.graph ? valuesOfGraph(path, found.graph, { ...told, ...card }) : { values: {}, notes: [] };
  const values = { ...seen.values, ...told };
  const facts = found;
  const merged = { ...DEFAULTS, ...FREE, ...found.defaults, ...defined(values), ...card };
  const from = Object.fromEntries(
    (Object.keys(CARD_FIELDS) as CardField[]).map((key) => [key, key in card ? 'card' : sourceOf(values, key)]),
  ) as TeacherCard['from'];
  const { kind, name, outputs, batch, inputType = 'float32' as const } = facts;
  const notes = [...changedNotes(path, kept, card), ...(found.notes ?? []), ...seen.notes];
  const whole = {
    ...merged,
    mean: triple(merged.mean),
    std: triple(merged.std),
    kind,
    path,
    name,
    outputs,
    batch,
    inputType,
    notes,
    from,
  };
  if (kind !== 'timm') notes.push(...assumedNotes(whole));
  requireNames(whole, card);
  return whole;
}

const FREE = { layout: 'NCHW', classes: null, inputName: '', outputName: '', signature: '', entry: '' } as const;

/** Results of reading a file: its fields of the card, and facts that follow from its kind. */
interface Facts extends Pick<TeacherCard, 'kind' | 'name' | 'outputs' | 'batch'> {
  values: CardValues;
  defaults: CardValues;
  inputType?: TeacherCard['inputType'];
  graph?: GraphFacts;
  /** Notes on arrays of a weight file that were taken, and that were left out. */
  notes?: PlainError[];
}

async function factsOf(path: string, model: string, card: CardValues): Promise<Facts> {
  switch (teacherKind(path)) {
    case 'timm':
      return timmFacts(path, model, card);
    case 'onnx':
      return { kind: 'onnx', defaults: { layout: 'NCHW' }, ...readOnnxFile(path, card) };
    case 'savedmodel':
      return { kind: 'savedmodel', defaults: { layout: 'NHWC' }, ...readSavedModel(path, card) };
  }
}

function timmFacts(path: string, model: string, { entry, cropRatio: wanted }: CardValues): Promise<Facts> {
  const facts = (weights: Weights): Facts => {
    requireNetwork(weights, model);
    const { inputSize, mean, std, cropRatio, timmCropRatio: timm, interpolation } = preparationOf(model);
    const { settings, classes, preparation } = weights;
    const own = {
      ...preparation,
      ...(settings.inputSize && { inputSize: settings.inputSize }),
      ...(settings.evalCropRatio && { cropRatio: settings.evalCropRatio }),
      classes: classes ?? undefined,
    };
    const defaults: CardValues = { inputSize, mean, std, cropRatio, interpolation, layout: 'NHWC' };
    const assumed = timm !== null && wanted === undefined && own.cropRatio === undefined;
    const crop = assumed ? [new StillhouseError('weights.crop-deit', { model, ratio: cropRatio, timm })] : [];
    const notes = [...weights.notes, ...crop.map(toPlainError)];
    return { kind: 'timm', name: model, outputs: headClasses(weights), batch: null, values: own, defaults, notes };
  };
  return withWeights(path, facts, { entry });
}

/**
 * Fields that change the answers and for which only the usual values are known. What it answers shows itself at once.
 */
const MATTERS = ['inputSize', 'mean', 'std', 'layout'] as const;

function assumedNotes(card: Pick<TeacherCard, 'path' | 'from' | (typeof MATTERS)[number]>): PlainError[] {
  const { path, from } = card;
  const fields = MATTERS.filter((field) => from[field] === 'default').map(
    (field) => `${field} (${textOfField(card[field])})`,
  );
  return fields.length > 0
    ? [toPlainError(new StillhouseError('teacher.assumed', { path, fields: fields.join(', ') }))]
    : [];
}

function changedNotes(path: string, kept: CardValues, card: CardValues): PlainError[] {
  const keys = (Object.keys(card) as CardField[]).filter(
    (key) => kept[key] !== undefined && JSON.stringify(kept[key]) !== JSON.stringify(card[key]),
  );
  const fields = keys.map((key) => `${key} (${textOfField(kept[key])} → ${textOfField(card[key])})`).join(', ');
  return keys.length > 0 ? [toPlainError(new StillhouseError('teacher.card-changed', { path, fields }))] : [];
}

function textOfField(value: unknown): string {
  return Array.isArray(value) ? value.slice(0, 5).join(' ') : String(value);
}

/** @throws StillhouseError `weights.wrong-network` where a file names a network that answers otherwise. */
function requireNetwork(weights: Weights, model: string): void {
  const [other] = contradiction(weights, model);
  if (other) throw new StillhouseError('weights.wrong-network', other.params);
}

/** @throws StillhouseError `teacher.card` */
function readCardFile(path: string): CardValues {
  const file = cardPath(path);
  if (!existsSync(file)) return {};
  if (statSync(file).size > 1 << 26) throw wrong(file, 'the file', reason('value.card'), reason('value.over-64-mib'));
  const read = parseCard(readFileSync(file, 'utf8'));
  if ('expected' in read) throw wrong(file, read.key, read.expected, read.got);
  return read;
}

/**
 * Writes fields to the card file of a teacher and takes others out of it, once the card that comes of it is known to be
 * right: a card that fits no teacher is not written. The other fields of the file stay.
 * @returns the whole card.
 * @throws what {@link readTeacherCard} throws, and `disk.*`
 */
export async function changeTeacherCard(
  path: string,
  model: string,
  fields: CardValues,
  drop: readonly CardField[],
): Promise<TeacherCard> {
  if (!existsSync(path)) throw new StillhouseError('file.missing', { path });
  const kept = Object.entries(readCardFile(path)).filter(([key]) => !drop.includes(key as CardField));
  const values: CardValues = { ...Object.fromEntries(kept), ...fields };
  requireFields(cardPath(path), values);
  const card = await wholeCard(path, model, values);
  writeFileAtomic(cardPath(path), textOf(values));
  return card;
}

const textOf = (values: CardValues): string => `${JSON.stringify(values, null, 2)}\n`;

/** @throws StillhouseError `teacher.card` */
function requireFields(file: string, values: CardValues): void {
  const read = parseCard(JSON.stringify(values));
  if ('expected' in read) throw wrong(file, read.key, read.expected, read.got);
}

function wrong(path: string, key: ReasonValue, expected: ReasonValue, got: ReasonValue): StillhouseError {
  return new StillhouseError('teacher.card', { path, key, expected, got });
}

/** Names that are not as many as outputs name nothing. */
function requireNames({ path, classes, outputs }: TeacherCard, card: CardValues): void {
  if (!classes || outputs === null || classes.length === outputs) return;
  const place = card.classes ? cardPath(path) : path;
  throw wrong(place, 'classes', reason('value.output-names', { count: outputs }), `${classes.length}`);
}

function sourceOf(values: CardValues, key: CardField): 'file' | 'default' {
  return values[key] === undefined ? 'default' : 'file';
}

function defined(values: CardValues): CardValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function triple([r, g, b]: readonly number[]): [number, number, number] {
  return [r, g, b];
}
