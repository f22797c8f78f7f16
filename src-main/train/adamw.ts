import type { Recipe } from '../protocol/recipe.ts';
import type { ParamSpec } from '../model/model.ts';

/** AdamW as torch has it: what changes from step to step is fed as scalars, computed here in double precision. */

/** Scalars of one step, by input name. */
export type OptimizerScalars = Record<'lr' | 'beta1Power' | 'beta2Power' | 'epsilon' | 'decay', number>;

/**
 * The scalars of step `step` (from 1). TensorFlow adds ε to √v where torch adds it to √v/√(1 − β₂ᵗ), so ε is scaled.
 */
export function optimizerScalars(recipe: Recipe, lr: number, step: number): OptimizerScalars {
  // The powers of the float32 β that the engine uses, or early corrections would be off by 1e-5.
  const beta1Power = Math.fround(recipe.optBeta1) ** step;
  const beta2Power = Math.fround(recipe.optBeta2) ** step;
  return {
    lr,
    beta1Power,
    beta2Power,
    epsilon: recipe.optEps * Math.sqrt(1 - beta2Power),
    decay: 1 - lr * recipe.weightDecay,
  };
}

/** DeiT's rule: vectors, and what timm exempts by name, keep their size; `dist_token` is decayed. */
export function isDecayed(spec: ParamSpec): boolean {
  return spec.shape.length > 1 && !spec.noWeightDecay;
}
