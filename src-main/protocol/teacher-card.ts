import * as v from 'valibot';
import { reason, type ReasonValue } from './reasons.ts';
import { inWords, number, oneOf, plainError, text, texts } from './shapes.ts';

const teacherKind = oneOf(['timm', 'onnx', 'savedmodel']);
export type TeacherKind = v.InferOutput<typeof teacherKind>;
const cardSource = oneOf(['card', 'file', 'answers', 'default']);
export type CardSource = v.InferOutput<typeof cardSource>;

const triple = (least: number) => {
  const number = v.pipe(v.number(), v.minValue(least), v.maxValue(1000));
  return v.tuple([number, number, number]);
};
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

/** Fields that a card file may hold; every field may be left out. */
export const CARD_FIELDS = {
  inputSize: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096)),
  layout: v.picklist(['NCHW', 'NHWC']),
  mean: triple(-1000),
  std: triple(1e-6),
  cropRatio: v.pipe(v.number(), v.minValue(0.1), v.maxValue(1)),
  interpolation: v.picklist(['bicubic', 'bilinear']),
  classes: v.pipe(v.array(name), v.minLength(1), v.maxLength(1_000_000)),
  output: v.picklist(['logits', 'probabilities']),
  inputName: name,
  outputName: name,
  signature: name,
  entry: name,
} as const;

export type CardField = keyof typeof CARD_FIELDS;

/** The fields of a card that one source tells. */
export type CardValues = { [Field in CardField]?: v.InferOutput<(typeof CARD_FIELDS)[Field]> };

/**
 * The card of a teacher: what one has to know to show it images and to read its answers. It is put together from
 * three places, the first that tells a field: the card file beside the weights (`<weights>.card.json`), the weights
 * themselves, the defaults. `docs/teachers.md` shows all of it to people.
 *
 * To add a field: "A field of a teacher's card" in docs/adding.md.
 */
export const teacherCard = v.object({
  /** How it runs: inside the training step, in ONNX Runtime, or as a graph of TensorFlow. */
  kind: teacherKind,
  /** The weight file or the folder. */
  path: text,
  /** Of the network, for people. */
  name: text,
  /** Side of the square image. */
  inputSize: number,
  /** Order of axes of the images that it takes. */
  layout: CARD_FIELDS.layout,
  /** Of the channels R, G, B in [0, 1]: taken off, then divided by. */
  mean: v.tuple([number, number, number]),
  std: v.tuple([number, number, number]),
  /** For evaluation the shorter edge becomes inputSize / cropRatio, then the centre is cropped. */
  cropRatio: number,
  interpolation: CARD_FIELDS.interpolation,
  /** Names of its classes in the order of its outputs; null where nothing tells them. */
  classes: v.nullable(texts),
  /** How many classes it tells apart; null while it has not been run. */
  outputs: v.nullable(number),
  /** Kind of its answers: numbers before the softmax or after it. */
  output: CARD_FIELDS.output,
  /** Images that it takes at a time; null: any number. */
  batch: v.nullable(number),
  /** Of the images that it takes; `uint8` are whole pixels from 0 to 255. */
  inputType: oneOf(['float32', 'uint8']),
  /** Notes on assumptions, and on the part of the file that shows each. */
  notes: v.array(plainError),
  /** Names inside the file: of the input and the output, and of a SavedModel's signature; '' for a timm network. */
  inputName: text,
  outputName: text,
  signature: text,
  /** The state dict of a weight file that is taken, or the beginning of its arrays' names; '' for the usual one. */
  entry: text,
  /** Where each field that a card may hold comes from. */
  from: v.custom<Record<CardField, CardSource>>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.keys(CARD_FIELDS).every((field) => v.is(cardSource, (value as Record<string, unknown>)[field])),
    'sources',
  ),
});
export type TeacherCard = v.InferOutput<typeof teacherCard>;

/** A problem of a card, by field. */
export interface CardProblem {
  key: ReasonValue;
  expected: ReasonValue;
  got: string;
}

/** Changes to a card: fields that it states from now on. */
export const cardFields = v.strictObject(v.partial(v.object(CARD_FIELDS)).entries);
export const cardFieldName = v.picklist(Object.keys(CARD_FIELDS) as CardField[]);

/** Lists the fields of `values` whose values no card may hold. */
export function wrongCardFields(values: Record<string, unknown>): CardField[] {
  const wrong = ([key, value]: [string, unknown]): boolean => !v.is(CARD_FIELDS[key as CardField], value);
  return Object.entries(values).filter(wrong).map(([key]) => key as CardField); // prettier-ignore
}

const CARD = v.pipe(
  v.unknown(),
  v.check((data) => !Array.isArray(data), 'an object'),
  cardFields,
);

/** Parses the text of a card file into fields, or into its first problem. */
export function parseCard(text: string): CardValues | CardProblem {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return { key: reason('value.the-file'), expected: 'JSON', got: JSON.stringify(text.slice(0, 40)) };
  }
  const result = v.safeParse(CARD, data);
  return result.success ? result.output : problemOf(result.issues[0]);
}

/** Names the first thing that is wrong with the fields of a card, or nothing. */
export function cardProblem(fields: unknown): CardProblem | undefined {
  const result = v.safeParse(CARD, fields);
  return result.success ? undefined : problemOf(result.issues[0]);
}

function problemOf(issue: v.InferIssue<typeof CARD>): CardProblem {
  const names = Object.keys(CARD_FIELDS).join(', ');
  const expected =
    issue.expected === 'never' ? reason('value.card-field', { names }) : inWords(issue.expected ?? issue.message);
  return { key: v.getDotPath(issue) ?? reason('value.the-file'), expected, got: String(issue.received) };
}
