import * as v from 'valibot';
import type { Accelerator, PluginName } from '../protocol/device.ts';
import { batchPreview, datasetReport, datasetSummary } from '../protocol/dataset-data.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import { evaluationReport, filePrediction, photoAnswer } from '../protocol/evaluation.ts';
import { epochRow, headScore, historyRows, rankState } from '../protocol/events.ts';
import { exportCheck, writtenExport, type ExportItem } from '../protocol/export.ts';
import { memoryForecast, taughtAhead } from '../protocol/recipe-data.ts';
import type { Recipe } from '../protocol/recipe.ts';
import {
  FIRST,
  number,
  numbers,
  oneOf,
  plainError,
  text,
  texts,
  whatIsWrong,
  reasonOrText,
} from '../protocol/shapes.ts';
import { teacherCard } from '../protocol/teacher-card.ts';
import { throughput } from '../protocol/throughput.ts';
import type { LockOwner } from '../runs/lock.ts';

/**
 * Defines the messages to and from a job process. One process does one job and ends: exit code 0 when it is done or
 * stopped, 1 when it failed. Any failure inside arrives as `failed`; a process that ends without `done` or `failed`
 * died.
 *
 * To add a job: "A job" in docs/adding.md.
 */

/** The engine that a job runs on. */
export interface EngineChoice {
  /** Folder that holds the TensorFlow library. */
  engine: string;
  /** Threads inside one op; 0 or absent: one a core. */
  threads?: number;
  /** Devices of a plugin to compute on; null or absent: the processor, with TensorFlow. */
  gpu?: Accelerator | null;
  /** Why the processor computes on a machine that has a GPU; a training writes it down. */
  note?: PlainError | null;
}

/** The place of a job process among those that train one run together, and how they know each other. */
export interface RankedJob {
  rank: number;
  size: number;
  /** Where rank 0 listens; port 0 of rank 0: any free one, which it tells. */
  leader: { host: string; port: number };
  /** Shared by the ranks of this run alone; '' where there is none. */
  secret: string;
}

/** Takes part in a training as another rank than 0: rank 0 says what is trained. */
export interface RankJob extends EngineChoice {
  kind: 'rank';
  ranks: RankedJob;
}

/** Trains in a run folder, from the start or from where it stood. */
export interface TrainJob extends EngineChoice {
  kind: 'train';
  /** The run folder; made when it is not there yet. */
  run: string;
  recipe: Recipe;
  /** What was found in the recipe before, for the run to write down. */
  notes?: readonly PlainError[];
  /** Who holds the run for this job and hands it over; absent: the job takes it itself. */
  lock?: LockOwner;
  /** Absent: this process trains alone. It is rank 0 of these. */
  ranks?: RankedJob;
  /**
   * `new`: the folder must hold no checkpoint. `auto`: from its last complete checkpoint, from the start when there
   * is none. Else the path of a checkpoint, of this run or of another.
   */
  resume: string;
}

/** Scores a model on the validation images of a data set. */
export interface EvaluateJob extends EngineChoice {
  kind: 'evaluate';
  /** A weight file, a checkpoint, or a run folder, whose best checkpoint is meant. */
  weights: string;
  /** Changes to the recipe that a checkpoint was trained with, or for other files to the defaults. */
  settings: Partial<Recipe>;
  /** Score the moving average of the model in its place. */
  average?: boolean;
  /** The state dict to take of several, or the beginning of the names of its arrays. */
  entry?: string;
  /** A file with class names in the order of the outputs, in place of the weights' own. */
  classNames?: string;
  /** A folder of class folders to score on instead of the validation images. */
  folder?: string;
  /** File that tells which class a folder's number means; '' or absent: the model's own order, or ImageNet's. */
  classIndex?: string;
  /** ImageNet-ReaL's real.json; '' or absent: not scored by it. */
  realLabels?: string;
  /** Compares class and distillation token after each block, where there are two. */
  tokens?: boolean;
  /** Where to keep every image's answers, and what the weights are of; nothing is kept when left out. */
  keep?: { folder: string; run: string | null; checkpoint: string | null };
}

