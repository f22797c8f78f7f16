import { WITHOUT_AUGMENTATION, type Recipe } from './recipe.ts';

/**
 * Recipes to start from: what each changes of the defaults. The data folder and a student's teacher weights are the
 * person's own and never part of one.
 *
 * To add one: 1. a line here, 2. its name and its words in `src-renderer/i18n`.
 */
export interface Preset {
  id: string;
  /** What the run makes: a student to distil, or a teacher to distil from. */
  task: 'student' | 'teacher';
  values: Partial<Recipe>;
}

export const PRESETS: readonly Preset[] = [
  {
    id: 'sample-student',
    task: 'student',
    values: {
      model: 'deit_tiny_distilled_patch16_224',
      inputSize: 96,
      distillationType: 'hard',
      teacherModel: 'tf_efficientnet_lite0',
      epochs: 12,
      batchSize: 32,
      lr: 5e-4,
      unscaleLr: true,
      warmupEpochs: 0,
      dropPath: 0,
      scaleMin: 0.25,
      ...WITHOUT_AUGMENTATION,
    },
  },
  {
    id: 'paper-tiny-distilled',
    task: 'student',
    values: {
      model: 'deit_tiny_distilled_patch16_224',
      distillationType: 'hard',
      teacherModel: 'regnety_160',
      epochs: 300,
      batchSize: 1024,
    },
  },
  {
    id: 'deit-defaults',
    task: 'student',
    values: {},
  },
  {
    id: 'sample-teacher',
    task: 'teacher',
    values: {
      model: 'tf_efficientnet_lite0',
      inputSize: 96,
      epochs: 4,
      batchSize: 32,
      lr: 5e-4,
      unscaleLr: true,
      warmupEpochs: 0,
      weightDecay: 0.01,
      dropPath: 0,
      scaleMin: 0.25,
      ...WITHOUT_AUGMENTATION,
    },
  },
  {
    id: 'full-teacher',
    task: 'teacher',
    values: {
      model: 'tf_efficientnet_lite0',
      inputSize: 224,
      epochs: 30,
      batchSize: 64,
      lr: 5e-4,
      unscaleLr: true,
      warmupEpochs: 1,
      dropPath: 0,
      ...WITHOUT_AUGMENTATION,
    },
  },
];
