import { existsSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { RecipeCheck } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { ExportRow } from '../../protocol/events.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { latestCheckpoint, listCheckpoints, rewindRun } from '../../runs/checkpoint.ts';
import { openCheckpoint } from '../../runs/checkpoint-file.ts';
import { truncateHistory } from '../../runs/history.ts';
import { lockRun, type RunLock } from '../../runs/lock.ts';
import { engineName } from '../../runs/places.ts';
import { checkpointsFolder, isRun, openRun, runOfCheckpoint } from '../../runs/run-folder.ts';
import type { DataNotes } from '../../jobs/data-notes.ts';
import type { Datasets } from '../data/datasets.ts';
import type { ChosenEngine, EngineManager } from '../engine/engine-manager.ts';
import { checkRecipe, refusal, type CheckedRecipe, type RecipeFacts } from '../recipe/recipe-check.ts';
import type { WhenDone } from '../exports/when-done.ts';
import type { RunControl, RunEnd, RunRanks } from './run-control.ts';
import { shareOfRecipe, threadsOf } from '../../jobs/ranks/share.ts';
import type { RunStore } from './run-store.ts';

/** Holds what a person asks to be trained, whichever way they ask it. Paths are absolute. */
export interface RunRequest {
  /** Settings by key. What they leave out comes from the run or checkpoint that goes on, or is the default. */
  given: Record<string, unknown>;
  /**
   * Absent or '': a new run. `auto`: the run in `given.outputDir` goes on if there is one. Else a run folder, or a
   * checkpoint: of the run that goes on, or, where `given.outputDir` is another folder, to begin a new run with.
   */
  resume?: string;
  /** Threads inside one op of the engine; one a core when left out. */
  threads?: number;
  /** Absent: one process trains. */
  ranks?: RunRanks;
  /** Hears how far the preparation inside the trainer is; `total` is 0 while unknown. */
  onProgress?(stage: string, done: number, total: number): void;
}

/** A run that trains now. */
export interface BegunRun {
  id: string;
  path: string;
  recipe: Recipe;
  check: RecipeCheck;
  engine: ChosenEngine;
  /** Settles when its process is gone; it never rejects. */
  ended: Promise<RunEnd>;
  /** What came of the exports that its recipe asks for: of a run that has finished. It never rejects. */
  exported: Promise<ExportRow[]>;
  /** Asks it to save and stop. */
  stop(): void;
  /** Ends it at once, without saving. */
  kill(): void;
}

interface Parts {
  /** Holds the runs that name no folder of their own. */
  runsFolder: string;
  shelf: RunStore;
  datasets: Datasets;
  notes: DataNotes;
  engine: Pick<EngineManager, 'choose' | 'mayUseGpu'>;
  control: RunControl;
  whenDone: WhenDone;
  /** There is a run more, or one that looks different. */
  onChange(): void;
}

/** Where a training goes on. */
interface Source {
  /** The run that goes on; null for a new one. */
  run: string | null;
  /** The checkpoint it begins with; null: the last of its run, or none. */
  checkpoint: string | null;
  /** The settings to start from. */
  base: Partial<Recipe>;
}

const NOWHERE: Source = { run: null, checkpoint: null, base: {} };

/** Begins every run of this process: for a window, the queue, the sample run and the command line alike. */
export class RunStarter {
  constructor(private readonly parts: Parts) {}

  /** Everything that is wrong with a recipe; nothing is thrown. */
  check(given: Record<string, unknown>): Promise<CheckedRecipe> {
    return checkRecipe(given, { ...this.facts(), dataset: (recipe) => this.parts.datasets.ofRecipe(recipe) });
  }

  /** A recipe as it would train, its data found. @throws StillhouseError whatever keeps it from being trained. */
  async trainable(given: Record<string, unknown>): Promise<CheckedRecipe> {
    return this.settled(await this.check(given));
  }

  /** What a request comes to, with everything that is wrong with it; nothing is begun. @throws as {@link sourceOf} */
  async plan(request: RunRequest): Promise<{ source: Source; checked: CheckedRecipe }> {
    const source = sourceOf(request);
    const { run, checkpoint, base } = source;
    const fromCheckpoint = checkpoint !== null || (run !== null && latestCheckpoint(run) !== null);
    const dataset: RecipeFacts['dataset'] = (recipe) => this.parts.datasets.ofRecipe(recipe);
    const facts = { ...this.facts(), ...(run !== null && { run }), fromCheckpoint, dataset };
    return { source, checked: await checkRecipe({ ...base, ...request.given }, facts) };
  }

  /**
   * Checks what was asked, makes or locks the run's folder, and starts its process.
   * @throws StillhouseError whatever keeps it from being trained: `recipe.*`, `data.*`, `engine.*`, `gpu.*`,
   * `disk.*`, `file.missing`, `run.exists`, `run.locked`, `run.no-checkpoint`.
   */
  async begin(request: RunRequest): Promise<BegunRun> {
    const source = sourceOf(request);
    return source.run === null ? this.beginNew(request, source) : this.goOn(request, source, source.run);
  }

  private async beginNew(request: RunRequest, { checkpoint, base }: Source): Promise<BegunRun> {
    const { shelf, notes, engine } = this.parts;
    const checked = await this.checkedAnew({ ...base, ...request.given }, { fromCheckpoint: checkpoint !== null });
    const { recipe, classes } = checked;
    const on = await engine.choose(recipe.device);
    requireRanks(request, recipe, on);
    const { id, path } = shelf.create(recipe, classes, engineName(on.gpu));
    return held(path, async (lock) => {
      notes.copyTo(recipe.dataPath, path);
      return this.start(request, checked, { id, path, lock, engine: on, resume: checkpoint ?? 'new' });
    });
  }

  /** The run is this process's own before anything of it is looked at. */
  private goOn(request: RunRequest, { checkpoint, base }: Source, run: string): Promise<BegunRun> {
    const { shelf, engine } = this.parts;
    return held(run, async (lock) => {
      const fromCheckpoint = latestCheckpoint(run) !== null;
      const checked = await this.checkedAnew({ ...base, ...request.given }, { run, fromCheckpoint });
      const on = await engine.choose(checked.recipe.device);
      requireRanks(request, checked.recipe, on);
      const id = shelf.open(run);
      rewind(run, checkpoint);
      return this.start(request, checked, { id, path: run, lock, engine: on, resume: 'auto' });
    });
  }

  private start(request: RunRequest, { recipe, check }: CheckedRecipe, where: Where): BegunRun {
    const { id, path, lock, engine, resume } = where;
    const { ranks, onProgress } = request;
    const threads = request.threads ?? (ranks && 'nproc' in ranks ? threadsOf(ranks.nproc) : undefined);
    const on = { ...engine, ...(threads !== undefined && { threads }) };
    const { control, whenDone, onChange } = this.parts;
    const ended = control.start({ id, path, recipe, resume, on, lock, notes: check.warnings, ranks, onProgress });
    const exported = ended.then(({ state }) => (state === 'finished' ? whenDone.export({ id, path, recipe }) : []));
    onChange();
    const stop = (): void => {
      control.stop(id);
      whenDone.cancel(id);
    };
    return { id, path, recipe, check, engine, ended, exported, stop, kill: () => control.kill(id) };
  }

  /** What is on the disk may have changed since a form was filled in. */
  private async checkedAnew(given: Record<string, unknown>, more: Pick<RecipeFacts, 'run' | 'fromCheckpoint'>) {
    const dataset: RecipeFacts['dataset'] = (recipe) => this.parts.datasets.ofRecipe(recipe, true);
    return this.settled(await checkRecipe(given, { ...this.facts(), ...more, dataset }));
  }

  private facts(): Pick<RecipeFacts, 'mayUseGpu' | 'runsFolder'> {
    const { engine, runsFolder } = this.parts;
    return { runsFolder, mayUseGpu: (device) => engine.mayUseGpu(device) };
  }

  private settled(checked: CheckedRecipe): CheckedRecipe {
    const refused = refusal(checked);
    if (refused) throw refused;
    return { ...checked, recipe: this.parts.datasets.settled(checked.recipe) };
  }
}

/** @throws StillhouseError where ranks cannot share the recipe's steps, or something else than processors computes. */
function requireRanks({ ranks }: RunRequest, recipe: Recipe, { gpu }: ChosenEngine): void {
  if (!ranks) return;
  if (gpu !== null && gpu !== undefined) throw new StillhouseError('ranks.processor');
  shareOfRecipe(recipe, 'nproc' in ranks ? ranks.nproc : ranks.size);
}

interface Where {
  id: string;
  path: string;
  lock: RunLock;
  engine: ChosenEngine;
  /** As a train job takes it. */
  resume: string;
}

/** @throws StillhouseError `file.missing`, `run.no-checkpoint`, `checkpoint.*`. */
function sourceOf({ given, resume = '' }: RunRequest): Source {
  const { outputDir } = given;
  const output = typeof outputDir === 'string' && outputDir !== '' ? resolve(outputDir) : null;
  if (resume === '') return NOWHERE;
  if (resume === 'auto') return output && isRun(output) ? ownRun(output, null) : NOWHERE;
  if (!existsSync(resume)) throw new StillhouseError('file.missing', { path: resume });
  const isFolder = statSync(resume).isDirectory();
  const home = isFolder ? resolve(resume) : runOfCheckpoint(resolve(resume));
  if (home && (output ?? home) === home) return ownRun(home, isFolder ? null : basename(resume));
  const file = isFolder ? lastOf(resume) : resume;
  const checkpoint = openCheckpoint(file);
  checkpoint.close();
  const { outputDir: _, ...base } = checkpoint.recipe;
  return { run: null, checkpoint: file, base };
}

function ownRun(run: string, checkpoint: string | null): Source {
  return { run, checkpoint, base: openRun(run).recipe };
}

function lastOf(run: string): string {
  const last = latestCheckpoint(run);
  if (!last) throw new StillhouseError('run.no-checkpoint', { path: run });
  return join(checkpointsFolder(run), last.file);
}

/** What came after a checkpoint of a run is set aside, so that it is the newest. @throws StillhouseError `file.missing` */
function rewind(run: string, checkpoint: string | null): void {
  const from = listCheckpoints(run).find(({ file, last }) => (checkpoint ? file === checkpoint : last));
  if (!from && checkpoint)
    throw new StillhouseError('file.missing', { path: join(checkpointsFolder(run), checkpoint) });
  // A run that died before its first checkpoint begins anew.
  if (!from) truncateHistory(run, { step: 0, epoch: 0 });
  if (from && !from.last) rewindRun(run, from.file, from.acc1 === null ? from.epoch : from.epoch + 1);
}

/** Locks a run for `begin`, which keeps the lock unless it fails. @throws StillhouseError `run.locked` */
async function held<Result>(path: string, begin: (lock: RunLock) => Promise<Result>): Promise<Result> {
  const lock = lockRun(path);
  try {
    return await begin(lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
