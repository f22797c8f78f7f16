import { PAPER_PRESETS } from './paper-presets.ts';
import type { Preset, PresetGroup } from './preset-types.ts';
import { flagOf, WITHOUT_AUGMENTATION, type RecipeKey } from './recipe.ts';

export const PRESET_GROUPS: readonly PresetGroup[] = ['sample', 'own', 'deit', 'tuning', 'transfer', 'deit3'];

/**
 * Recipes to start from: what each changes of the defaults. The data folder, weights to start from and a student's
 * teacher weights are the person's own and never part of one.
 *
 * To add one: "A preset" in docs/adding.md.
 */
export const PRESETS: readonly Preset[] = [
  {
    id: 'sample-student',
    task: 'student',
    group: 'sample',
    needs: ['teacherPath'],
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
  { id: 'deit-defaults', task: 'student', group: 'own', values: {} },
  {
    id: 'fine-tune',
    task: 'student',
    group: 'own',
    needs: ['finetune'],
    // Those of DeiT-B at 384 (README_deit.md), whose rate is a constant 5e-6 at their batch of 512.
    values: { epochs: 30, lr: 5e-6, unscaleLr: true, minLr: 5e-6, weightDecay: 1e-8 },
  },
  ...PAPER_PRESETS,
  {
    id: 'sample-teacher',
    task: 'teacher',
    group: 'sample',
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
    group: 'own',
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

/** Writes the command that trains by a preset. */
export function presetCommand({ id, task, needs = [] }: Preset): string {
  const flags = (['dataPath', ...needs] satisfies RecipeKey[]).map((key) => `--${flagOf(key)} ${OWN[key]}`);
  return ['stillhouse', task === 'teacher' ? 'teacher' : 'train', '--preset', id, ...flags].join(' ');
}

const OWN = { dataPath: 'DATA', finetune: 'WEIGHTS', teacherPath: 'TEACHER' } as const;
