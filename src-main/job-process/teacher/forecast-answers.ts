import { join } from 'node:path';
import { batchBytes } from '../../answers/answer-block.ts';
import { keptBatches, listStores, timeOf } from '../../answers/answer-stores.ts';
import { REPEATS } from '../../data/batches/loader.ts';
import { stepsPerEpoch } from '../../data/batches/sampler.ts';
import { freeBytes } from '../../jobs/disk-cost.ts';
import type { AnswersForecast } from '../../protocol/data-types.ts';
import { totalEpochs } from '../../protocol/recipe.ts';
import { answersFolder } from '../../runs/places.ts';
import { answerPlace, type TaughtTraining } from './kept-answers.ts';

/**
 * Tells what is kept of a teacher's answers to a training that begins at its start, and what all of them take.
 * @throws StillhouseError what keeps the teacher's files from being read.
 */
export async function forecastAnswers(training: TaughtTraining): Promise<AnswersForecast> {
  const { recipe, dataset } = training;
  const { batchSize, repeatedAug } = recipe;
  const root = answersFolder();
  const { id, form } = await answerPlace(training);
  const path = join(root, id);
  const steps = stepsPerEpoch({ count: dataset.train.length, batchSize, repeats: repeatedAug ? REPEATS : 1 });
  const epochs = totalEpochs(recipe);
  const { milliseconds, batches } = timeOf(path);
  return {
    path,
    batches: epochs * steps,
    kept: keptBatches(path, epochs, steps),
    // A print of four bytes stands beside the answers to a batch.
    bytes: epochs * steps * (batchBytes(form) + 4),
    budget: recipe.answersBudget * 2 ** 30,
    held: listStores(root).reduce((sum, store) => sum + store.bytes, 0),
    free: await freeBytes(root),
    millisecondsPerBatch: batches > 0 ? milliseconds / batches : null,
  };
}
