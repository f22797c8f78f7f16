import { join } from 'node:path';
import type { BadStep } from '../train/loop.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { writeFileAtomic } from '../base/files.ts';

/**
 * `non-finite.json` of a run: the step whose loss or gradients were not finite. Its batch is a function of data folder,
 * recipe, epoch and number of the batch, and the state before it is in the checkpoint: resumed from there, the run
 * makes the same step again.
 */
export interface BadStepFile {
  /** As texts: JSON has no NaN. */
  loss: string;
  lossClass: string;
  lossDistillation: string | null;
  /** Whether it was the gradients: then the loss is a number. */
  gradients: boolean;
  /** The optimizer step that failed, from 1. */
  step: number;
  epoch: number;
  /** Number of the batch in its epoch, from 0. */
  batch: number;
  lr: number;
  seed: number;
  precision: string;
  dataPath: string;
  /** File in `checkpoints` with the state before the step; null when it was not good any more. */
  checkpoint: string | null;
  /** The first values of that state that were not finite. */
  spoilt: string[];
  /** The images of the batch, relative to the data folder, with their labels. */
  images: { file: string; label: number; class: string }[];
}

/**
 * Keeps what is known of a step.
 * @returns the path of the file.
 * @throws StillhouseError `disk.full` or `disk.denied`
 */
export function writeBadStep(
  folder: string,
  { position, batch, lr, losses }: BadStep,
  { seed, precision, dataPath }: Recipe,
  classes: readonly string[],
  state: Pick<BadStepFile, 'checkpoint' | 'spoilt'>,
): string {
  const { loss, lossClass, lossDistillation } = losses;
  const file: BadStepFile = {
    loss: String(loss),
    lossClass: String(lossClass),
    lossDistillation: lossDistillation === null ? null : String(lossDistillation),
    gradients: losses.overflow ?? false,
    step: position.step + 1,
    epoch: position.epoch,
    batch: position.batch,
    ...{ lr, seed, precision, dataPath },
    ...state,
    images: batch.files.map((file, row) => ({ file, label: batch.labels[row], class: classes[batch.labels[row]] })),
  };
  const path = badStepFile(folder);
  writeFileAtomic(path, `${JSON.stringify(file, null, 1)}\n`);
  return path;
}

/** Returns the path of a run's {@link BadStepFile}. */
export function badStepFile(folder: string): string {
  return join(folder, 'non-finite.json');
}
