import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readOnnxHeader } from '../formats/onnx-header.ts';
import type { Preprocessing } from '../protocol/export.ts';
import type { GraphFormat } from '../protocol/graph-formats.ts';
import { openFile } from '../runs/file-source.ts';
import { metadataValues, readOnnxFile, readSavedModel, savedModelTensors } from './foreign-model.ts';
import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { widthIn } from './weights.ts';
import { reason } from '../protocol/reasons.ts';

/** An export that holds what a network computes, read from what it says itself. Nothing of it is run. */
export interface GraphExport {
  format: GraphFormat;
  /** The file or the folder. */
  path: string;
  input: { name: string; dtype: 'float32' | 'uint8'; layout: 'NCHW' | 'NHWC'; height: number; width: number };
  /** The logits that decide, by the name that its runtime takes. */
  output: string;
  architecture: string;
  precision: string;
  classes: readonly string[] | null;
  /** How many logits it answers with. */
  count: number | null;
  mean: readonly number[];
  std: readonly number[];
  /** Null where it does not say all of it. */
  preprocessing: Preprocessing | null;
}

const LOGITS = 'logits';

/** Finds the format of a graph by what lies at a path; null for anything else. */
export function graphFormatAt(path: string): GraphFormat | null {
  if (/\.onnx$/i.test(path)) return 'onnx';
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return null;
  if (existsSync(join(path, 'saved_model.pb'))) return 'saved-model';
  return existsSync(join(path, 'model.json')) ? 'tfjs' : null;
}

/**
 * Reads what a graph says of itself.
 * @throws StillhouseError `file.*`, `teacher.format`, `teacher.interface`, `weights.hostile`
 */
export function readGraphExport(path: string, format: GraphFormat): GraphExport {
  return READERS[format](path);
}

const READERS: Readonly<Record<GraphFormat, (path: string) => GraphExport>> = {
  onnx(path) {
    const { values, inputType, width, outputs } = readOnnxFile(path, { outputName: LOGITS }, { oblong: true });
    const { inputName: name = '', layout = 'NCHW', inputSize: height = 0 } = values;
    const input = { name, dtype: inputType, layout, height, width: width ?? 0 };
    return graphExport('onnx', path, onnxFacts(path), { input, output: LOGITS, count: outputs });
  },
  'saved-model'(path) {
    const { values, inputType, width, outputs } = readSavedModel(path, { outputName: LOGITS }, { oblong: true });
    const { inputName = '', signature = '', layout = 'NHWC', inputSize: height = 0 } = values;
    const tensors = savedModelTensors({ path, signature, inputName, outputName: LOGITS });
    const input = { name: tensors.input, dtype: inputType, layout, height, width: width ?? 0 };
    const facts = texts(readJson(join(path, 'assets.extra', 'stillhouse.json')));
    return graphExport('saved-model', path, facts, { input, output: tensors.output, count: outputs });
  },
  tfjs(path) {
    const { signature, userDefinedMetadata } = readJson(join(path, 'model.json')) as TfjsModel;
    const [name, given] = Object.entries(signature?.inputs ?? {})[0] ?? [];
    const sides = sidesOf(given);
    const answers = sidesOf(signature?.outputs?.[LOGITS]);
    if (name === undefined || sides.length !== 4 || answers.length !== 2)
      throw new StillhouseError('teacher.interface', { path, expected: reason('value.one-input'), got: String(sides) });
    const dtype = given?.dtype === 'DT_FLOAT' ? 'float32' : 'uint8';
    const input = { name, dtype, layout: 'NHWC', height: sides[1], width: sides[2] } as const;
    return graphExport('tfjs', path, texts(userDefinedMetadata), { input, output: LOGITS, count: answers[1] });
  },
};

interface TfjsTensor {
  dtype?: string;
  tensorShape?: { dim?: { size?: string }[] };
}

interface TfjsModel {
  signature?: { inputs?: Record<string, TfjsTensor>; outputs?: Record<string, TfjsTensor> };
  userDefinedMetadata?: unknown;
}

function sidesOf(tensor: TfjsTensor | undefined): number[] {
  return (tensor?.tensorShape?.dim ?? []).map(({ size }) => Number(size));
}

function onnxFacts(path: string): Record<string, string> {
  const source = openFile(path);
  try {
    return readOnnxHeader(source, path).metadata;
  } finally {
    source.close();
  }
}

function graphExport(
  format: GraphFormat,
  path: string,
  facts: Readonly<Record<string, string>>,
  found: Pick<GraphExport, 'input' | 'output' | 'count'>,
): GraphExport {
  const { inputSize, cropRatio, interpolation, mean, std, classes } = metadataValues(facts);
  const whole = inputSize && cropRatio && interpolation && mean && std;
  const inputWidth = widthIn(facts);
  return {
    ...{ format, path, ...found, architecture: facts.architecture ?? '', precision: facts.precision ?? 'float32' },
    ...{ classes: classes ?? null, mean: mean ?? [0, 0, 0], std: std ?? [1, 1, 1] },
    preprocessing: whole
      ? { inputSize, ...(inputWidth !== undefined && { inputWidth }), cropRatio, interpolation, mean, std }
      : null,
  };
}

/** @throws StillhouseError `file.unreadable` */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? reason('file.not-json') : reasonOf(error);
    throw new StillhouseError('file.unreadable', { path, reason: why }, { cause: error });
  }
}

function texts(given: unknown): Record<string, string> {
  const entries = Object.entries((given ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
