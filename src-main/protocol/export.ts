import * as v from 'valibot';
import { EXPORT_FORMAT_NAMES } from './export-formats.ts';
import { flag, measured, number, numbers, oneOf, plainError, text } from './shapes.ts';

/** Exports of a run, and what a check of one found. */

/** Images on which a check compares the answers by default, and the most it may be asked for. */
export const CHECK_IMAGES = 64;
export const MOST_CHECK_IMAGES = 100_000;

const channels = v.custom<readonly number[]>((value) => v.is(numbers, value), 'numbers');

/** How images are prepared for a network, as its file says it. */
const preprocessing = v.object({
  /** Side of the square image; its height where there is a width. */
  inputSize: number,
  inputWidth: v.optional(number),
  cropRatio: number,
  interpolation: text,
  mean: channels,
  std: channels,
});
export type Preprocessing = v.InferOutput<typeof preprocessing>;

/** Time of one forward pass of a batch that lies in memory, in milliseconds. */
const latency = v.object({
  batch: number,
  median: measured,
  p90: measured,
  imagesPerSecond: measured,
  /** How often it was timed. */
  runs: number,
});
export type Latency = v.InferOutput<typeof latency>;

/** Answers of checkpoint and export on the same images. */
const answerComparison = v.object({
  images: number,
  /** Images that could not be read. */
  skipped: number,
  /** Absolute differences of the logits of all heads; null where they are no numbers. */
  max: v.nullable(number),
  mean: v.nullable(number),
  /** The greatest logit of the checkpoint less its least one; left out by checks of earlier versions. */
  range: v.optional(v.nullable(number)),
  /** Percent of images on which both decide alike. */
  agreement: measured,
  /** Percent of images decided right. */
  acc1: v.object({ checkpoint: measured, exported: measured }),
});
export type AnswerComparison = v.InferOutput<typeof answerComparison>;

/** A graph beside the weights of a folder, as `onnx/model.onnx` of one for Hugging Face. */
const checkedPart = v.object({
  /** Its path in the folder. */
  file: text,
  bytes: number,
  /** Null where it could not be run. */
  answers: v.nullable(answerComparison),
  alone: v.nullable(answerComparison),
  latency: v.array(latency),
  runtime: v.optional(text),
});
export type CheckedPart = v.InferOutput<typeof checkedPart>;

/** The findings of a check: the network was made anew from the file alone. Kept beside it as `<file>.check.json`. */
export const exportCheck = v.object({
  time: number,
  /** The file; of several the index. */
  path: text,
  /** As they were when it was checked: another size or time means another file. */
  bytes: number,
  modified: number,
  /** The checkpoint that it was compared with, and whether its moving average was. */
  checkpoint: text,
  average: flag,
  model: text,
  classes: number,
  /** Numbers that the network learns. */
  parameters: number,
  /** Null where the file does not say all of it. */
  preprocessing: v.nullable(preprocessing),
  /** The data folder that the images are of. */
  data: text,
  /** Null where the file could not be read, or makes another network. */
  answers: v.nullable(answerComparison),
  /** The same, each image on its own, for an export that another program runs. */
  alone: v.optional(v.nullable(answerComparison)),
  latency: v.array(latency),
  /** The program that ran the export, with its version, where it is another one. */
  runtime: v.optional(text),
  /** The graphs beside the weights, each run as others run it; what is wrong with one is among the problems. */
  parts: v.optional(v.array(checkedPart)),
  /** The device that computed: the name of a GPU, or `cpu`. */
  device: text,
  threads: number,
  /** Problems of the file; a file without problems passed. */
  problems: v.array(plainError),
  /** What a person should know of a file that passed. */
  warnings: v.optional(v.array(plainError)),
});
export type ExportCheck = v.InferOutput<typeof exportCheck>;

/** One file written for use elsewhere. */
const exportInfo = v.object({
  path: text,
  format: oneOf(EXPORT_FORMAT_NAMES),
  /** Of all files where there are several. */
  bytes: number,
  time: number,
  /** The checkpoint that it was made from, where that is still there. */
  checkpoint: v.nullable(text),
  /** From 0; null where the file does not say. */
  epoch: v.nullable(number),
  average: flag,
  /** The state dict stands under the name `model`, beside a moving average. */
  wrapped: flag,
  model: text,
  classes: number,
  inputSize: number,
  /** Width of the images where they are not square. */
  inputWidth: v.optional(number),
  /** The last check; null where there was none of this very file. */
  check: v.nullable(exportCheck),
  /** Why it cannot be read. */
  error: v.nullable(plainError),
});
export const exportInfos = v.array(exportInfo);
export type ExportInfo = v.InferOutput<typeof exportInfo>;

/** One of the formats to write. */
export const exportItem = v.strictObject({
  format: oneOf(EXPORT_FORMAT_NAMES),
  /** Path of the file or the folder; left out: a name of network and epoch. */
  output: v.optional(text),
});
export type ExportItem = v.InferOutput<typeof exportItem>;

/** Holds what came of it: the file or folder, of several files their index, or why there is none. */
export const writtenExport = v.object({
  format: oneOf(EXPORT_FORMAT_NAMES),
  path: text,
  bytes: number,
  error: v.nullable(plainError),
});
export type WrittenExport = v.InferOutput<typeof writtenExport>;

/** Bytes that a network takes in a format, or about so many, or why it cannot be written in it. */
const exportSize = v.object({
  format: oneOf(EXPORT_FORMAT_NAMES),
  bytes: number,
  isExact: flag,
  refused: v.nullable(plainError),
});
export const exportSizes = v.array(exportSize);
export type ExportSize = v.InferOutput<typeof exportSize>;

/** Tells whether a check found nothing wrong. */
export function hasPassed({ problems }: ExportCheck): boolean {
  return problems.length === 0;
}

/** Parses the check in some data; null where it is none. */
export function parseExportCheck(data: unknown): ExportCheck | null {
  const read = v.safeParse(exportCheck, data);
  return read.success ? read.output : null;
}
