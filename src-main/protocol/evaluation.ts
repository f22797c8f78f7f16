/**
 * What an evaluation found, as plain data. Letters: n pictures, K classes. Accuracies and shares are in percent,
 * probabilities and confidences in 0…1.
 */

/**
 * Who answered: `test` is what decides (both heads as the recipe joins them, or the only one), `class` and
 * `distillation` are the heads of a distilled network apart.
 */
export const ANSWERING = ['test', 'class', 'distillation', 'teacher'] as const;
export type Answering = (typeof ANSWERING)[number];

/** Answers that are kept of each picture. */
export const KEPT_ANSWERS = 5;
/** Bins of equal width in which calibration is measured. */
export const CALIBRATION_BINS = 15;

/** One head over all pictures. */
export interface HeadReport {
  head: Answering;
  acc1: number;
  acc5: number;
  /** Mean over pictures of the negative log-likelihood of the label, in nats; null where answers are no numbers. */
  nll: number | null;
  /** Mean probability of the decision; null as above. */
  confidence: number | null;
  /** Expected calibration error over {@link CALIBRATION_BINS} bins, 0…1. */
  ece: number;
  /** Pictures on which it decides as the teacher; null without one, and for the teacher. */
  agreement: number | null;
  /** By ImageNet-ReaL's labels, over the pictures that have one; null where they were not asked for. */
  real: { acc1: number; pictures: number } | null;
}

/** What was evaluated, on what, and what came out: `<id>.json` beside the answers. */
export interface EvaluationFacts {
  id: string;
  time: number;
  /** The file that held the weights. */
  weights: string;
  /** Run and checkpoint that they are of; null for weights from elsewhere. */
  run: string | null;
  checkpoint: string | null;
  /** Whether the moving average of the model was taken. */
  average: boolean;
  model: string;
  inputSize: number;
  cropRatio: number;
  /** How a network with two heads decides. */
  evalHeads: string;
  /** The data folder. */
  data: string;
  /** What of it: its validation pictures, or everything in class folders. */
  pictures: 'val' | 'folder';
  /** How many were scored, and how many could not be read. */
  count: number;
  skipped: number;
  teacher: string | null;
  /** The loss as DeiT reports it: the mean over batches; null where it is no number. */
  loss: number | null;
  seconds: number;
  heads: HeadReport[];
}

/** One class in the answers of one head. */
export interface ClassReport {
  name: string;
  title?: { en: string; zh: string };
  /** Pictures of the class, and pictures that were taken for it. */
  count: number;
  predicted: number;
  /** Recall is acc1. Null where the class has no picture. */
  acc1: number | null;
  acc5: number | null;
  /** Null where no picture was taken for it. */
  precision: number | null;
  /** Null where it has no picture and none was taken for it. */
  f1: number | null;
  confidence: number | null;
  agreement: number | null;
  /** What its pictures are most often taken for, if not for itself. */
  confused: { label: number; count: number } | null;
}

/** Pictures whose decision was held for about equally likely. */
export interface CalibrationBin {
  count: number;
  /** Means over the bin; 0 in an empty one. */
  confidence: number;
  accuracy: number;
}

/** Everything about one head. */
export interface EvaluationReport {
  facts: EvaluationFacts;
  head: Answering;
  classes: ClassReport[];
  /** Cells of the confusion matrix that are not 0, flat: class, decision, pictures; by class, then decision. */
  confusion: number[];
  bins: CalibrationBin[];
}

/** One of the most likely classes of a picture, the likeliest first. */
export interface Answer {
  label: number;
  chance: number;
}

export interface EvaluatedPicture {
  /** As `dataset.pictures` names it. */
  id: string;
  file: string;
  label: number;
  /** Cross-entropy of the head that was asked for; null where it is no number. */
  loss: number | null;
  /** Of each head, in the order of {@link ANSWERING}; the teacher's are missing where it could not read the picture. */
  answers: { head: Answering; top: Answer[] }[];
}

export interface EvaluatedPage {
  total: number;
  pictures: EvaluatedPicture[];
}

/** What pictures of an evaluation are looked at, and in which order. */
export const PICTURE_CHOICES = ['all', 'wrong', 'disagree'] as const;
export type PictureChoice = (typeof PICTURE_CHOICES)[number];

/** Most bytes of a picture that is tried, and of one piece of it: a message of a WebSocket holds a megabyte. */
export const MOST_PHOTO_BYTES = 20 * 2 ** 20;
export const MOST_PIECE_BYTES = 512 * 2 ** 10;

/** An answer with the name of its class. */
export interface NamedAnswer extends Answer {
  name: string;
  title?: { en: string; zh: string };
}

/** What a network and its teacher say of a picture that was tried. */
export interface PhotoAnswer {
  model: string;
  average: boolean;
  /** The square that the student sees, as a JPEG in a data URL. */
  seen: string;
  inputSize: number;
  heads: { head: Answering; top: NamedAnswer[] }[];
  /** Where the tokens look; null for a network without them. */
  attention: TokenAttention | null;
  milliseconds: number;
}

/** Attention of the extra tokens to the patches, from the last block back to the picture (attention rollout). */
export interface TokenAttention {
  /** Patches in a row, and rows. */
  side: number;
  /** Shares of all patches, row by row. */
  class: number[];
  /** null without a distillation token. */
  distillation: number[] | null;
}
