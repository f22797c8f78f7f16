import { AUGMENTATION_FIELDS } from './augmentation-fields.ts';
import { DEVICE_PATTERN } from './device.ts';
import { StillhouseError } from './errors.ts';
import type { FieldOf } from './field.ts';
import { OPTIMIZER_FIELDS, SCHEDULE_FIELDS } from './optimizer-fields.ts';

/**
 * The recipe: every setting of a training run, as one described table. The form, the command line, validation and
 * the documentation follow from it. Names, defaults and meanings are those of DeiT's main.py where it has them.
 *
 * To add a setting: 1. a line in FIELDS, 2. its key in {@link Recipe}, 3. its label and help in
 * `src-renderer/i18n`, 4. the code that reads it.
 */
export interface Recipe {
  model: string;
  dataPath: string;
  splitSeed: number;
  outputDir: string;
  inputSize: number;
  epochs: number;
  batchSize: number;
  teacherModel: string;
  teacherPath: string;
  distillationType: 'none' | 'soft' | 'hard';
  distillationAlpha: number;
  distillationTau: number;
  lr: number;
  unscaleLr: boolean;
  sched: 'cosine' | 'tanh' | 'step' | 'plateau';
  schedOnUpdates: boolean;
  warmupEpochs: number;
  warmupLr: number;
  minLr: number;
  cooldownEpochs: number;
  decayEpochs: number;
  decayRate: number;
  patienceEpochs: number;
  /** One or two shares as a text, like `0.4 0.9`; '': none. */
  lrNoise: string;
  lrNoisePct: number;
  lrNoiseStd: number;
  opt: 'adamw' | 'sgd' | 'momentum' | 'lamb';
  weightDecay: number;
  optEps: number;
  optBeta1: number;
  optBeta2: number;
  momentum: number;
  clipGrad: number;
  clipMode: 'norm' | 'value' | 'agc';
  layerDecay: number;
  bceLoss: boolean;
  cosub: boolean;
  modelEma: boolean;
  modelEmaDecay: number;
  modelEmaWarmup: boolean;
  dropPath: number;
  drop: number;
  deit3Style: 'timm' | 'authors';
  evalHeads: 'mean' | 'softmax' | 'class' | 'distillation';
  attnOnly: boolean;
  trainMode: boolean;
  smoothing: number;
  scaleMin: number;
  hflip: number;
  trainInterpolation: 'random' | 'bilinear' | 'bicubic';
  /** RandAugment or AutoAugment as a text; '': off. */
  aa: string;
  colorJitter: number;
  threeAugment: boolean;
  src: boolean;
  reprob: number;
  remode: 'const' | 'rand' | 'pixel';
  recount: number;
  mixup: number;
  cutmix: number;
  /** Two shares as a text, like `0.2 0.8`; '': off. */
  cutmixMinmax: string;
  mixupProb: number;
  mixupSwitchProb: number;
  mixupMode: 'batch' | 'pair' | 'elem';
  repeatedAug: boolean;
  evalCropRatio: number;
  finetune: string;
  seed: number;
  precision: 'auto' | 'float32' | 'bfloat16' | 'float16';
  microBatch: number;
  recompute: boolean;
  /** `auto`, `cpu`, `cuda` or `cuda:N`. */
  device: string;
  numWorkers: number;
  saveEvery: number;
  saveMinutes: number;
  stallMinutes: number;
  keepCheckpoints: number;
  tensorboard: boolean;
  profile: boolean;
}

export type RecipeKey = keyof Recipe;

/** A setting of the recipe. */
export type Field = FieldOf<RecipeKey>;

