import type { BatchPreview, DatasetReport, DatasetSummary, MemoryForecast } from '../protocol/data-types.ts';
import type { PlainError } from '../protocol/errors.ts';
import type { EvaluationReport, PhotoAnswer } from '../protocol/evaluation.ts';
import type { ExportCheck } from '../protocol/export.ts';
import type { HeadScore, HistoryRow } from '../protocol/events.ts';
import type { Recipe } from '../protocol/recipe.ts';
import type { TeacherCard } from '../protocol/teacher-card.ts';
import type { LockOwner } from '../runs/lock.ts';
import type { Sight } from '../runtime/engine-store.ts';
import type { Evaluation } from '../train/evaluate.ts';

/**
 * What a trainer process is told and what it tells. One process does one job and ends: exit code 0 when it is done
 * or stopped, 1 when it failed. Whatever goes wrong inside arrives as `failed`; a process that ends without `done`
 * or `failed` died.
 *
 * To add a job: 1. its shape here, with its result, 2. its file `<name>-job.ts`, 3. its line in `trainer.worker.ts`.
 */
export type TrainerCommand =
  | { do: 'start'; job: TrainerJob }
  | { do: 'stop' }
  /** Only a training pauses; it saves first. */
  | { do: 'pause' }
  | { do: 'continue' }
  /** Shows a predict job the bytes of a picture; it answers with the same number. */
  | { do: 'ask'; question: number; picture: Uint8Array }
  | { do: 'ping' };

/** The engine that a job runs on. */
export interface EngineChoice {
  /** Folder that holds the TensorFlow library. */
  engine: string;
  /** Threads inside one op; 0 or absent: one a core. */
  threads?: number;
  /** Number of the GPU to compute on; null or absent: the processor. */
  gpu?: number | null;
  /** Why the processor computes on a machine that has a GPU; a training writes it down. */
  note?: PlainError | null;
}

/** Trains in a run folder, from the start or from where it stood. */
export interface TrainJob extends EngineChoice {
  kind: 'train';
  /** The run folder; made when it is not there yet. */
  run: string;
  recipe: Recipe;
  /** Who holds the run for this job and hands it over; absent: the job takes it itself. */
  lock?: LockOwner;
  /**
   * `new`: the folder must hold no checkpoint. `auto`: from its last complete checkpoint, from the start when there
   * is none. Else the path of a checkpoint, of this run or of another.
   */
  resume: string;
}

/** Scores a model on the validation pictures of a data set. */
export interface EvaluateJob extends EngineChoice {
  kind: 'evaluate';
  /** A weight file, a checkpoint, or a run folder, whose best checkpoint is meant. */
  weights: string;
  /** What differs from the recipe that a checkpoint was trained with, or for other files from the defaults. */
  settings: Partial<Recipe>;
  /** Score the moving average of the model in its place. */
  average?: boolean;
  /** A folder of class folders to score on instead of the validation pictures. */
  folder?: string;
  /** File that tells which class a folder's number means; '' or absent: the model's own order, or ImageNet's. */
  classIndex?: string;
  /** ImageNet-ReaL's real.json; '' or absent: not scored by it. */
  realLabels?: string;
  /** Where to keep every picture's answers, and what the weights are of; nothing is kept when left out. */
  keep?: { folder: string; run: string | null; checkpoint: string | null };
}

/** Loads a network once and answers pictures until it is stopped, on one thread and behind everything else. */
export interface PredictJob extends EngineChoice {
  kind: 'predict';
  /** A weight file or a checkpoint. */
  weights: string;
  average: boolean;
  /** Classes by label, where the file does not name them. */
  classes: readonly string[] | null;
  /** What the file does not say of itself, and the teacher to ask beside it. */
  settings: Partial<Recipe>;
}

/** Scores a teacher, of whatever kind, on the validation pictures of a data set. */
export interface EvaluateTeacherJob extends EngineChoice {
  kind: 'evaluate-teacher';
  /** `dataPath`, `teacherPath` and what else a recipe says of evaluation. */
  settings: Partial<Recipe>;
}

