import * as v from 'valibot';
import { FIELDS, fieldOf, type Recipe, type RecipeKey, type RecipeProblem } from './recipe.ts';
import { flag, measured, number, numbers, oneOf, plainError, text, reasonOrText } from './shapes.ts';

/** Shapes of recipes and of the cost of their trainings in the answers of calls. Sizes are bytes. */

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** A whole recipe: every setting is there, each of its type. What its values may be, `recipe.ts` says. */
export const wholeRecipe = v.custom<Recipe>(
  (value) => isRecord(value) && FIELDS.every((field) => typeof value[field.key] === typeof field.default),
  'a recipe',
);
const partOfRecipe = v.custom<Partial<Recipe>>(
  (value) => isRecord(value) && Object.keys(value).every((key) => typeof value[key] === typeof fieldOf(key)?.default),
  'settings',
);

/** Settings as a person or a file gives them, before they are looked at. */
export const givenRecipe = v.record(
  v.pipe(v.string(), v.maxLength(64)),
  v.union([v.string(), v.number(), v.boolean()]),
);

const modelCard = v.object({
  name: text,
  family: oneOf(['deit', 'efficientnet', 'regnet', 'resnet', 'vit']),
  role: oneOf(['student', 'teacher']),
  parameters: number,
  /** Work of one image at the input size and 1000 classes, in 10⁹ multiply-adds, as papers count GFLOPs. */
  gflops: number,
  inputSize: number,
  distilled: flag,
  /** Published ImageNet top-1 in percent, or null. */
  publishedTop1: v.nullable(number),
  /** True when `weights.fetch` can get ImageNet weights for it. */
  fetchable: flag,
});
export const modelCards = v.array(modelCard);
export type ModelCard = v.InferOutput<typeof modelCard>;

const recipeProblem: v.GenericSchema<RecipeProblem> = v.object({
  key: v.custom<RecipeKey>((value) => typeof value === 'string' && fieldOf(value) !== undefined, 'a setting'),
  expected: reasonOrText,
  got: text,
});

/** Bytes of a run's checkpoints on its disk. */
const diskCost = v.object({
  /** One of them. */
  checkpoint: number,
  /** How many stay at most; pinned ones come on top. */
  kept: number,
  /** All of those, and the one that is being written. */
  total: number,
  /** Bytes that the run has already. */
  held: number,
  free: number,
  /** Where. */
  path: text,
});
export type DiskCost = v.InferOutput<typeof diskCost>;

export const recipeCheck = v.object({
  problems: v.array(recipeProblem),
  errors: v.array(plainError),
  /** Warnings of settings that are seldom meant; a training may start all the same. */
  warnings: v.array(plainError),
  scaledLr: measured,
  stepsPerEpoch: number,
  classes: number,
  parameters: number,
  checkpointBytes: number,
  /** null while the model is not known. */
  disk: v.nullable(diskCost),
});
export type RecipeCheck = v.InferOutput<typeof recipeCheck>;

/** The learning rate over a whole run. */
export const lrSchedule = v.object({
  /** Points of the curve, in epochs from 0; a rate that changes by epoch has one at both ends of each. */
  epochs: numbers,
  rates: numbers,
  /** The epoch at which the rate is up; null without warm-up. */
  warmupEnd: v.nullable(number),
  /** The epoch from which it stays at its lowest; null without cool-down. */
  cooldownStart: v.nullable(number),
  end: number,
  peak: number,
  last: number,
  byStep: flag,
});
export type LrSchedule = v.InferOutput<typeof lrSchedule>;

/** Forecasts how long a training will take, from how fast it was seen to go on this machine. */
export const timeForecast = v.object({
  imagesPerSecond: measured,
  /** Of an epoch with its evaluation. */
  secondsPerEpoch: measured,
  evaluationSeconds: measured,
  /** Of the whole run. */
  seconds: measured,
  /** The batch size that the speed was seen with. */
  batchSize: number,
  /** How many processes trained when it was seen. */
  processes: number,
  /** Of the whole run, in which the teacher is asked: what its kept answers save. null where that is not known. */
  teacherSeconds: v.nullable(number),
  /** The run that it was seen in; null when a few steps were measured for it. */
  run: v.nullable(text),
  time: number,
});
export type TimeForecast = v.InferOutput<typeof timeForecast>;

/** The settings that a text names, and its problems, by line from 1. */
export const recipeReading = v.object({
  /** Settings that are whole; the others keep their defaults. */
  values: partOfRecipe,
  problems: v.array(v.object({ line: number, error: plainError })),
  /** Options of DeiT that change nothing here, and why. */
  unused: v.array(v.object({ line: number, key: text, why: text })),
});
export type RecipeReading = v.InferOutput<typeof recipeReading>;

/** What is kept of a teacher's answers to a training, and what all of them would take. */
const answersForecast = v.object({
  /** The folder that holds them, or will. */
  path: text,
  /** Batches of the whole training, and how many of them are answered already. */
  batches: number,
  kept: number,
  /** Of the answers to all batches. */
  bytes: number,
  /** Most bytes of all kept answers, and what they take now. */
  budget: number,
  held: number,
  free: number,
  /** What the teacher took for a batch when it was asked; null where it never was. */
  millisecondsPerBatch: v.nullable(number),
});
export type AnswersForecast = v.InferOutput<typeof answersForecast>;

/** Counts the answers of a teacher that have been made ahead of a training. */
export const taughtAhead = v.object({
  path: text,
  /** Batches of the training, and how many of them are answered. */
  batches: number,
  kept: number,
  notes: v.array(plainError),
});
export type TaughtAhead = v.InferOutput<typeof taughtAhead>;

/** The kept answers of one teacher to one way of drawing batches. */
export const keptAnswers = v.array(
  v.object({
    id: text,
    path: text,
    teacher: text,
    /** The data folder that they were first made for. */
    dataPath: text,
    kind: oneOf(['decisions', 'logits']),
    /** The images that they are to. */
    of: oneOf(['training', 'validation']),
    batches: number,
    bytes: number,
    /** Milliseconds since 1970. */
    used: number,
    inUse: flag,
  }),
);
export type KeptStore = v.InferOutput<typeof keptAnswers>[number];

/** Bytes that a training will hold in memory. */
/** What a training would hold on accelerators. */
const deviceForecast = v.object({
  name: v.string(),
  /** Bytes on each of them: parameters, optimizer, teacher, activations, and images on their way. */
  total: number,
  /** Bytes that one lets a training have; null where nothing tells. */
  limit: v.nullable(number),
  /** The largest batch that fits, over all of them; null where that is not known, 0 where none does. */
  batch: v.nullable(number),
});

export const memoryForecast = v.object({
  /** Parameters of the student, and their average where one is kept. */
  parameters: number,
  /** Bytes that the optimizer keeps of them. */
  optimizer: number,
  teacher: number,
  /** Activations and gradients of the parts of a batch that are computed at a time. */
  activations: number,
  /** The program itself: engine, compiled code, decoded images. */
  process: number,
  /** In the machine's memory: all of these, or `process` alone where accelerators hold the others. */
  total: number,
  device: v.optional(deviceForecast),
  /** Of a recipe that is taught once, whose data are known. */
  answers: v.optional(answersForecast),
});
export type MemoryForecast = v.InferOutput<typeof memoryForecast>;