export const FIELDS: readonly Field[] = [
  {
    key: 'dataPath',
    type: 'path',
    group: 'data',
    simple: true,
    default: '',
    unit: '',
    paper: 'ImageNet',
    label: 'Data folder',
    help: 'A folder with train/<class>/ and val/<class>/, or one folder per class; or tar archives of these.',
  },
  {
    key: 'splitSeed',
    type: 'integer',
    group: 'data',
    simple: false,
    default: 0,
    min: 0,
    max: 4294967295,
    unit: '',
    paper: '',
    label: 'Split seed',
    help: 'Where the data have no val, which tenth of each class is set aside for it. The same for teacher and student.',
  },
  {
    key: 'inputSize',
    type: 'integer',
    group: 'data',
    simple: true,
    default: 224,
    min: 16,
    max: 1024,
    unit: 'pixels',
    paper: '224',
    label: 'Input size',
    help: 'Side of the square image the student sees; a multiple of the patch size.',
  },
  {
    key: 'evalCropRatio',
    type: 'number',
    group: 'data',
    simple: false,
    default: 0.875,
    min: 0.1,
    max: 1,
    unit: '',
    paper: '0.875',
    label: 'Evaluation crop ratio',
    help: 'For evaluation the shorter edge becomes input size / ratio, then the centre is cropped.',
  },
  {
    key: 'model',
    type: 'text',
    group: 'model',
    simple: true,
    default: 'deit_tiny_distilled_patch16_224',
    unit: '',
    paper: 'deit_base_distilled_patch16_224',
    label: 'Student',
    help: 'Model to train, by its timm name.',
  },
  {
    key: 'finetune',
    type: 'path',
    group: 'model',
    simple: false,
    default: '',
    unit: '',
    paper: '',
    label: 'Start from weights',
    help: 'A .safetensors or .pth file to start from; a head of other classes and a distillation token it lacks are made anew.',
  },
  {
    key: 'dropPath',
    type: 'number',
    group: 'model',
    simple: false,
    default: 0.1,
    min: 0,
    max: 0.9,
    unit: '',
    paper: '0.1',
    label: 'Stochastic depth',
    help: 'Largest rate at which a residual branch is skipped; grows linearly from 0 over the blocks.',
  },
  {
    key: 'drop',
    type: 'number',
    group: 'model',
    simple: false,
    default: 0,
    min: 0,
    max: 0.9,
    unit: '',
    paper: '0',
    label: 'Dropout',
    help: 'Share of numbers set to 0: after positions, attention and MLP layers; in CNNs before the head.',
  },
  {
    key: 'deit3Style',
    type: 'choice',
    group: 'model',
    simple: false,
    default: 'timm',
    choices: ['timm', 'authors'],
    unit: '',
    paper: '',
    label: 'DeiT III style',
    help: 'authors: LayerScale from 1e-4, one rate of stochastic depth, dropout before the head. timm: 1e-6.',
  },
  {
    key: 'evalHeads',
    type: 'choice',
    group: 'model',
    simple: false,
    default: 'mean',
    choices: ['mean', 'softmax', 'class', 'distillation'],
    unit: '',
    paper: 'softmax',
    label: 'Deciding heads',
    help: 'Of a distilled model: mean of both logits (DeiT), of both probabilities (paper), or one head alone.',
  },
  {
    key: 'attnOnly',
    type: 'boolean',
    group: 'model',
    simple: false,
    default: false,
    unit: '',
    paper: 'off',
    label: 'Attention only',
    help: 'Train attention, class head and position embedding; the rest stays as it starts and takes no memory to train.',
  },
  {
    key: 'trainMode',
    type: 'boolean',
    group: 'model',
    simple: false,
    default: true,
    unit: '',
    paper: 'on',
    label: 'Train mode',
    help: 'Off: as DeiT once fine-tuned, without stochastic depth and on the mean of both heads.',
  },
  {
    key: 'distillationType',
    type: 'choice',
    group: 'distillation',
    simple: true,
    default: 'none',
    choices: ['none', 'soft', 'hard'],
    unit: '',
    paper: 'hard',
    label: 'Distillation',
    help: "hard: the teacher's decision is the label. soft: its probabilities are. none: no teacher.",
  },
  {
    key: 'teacherModel',
    type: 'text',
    group: 'distillation',
    simple: true,
    default: 'regnety_160',
    unit: '',
    paper: 'regnety_160',
    label: 'Teacher',
    help: 'Network of the teacher weights, by its timm name.',
  },
  {
    key: 'teacherPath',
    type: 'path',
    group: 'distillation',
    simple: true,
    default: '',
    unit: '',
    paper: '',
    label: 'Teacher weights',
    help: 'Weight file, ONNX file or SavedModel folder; the teacher must know the classes of the data set.',
  },
  {
    key: 'distillationAlpha',
    type: 'number',
    group: 'distillation',
    simple: false,
    default: 0.5,
    min: 0,
    max: 1,
    unit: '',
    paper: '0.5',
    label: 'Distillation weight',
    help: 'Share of the distillation loss in the total.',
  },
  {
    key: 'distillationTau',
    type: 'number',
    group: 'distillation',
    simple: false,
    default: 1,
    min: 0.01,
    max: 100,
    unit: '',
    paper: '3 (soft)',
    label: 'Temperature',
    help: 'Softens the probabilities of both networks; soft distillation only.',
  },
  {
    key: 'epochs',
    type: 'integer',
    group: 'schedule',
    simple: true,
    default: 300,
    min: 1,
    max: 100000,
    unit: 'epochs',
    paper: '300',
    label: 'Epochs',
    help: 'Passes over the training images; also the length of the cosine.',
  },
  {
    key: 'batchSize',
    type: 'integer',
    group: 'schedule',
    simple: true,
    default: 64,
    min: 1,
    max: 65536,
    unit: 'images',
    paper: '1024',
    label: 'Batch size',
    help: 'Images per step.',
  },
  {
    key: 'lr',
    type: 'number',
    group: 'schedule',
    simple: true,
    default: 5e-4,
    min: 0,
    max: 10,
    unit: 'per 512 images',
    paper: '5e-4',
    label: 'Learning rate',
    help: 'Base rate; multiplied by batch size / 512 unless unscaled.',
  },
  {
    key: 'unscaleLr',
    type: 'boolean',
    group: 'schedule',
    simple: false,
    default: false,
    unit: '',
    paper: 'off',
    label: 'Do not scale the rate',
    help: 'Use the learning rate as given, whatever the batch size.',
  },
  ...SCHEDULE_FIELDS,
  ...OPTIMIZER_FIELDS,
  {
    key: 'smoothing',
    type: 'number',
    group: 'augmentation',
    simple: false,
    default: 0.1,
    min: 0,
    max: 0.999,
    unit: '',
    paper: '0.1',
    label: 'Label smoothing',
    help: 'Share of the label spread evenly over all classes.',
  },
  {
    key: 'scaleMin',
    type: 'number',
    group: 'augmentation',
    simple: false,
    default: 0.08,
    min: 0.01,
    max: 1,
    unit: '',
    paper: '0.08',
    label: 'Smallest crop',
    help: "Least share of the image's area that a random crop keeps.",
  },
  {
    key: 'hflip',
    type: 'number',
    group: 'augmentation',
    simple: false,
    default: 0.5,
    min: 0,
    max: 1,
    unit: '',
    paper: '0.5',
    label: 'Flip',
    help: 'Chance of a left-right flip.',
  },
  ...AUGMENTATION_FIELDS,
  {
    key: 'seed',
    type: 'integer',
    group: 'run',
    simple: false,
    default: 0,
    min: 0,
    max: 4294967295,
    unit: '',
    paper: '0',
    label: 'Seed',
    help: 'Every random draw of the run follows from it.',
  },
  {
    key: 'precision',
    type: 'choice',
    group: 'run',
    simple: false,
    default: 'auto',
    choices: ['auto', 'float32', 'bfloat16', 'float16'],
    unit: '',
    paper: 'float16 (AMP)',
    label: 'Precision',
    help: 'Of matrix products while training; all else is float32. float16 scales the loss, for GPUs without bfloat16. auto: bfloat16 where the device multiplies it.',
  },
  {
    key: 'microBatch',
    type: 'integer',
    group: 'run',
    simple: false,
    default: 0,
    min: 0,
    max: 65536,
    unit: 'images',
    paper: '',
    label: 'Micro-batch',
    help: 'Images computed at a time; gradients of a batch are accumulated, so fewer only need less memory. 0: fastest.',
  },
  {
    key: 'recompute',
    type: 'boolean',
    group: 'run',
    simple: false,
    default: false,
    unit: '',
    paper: '',
    label: 'Recompute activations',
    help: 'Compute each block again for its gradient instead of keeping it: about a third slower, far less memory.',
  },
  {
    key: 'device',
    type: 'text',
    group: 'run',
    simple: false,
    default: 'auto',
    pattern: DEVICE_PATTERN,
    expected: 'auto, cpu or cuda:0, cuda:1 …',
    unit: '',
    paper: 'cuda',
    label: 'Device',
    help: 'Where to compute: cpu, cuda:0 for the first GPU, or auto, a GPU where one can be used.',
  },
  {
    key: 'numWorkers',
    type: 'integer',
    group: 'run',
    simple: false,
    default: 2,
    min: 1,
    max: 64,
    unit: 'threads',
    paper: '10',
    label: 'Image threads',
    help: 'Threads that decode and augment images ahead of the step.',
  },
  {
    key: 'saveEvery',
    type: 'integer',
    group: 'run',
    simple: false,
    default: 1,
    min: 1,
    max: 100000,
    unit: 'epochs',
    paper: '1',
    label: 'Save every',
    help: 'Epochs between checkpoints; the last epoch is always saved.',
  },
  {
    key: 'saveMinutes',
    type: 'number',
    group: 'run',
    simple: false,
    default: 15,
    min: 0,
    max: 100000,
    unit: 'minutes',
    paper: '',
    label: 'Save at least every',
    help: 'Also saves within an epoch when the last checkpoint is so old: no more than this is lost when the machine fails. 0: only after epochs.',
  },
  {
    key: 'stallMinutes',
    type: 'number',
    group: 'run',
    simple: false,
    default: 30,
    min: 0,
    max: 100000,
    unit: 'minutes',
    paper: '',
    label: 'End when stuck for',
    help: 'A run that finishes no step and answers nothing for so long is ended and can be resumed; the first step, which compiles, may take four times as long. 0: never.',
  },
  {
    key: 'keepCheckpoints',
    type: 'integer',
    group: 'run',
    simple: false,
    default: 3,
    min: 1,
    max: 100000,
    unit: 'checkpoints',
    paper: '1',
    label: 'Keep checkpoints',
    help: 'How many of the newest stay on disk. The best by Acc@1, the best by that of the moving average and pinned ones stay beside them; older ones are deleted at once.',
  },
  {
    key: 'tensorboard',
    type: 'boolean',
    group: 'run',
    simple: false,
    default: false,
    unit: '',
    paper: '',
    label: 'TensorBoard files',
    help: 'Writes event files to the folder tensorboard of the run while it trains, for: tensorboard --logdir. A finished run gives them with: stillhouse history --format tensorboard.',
  },
  {
    key: 'profile',
    type: 'boolean',
    group: 'run',
    simple: false,
    default: false,
    unit: '',
    paper: '',
    label: 'Profile',
    help: 'Writes what happened when to trace.json in the run folder (for Perfetto or chrome://tracing), and times each op of one step.',
  },
  {
    key: 'outputDir',
    type: 'path',
    group: 'run',
    simple: false,
    default: '',
    unit: '',
    paper: '',
    label: 'Run folder',
    help: 'Where history, checkpoints and exports go; empty: a new folder among your runs.',
  },
];

