import type { HistoryRow, RunState } from './events.ts';
import type { PlainError } from './errors.ts';
import type { Recipe, RecipeProblem } from './recipe.ts';

/** Plain data that calls return. Sizes are bytes, times milliseconds since 1970. */

export interface SystemInfo {
  version: string;
  platform: string;
  node: string;
  shell: 'electron' | 'server' | 'cli';
  cpu: string;
  threads: number;
  memory: number;
  memoryFree: number;
  runsFolder: string;
  cacheFolder: string;
  home: string;
  /** Path of the sample data set when it is built, else null. */
  sample: string | null;
}

export interface Folder {
  path: string;
  parent: string | null;
  entries: { name: string; path: string; kind: 'folder' | 'file'; bytes: number }[];
}

export type EngineDevice = 'cpu' | 'cuda';

export interface EngineStatus {
  state: 'missing' | 'partial' | 'unpacked' | 'verified' | 'broken';
  version: string;
  device: EngineDevice;
  path: string;
  bytesDownload: number;
  bytesOnDisk: number;
  bytesArrived: number;
  error: PlainError | null;
  /** GPUs that it found when it was last loaded; null for the CPU engine, or before it was loaded. */
  gpus: number | null;
  /** Why it found none. */
  gpuReason: string | null;
}

/** A GPU as its driver tells of it. */
export interface Gpu {
  /** As in `cuda:N`. */
  index: number;
  name: string;
  /** 0 while unknown. */
  memory: number;
  memoryFree: number | null;
  /** Compute capability, as 8.6. */
  capability: number | null;
  uuid: string;
}

/** The GPUs of this machine, and whether one computes. */
export interface GpuReport {
  /** The GPU engine. */
  engine: EngineStatus;
  /** Bytes that installing it takes on the disk while it lasts, and what is free there. */
  bytesNeeded: number;
  bytesFree: number;
  /** Version of the driver; null without one. */
  driver: string | null;
  gpus: Gpu[];
  /** Where the device that was asked for (`auto` unless said) means to compute: `cpu` or `cuda:N`. */
  device: string;
  /** Why that is not a GPU; null when it is. */
  reason: PlainError | null;
}

/** The CPU engine, and everything about GPUs. */
export interface EngineReport extends EngineStatus {
  gpu: GpuReport;
}

export interface ClassCount {
  name: string;
  /** What a synset of ImageNet-1k shows, in both languages; missing for other classes. */
  title?: { en: string; zh: string };
  train: number;
  val: number;
}

export type DatasetLayout = 'train-val' | 'classes';

export interface DatasetSummary {
  path: string;
  layout: DatasetLayout;
  classes: ClassCount[];
  train: number;
  val: number;
  /** True when val was made by the stratified split that Stillhouse offers for one-folder-per-class data. */
  splitMade: boolean;
  /** Pictures that the list of excluded ones leaves out; they are in no count. */
  excluded: number;
  warnings: PlainError[];
}

/**
 * Everything that a check can find. First what keeps a picture from being used, which the list of excluded ones then
 * holds; then files that are the same as another: of another class, for training and in val too, twice in a split; then
 * what is only odd: CMYK, 16 bits, palette, transparency, more frames than one, a turn asked for by Exif, above 100
 * million pixels, another format than the name says.
 */
