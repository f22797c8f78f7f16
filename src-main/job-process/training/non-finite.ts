import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { writeBadStep } from '../../runs/bad-step.ts';
import type { State } from '../../engines/engine.ts';
import type { BadStep } from '../../train/loop.ts';
import { isOfRun } from '../../train/variables.ts';

export interface BadStepParts {
  run: string;
  recipe: Recipe;
  classes: readonly string[];
  state: State;
  /** Saves the state. @returns the checkpoint's file. */
  save(): Promise<string>;
}

/**
 * Keeps what a person needs after a loss or gradients that are not finite: the state before that step, and which batch it was. A
 * state that is not finite itself is not saved: it would hide the last good checkpoint.
 * @returns what the run ends with: `run.non-finite` or `run.gradients`, or `run.overflow` when no good state was left.
 * @throws StillhouseError `disk.full` or `disk.denied`
 */
export async function keepBadStep(
  bad: BadStep,
  { run, recipe, classes, state, save }: BadStepParts,
): Promise<StillhouseError> {
  const spoilt = spoiltOf(state);
  const checkpoint = spoilt.length === 0 ? await save() : null;
  const file = writeBadStep(run, bad, recipe, classes, { checkpoint, spoilt });
  const facts = { loss: String(bad.losses.loss), step: bad.position.step + 1, lr: bad.lr, file };
  if (checkpoint) return new StillhouseError(bad.losses.overflow ? 'run.gradients' : 'run.non-finite', facts);
  return new StillhouseError('run.overflow', { ...facts, name: spoilt[0] });
}

const MOST_NAMES = 20;

/** Names of variables of the run's own that hold values which are not finite. */
function spoiltOf(state: State): string[] {
  const spoilt: string[] = [];
  for (const name of state.names()) {
    if (!isOfRun(name) || state.read(name).every(Number.isFinite)) continue;
    spoilt.push(name);
    if (spoilt.length === MOST_NAMES) break;
  }
  return spoilt;
}