const byKey = new Map<string, Field>(FIELDS.map((field) => [field.key, field]));

/** The field of a key, or undefined for an unknown key. */
export function fieldOf(key: string): Field | undefined {
  return byKey.get(key);
}

/** DeiT's flag of a key without the leading dashes: `teacherModel` → `teacher-model`. */
export function flagOf(key: RecipeKey): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A fresh recipe with every default. */
export function defaultRecipe(): Recipe {
  return Object.fromEntries(FIELDS.map((field) => [field.key, field.default])) as unknown as Recipe;
}

/** One thing wrong with a recipe, for the form to show beside its field. */
export interface RecipeProblem {
  key: RecipeKey;
  expected: string;
  got: string;
}

/** What is wrong with one value, or undefined. */
export function checkField(field: Field, value: unknown): RecipeProblem | undefined {
  const problem = (expected: string): RecipeProblem => ({ key: field.key, expected, got: JSON.stringify(value) });
  switch (field.type) {
    case 'integer':
    case 'number': {
      const range = `${field.type === 'integer' ? 'a whole number' : 'a number'} from ${field.min} to ${field.max}`;
      const good =
        typeof value === 'number' && (field.type === 'number' ? Number.isFinite(value) : Number.isInteger(value));
      return good && value >= field.min && value <= field.max ? undefined : problem(range);
    }
    case 'boolean':
      return typeof value === 'boolean' ? undefined : problem('true or false');
    case 'choice':
      return typeof value === 'string' && field.choices.includes(value)
        ? undefined
        : problem(`one of ${field.choices.join(', ')}`);
    case 'text':
    case 'path':
      if (typeof value !== 'string' || value.includes('\0')) return problem('text');
      if (field.pattern && !new RegExp(field.pattern).test(value)) return problem(field.expected ?? field.pattern);
      return undefined;
  }
}

