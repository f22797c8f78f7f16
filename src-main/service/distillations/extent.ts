import { modelCard } from '../../model/zoo.ts';
import type { RunSummary } from '../../protocol/data-types.ts';
import type { DistilPlan } from '../../protocol/distillation.ts';
import { defaultRecipe, totalEpochs, type Recipe } from '../../protocol/recipe.ts';

/**
 * Estimates the work of a plan's trainings, in multiply-adds for each image of an epoch, to know how far the whole is.
 */

/** Backward costs about twice what forward does. */
const TRAINED = 3;

/** The work of each training. */
export interface Work {
  /** 0 where the teacher is there already. */
  teacher: number;
  student: number;
}

/** Estimates the work of each training of a plan. */
export function workOf({ teacher, student }: DistilPlan): Work {
  const own = { ...defaultRecipe(), ...student.recipe };
  const watched = isListed(teacher.model) ? forward({ ...own, model: teacher.model }) : 0;
  const training = teacher.recipe && { ...defaultRecipe(), ...teacher.recipe };
  return {
    teacher: training ? TRAINED * forward(training) * totalEpochs(training) : 0,
    student: (TRAINED * forward(own) + watched) * totalEpochs(own),
  };
}

/** Estimates how much longer an epoch of a student takes because its teacher answers too. */
export function watchedGain(plan: DistilPlan): number {
  const own = { ...defaultRecipe(), ...plan.student.recipe };
  return workOf(plan).student / (TRAINED * forward(own) * totalEpochs(own));
}

/** Computes the share of a run that is done, from 0 to 1. */
export function shareOf(run: RunSummary | null): number {
  if (!run || run.epochs === 0) return 0;
  if (run.state === 'finished') return 1;
  const steps = run.step !== null && run.stepsPerEpoch ? run.step / run.stepsPerEpoch : 0;
  return Math.min(1, Math.max(run.epoch, steps) / run.epochs);
}

function forward({ model, inputSize }: Pick<Recipe, 'model' | 'inputSize'>): number {
  const card = modelCard(model);
  return card.gflops * (inputSize / card.inputSize) ** 2;
}

function isListed(model: string): boolean {
  try {
    return modelCard(model).gflops > 0;
  } catch {
    return false;
  }
}
