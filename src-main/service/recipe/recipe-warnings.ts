import {
  StillhouseError,
  toPlainError,
  type ErrorCode,
  type ErrorParams,
  type PlainError,
} from '../../protocol/errors.ts';
import {
  FIELDS,
  fieldOf,
  flagOf,
  isUsed,
  scaledLr,
  totalEpochs,
  type Recipe,
  type RecipeKey,
} from '../../protocol/recipe.ts';

/** AdamW rates above this many times the paper's 1e-3 seldom end well: DeiT's users report losses that are no number. */
const HIGHEST_RATE = 4e-3;

/**
 * Lists settings that may be meant but seldom are; training can start all the same. `steps` are those of an epoch, 0
 * while unknown; `distilled` says whether the student has a distillation token.
 */
export function recipeWarnings(recipe: Recipe, steps: number, distilled = true): PlainError[] {
  const warnings: PlainError[] = [];
  const warn = (code: ErrorCode, params: ErrorParams = {}): number =>
    warnings.push(toPlainError(new StillhouseError(code, params)));
  const { epochs, warmupEpochs, opt, modelEma, modelEmaDecay, modelEmaWarmup, attnOnly, finetune } = recipe;
  if (warmupEpochs >= epochs) warn('recipe.warmup-long', { warmup: warmupEpochs, epochs });
  const rate = scaledLr(recipe);
  if (opt === 'adamw' && rate > HIGHEST_RATE)
    warn('recipe.rate-high', { rate: Number(rate.toPrecision(3)), times: Math.round(rate / 1e-3) });
  const memory = Math.round(1 / (1 - modelEmaDecay));
  const all = steps * totalEpochs(recipe);
  if (modelEma && !modelEmaWarmup && all > 0 && memory > all) warn('recipe.average-slow', { memory, steps: all });
  if (attnOnly && !finetune) warn('recipe.attention-only');
  if (recipe.cosub && !differ(recipe)) warn('recipe.same-submodels');
  if (recipe.distillationType !== 'none' && !distilled) warn('recipe.no-distillation-head', { model: recipe.model });
  const unused = unusedKeys(recipe).filter((key) => recipe[key] !== fieldOf(key)!.default);
  if (unused.length > 0) warn('recipe.unused', { flags: unused.map((key) => `--${flagOf(key)}`).join(', ') });
  return warnings;
}

/** Whether a training step drops something, so that two answers on an image are not the same. */
function differ({ trainMode, dropPath, drop }: Recipe): boolean {
  return trainMode && (dropPath > 0 || drop > 0);
}

/** Lists settings that have no effect beside the others. */
export function unusedKeys(recipe: Recipe): RecipeKey[] {
  return FIELDS.filter((field) => !field.setUnused && !isUsed(field, recipe)).map(({ key }) => key);
}
