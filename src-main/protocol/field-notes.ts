import { scaledLr, type Recipe, type RecipeKey } from './recipe.ts';

/** Notes beside a setting's own line: where the paper gives its value, and which other values change with it. */

const TABLE_9: readonly RecipeKey[] = [
  ...(['epochs', 'batchSize', 'lr', 'weightDecay', 'warmupEpochs', 'smoothing', 'drop', 'dropPath', 'opt'] as const),
  ...(['sched', 'repeatedAug', 'clipGrad', 'aa', 'mixup', 'cutmix', 'reprob'] as const),
];
const PAPER = 'arXiv 2012.12877';
const TIMM = 'timm 0.3.2';
const PLACES: Partial<Record<RecipeKey, string>> = {
  model: 'table 1',
  inputSize: 'table 1',
  distillationType: 'table 3',
  twoClassTokens: 'section 4',
  distillationTau: PAPER,
  distillationAlpha: PAPER,
  teacherModel: 'table 2',
  evalHeads: PAPER,
  modelEma: 'table 8',
  scaleMin: TIMM,
  hflip: TIMM,
  clipMode: TIMM,
  dataPath: 'table 6',
};

/** Returns the source of the paper's value of a setting: the paper, a table of it, or the programs of DeiT and timm. */
export function sourceOf(key: RecipeKey): string {
  return TABLE_9.includes(key) ? 'table 9' : (PLACES[key] ?? 'main.py');
}

/**
 * Finds the text of the window that says which other value a setting changes, with the numbers in it; null where it
 * changes none.
 */
export function scalingOf(key: RecipeKey, recipe: Recipe): { name: string; params: Record<string, number> } | null {
  const { batchSize, lr, inputSize, microBatch, modelEmaDecay } = recipe;
  const used = Number(scaledLr(recipe).toPrecision(3));
  switch (key) {
    case 'lr':
      return recipe.unscaleLr
        ? { name: 'unscaled', params: { lr } }
        : { name: 'lr', params: { lr, batch: batchSize, used } };
    case 'batchSize':
      return { name: recipe.unscaleLr ? 'batchUnscaled' : 'batch', params: { used } };
    case 'inputSize': {
      const patch = Number(/_patch(\d+)/.exec(recipe.model)?.[1] ?? 0);
      return patch ? { name: 'tokens', params: { tokens: (inputSize / patch) ** 2 } } : { name: 'size', params: {} };
    }
    case 'microBatch':
      return microBatch > 0 ? { name: 'micro', params: { parts: Math.ceil(batchSize / microBatch) } } : null;
    case 'modelEmaDecay':
      return { name: 'average', params: { steps: Math.round(1 / (1 - modelEmaDecay)) } };
    case 'warmupLr':
    case 'minLr':
      return { name: 'fixed', params: {} };
    case 'epochs':
      return { name: 'epochs', params: {} };
    default:
      return null;
  }
}
