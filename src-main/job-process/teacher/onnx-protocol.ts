import type { Reason } from '../../protocol/reasons.ts';

/** What the thread of an ONNX teacher is started with. */
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

/** What the thread tells: once that it is ready or has failed, then one answer or failure for each question. */
export type OnnxAnswer =
  { tell: 'ready' } | { tell: 'answer'; values: Float32Array; shape: number[] } | { tell: 'failed'; reason: Reason };
