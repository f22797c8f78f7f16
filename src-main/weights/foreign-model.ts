import { basename, join } from 'node:path';
import { readOnnxHeader } from '../formats/onnx-header.ts';
import type { TensorRef } from '../formats/graph-sketch.ts';
import { reference } from '../formats/tensorflow-sketch.ts';
import { readSavedModelHeader, type Signature } from '../formats/saved-model-header.ts';
import { describeInterface, type TensorInterface } from '../formats/tensor-interface.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type ReasonValue } from '../protocol/reasons.ts';
import { parseCard, type CardValues, type TeacherCard } from '../protocol/teacher-card.ts';
import { openFile } from '../runs/file-source.ts';
import { graphFacts, type GraphFacts } from './teacher-graph.ts';

/** Facts that an ONNX file or a SavedModel states about itself, as far as a card needs them. Nothing is run. */
export interface ForeignFacts {
  name: string;
  outputs: number | null;
  batch: number | null;
  inputType: TeacherCard['inputType'];
  /** Of the images, where the file fixes it. */
  width: number | null;
  values: CardValues;
  graph: GraphFacts;
}

const IMAGES = reason('value.one-input');
const SCORES = reason('value.one-output');

/** What a reader takes beside squares. */
interface Shapes {
  /** Images that are not square, too. */
  oblong?: boolean;
}

/**
 * Reads the head of an ONNX file. What `card` says of input and output is used to choose among several.
 * @throws StillhouseError `file.*`, `teacher.format`, `teacher.interface`
 */
export function readOnnxFile(path: string, card: CardValues, shapes: Shapes = {}): ForeignFacts {
  const source = openFile(path);
  try {
    const { inputs, outputs, metadata, sketch } = readOnnxHeader(source, path);
    const facts = interfaceFacts(path, inputs, outputs, { ...card, ...shapes });
    const { inputName = '', outputName = '' } = facts.values;
    const [input, output] = [inputName, outputName].map((name) => ({ name, index: 0 }));
    const graph = graphFacts(sketch, { input, output, inputType: facts.inputType });
    return { ...facts, values: { ...metadataValues(metadata), ...facts.values }, name: basename(path), graph };
  } finally {
    source.close();
  }
}

/**
 * Reads `saved_model.pb` of a folder.
 * @throws StillhouseError `file.*`, `teacher.format`, `teacher.interface`; `weights.hostile` when its graph would touch
 * files or the network.
 */
export function readSavedModel(path: string, card: CardValues, shapes: Shapes = {}): ForeignFacts {
  const file = join(path, 'saved_model.pb');
  const source = openFile(file);
  try {
    const { signatures, opsOf, sketch } = readSavedModelHeader(source, file);
    const [name, signature] = chosenSignature(path, signatures, card.signature);
    const hostile = [...opsOf(signature)].find((op) => TOUCHES.test(op));
    if (hostile) throw new StillhouseError('weights.hostile', { path, name: hostile });
    const facts = interfaceFacts(path, signature.inputs, signature.outputs, { ...card, ...shapes });
    const tensor = (list: Signature['inputs'], wanted = ''): TensorRef =>
      reference(list.find((one) => one.name === wanted)?.tensor ?? '');
    const input = tensor(signature.inputs, facts.values.inputName);
    const output = tensor(signature.outputs, facts.values.outputName);
    const graph = graphFacts(sketch, { input, output, inputType: facts.inputType });
    return { ...facts, values: { ...facts.values, signature: name }, name: basename(path), graph };
  } finally {
    source.close();
  }
}

/** Finds the tensors that the signature of a card means, by their names in the graph. */
export function savedModelTensors({
  path,
  signature,
  inputName,
  outputName,
}: Pick<TeacherCard, 'path' | 'signature' | 'inputName' | 'outputName'>) {
  const file = join(path, 'saved_model.pb');
  const source = openFile(file);
  try {
    const { signatures } = readSavedModelHeader(source, file);
    const found = signatures.get(signature);
    const tensorOf = (name: string, list: Signature['inputs'] = []) =>
      list.find((one) => one.name === name)?.tensor ?? '';
    return { input: tensorOf(inputName, found?.inputs), output: tensorOf(outputName, found?.outputs) };
  } finally {
    source.close();
  }
}

/** Operations that read or write files, call Python or other machines. What restores variables is not among them. */
const TOUCHES = new RegExp(
  `^(${[
    ...['WriteFile', 'ReadFile', 'MatchingFiles', 'Save.*', 'MergeV2Checkpoints', 'PrintV2', '(Eager)?PyFunc.*'],
    ...['.*(Writer|Reader)(V\\d)?', 'Reader.*', '.*Summary.*', '.*Dataset(V\\d)?', 'Debug.*', 'ImportEvent'],
    ...['RemoteCall', 'Rpc.*', '_?(Send|Recv)', 'Collective.*', '_?Host(Send|Recv)', 'ConfigureDistributed.*'],
  ].join('|')})$`,
);