/** Loads a network once and answers images until it is stopped, on one thread and behind everything else. */
export interface PredictJob extends EngineChoice {
  kind: 'predict';
  /** A weight file or a checkpoint. */
  weights: string;
  average: boolean;
  /** Settings that the file itself does not name, and the teacher to ask beside it. */
  settings: Partial<Recipe>;
}

/** Answers image files in batches, telling each batch's answers as it comes. */
export interface PredictFilesJob extends EngineChoice {
  kind: 'predict-files';
  /** A weight file or a checkpoint. */
  weights: string;
  average: boolean;
  /** The state dict to take of several, or the beginning of the names of its arrays. */
  entry?: string;
  /** A file with class names in the order of the outputs, in place of the weights' own. */
  classNames?: string;
  /** The folder that `files` are relative to. */
  root: string;
  files: readonly string[];
  /** How many classes of each image to name. */
  top: number;
  /** Settings that the file itself does not name. */
  settings: Partial<Recipe>;
}

/** Scores a teacher, of whatever kind, on the validation images of a data set. */
export interface EvaluateTeacherJob extends EngineChoice {
  kind: 'evaluate-teacher';
  /** `dataPath`, `teacherPath` and what else a recipe says of evaluation. */
  settings: Partial<Recipe>;
}

/** Writes a network for others, in one format or several. */
export interface ExportJob extends EngineChoice {
  kind: 'export';
  /** A weight file or a checkpoint. */
  weights: string;
  items: readonly ExportItem[];
  /** Where those go that name no place. */
  folder: string;
  /** Export the moving average of the model in its place. */
  average?: boolean;
  /** The state dict to take of several, or the beginning of the names of its arrays. */
  entry?: string;
  /** A file with class names in the order of the outputs, in place of the weights' own. */
  classNames?: string;
  /** Settings that the file itself does not name, and the input size where it shall be another. */
  settings: Partial<Recipe>;
  /** Width of the images where they are not square. */
  inputWidth?: number;
  /** Whether another size was asked for, which the names of files then say. */
  resized: boolean;
  /** How images come into a graph: normalised, or as bytes with the normalisation inside; its format's usual when left out. */
  input?: 'pixel_values' | 'images';
  /** The licence that a model card names. */
  licence?: string;
  /** Bytes of arrays beyond which a weight file is divided over several. */
  shardBytes?: number;
}

/** Compares an export with the checkpoint that it was made from, and times it. */
export interface CheckExportJob extends EngineChoice {
  kind: 'check-export';
  /** The file, or of several the index. */
  path: string;
  checkpoint: string;
  /** It holds the moving average of the model. */
  average: boolean;
  /** The state dict that it holds of several, or the beginning of the names of its arrays. */
  entry?: string;
  /** How many validation images to compare the answers on. */
  images: number;
  /** Width of the images where they are not square. */
  inputWidth?: number;
  /** Changes to the recipe that the checkpoint was trained with, such as where the data lies. */
  settings: Partial<Recipe>;
}

/** Decodes every image of a data set. */
export interface CheckJob extends EngineChoice {
  kind: 'check';
  dataPath: string;
  /** File that keeps what was found of each image, for the next check. */
  results: string;
}

/** Logits of a given batch, for parity. */
export interface ForwardJob extends EngineChoice {
  kind: 'forward';
  model: string;
  weights: string;
  entry?: string;
  /** A file with class names in the order of the outputs, to write beside the logits. */
  classNames?: string;
  /** A safetensors file with normalised float32 images [B, 3, S, S], named `images` or alone in the file. */
  input: string;
  /** Gets `logits` [B, K] and, of a distilled model, `head` and `head_dist`. */
  output: string;
}

