import { basename } from 'node:path';
import type { RunDetail, RunSummary } from '../protocol/data-types.ts';
import type { PlainError } from '../protocol/errors.ts';
import type { RunState, StateRow } from '../protocol/events.ts';
import { defaultRecipe, totalEpochs } from '../protocol/recipe.ts';
import { readHistory, readHistoryEnd, readLog } from './history.ts';
import { lockOwner } from './lock.ts';
import { teacherLabel } from './teacher-kind.ts';
import { listRuns, openRun, runBytes, type FoundRun, type RunFile } from './run-folder.ts';

/** What the list of runs shows, from the files alone: the same for the window and the command line. */

/** A summary of each run directly under a folder, newest first; a broken one has the state `failed` and its error. */
export function summarizeRuns(parent: string): RunSummary[] {
  return listRuns(parent).map(summarizeFound);
}

/** One run with its whole history. @throws StillhouseError `run.missing`, `run.damaged`, `recipe.*` */
export function detailRun(folder: string): RunDetail {
  const run = openRun(folder);
  const { recipe, classes } = run;
  return { summary: summarizeRun(folder, run), recipe, classes, history: readHistory(folder) };
}

/** One run's summary. */
export function summarizeRun(path: string, run: RunFile): RunSummary {
  const log = readLog(path);
  const accuracies = log.map((line) => line.test_acc1);
  const { recipe, id, created, dataPath } = run;
  return {
    id,
    path,
    created,
    model: recipe.model,
    teacher: teacherLabel(recipe),
    dataPath,
    ...stateOf(path),
    epoch: (log.at(-1)?.epoch ?? -1) + 1,
    epochs: totalEpochs(recipe),
    bestAcc1: accuracies.length > 0 ? Math.max(...accuracies) : null,
    lastAcc1: accuracies.at(-1) ?? null,
    bytes: runBytes(path),
  };
}

// A run is over when nobody holds its lock; one that does not say how it ended has crashed.
function stateOf(path: string): { state: RunState; error: PlainError | null } {
  const last = readHistoryEnd(path)
    .filter((row): row is StateRow => row.type === 'state')
    .at(-1);
  const over = last && !['starting', 'running', 'stopping'].includes(last.state);
  if (lockOwner(path)) return { state: last && !over ? last.state : 'running', error: null };
  return over ? { state: last.state, error: last.error } : { state: 'crashed', error: null };
}

function summarizeFound({ path, run, error }: FoundRun): RunSummary {
  if (run) return summarizeRun(path, run);
  const { model, epochs } = defaultRecipe();
  const nothing = { created: 0, teacher: '', dataPath: '', epoch: 0, bestAcc1: null, lastAcc1: null };
  return { id: basename(path), path, model, epochs, ...nothing, state: 'failed', error, bytes: runBytes(path) };
}
