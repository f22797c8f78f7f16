import { accessSync, constants, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { RunDetail, RunSummary } from '../protocol/data-types.ts';
import type { PlainError } from '../protocol/errors.ts';
import type { RunState, StateRow } from '../protocol/events.ts';
import { defaultRecipe, totalEpochs } from '../protocol/recipe.ts';
import { readHistory, historyPath } from './history.ts';
import { scanHistory, secondsOf, type HistoryFacts, type HistoryScan } from './history-scan.ts';
import { lockOwner } from './lock.ts';
import { checkpointsFolder, findRun, openRun, runBytes, runFolders, runPath, type FoundRun } from './run-folder.ts';
import { notesPath, readNotes } from './run-notes.ts';
import { teacherLabel } from './teacher-kind.ts';

/** Summarises runs for their list, from the files alone: the same for the window and the command line. */

/** Facts that are remembered about a run: all but whether somebody trains in it, which is asked each time. */
interface Known {
  stamp: string;
  scan: HistoryScan;
  summary: RunSummary;
}

/** Summaries of runs, each read anew only when its files have changed. */
export class RunSummaries {
  private known = new Map<string, Known>();

  /** A summary of each run directly under a folder and of those beside it; a broken one is `failed`, with its error. */
  list(parent: string, others: readonly string[] = []): RunSummary[] {
    const paths = [...new Set([...runFolders(parent), ...others])];
    const before = this.known;
    this.known = new Map();
    const all = paths.map((path) => this.look(path, before.get(path)));
    return all.sort((a, b) => b.created - a.created || (a.path < b.path ? 1 : -1));
  }

  /** The summary of one run. */
  of(path: string): RunSummary {
    return this.look(path, this.known.get(path));
  }

  private look(path: string, before: Known | undefined): RunSummary {
    const stamp = stampOf(path);
    const now = before?.stamp === stamp ? before : summarize(path, stamp, before?.scan ?? null);
    this.known.set(path, now);
    if (now.summary.error) return now.summary;
    return { ...now.summary, ...stateOf(path, now.scan.facts.state) };
  }
}

/** Reads one run with its whole history. @throws StillhouseError `run.missing`, `run.damaged`, `recipe.*` */
export function detailRun(folder: string, summaries = new RunSummaries()): RunDetail {
  const { recipe, classes } = openRun(folder);
  return { summary: summaries.of(folder), recipe, classes, history: readHistory(folder) };
}

// Folders change with what is in them, files with what is written to them.
function stampOf(path: string): string {
  const looked = [path, runPath(path), historyPath(path), notesPath(path), checkpointsFolder(path), join(path, 'exports')]; // prettier-ignore
  return looked
    .map((one) => {
      const stat = statSync(one, { throwIfNoEntry: false });
      return stat ? `${stat.ino}:${stat.mtimeMs}:${stat.size}` : '';
    })
    .join(' ');
}

function summarize(path: string, stamp: string, before: HistoryScan | null): Known {
  const scan = scanHistory(path, before);
  const { facts } = scan;
  const { pinned, tags, note } = readNotes(path);
  const summary = {
    path,
    ...aboutRun(findRun(path)),
    epoch: facts.epochs,
    ...scoresOf(facts),
    seconds: secondsOf(scan),
    step: facts.step?.step ?? null,
    stepsPerEpoch: facts.step?.stepsPerEpoch ?? null,
    imagesPerSecond: facts.step?.imagesPerSecond ?? null,
    bytes: runBytes(path),
    ...{ pinned, tags, note },
    outside: false,
    readOnly: isReadOnly(path),
  };
  return { stamp, scan, summary };
}

function aboutRun({ path, run, error }: FoundRun) {
  if (!run) {
    const { model, epochs } = defaultRecipe();
    return {
      id: basename(path),
      created: 0,
      model,
      teacher: '',
      dataPath: '',
      epochs,
      state: 'failed' as const,
      error,
    };
  }
  const { recipe, id, created, dataPath, ranks } = run;
  const about = { model: recipe.model, teacher: teacherLabel(recipe), epochs: totalEpochs(recipe) };
  return { id, created, dataPath, ...about, ...(ranks && { ranks }), state: 'crashed' as const, error: null };
}

function scoresOf({ acc1, acc5, loss }: HistoryFacts) {
  return {
    ...{ bestAcc1: acc1.best, lastAcc1: acc1.last, emaAcc1: acc1.ema },
    ...{ bestAcc5: acc5.best, lastAcc5: acc5.last, emaAcc5: acc5.ema },
    ...{ bestLoss: loss.best, lastLoss: loss.last, emaLoss: loss.ema },
  };
}

const ACTIVE: readonly RunState[] = ['starting', 'running', 'pausing', 'paused', 'stopping'];

// A run is over when nobody holds its lock; one that does not say how it ended has crashed.
function stateOf(path: string, last: StateRow | null): { state: RunState; error: PlainError | null } {
  const over = last && !ACTIVE.includes(last.state);
  if (lockOwner(path)) return { state: last && !over ? last.state : 'running', error: null };
  return over ? { state: last.state, error: last.error } : { state: 'crashed', error: null };
}

function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch {
    return true;
  }
}
