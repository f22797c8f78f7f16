import * as v from 'valibot';
import { flag, measured, number, numbers, oneOf, plainError, text, title } from './shapes.ts';

/**
 * The results of an evaluation, as plain data. Letters: n images, K classes. Accuracies and shares are in percent,
 * probabilities and confidences in 0…1.
 */

/**
 * Names who answered: `test` is what decides (both heads as the recipe joins them, or the only one), `class` and
 * `distillation` are the heads of a distilled network apart.
 */
export const ANSWERING = ['test', 'class', 'distillation', 'teacher'] as const;
const answering = oneOf(ANSWERING);
export type Answering = v.InferOutput<typeof answering>;

/** Answers that are kept of each image. */
export const KEPT_ANSWERS = 5;
/** Bins of equal width in which calibration is measured. */
export const CALIBRATION_BINS = 15;

/** One head over all images. */
const headReport = v.object({
  head: answering,
  acc1: measured,
  acc5: measured,
  /** Mean over images of the negative log-likelihood of the label, in nats; null where answers are no numbers. */
  nll: v.nullable(number),
  /** Mean probability of the decision; null as above. */
  confidence: v.nullable(number),
  /** Expected calibration error over {@link CALIBRATION_BINS} bins, 0…1. */
  ece: measured,
  /** Images on which it decides as the teacher; null without one, and for the teacher. */
  agreement: v.nullable(number),
  /** By ImageNet-ReaL's labels, over the images that have one; null where they were not asked for. */
  real: v.nullable(v.object({ acc1: measured, images: number })),
});
export type HeadReport = v.InferOutput<typeof headReport>;

/** The facts of an evaluation and its results: `<id>.json` beside the answers. */
const evaluationFacts = v.object({
  id: text,
  time: number,
  /** The file that held the weights. */
  weights: text,
  /** Run and checkpoint that they are of; null for weights from elsewhere. */
  run: v.nullable(text),
  checkpoint: v.nullable(text),
  /** Whether the moving average of the model was taken. */
  average: flag,
  model: text,
  inputSize: number,
  cropRatio: number,
  /** How a network with two heads decides. */
  evalHeads: text,
  /** The data folder. */
  data: text,
  /** The images: its validation images, or everything in class folders. */
  images: oneOf(['val', 'folder']),
  /** How many were scored, and how many could not be read. */
  count: number,
  skipped: number,
  teacher: v.nullable(text),
  /** Notes on choices that could have been otherwise; missing in evaluations from before. */
  notes: v.optional(v.array(plainError)),
  /** The loss as DeiT reports it: the mean over batches; null where it is no number. */
  loss: v.nullable(number),
  seconds: number,
  heads: v.array(headReport),
  /**
   * Mean cosine of class and distillation token over the images: at first, after each block, after the last norm.
   * Missing where it was not asked for, or where there is one token.
   */
  tokenCosine: v.optional(v.array(measured)),
});
export const evaluationList = v.array(evaluationFacts);
export type EvaluationFacts = v.InferOutput<typeof evaluationFacts>;

/** One class in the answers of one head. */
const classReport = v.object({
  name: text,
  title,
  /** Images of the class, and images that were taken for it. */
  count: number,
  predicted: number,
  /** Recall is acc1. Null where the class has no image. */
  acc1: v.nullable(number),
  acc5: v.nullable(number),
  /** Null where no image was taken for it. */
  precision: v.nullable(number),
  /** Null where it has no image and none was taken for it. */
  f1: v.nullable(number),
  confidence: v.nullable(number),
  agreement: v.nullable(number),
  /** The class that its images are most often taken for, if not for itself. */
  confused: v.nullable(v.object({ label: number, count: number })),
});
export type ClassReport = v.InferOutput<typeof classReport>;

/** Images whose decision was held for about equally likely. */
const calibrationBin = v.object({
  count: number,
  /** Means over the bin; 0 in an empty one. */
  confidence: measured,
  accuracy: measured,
});
export type CalibrationBin = v.InferOutput<typeof calibrationBin>;

/** Everything about one head. */
export const evaluationReport = v.object({
  facts: evaluationFacts,
  head: answering,
  classes: v.array(classReport),
  /** Cells of the confusion matrix that are not 0, flat: class, decision, images; by class, then decision. */
  confusion: numbers,
  bins: v.array(calibrationBin),
});
export type EvaluationReport = v.InferOutput<typeof evaluationReport>;

/** One of the most likely classes of an image, the likeliest first. */
const answer = v.object({ label: number, probability: measured });
export type Answer = v.InferOutput<typeof answer>;

const evaluatedImage = v.object({
  /** As `dataset.images` names it. */
  id: text,
  file: text,
  label: number,
  /** Cross-entropy of the head that was asked for; null where it is no number. */
  loss: v.nullable(number),
  /** Of each head, in the order of {@link ANSWERING}; the teacher's are missing where it could not read the image. */
  answers: v.array(v.object({ head: answering, top: v.array(answer) })),
});
export type EvaluatedImage = v.InferOutput<typeof evaluatedImage>;

export const evaluatedPage = v.object({ total: number, images: v.array(evaluatedImage) });
export type EvaluatedPage = v.InferOutput<typeof evaluatedPage>;

/** Choices of the images of an evaluation to look at, and of their order. */
export const IMAGE_CHOICES = ['all', 'wrong', 'disagree', 'heads'] as const;
export type ImageChoice = (typeof IMAGE_CHOICES)[number];

/** Most bytes of an image that is tried, and of one piece of it: a message of a WebSocket holds a megabyte. */
export const MOST_PHOTO_BYTES = 20 * 2 ** 20;
export const MOST_PIECE_BYTES = 512 * 2 ** 10;

/** An answer with the name of its class. */
const namedAnswer = v.object({ ...answer.entries, name: text, title });

/** The attention of one token. */
const oneAttention = v.object({
  /** From the last block back to the image (attention rollout): shares of all patches, row by row. */
  rolled: numbers,
  /**
   * Of each block and head [blocks, heads, patches] as it is: unsigned numbers of 16 bits, little-endian, in base64, of
   * which 65535 is the greatest weight of the block.
   */
  raw: text,
});

/** Attention of the extra tokens to the patches. */
const tokenAttention = v.object({
  /** Patches in a row, and rows. */
  side: number,
  blocks: number,
  heads: number,
  class: oneAttention,
  /** null without a distillation token. */
  distillation: v.nullable(oneAttention),
});
export type TokenAttention = v.InferOutput<typeof tokenAttention>;

/** The answers of a network and its teacher to an image that a person tries. */
/** The most probable classes of one file. */
export const filePrediction = v.object({ file: text, top: v.array(namedAnswer) });
export type FilePrediction = v.InferOutput<typeof filePrediction>;

export const photoAnswer = v.object({
  model: text,
  average: flag,
  /** The square that the student sees, as a JPEG in a data URL. */
  seen: text,
  inputSize: number,
  heads: v.array(v.object({ head: answering, top: v.array(namedAnswer) })),
  /** Where the tokens look; null for a network without them. */
  attention: v.nullable(tokenAttention),
  milliseconds: number,
});
export type PhotoAnswer = v.InferOutput<typeof photoAnswer>;
