import { basename, join } from 'node:path';
import { evaluationsFolder } from '../../runs/evaluation-file.ts';
import { runOfCheckpoint } from '../../runs/run-folder.ts';
import type { EvaluateJob } from '../../jobs/job-protocol.ts';

/** Returns the folder for evaluations of weights that belong to no run. */
export function looseEvaluations(cacheFolder: string): string {
  return join(cacheFolder, 'evaluations');
}

/** Returns where the answers on images are kept: in the run that a checkpoint belongs to, else in the cache. */
export function keepPlace(weights: string, cacheFolder: string): NonNullable<EvaluateJob['keep']> {
  const run = runOfCheckpoint(weights);
  if (!run) return { folder: looseEvaluations(cacheFolder), run: null, checkpoint: null };
  return { folder: evaluationsFolder(run), run: basename(run), checkpoint: basename(weights) };
}