/** Tells what a training will hold in memory. No image is read. */
export interface ForecastJob extends EngineChoice {
  kind: 'forecast';
  recipe: Recipe;
  /** How many processes of this machine share each step; 1 when left out. */
  processes?: number;
  classes: readonly string[];
  /** Files of the data set to leave out. */
  excluded?: readonly string[];
}

/** Asks a teacher for its answers to the batches of a training that are not kept yet, and keeps them. */
export interface TeachJob extends EngineChoice {
  kind: 'teach';
  /** Its epochs say how far. */
  recipe: Recipe;
  /** Files of the data set to leave out. */
  excluded: readonly string[];
}

/** Times the first steps of a training. Nothing is written. */
export interface MeasureJob extends EngineChoice {
  kind: 'measure';
  recipe: Recipe;
  /** Files of the data set to leave out. */
  excluded: readonly string[];
}

/** Times how fast a network answers images, at batches from one upward. Nothing is read or written. */
export interface ThroughputJob extends EngineChoice {
  kind: 'throughput';
  recipe: Recipe;
  /** How many classes it tells apart. */
  classes: number;
}

/** Makes a training batch and shows some of its images. */
export interface PreviewJob extends EngineChoice {
  kind: 'preview';
  recipe: Recipe;
  /** Files of the data set to leave out. */
  excluded: readonly string[];
  epoch: number;
  /** Number of the batch in the epoch, from 0; the last one where there are fewer. */
  batch: number;
  /** Most images to show. */
  count: number;
}

/** Loads the engine and runs an op. */
export interface VerifyEngineJob extends EngineChoice {
  kind: 'verify-engine';
  /** The engine is this plugin: its first device computes. */
  plugin?: PluginName;
}

export type JobRequest =
  | RankJob
  | PredictJob
  | PredictFilesJob
  | TrainJob
  | EvaluateJob
  | EvaluateTeacherJob
  | ExportJob
  | CheckExportJob
  | CheckJob
  | ForwardJob
  | ForecastJob
  | MeasureJob
  | ThroughputJob
  | TeachJob
  | PreviewJob
  | VerifyEngineJob;

const { test, classHead, distillationHead, testEma, agreement } = epochRow.entries;

/** The result of a finished job, by its kind; null for one that was stopped. */
const RESULTS = {
  train: v.object({ state: oneOf(['finished', 'stopped']) }),
  rank: v.null(),
  evaluate: v.nullable(
    v.object({
      scores: v.object({ test, classHead, distillationHead, testEma, agreement }),
      report: evaluationReport,
      model: text,
      /** How many were scored; those left out are in `skipped`. */
      images: number,
      skipped: v.array(v.object({ file: text, reason: reasonOrText })),
      dataset: datasetSummary,
    }),
  ),
  'evaluate-teacher': v.nullable(
    v.object({
      score: headScore,
      card: teacherCard,
      images: number,
      dataset: datasetSummary,
    }),
  ),
  export: v.object({ written: v.array(writtenExport), notes: v.array(plainError) }),
  'check-export': v.nullable(exportCheck),
  predict: v.null(),
  'predict-files': v.object({
    model: text,
    images: number,
    skipped: v.array(v.object({ file: text, reason: reasonOrText })),
    notes: v.array(plainError),
  }),
  check: datasetReport,
  forward: v.object({ output: text, shape: numbers, notes: v.array(plainError) }),
  forecast: memoryForecast,
  measure: v.nullable(
    v.object({
      imagesPerSecond: number,
      /** Milliseconds of a batch that the teacher took; null without one, or where no clock can tell. */
      teacher: v.nullable(number),
    }),
  ),
  throughput: v.nullable(throughput),
  teach: v.nullable(taughtAhead),
  preview: batchPreview,
  'verify-engine': v.object({
    version: text,
    devices: texts,
    sight: v.nullable(v.object({ gpus: number, reason: v.nullable(reasonOrText) })),
  }),
} as const satisfies Record<JobRequest['kind'], v.GenericSchema>;

