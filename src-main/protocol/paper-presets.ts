import type { Preset, Published } from './preset-types.ts';
import type { Recipe } from './recipe.ts';

/**
 * The recipes of DeiT (arXiv 2012.12877) and DeiT III (2204.07118) as their authors give them, and what they say came
 * of them. Batch sizes are those of all their GPUs together.
 */

const README = 'github.com/facebookresearch/deit, README_deit.md';
const REVENGE = 'github.com/facebookresearch/deit, README_revenge.md';
const PAPER = 'arXiv 2012.12877';
const IMAGENET = 'ImageNet-1k';

/** Name of the size, GPUs, hours, top-1 without and with distillation. All are trained for 300 epochs. */
const SIZES: [string, number, string, number, number][] = [
  ['tiny', 4, 'below 72', 72.2, 74.5],
  ['small', 4, 'below 72', 79.9, 81.2],
  ['base', 16, '37', 81.8, 83.4],
];

const DISTILLED = { distillationType: 'hard', teacherModel: 'regnety_160' } as const;
/** Hard distillation; the teacher of the paper. */
const DEIT: Preset[] = SIZES.flatMap(([size, gpus, hours, top1, distilledTop1]): Preset[] => [
  {
    id: `deit-${size}`,
    task: 'student',
    group: 'deit',
    values: { model: `deit_${size}_patch16_224`, epochs: 300, batchSize: 1024 },
    published: { settings: README, data: IMAGENET, gpus, hours, top1, results: `${README}; hours: ${PAPER}` },
  },
  {
    id: `paper-${size}-distilled`,
    task: 'student',
    group: 'deit',
    needs: ['teacherPath'],
    values: { model: `deit_${size}_distilled_patch16_224`, ...DISTILLED, epochs: 300, batchSize: 1024 },
    // Only the command of the base model is published; hours are for training without a teacher.
    published: { settings: README, data: IMAGENET, ...(size === 'base' && { gpus }), top1: distilledTop1 },
  },
]);

const LONG: Preset = {
  id: 'paper-base-distilled-1000',
  task: 'student',
  group: 'deit',
  needs: ['teacherPath'],
  values: { model: 'deit_base_distilled_patch16_224', ...DISTILLED, epochs: 1000, batchSize: 1024 },
  published: { settings: PAPER, data: IMAGENET, top1: 84.2 },
};

/** A constant 5e-6 once it has warmed up: at a batch of 512 the rate is not scaled. */
const AT_384 = { inputSize: 384, epochs: 30, batchSize: 512, lr: 5e-6, minLr: 5e-6, weightDecay: 1e-8 } as const;

const TUNING: Preset[] = [
  {
    id: 'deit-base-384',
    task: 'student',
    group: 'tuning',
    needs: ['finetune'],
    // The published weights are from when DeiT fine-tuned in evaluation mode.
    values: { model: 'deit_base_patch16_384', ...AT_384, trainMode: false },
    published: { settings: README, data: IMAGENET, gpus: 16, top1: 82.9 },
  },
  {
    id: 'paper-base-distilled-384',
    task: 'student',
    group: 'tuning',
    needs: ['finetune', 'teacherPath'],
    values: { model: 'deit_base_distilled_patch16_384', ...DISTILLED, ...AT_384 },
    published: { settings: `${README} (without a teacher)`, data: IMAGENET, top1: 84.5, results: PAPER },
  },
];

/** Of CIFAR-10 and Cars. Whether its rate is before or after scaling is not said; of iNaturalist's it is: after. */
const BY_SGD: Partial<Recipe> = {
  batchSize: 768,
  opt: 'sgd',
  lr: 0.01,
  unscaleLr: true,
  weightDecay: 1e-4,
  epochs: 1000,
  reprob: 0,
  dropPath: 0,
};
const ISSUE = 'github.com/facebookresearch/deit/issues';
const CIFAR100 = { batchSize: 768, lr: 5e-6, unscaleLr: true, epochs: 1000 };
const INATURALIST = { batchSize: 768, lr: 7.5e-5, unscaleLr: true, epochs: 360, reprob: 0.1 };

