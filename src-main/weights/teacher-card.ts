import { existsSync, readFileSync, statSync } from 'node:fs';
import { createModel, modelCard } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { CARD_FIELDS, parseCard, type CardField, type CardValues, type TeacherCard } from '../protocol/teacher-card.ts';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { teacherKind } from '../runs/teacher-kind.ts';
import { metadataValues, readOnnxFile, readSavedModel } from './foreign-model.ts';
import { classCount, withWeights } from './weights.ts';

/** Puts the card of a teacher together: card file, then weight file, then defaults. Nothing is run. */

/** What is taken where neither card nor file tells: the numbers of most networks trained on ImageNet. */
const DEFAULTS = {
  inputSize: 224,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  cropRatio: 0.875,
  interpolation: 'bicubic',
  output: 'logits',
} as const;

/** The card file of a weight file or folder: beside it, so that both can be moved together. */
export function cardPath(path: string): string {
  return `${path.replace(/[\\/]+$/, '')}.card.json`;
}

/**
 * The whole card of a teacher.
 * @param model the timm name of the network, for a weight file.
 * @throws StillhouseError `file.missing`, `weights.*`, `teacher.card`, `teacher.format`, `teacher.interface`,
 * `argument.invalid` for an unknown model.
 */
export async function readTeacherCard(path: string, model: string): Promise<TeacherCard> {
  if (!existsSync(path)) throw new StillhouseError('file.missing', { path });
  return wholeCard(path, model, readCardFile(path));
}

async function wholeCard(path: string, model: string, card: CardValues): Promise<TeacherCard> {
  const found = await factsOf(path, model, card);
  const { values, ...facts } = found;
  const merged = { ...DEFAULTS, ...FREE, ...found.defaults, ...defined(values), ...card };
  const from = Object.fromEntries(
    (Object.keys(CARD_FIELDS) as CardField[]).map((key) => [key, key in card ? 'card' : sourceOf(values, key)]),
  ) as TeacherCard['from'];
  const { kind, name, outputs, batch } = facts;
  const whole = {
    ...merged,
    mean: triple(merged.mean),
    std: triple(merged.std),
    kind,
    path,
    name,
    outputs,
    batch,
    from,
  };
  requireNames(whole, card);
  return whole;
}

const FREE = { layout: 'NCHW', classes: null, inputName: '', outputName: '', signature: '' } as const;

/** What reading a file gave: what it tells of the card, and what follows from its kind. */
interface Facts extends Pick<TeacherCard, 'kind' | 'name' | 'outputs' | 'batch'> {
  values: CardValues;
  defaults: CardValues;
}

async function factsOf(path: string, model: string, card: CardValues): Promise<Facts> {
  switch (teacherKind(path)) {
    case 'timm':
      return timmFacts(path, model);
    case 'onnx':
      return { kind: 'onnx', defaults: { layout: 'NCHW' }, ...readOnnxFile(path, card) };
    case 'savedmodel':
      return { kind: 'savedmodel', defaults: { layout: 'NHWC' }, ...readSavedModel(path, card) };
  }
}

function timmFacts(path: string, model: string): Promise<Facts> {
  return withWeights(path, (weights): Facts => {
    const outputs = classCount(weights);
    const { inputSize } = modelCard(model);
    const { mean, std, cropRatio } = createModel(model, { classes: outputs, inputSize });
    const { settings, classes, metadata } = weights;
    const own = {
      ...metadataValues(metadata),
      ...(settings.inputSize && { inputSize: settings.inputSize }),
      ...(settings.evalCropRatio && { cropRatio: settings.evalCropRatio }),
      ...(classes && { classes }),
    };
    const defaults: CardValues = { inputSize, mean, std, cropRatio, layout: 'NHWC' };
    return { kind: 'timm', name: model, outputs, batch: null, values: own, defaults };
  });
}

/** @throws StillhouseError `teacher.card` */
function readCardFile(path: string): CardValues {
  const file = cardPath(path);
  if (!existsSync(file)) return {};
  if (statSync(file).size > 1 << 26) throw wrong(file, 'the file', 'a card', 'a file of more than 64 MiB');
  const read = parseCard(readFileSync(file, 'utf8'));
  if ('expected' in read) throw wrong(file, read.key, read.expected, read.got);
  return read;
}

/**
 * Adds fields to the card file of a teacher, or makes it.
 * @throws StillhouseError `file.missing`, `teacher.card`, `disk.*`
 */
export function writeTeacherCard(path: string, fields: CardValues): string {
  if (!existsSync(path)) throw new StillhouseError('file.missing', { path });
  const file = cardPath(path);
  const whole = { ...readCardFile(path), ...fields };
  requireFields(file, whole);
  writeFileAtomic(file, textOf(whole));
  return file;
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

function wrong(path: string, key: string, expected: string, got: string): StillhouseError {
  return new StillhouseError('teacher.card', { path, key, expected, got });
}

/** Names that are not as many as outputs name nothing. */
function requireNames({ path, classes, outputs }: TeacherCard, card: CardValues): void {
  if (!classes || outputs === null || classes.length === outputs) return;
  const place = card.classes ? cardPath(path) : path;
  throw wrong(place, 'classes', `${outputs} names, one for each output`, `${classes.length}`);
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