export type JobResults = { [Kind in keyof typeof RESULTS]: v.InferOutput<(typeof RESULTS)[Kind]> };
export type JobResult = JobResults[keyof JobResults];

/** Facts that a job process tells. Times are milliseconds since 1970. */
const jobEvent = v.variant('tell', [
  v.object({ tell: v.literal('ready') }),
  /** Rows that are in the run's history already. */
  v.object({ tell: v.literal('rows'), rows: historyRows }),
  v.object({ tell: v.literal('progress'), stage: text, done: number, total: number }),
  /** Once a second, also while a step runs; `memory` is the resident memory in bytes. */
  v.object({ tell: v.literal('alive'), time: number, memory: number }),
  /** Rank 0 waits for the others at this port. */
  v.object({ tell: v.literal('rendezvous'), port: number }),
  v.object({ tell: v.literal('ranks'), ranks: v.array(rankState) }),
  v.object({ tell: v.literal('pong') }),
  v.object({ tell: v.literal('answer'), question: number, answer: photoAnswer }),
  v.object({ tell: v.literal('refused'), question: number, error: plainError }),
  /** The classes of one batch of files, most probable first. */
  v.object({ tell: v.literal('predictions'), rows: v.array(filePrediction) }),
  v.object({ tell: v.literal('done'), result: v.unknown() }),
  v.object({ tell: v.literal('failed'), error: plainError }),
]);
export type JobEvent = v.InferOutput<typeof jobEvent>;

const answered = v.object({ tell: oneOf(['answer', 'refused']), question: number });
const ended = v.object({ tell: oneOf(['done', 'failed']) });

/**
 * Checks a message of a job process against its schema; null for a malformed one. A malformed answer, or end, becomes a
 * failure, because somebody waits for it.
 */
export function readJobEvent(message: unknown, kind: JobRequest['kind']): JobEvent | null {
  const event = v.safeParse(jobEvent, message, FIRST);
  if (!event.success) {
    const error = malformed(event.issues[0], kind);
    if (v.is(answered, message)) return { tell: 'refused', question: message.question, error };
    return v.is(ended, message) ? { tell: 'failed', error } : null;
  }
  if (event.output.tell !== 'done') return event.output;
  const result = v.safeParse(RESULTS[kind], event.output.result, FIRST);
  return result.success
    ? { tell: 'done', result: result.output }
    : { tell: 'failed', error: malformed(result.issues[0], kind) };
}

function malformed(issue: v.BaseIssue<unknown>, of: string): PlainError {
  return toPlainError(new StillhouseError('protocol.trainer', whatIsWrong(issue, of)));
}

const KINDS: ReadonlySet<unknown> = new Set(Object.keys(RESULTS));

/** A message to a job process. Only the kind of a job is checked here; the job itself checks the rest. */
const jobCommand = v.variant('do', [
  v.object({
    do: v.literal('start'),
    job: v.custom<JobRequest>((job) => KINDS.has((job as { kind?: unknown } | null | undefined)?.kind), 'a job'),
  }),
  v.object({ do: v.literal('stop') }),
  /** Only a training pauses; it saves first. */
  v.object({ do: v.literal('pause') }),
  v.object({ do: v.literal('continue') }),
  /** Shows a predict job the bytes of an image; it answers with the same number. */
  v.object({
    do: v.literal('ask'),
    question: number,
    image: v.custom<Uint8Array>((image) => image instanceof Uint8Array, 'bytes'),
  }),
  v.object({ do: v.literal('ping') }),
]);
export type JobCommand = v.InferOutput<typeof jobCommand>;

/** Checks a command as it arrived; null for anything else. */
export function readJobCommand(message: unknown): JobCommand | null {
  const command = v.safeParse(jobCommand, message, FIRST);
  return command.success ? command.output : null;
}