function chosenSignature(
  path: string,
  signatures: ReadonlyMap<string, Signature>,
  wanted: string | undefined,
): [string, Signature] {
  const names = [...signatures.keys()];
  const name = wanted ?? (signatures.has('serving_default') ? 'serving_default' : names[0]);
  const signature = name === undefined ? undefined : signatures.get(name);
  if (signature && (wanted || name === 'serving_default' || names.length === 1)) return [name, signature];
  const list = [...signatures].map(([key, { inputs, outputs }]) => `${key} (${listed(inputs)} → ${listed(outputs)})`);
  throw misfit(path, wanted ? reason('value.signature', { name: wanted }) : reason('value.serving'), list.join('; '));
}

function interfaceFacts(
  path: string,
  inputs: TensorInterface[],
  outputs: TensorInterface[],
  card: CardValues & Shapes,
) {
  const isImages = ({ dtype, shape }: TensorInterface) =>
    /^(float32|uint8)$/.test(dtype) && (!shape || shape.length === 4);
  const isScores = ({ dtype, shape }: TensorInterface) => dtype === 'float32' && (!shape || shape.length === 2);
  const input = chosen(path, inputs, card.inputName, IMAGES, isImages);
  const output = chosen(path, outputs, card.outputName, SCORES, isScores);
  const { width, ...image } = imageOf(path, input, card);
  const values: CardValues = { ...image, inputName: input.name, outputName: output.name };
  const inputType = input.dtype === 'uint8' ? ('uint8' as const) : ('float32' as const);
  return { values, inputType, width, batch: input.shape?.[0] ?? null, outputs: output.shape?.[1] ?? null };
}

/** The tensor of that name, or the only one that could be meant. */
function chosen(
  path: string,
  tensors: TensorInterface[],
  name: string | undefined,
  expected: ReasonValue,
  fits: (tensor: TensorInterface) => boolean,
): TensorInterface {
  const named = name === undefined ? tensors : tensors.filter((tensor) => tensor.name === name);
  const fitting = named.filter(fits);
  if (fitting.length === 1) return fitting[0];
  throw misfit(path, name === undefined ? expected : reason('value.named', { what: expected, name }), listed(tensors));
}

/** Layout and side, where the shape fixes them. */
function imageOf(
  path: string,
  input: TensorInterface,
  card: CardValues & Shapes,
): CardValues & { width: number | null } {
  if (!input.shape) return { width: null };
  const [, ...sides] = input.shape;
  const layout = sides[0] === 3 ? 'NCHW' : sides[2] === 3 ? 'NHWC' : undefined;
  const known = layout ?? card.layout;
  if (known && card.layout && known !== card.layout)
    throw misfit(path, reason('value.layout', { layout: card.layout }), describeInterface(input));
  const channels = known === 'NHWC' ? sides[2] : sides[0];
  if (known ? channels !== 3 && channels !== null : sides.every((side) => side !== null))
    throw misfit(path, reason('value.channels'), describeInterface(input));
  const [height, width] = known === 'NHWC' ? sides : sides.slice(1);
  if (height !== width && !card.oblong) throw misfit(path, reason('value.squares'), describeInterface(input));
  if (height && card.inputSize && card.inputSize !== height)
    throw misfit(path, reason('value.side', { side: card.inputSize }), describeInterface(input));
  return { ...(layout && { layout }), ...(height && { inputSize: height }), width };
}

function listed(tensors: readonly TensorInterface[]): string {
  return tensors.map(describeInterface).join(', ') || 'none';
}

function misfit(path: string, expected: ReasonValue, got: string): StillhouseError {
  return new StillhouseError('teacher.interface', { path, expected, got });
}

/** Reads card fields from the texts of a weight file or an ONNX file, by timm's names; unusable values are left out. */
export function metadataValues(metadata: Readonly<Record<string, string>>): CardValues {
  const { input_size: size, crop_pct: cropRatio } = parsedTexts(metadata);
  const { mean, std, interpolation, classes } = parsedTexts(metadata);
  const given = {
    inputSize: Array.isArray(size) ? (size as unknown[]).at(size.length === 3 ? 1 : -1) : size,
    cropRatio,
    mean,
    std,
    interpolation,
    classes,
  };
  const one = (key: string, value: unknown): CardValues => {
    const read = parseCard(JSON.stringify({ [key]: value }));
    return 'expected' in read ? {} : read;
  };
  return Object.assign({}, ...Object.entries(given).map(([key, value]) => one(key, value))) as CardValues;
}

function parsedTexts(metadata: Readonly<Record<string, string>>): Record<string, unknown> {
  const parse = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return Object.fromEntries(Object.entries(metadata).map(([key, text]) => [key, parse(text)]));
}
