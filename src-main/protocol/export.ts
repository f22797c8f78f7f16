import type { PlainError } from './errors.ts';

/** Exports of a run, and what a check of one found. */

export const EXPORT_FORMATS = ['safetensors', 'pth'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Pictures that a check compares the answers on, unless it is told otherwise, and the most it may be told. */
export const CHECK_PICTURES = 64;
export const MOST_CHECK_PICTURES = 100_000;

/** How pictures are prepared for a network, as its file says it. */
export interface Preprocessing {
  /** Side of the square picture. */
  inputSize: number;
  cropRatio: number;
  interpolation: string;
  mean: readonly number[];
  std: readonly number[];
}

/** Time of one forward pass of a batch that lies in memory, in milliseconds. */
export interface Latency {
  batch: number;
  median: number;
  p90: number;
  imagesPerSecond: number;
  /** How often it was timed. */
  runs: number;
}

/** Answers of checkpoint and export on the same pictures. */
export interface AnswerComparison {
  pictures: number;
  /** Pictures that could not be read. */
  skipped: number;
  /** Absolute differences of the logits of all heads; null where they are no numbers. */
  max: number | null;
  mean: number | null;
  /** Percent of pictures on which both decide alike. */
  agreement: number;
  /** Percent of pictures decided right. */
  acc1: { checkpoint: number; exported: number };
}

/** What a check found: the network was made anew from the file alone. Kept beside it as `<file>.check.json`. */
export interface ExportCheck {
  time: number;
  /** The file; of several the index. */
  path: string;
  /** As they were when it was checked: another size or time means another file. */
  bytes: number;
  modified: number;
  /** The checkpoint that it was compared with, and whether its moving average was. */
  checkpoint: string;
  average: boolean;
  model: string;
  classes: number;
  /** Numbers that the network learns. */
  parameters: number;
  /** Null where the file does not say all of it. */
  preprocessing: Preprocessing | null;
  /** The data folder that the pictures are of. */
  data: string;
  /** Null where the file could not be read, or makes another network. */
  answers: AnswerComparison | null;
  latency: Latency[];
  /** What computed: the name of a GPU, or `cpu`. */
  device: string;
  threads: number;
  /** What is wrong with the file; a file without problems passed. */
  problems: PlainError[];
}

/** One file written for use elsewhere. */
export interface ExportInfo {
  path: string;
  format: ExportFormat;
  /** Of all files where there are several. */
  bytes: number;
  time: number;
  /** The checkpoint that it was made from, where that is still there. */
  checkpoint: string | null;
  /** From 0; null where the file does not say. */
  epoch: number | null;
  average: boolean;
  /** The state dict stands under the name `model`, beside a moving average. */
  wrapped: boolean;
  model: string;
  classes: number;
  inputSize: number;
  /** The last check; null where there was none of this very file. */
  check: ExportCheck | null;
  /** Why it cannot be read. */
  error: PlainError | null;
}

/** Whether a check found nothing wrong. */
export function hasPassed({ problems }: ExportCheck): boolean {
  return problems.length === 0;
}