/** Compares an export with the checkpoint that it was made from, and times it. */
export interface CheckExportJob extends EngineChoice {
  kind: 'check-export';
  /** The file, or of several the index. */
  path: string;
  checkpoint: string;
  /** It holds the moving average of the model. */
  average: boolean;
  /** How many validation pictures to compare the answers on. */
  pictures: number;
  /** What differs from the recipe that the checkpoint was trained with, such as where the data lies. */
  settings: Partial<Recipe>;
}

/** Decodes every picture of a data set. */
export interface CheckJob extends EngineChoice {
  kind: 'check';
  dataPath: string;
  /** File that keeps what was found of each picture, for the next check. */
  results: string;
}

/** Logits of a given batch, for parity. */
export interface ForwardJob extends EngineChoice {
  kind: 'forward';
  model: string;
  weights: string;
  /** A safetensors file with normalised float32 pictures [B, 3, S, S], named `images` or alone in the file. */
  input: string;
  /** Gets `logits` [B, K] and, of a distilled model, `head` and `head_dist`. */
  output: string;
}

/** Tells what a training will hold in memory. No picture is read. */
export interface ForecastJob extends EngineChoice {
  kind: 'forecast';
  recipe: Recipe;
  classes: readonly string[];
}

/** Times the first steps of a training. Nothing is written. */
export interface MeasureJob extends EngineChoice {
  kind: 'measure';
  recipe: Recipe;
  /** Files of the data set to leave out. */
  excluded: readonly string[];
}

/** Makes a training batch and shows some of its pictures. */
export interface PreviewJob extends EngineChoice {
  kind: 'preview';
  recipe: Recipe;
  /** Files of the data set to leave out. */
  excluded: readonly string[];
  epoch: number;
  /** Number of the batch in the epoch, from 0; the last one where there are fewer. */
  batch: number;
  /** Most pictures to show. */
  count: number;
}

/** Loads the engine and runs an op. */
export interface VerifyEngineJob extends EngineChoice {
  kind: 'verify-engine';
  /** The engine is one for GPUs: looks for them, and computes on the first. */
  gpus?: boolean;
}

export type TrainerJob =
  | PredictJob
  | TrainJob
  | EvaluateJob
  | EvaluateTeacherJob
  | CheckExportJob
  | CheckJob
  | ForwardJob
  | ForecastJob
  | MeasureJob
  | PreviewJob
  | VerifyEngineJob;

/** What a job gives when it is done, by its kind. */
export interface TrainerResults {
  train: { state: 'finished' | 'stopped' };
  /** null when it was stopped. */
  evaluate: {
    scores: Evaluation;
    report: EvaluationReport;
    model: string;
    /** How many were scored; those left out are in `skipped`. */
    pictures: number;
    skipped: { file: string; reason: string }[];
    dataset: DatasetSummary;
  } | null;
  /** null when it was stopped. */
  'evaluate-teacher': { score: HeadScore; card: TeacherCard; pictures: number; dataset: DatasetSummary } | null;
  /** null when it was stopped. */
  'check-export': ExportCheck | null;
  predict: null;
  check: DatasetReport;
  forward: { output: string; shape: number[] };
  forecast: MemoryForecast;
  /** null when it was stopped. */
  measure: { imagesPerSecond: number } | null;
  preview: BatchPreview;
  'verify-engine': { version: string; devices: string[]; sight: Sight | null };
}

export type TrainerResult = TrainerResults[keyof TrainerResults];

/** Facts that a trainer tells. Times are milliseconds since 1970. */
export type TrainerEvent =
  | { tell: 'ready' }
  /** Rows that are in the run's history already. */
  | { tell: 'rows'; rows: HistoryRow[] }
  | { tell: 'progress'; stage: string; done: number; total: number }
  /** Once a second, also while a step runs; `memory` is the resident memory in bytes. */
  | { tell: 'alive'; time: number; memory: number }
  | { tell: 'pong' }
  | { tell: 'answer'; question: number; answer: PhotoAnswer }
  | { tell: 'refused'; question: number; error: PlainError }
  | { tell: 'done'; result: TrainerResult }
  | { tell: 'failed'; error: PlainError };