export const FINDING_KINDS = [
  ...(['unreadable', 'truncated', 'empty'] as const),
  ...(['conflict', 'leak', 'duplicate'] as const),
  ...(['cmyk', 'deep', 'palette', 'alpha', 'animated', 'rotated', 'huge', 'misnamed'] as const),
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** Kinds of findings that a picture cannot be used with. */
export const UNUSABLE_KINDS: readonly FindingKind[] = ['unreadable', 'truncated', 'empty'];

export interface Finding {
  kind: FindingKind;
  count: number;
  /** In the order of the data set; a window gets the first thousand. */
  files: { file: string; reason: string }[];
}

/** What decoding every picture found. */
export interface DatasetReport {
  path: string;
  time: number;
  /** Pictures of the data set; more than were checked when the check was stopped. */
  total: number;
  checked: number;
  /** How many of them had not changed since an earlier check, and were not read again. */
  reused: number;
  /** Only kinds that were found, in the order of FINDING_KINDS. */
  findings: Finding[];
  /** Where the whole report lies, with every file. */
  file?: string;
}

/** The list of pictures that are left out of training and validation. */
export interface ExcludedList {
  /** Where the list lies; a person may edit it. */
  list: string;
  count: number;
  /** Kinds of the last check that are on it whole. */
  kinds: FindingKind[];
  /** The first thousand. */
  files: { file: string; reason: string }[];
}

export interface Picture {
  /** Opaque; the window shows it by `pictureUrl(id)`. */
  id: string;
  /** Relative to the data folder. */
  file: string;
  class: string;
}

export interface PicturePage {
  total: number;
  pictures: Picture[];
}

export interface ModelCard {
  name: string;
  family: 'deit' | 'efficientnet' | 'regnet' | 'resnet' | 'vit';
  role: 'student' | 'teacher';
  parameters: number;
  /** Work of one picture at the input size and 1000 classes, in 10⁹ multiply-adds, as papers count GFLOPs. */
  gflops: number;
  inputSize: number;
  distilled: boolean;
  /** Published ImageNet top-1 in percent, or null. */
  publishedTop1: number | null;
  /** True when `weights.fetch` can get ImageNet weights for it. */
  fetchable: boolean;
}

export interface RecipeCheck {
  problems: RecipeProblem[];
  errors: PlainError[];
  /** What is seldom meant; a training may start all the same. */
  warnings: PlainError[];
  scaledLr: number;
  stepsPerEpoch: number;
  classes: number;
  parameters: number;
  checkpointBytes: number;
  /** null while the model is not known. */
  disk: DiskCost | null;
}

/** What the checkpoints of a run take on its disk, bytes. */
export interface DiskCost {
  /** One of them. */
  checkpoint: number;
  /** How many stay at most; pinned ones come on top. */
  kept: number;
  /** All of those, and the one that is being written. */
  total: number;
  /** What the run has of it already. */
  held: number;
  free: number;
  /** Where. */
  path: string;
}

/** The learning rate over a whole run. */
export interface LrSchedule {
  /** Where the rate is told, in epochs from 0; a rate that changes by epoch is told at both ends of each. */
  epochs: number[];
  rates: number[];
  /** The epoch at which the rate is up; null without warm-up. */
  warmupEnd: number | null;
  /** The epoch from which it stays at its lowest; null without cool-down. */
  cooldownStart: number | null;
  end: number;
  peak: number;
  last: number;
  byStep: boolean;
}

/** How long a training will take, from how fast it was seen to go on this machine. */
export interface TimeForecast {
  imagesPerSecond: number;
  /** Of an epoch with its evaluation. */
  secondsPerEpoch: number;
  evaluationSeconds: number;
  /** Of the whole run. */
  seconds: number;
  /** The batch size that the speed was seen with. */
  batchSize: number;
  /** The run that it was seen in; null when a few steps were measured for it. */
  run: string | null;
  time: number;
}

/** What a text says as a recipe, and what is wrong with it, by line from 1. */
export interface RecipeReading {
  /** Settings that are whole; the others keep their defaults. */
  values: Partial<Recipe>;
  problems: { line: number; error: PlainError }[];
  /** Options of DeiT that change nothing here, and why. */
  unused: { line: number; key: string; why: string }[];
}

/** What trying the sample has still to download, bytes; 0 for what is there. */
export interface SampleCost {
  engine: number;
  data: number;
  teacher: number;
}

/** What a training will hold in memory, bytes. */
export interface MemoryForecast {
  /** Parameters of the student, and their average where one is kept. */
  parameters: number;
  /** What the optimizer keeps of them. */
  optimizer: number;
  teacher: number;
  /** Activations and gradients of the parts of a batch that are computed at a time. */
  activations: number;
  /** The program itself: engine, compiled code, decoded pictures. */
  process: number;
  total: number;
}

export interface RunSummary {
  id: string;
  path: string;
  created: number;
  model: string;
  teacher: string;
  dataPath: string;
  state: RunState;
  error: PlainError | null;
  epoch: number;
  epochs: number;
  /** Over its epochs: the best, the latest, and the best of the moving average; null before the first evaluation. */
  bestAcc1: number | null;
  lastAcc1: number | null;
  emaAcc1: number | null;
  bestAcc5: number | null;
  lastAcc5: number | null;
  emaAcc5: number | null;
  bestLoss: number | null;
  lastLoss: number | null;
  emaLoss: number | null;
  /** Spent training, without the time between a stop and its resume. */
  seconds: number;
  /** As last reported; null before the first report. */
  imagesPerSecond: number | null;
  bytes: number;
  pinned: boolean;
  tags: string[];
  note: string;
  /** True for a run that does not lie in the runs folder. */
  outside: boolean;
  /** True where nothing can be written into its folder. */
  readOnly: boolean;
}

export interface RunDetail {
  summary: RunSummary;
  recipe: Recipe;
  classes: string[];
  history: HistoryRow[];
  /** How many step rows there are, where `history` holds only some of them: `run.series` has all. */
  stepRows?: number;
  /** As that of `run.series`: a part of another revision does not belong to this `history`. */
  revision?: number;
}

/** A run that waits for its turn: a recipe to start, or a run to resume. */
export interface QueueEntry {
  id: string;
  added: number;
  recipe: Record<string, string | number | boolean> | null;
  /** Id of the run to go on with from its newest checkpoint. */
  resume: string | null;
  /** Why it could not start when its turn came; null while it waits. */
  error: PlainError | null;
}

/** The runs that wait, in their order. */
export interface QueueReport {
  entries: QueueEntry[];
  /** How many runs may train at the same time. */
  atOnce: number;
  /** Why none starts; null while the next does as soon as there is room. */
  paused: PlainError | null;
}

/** What one step of a run was made of, as TensorFlow's profiler saw it. */
export interface RunProfile {
  /** Optimizer step that was profiled. */
  step: number;
  batchSize: number;
  /** Milliseconds that the step took while it was profiled. */
  milliseconds: number;
  /** Milliseconds of all ops on all threads: ops run side by side, so that they may add up to more than the step. */
  opMilliseconds: number;
  /** Ops of equal type and shapes together, the most expensive first. */
  ops: OpTime[];
}

export interface OpTime {
  /** TensorFlow's name of the op, or the name of a kernel that XLA made of several. */
  op: string;
  /** Types and shapes of its inputs, like `float[8,5];int32[1]`; '' where they are unknown. */
  shapes: string;
  /** How often it ran in the step. */
  count: number;
  /** Milliseconds without the ops that ran inside it. */
  milliseconds: number;
}

export interface CheckpointInfo {
  /** File name inside the run's `checkpoints` folder. */
  file: string;
  epoch: number;
  step: number;
  time: number;
  bytes: number;
  /** Acc@1 in percent after this epoch, or null when it was not evaluated. */
  acc1: number | null;
  /** As `acc1`, of the moving average of the model; null where none is kept. */
  acc1Ema: number | null;
  best: boolean;
  bestEma: boolean;
  last: boolean;
  /** Retention never drops it. */
  pinned: boolean;
}

/** Formats of a run's history: for spreadsheets, for TensorBoard, as it is kept, and as DeiT's log.txt. */
export const HISTORY_FORMATS = ['csv', 'tensorboard', 'jsonl', 'log'] as const;
export type HistoryFormat = (typeof HISTORY_FORMATS)[number];

/** What a person deleted and may take back. */
export interface Trash {
  /** How long it is kept before it goes by itself. */
  days: number;
  /** The latest deleted first. */
  items: TrashItem[];
}

export interface TrashItem {
  run: string;
  /** Name in the trash of a checkpoint; null for a whole run. */
  file: string | null;
  /** Of the run. */
  model: string;
  /** Folder of the run, or file of the checkpoint as it was called. */
  path: string;
  bytes: number;
  /** When it was deleted. */
  time: number;
}

/** What a person says of a run. */
export interface RunNotes {
  pinned: boolean;
  tags: string[];
  note: string;
  /** Files of the pinned checkpoints. */
  checkpoints: string[];
}

/** Some pictures of a training batch, as the student will see them. */
export interface BatchPreview {
  epoch: number;
  batch: number;
  /** Batches of an epoch. */
  batches: number;
  pictures: PreviewPicture[];
}

export interface PreviewPicture {
  /** Relative to the data folder. */
  file: string;
  /** A JPEG as a data URL: after everything, erasing and mixing too, before normalising. */
  image: string;
  /** The classes that its label holds, by their shares, before smoothing; the picture's own first. */
  classes: { name: string; share: number }[];
  mix: 'none' | 'mixup' | 'cutmix';
  /** The picture that it is mixed with; null when it is not. */
  partner: string | null;
  /** Share of the stored picture's area that the crop took. */
  area: number;
  flipped: boolean;
  /** In order, with the number that was drawn: degrees, bits, threshold, factor, slope, pixels or radius. */
  operations: { name: string; amount: number }[];
  /** Rectangles that were erased. */
  erased: number;
}
