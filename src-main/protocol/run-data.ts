import * as v from 'valibot';
import { historyRows, runState } from './events.ts';
import { givenRecipe, wholeRecipe } from './recipe-data.ts';
import { flag, measured, number, oneOf, plainError, text, texts } from './shapes.ts';

/**
 * Shapes of runs, their checkpoints and the trash in the answers of calls. Sizes are bytes, times milliseconds since
 * 1970.
 */

const score = v.nullable(number);

const runSummary = v.object({
  id: text,
  path: text,
  created: number,
  model: text,
  teacher: text,
  dataPath: text,
  /** How many processes have trained it last; absent: one. */
  ranks: v.optional(number),
  state: runState,
  error: v.nullable(plainError),
  epoch: number,
  epochs: number,
  /** Over its epochs: the best, the latest, and the best of the moving average; null before the first evaluation. */
  bestAcc1: score,
  lastAcc1: score,
  emaAcc1: score,
  bestAcc5: score,
  lastAcc5: score,
  emaAcc5: score,
  bestLoss: score,
  lastLoss: score,
  emaLoss: score,
  /** Spent training, without the time between a stop and its resume. */
  seconds: number,
  /** As last reported; null before the first report. */
  step: v.nullable(number),
  stepsPerEpoch: v.nullable(number),
  imagesPerSecond: v.nullable(number),
  bytes: number,
  pinned: flag,
  tags: texts,
  note: text,
  /** True for a run that does not lie in the runs folder. */
  outside: flag,
  /** True where nothing can be written into its folder. */
  readOnly: flag,
});
export const runSummaries = v.array(runSummary);
export type RunSummary = v.InferOutput<typeof runSummary>;

export const runDetail = v.object({
  summary: runSummary,
  recipe: wholeRecipe,
  classes: texts,
  history: historyRows,
  /** How many step rows there are, where `history` holds only some of them: `run.series` has all. */
  stepRows: v.optional(number),
  /** As that of `run.series`: a part of another revision does not belong to this `history`. */
  revision: v.optional(number),
});
export type RunDetail = v.InferOutput<typeof runDetail>;

/** The recipes of several runs. */
export const runRecipes = v.array(v.object({ run: text, recipe: wholeRecipe }));

/** Counts the processes of this machine that train a run together. */
export const processes = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256));

/** A run that waits for its turn: a recipe to start, or a run to resume. */
const queueEntry = v.object({
  id: text,
  added: number,
  recipe: v.nullable(givenRecipe),
  /** Absent: one, or of a run to resume as many as before. */
  processes: v.optional(processes),
  /** Id of the run to go on with from its newest checkpoint. */
  resume: v.nullable(text),
  /** The plan of a distillation whose next training this is; `recipe` is its student's. */
  plan: v.optional(text),
  /** The study whose next training this is; `recipe` is that of all its runs. */
  study: v.optional(text),
  /** Why it could not start when its turn came; null while it waits. */
  error: v.nullable(plainError),
});
export type QueueEntry = v.InferOutput<typeof queueEntry>;

/** The runs that wait, in their order. */
export const queueReport = v.object({
  entries: v.array(queueEntry),
  /** How many runs may train at the same time. */
  atOnce: number,
  /** Why none starts; null while the next does as soon as there is room. */
  paused: v.nullable(plainError),
});
export type QueueReport = v.InferOutput<typeof queueReport>;

const opTime = v.object({
  /** TensorFlow's name of the op, or the name of a kernel that XLA made of several. */
  op: text,
  /** Types and shapes of its inputs, like `float[8,5];int32[1]`; '' where they are unknown. */
  shapes: text,
  /** How often it ran in the step. */
  count: number,
  /** Milliseconds without the ops that ran inside it. */
  milliseconds: measured,
});
export type OpTime = v.InferOutput<typeof opTime>;

/** The parts of one step of a run, as TensorFlow's profiler saw it. */
export const runProfile = v.object({
  /** Optimizer step that was profiled. */
  step: number,
  batchSize: number,
  /** Milliseconds that the step took while it was profiled. */
  milliseconds: measured,
  /** Milliseconds of all ops on all threads: ops run side by side, so that they may add up to more than the step. */
  opMilliseconds: measured,
  /** Ops of equal type and shapes together, the most expensive first. */
  ops: v.array(opTime),
});
export type RunProfile = v.InferOutput<typeof runProfile>;

/** The step whose loss or gradients were not finite, and the images it was made of. */
export const badStep = v.object({
  /** As texts: NaN and the infinities are no JSON. */
  loss: text,
  lossClass: text,
  lossDistillation: v.nullable(text),
  /** Whether it was the gradients: then the loss is a number. */
  gradients: flag,
  /** The optimizer step that failed, from 1. */
  step: number,
  epoch: number,
  /** Number of the batch in its epoch, from 0. */
  batch: number,
  lr: number,
  precision: text,
  dataPath: text,
  /** File in `checkpoints` with the state before the step; null when it was not good any more. */
  checkpoint: v.nullable(text),
  /** The first values of that state that were not finite. */
  spoilt: texts,
  images: v.array(
    v.object({
      /** As that of an image of the data; '' where the data cannot be read any more. */
      id: text,
      /** Relative to the data folder. */
      file: text,
      class: text,
    }),
  ),
  /** Where all of this lies. */
  path: text,
});
export type BadStep = v.InferOutput<typeof badStep>;

const checkpointInfo = v.object({
  /** File name inside the run's `checkpoints` folder. */
  file: text,
  epoch: number,
  step: number,
  time: number,
  bytes: number,
  /** Acc@1 in percent after this epoch, or null when it was not evaluated. */
  acc1: score,
  /** As `acc1`, of the moving average of the model; null where none is kept. */
  acc1Ema: score,
  best: flag,
  bestEma: flag,
  last: flag,
  /** Retention never drops it. */
  pinned: flag,
});
export const checkpointInfos = v.array(checkpointInfo);
export type CheckpointInfo = v.InferOutput<typeof checkpointInfo>;

/** Formats of a run's history: for spreadsheets, for TensorBoard, as it is kept, and as DeiT's log.txt. */
export const HISTORY_FORMATS = ['csv', 'tensorboard', 'jsonl', 'log'] as const;
export type HistoryFormat = (typeof HISTORY_FORMATS)[number];

/** A file that was written. */
export const writtenFile = v.object({ path: text, bytes: number });

const trashItem = v.object({
  kind: oneOf(['run', 'checkpoint', 'export']),
  run: text,
  /** Name in the trash of a checkpoint or an export; null for a whole run. */
  file: v.nullable(text),
  /** Of the run. */
  model: text,
  /** Folder of the run, or where the file was. */
  path: text,
  bytes: number,
  /** When it was deleted. */
  time: number,
});
export type TrashItem = v.InferOutput<typeof trashItem>;

/** The things that a person deleted and may take back. */
export const trash = v.object({
  /** How long it is kept before it goes by itself. */
  days: number,
  /** The latest deleted first. */
  items: v.array(trashItem),
});
export type Trash = v.InferOutput<typeof trash>;

/** A person's notes on a run. */
export interface RunNotes {
  pinned: boolean;
  tags: string[];
  note: string;
  /** Files of the pinned checkpoints. */
  checkpoints: string[];
}
