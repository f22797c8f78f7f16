import { scaledLr, type Recipe, type RecipeKey } from './recipe.ts';

/** What goes with a setting beside its own line: where the paper says its value, and what moves when it does. */

const TABLE_9: readonly RecipeKey[] = [
  ...(['epochs', 'batchSize', 'lr', 'weightDecay', 'warmupEpochs', 'smoothing', 'drop', 'dropPath', 'opt'] as const),
  ...(['sched', 'repeatedAug', 'clipGrad', 'aa', 'mixup', 'cutmix', 'reprob'] as const),
];
const SECTIONS: Partial<Record<RecipeKey, string>> = {
  model: 'table 1',
  inputSize: 'table 1',
  distillationType: 'table 3',
  distillationTau: 'section 5.2',
  distillationAlpha: 'section 5.2',
  teacherModel: 'table 2',
  evalHeads: 'section 4',
  dataPath: 'table 6',
};

/** Where the paper's value of a setting is from: a place in arXiv 2012.12877, or DeiT's `main.py`. */
export function sourceOf(key: RecipeKey): string {
  return TABLE_9.includes(key) ? 'table 9' : (SECTIONS[key] ?? 'main.py');
}

/** What a setting moves, as the name of a text of the window with the numbers in it; null where it moves nothing. */
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