function transfer(id: string, values: Partial<Recipe>, published: Omit<Published, 'results'>): Preset {
  return {
    id: `transfer-${id}`,
    task: 'student',
    group: 'transfer',
    needs: ['finetune'],
    values: { model: 'deit_base_patch16_224', ...values },
    published: { ...published, results: `${PAPER}, table 7` },
  };
}

const TRANSFER: Preset[] = [
  transfer('cifar10', BY_SGD, { settings: `${ISSUE}/45`, data: 'CIFAR-10', top1: 99.1 }),
  transfer('cifar100', CIFAR100, {
    settings: 'github.com/facebookresearch/dino/issues/144',
    data: 'CIFAR-100',
    top1: 90.8,
  }),
  transfer('flowers', BY_SGD, {
    settings: `${ISSUE}/45 (given for CIFAR-10 and Cars)`,
    data: 'Flowers-102',
    top1: 98.4,
  }),
  transfer('cars', BY_SGD, { settings: `${ISSUE}/45`, data: 'Stanford Cars', top1: 92.1 }),
  transfer('inat18', INATURALIST, { settings: `${ISSUE}/105`, data: 'iNaturalist 2018', top1: 73.2 }),
  transfer('inat19', INATURALIST, { settings: `${ISSUE}/105`, data: 'iNaturalist 2019', top1: 77.7 }),
];

/** Settings of every training from scratch of DeiT III. */
const FROM_SCRATCH: Partial<Recipe> = {
  deit3Style: 'authors',
  opt: 'lamb',
  unscaleLr: true,
  epochs: 800,
  batchSize: 2048,
  bceLoss: true,
  smoothing: 0,
  reprob: 0,
  threeAugment: true,
  evalCropRatio: 1,
};
/** Settings of every fine-tuning of DeiT III. */
const TUNED: Partial<Recipe> = {
  deit3Style: 'authors',
  lr: 1e-5,
  unscaleLr: true,
  epochs: 20,
  batchSize: 512,
  weightDecay: 0.1,
  reprob: 0,
  repeatedAug: false,
  evalCropRatio: 1,
};

function deit3(id: string, values: Partial<Recipe>, gpus: number, top1?: number): Preset {
  const tunes = values.epochs === TUNED.epochs;
  return {
    id: `deit3-${id}`,
    task: 'student',
    group: 'deit3',
    ...(tunes && { needs: ['finetune'] as const }),
    values,
    published: { settings: REVENGE, data: IMAGENET, gpus, ...(top1 !== undefined && { top1 }) },
  };
}

const [SMALL, BASE, LARGE, HUGE] = ['small_patch16', 'base_patch16', 'large_patch16', 'huge_patch14'].map(
  (size) => (side: number) => ({ model: `deit3_${size}_${side}` }),
);

const DEIT3: Preset[] = [
  deit3('small', { ...SMALL(224), ...FROM_SCRATCH, lr: 4e-3, dropPath: 0.05 }, 8, 81.4),
  deit3('base-192', { ...BASE(224), ...FROM_SCRATCH, inputSize: 192, lr: 3e-3, dropPath: 0.2 }, 8),
  deit3('large-192', { ...LARGE(224), ...FROM_SCRATCH, inputSize: 192, lr: 3e-3, dropPath: 0.45 }, 32),
  // The authors' 160 pixels give 11 × 11 patches of 14 and leave six pixels unseen.
  deit3('huge-160', { ...HUGE(224), ...FROM_SCRATCH, inputSize: 154, lr: 3e-3, dropPath: 0.6 }, 32),
  deit3('base', { ...BASE(224), ...TUNED, dropPath: 0.2 }, 8, 83.8),
  deit3('large', { ...LARGE(224), ...TUNED, dropPath: 0.45 }, 8, 84.9),
  deit3('huge', { ...HUGE(224), ...TUNED, dropPath: 0.55 }, 16, 85.2),
  deit3('small-384', { ...SMALL(384), ...TUNED, inputSize: 384, dropPath: 0 }, 8, 83.4),
  deit3('base-384', { ...BASE(384), ...TUNED, inputSize: 384, dropPath: 0.15 }, 16, 85),
  deit3('large-384', { ...LARGE(384), ...TUNED, inputSize: 384, dropPath: 0.4 }, 32, 85.8),
];

export const PAPER_PRESETS: readonly Preset[] = [...DEIT, LONG, ...TUNING, ...TRANSFER, ...DEIT3];
