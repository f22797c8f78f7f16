import type { Reason } from '../../protocol/reasons.ts';

/** Data with which the thread of an ONNX teacher is started. */
export interface OnnxOrder {
  path: string;
  /** Threads inside one operation. */
  threads: number;
  inputName: string;
  outputName: string;
  inputType: 'float32' | 'uint8';
  /** Shape of one image as the model takes it. */
  shape: number[];
  /** Images that the model takes at a time; null: any number. */
  batch: number | null;
}

/** Images to answer, whose memory is handed over. Questions are answered in order. */
export interface OnnxQuestion {
  images: Float32Array;
  count: number;
}

/** Messages of the thread: once that it is ready or has failed, then one answer or failure for each question. */
export type OnnxAnswer =
  | { tell: 'ready' }
  | { tell: 'answer'; values: Float32Array; shape: number[] }
  | { tell: 'failed'; reason: Reason };