/**
 * A complete recipe from partial plain data.
 * @throws StillhouseError `recipe.unknown-key` or `recipe.invalid`, naming the first key at fault.
 */
export function parseRecipe(given: Record<string, unknown>): Recipe {
  const recipe = { ...defaultRecipe() } as Record<RecipeKey, unknown>;
  for (const [key, value] of Object.entries(given)) {
    const field = byKey.get(key);
    if (!field) throw new StillhouseError('recipe.unknown-key', { key });
    const problem = checkField(field, value);
    if (problem) throw new StillhouseError('recipe.invalid', { ...problem });
    recipe[field.key] = value;
  }
  return recipe as unknown as Recipe;
}

/** Of augmentation, only random crop and flip: what images met before the other settings existed. */
export const WITHOUT_AUGMENTATION = {
  aa: '',
  colorJitter: 0,
  reprob: 0,
  mixup: 0,
  cutmix: 0,
  repeatedAug: false,
} as const satisfies Partial<Recipe>;

/**
 * The recipe that a run or checkpoint was written with. A setting that it does not name did not exist then: it is off,
 * whatever the default is today.
 * @throws as {@link parseRecipe}.
 */
export function parseSavedRecipe(saved: Record<string, unknown>): Recipe {
  return parseRecipe({ ...WITHOUT_AUGMENTATION, ...saved });
}

/** Whether the images of a batch are mixed with one another. */
export function mixes({ mixup, cutmix, cutmixMinmax }: Recipe): boolean {
  return mixup > 0 || cutmix > 0 || cutmixMinmax.trim() !== '';
}

/** Whether rectangles of images are erased; as in DeiT, 3-Augment leaves that out. */
export function erases({ reprob, threeAugment }: Recipe): boolean {
  return reprob > 0 && !threeAugment;
}

/** Epochs that are trained: as in timm, cool-down comes after the end of a cosine or tanh. */
export function totalEpochs({ sched, epochs, cooldownEpochs }: Recipe): number {
  return epochs + (sched === 'cosine' || sched === 'tanh' ? cooldownEpochs : 0);
}

/** The learning rate actually used: lr × batch / 512 unless unscaled. */
export function scaledLr(recipe: Recipe): number {
  return recipe.unscaleLr ? recipe.lr : (recipe.lr * recipe.batchSize) / 512;
}
