import type { StepTimes } from '../protocol/step-numbers.ts';
import type { Draws } from './mix.ts';

/** Steps as the loop and the evaluation run them. Letters: B images of a batch, S side of an image, K classes. */

/** Logits [B, K] or decisions [B] of a teacher. */
export type TeacherAnswers = Float32Array | Int32Array;

/** The inputs of one training step. */
export interface StepBatch extends Draws {
  /** [B, S, S, 3] RGB. */
  images: Uint8Array;
  /** [B] */
  labels: Int32Array;
  /** Rows as `noiseRows` says, [R, B]; null for none. */
  noise: Float32Array | null;
  /** Of a teacher outside of the step: logits [B, K], or decisions [B], as the recipe learns from. */
  teacherAnswers?: TeacherAnswers;
}

export interface TrainBatch extends StepBatch {
  /** Names the images in errors, [B]. */
  files: readonly string[];
}

export interface StepLosses {
  loss: number;
  lossClass: number;
  lossDistillation: number | null;
  /** Whether a gradient was not finite although the loss was; in float16 that belongs to it, and is no overflow. */
  overflow?: boolean;
}

/** Milliseconds of a step that did not go into the student. */
export interface StepCost extends Pick<StepTimes, 'feed' | 'teacher'> {
  /** Of its images whose teacher's answers were kept, in percent. */
  kept?: number;
  /** Milliseconds that the teacher would have taken for these. */
  saved?: number;
}

export interface TrainStep {
  /** Whether the next step may be begun before the losses of this one are known. Then none after a bad one moves the state. */
  readonly ahead?: boolean;
  /** `took`: milliseconds of the step that did not go into the student, where they are known. */
  run(batch: StepBatch, scalars: { lr: number; step: number }): Promise<StepLosses & { took?: StepCost }>;
}

/** Logits of one network in eval mode: `head` and `headDist` are [B, K], row-major; `headDist` null for one head. */
export interface EvalStep {
  /** @param images [B, S, S, 3] RGB. */
  run(images: Uint8Array): Promise<{ head: Float32Array; headDist: Float32Array | null }>;
}
