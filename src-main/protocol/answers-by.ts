import { DISTILLATIONS } from './distillations.ts';
import { erases, type Recipe, type RecipeKey } from './recipe.ts';

/**
 * Says how each setting of a recipe decides what a teacher answers. `value`: it is in the key. Through `data`: the
 * list of the images. Through `teacher`: its files and its card. Through `student`: the size of its images, and the
 * colours that erased ones get. Through `form`: what is kept of an answer. `none`: two recipes that differ in it have
 * the same answers, as a test shows.
 */
export const ANSWERS_BY: Readonly<Record<RecipeKey, 'value' | 'data' | 'teacher' | 'student' | 'form' | 'none'>> = {
  ...{ dataPath: 'data', dataReading: 'data', splitSeed: 'data' },
  ...{ teacherModel: 'teacher', teacherPath: 'teacher' },
  ...{ model: 'student', inputSize: 'value' },
  ...{ distillationType: 'form', answersType: 'form', precision: 'teacher' },
  ...{ seed: 'value', batchSize: 'value', repeatedAug: 'value' },
  ...{ scaleMin: 'value', hflip: 'value', trainInterpolation: 'value', aa: 'value', colorJitter: 'value' },
  ...{ threeAugment: 'value', src: 'value', reprob: 'value', remode: 'value', recount: 'value' },
  ...{ mixup: 'value', cutmix: 'value', cutmixMinmax: 'value', mixupProb: 'value', mixupSwitchProb: 'value' },
  mixupMode: 'value',
  ...{ teachOnce: 'none', answersBudget: 'none', distillationAlpha: 'none', distillationTau: 'none' },
  ...{ evalCropRatio: 'none', finetune: 'none', finetuneEntry: 'none', dropPath: 'none', drop: 'none' },
  ...{ deit3Style: 'none', evalHeads: 'none', attnOnly: 'none', trainMode: 'none', epochs: 'none', lr: 'none' },
  ...{ unscaleLr: 'none', sched: 'none', schedOnUpdates: 'none', warmupEpochs: 'none', warmupLr: 'none' },
  ...{ minLr: 'none', cooldownEpochs: 'none', decayEpochs: 'none', decayRate: 'none', patienceEpochs: 'none' },
  ...{ lrNoise: 'none', lrNoisePct: 'none', lrNoiseStd: 'none', opt: 'none', weightDecay: 'none' },
  ...{ optEps: 'none', optBeta1: 'none', optBeta2: 'none', momentum: 'none', clipGrad: 'none' },
  ...{ clipMode: 'none', layerDecay: 'none', bceLoss: 'none', cosub: 'none', modelEma: 'none' },
  ...{ twoClassTokens: 'none' },
  ...{ modelEmaDecay: 'none', modelEmaWarmup: 'none', smoothing: 'none', microBatch: 'none' },
  ...{ recompute: 'none', device: 'none', numWorkers: 'none', saveEvery: 'none', saveMinutes: 'none' },
  ...{ stallMinutes: 'none', keepCheckpoints: 'none', tensorboard: 'none', profile: 'none', outputDir: 'none' },
  ...{ export: 'none', exportWeights: 'none' },
};

/**
 * Names what a training's kept answers depend on as far as its recipe alone says: two trainings of the same name share
 * them. Null where none are kept.
 */
export function answersName(recipe: Recipe): string | null {
  if (recipe.distillationType === 'none' || !recipe.teachOnce) return null;
  const decides = (key: RecipeKey): boolean => {
    const how = ANSWERS_BY[key];
    if (key === 'distillationType') return false;
    return how === 'student' ? erases(recipe) : how !== 'none';
  };
  const keys = (Object.keys(ANSWERS_BY) as RecipeKey[]).filter(decides).sort();
  return JSON.stringify([DISTILLATIONS[recipe.distillationType].answers, ...keys.map((key) => recipe[key])]);
}
