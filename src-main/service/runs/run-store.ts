import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { RunDetail, RunSummary } from '../../protocol/data-types.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { RunState } from '../../protocol/events.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { VERSION } from '../../protocol/version.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { asOnDisk } from '../../base/names.ts';
import { createRun, findRun, isRun, newRunId, openRun, runFolders, trashedFile } from '../../runs/run-folder.ts';
import { owesExports } from '../../runs/owed-exports.ts';
import { RunSummaries } from '../../runs/summary.ts';

/** Keeps the runs on disk: those in the runs folder, and those that a person put elsewhere. */
export class RunStore {
  /** Absolute folders of runs outside the runs folder. */
  private readonly elsewhere: Set<string>;
  private readonly summaries = new RunSummaries();

  private readonly folder: string;

  constructor(folder: string) {
    this.folder = asOnDisk(folder);
    this.elsewhere = new Set(readElsewhere(this.register));
  }

  /**
   * Makes the folder of a new run.
   * @throws StillhouseError `run.exists`, `disk.full`, `disk.denied`.
   */
  create(recipe: Recipe, classes: string[], engine: string): { id: string; path: string } {
    const path = recipe.outputDir
      ? asOnDisk(resolve(recipe.outputDir))
      : join(this.folder, newRunId(this.folder, recipe));
    const id = this.idOf(path);
    try {
      createRun(path, { id, version: VERSION, engine, dataPath: recipe.dataPath, recipe, classes });
    } catch (error) {
      // Another service has made a run of this name since it was chosen.
      const taken = error instanceof StillhouseError && error.code === 'run.exists' && !recipe.outputDir;
      if (taken) return this.create(recipe, classes, engine);
      throw error;
    }
    if (dirname(path) !== this.folder) this.keep(path);
    return { id, path };
  }

  /** Folder of a run. @throws StillhouseError `run.missing`. */
  pathOf(id: string): string {
    const inside = asOnDisk(join(this.folder, id));
    const path = [inside, ...this.elsewhere].find((path) => this.idOf(path) === id && isRun(path));
    if (!path) throw new StillhouseError('run.missing', { path: inside });
    return path;
  }

  /** Returns the recipe of a run. @throws StillhouseError `run.missing`, `run.damaged`. */
  recipeOf(path: string): Recipe {
    return openRun(path).recipe;
  }

  /** All runs, newest first; `stateOf` knows those that this service trains. */
  list(stateOf: (id: string) => RunState | undefined): RunSummary[] {
    return this.summaries.list(this.folder, this.others(isRun)).map((summary) => this.seen(summary, stateOf));
  }

  /** A run but for its history (`run-series.ts`). @throws StillhouseError `run.missing`, `run.damaged`. */
  detail(id: string, stateOf: (id: string) => RunState | undefined): Omit<RunDetail, 'history'> {
    const path = this.pathOf(id);
    const { recipe, classes } = openRun(path);
    return { summary: this.seen(this.summaries.of(path), stateOf), recipe, classes };
  }

  /** Finds the summary of a run; null where it is gone or damaged. */
  find(id: string, stateOf: (id: string) => RunState | undefined): RunSummary | null {
    try {
      return this.detail(id, stateOf).summary;
    } catch {
      return null;
    }
  }

  /**
   * Puts a run that lies anywhere on the shelf; nothing is written into its folder.
   * @param path its folder, or anything in it.
   * @returns its id.
   * @throws StillhouseError `run.missing`, `run.damaged`, `run.in-trash`, `recipe.*`; `disk.*` of the runs folder.
   */
  open(path: string): string {
    const given = asOnDisk(resolve(path));
    const folder = [given, dirname(given), dirname(dirname(given))].find(isRun);
    if (!folder && trashedFile(given)) throw new StillhouseError('run.in-trash', { path: given });
    if (!folder) throw new StillhouseError('run.missing', { path: given });
    openRun(folder);
    if (dirname(folder) !== this.folder) this.keep(folder);
    return this.idOf(folder);
  }

  /** Takes a run that lies elsewhere off the shelf; its folder is left as it is. @throws StillhouseError `run.missing`. */
  forget(id: string): void {
    const path = this.pathOf(id);
    if (!this.elsewhere.delete(path)) throw new StillhouseError('run.missing', { path });
    this.writeRegister();
  }

  /** Ids of all runs, and of those in the trash, by their folders. */
  folders(): { runs: Map<string, string>; trashed: Map<string, string> } {
    const trashed = [...foldersIn(this.folder).filter((path) => !isRun(path)), ...this.others((path) => !isRun(path))];
    const named = (paths: string[]) => new Map(paths.map((path) => [this.idOf(path), path]));
    return {
      runs: named([...runFolders(this.folder), ...this.others(isRun)]),
      trashed: named(trashed.filter((path) => trashedFile(path) !== undefined)),
    };
  }

  /** Lists finished runs whose exports an earlier service has left. */
  owed(): { id: string; path: string; recipe: Recipe }[] {
    const runs = [...this.folders().runs].filter(([, path]) => owesExports(path));
    return runs.flatMap(([id, path]) => {
      const { run } = findRun(path);
      return run ? [{ id, path, recipe: run.recipe }] : [];
    });
  }

  private others(wanted: (path: string) => boolean): string[] {
    return [...this.elsewhere].filter(wanted);
  }

  private get register(): string {
    return join(this.folder, 'elsewhere.json');
  }

  /** A run's name to the windows: its folder's, made unique for runs that live elsewhere. */
  private idOf(path: string): string {
    if (dirname(path) === this.folder) return basename(path);
    const name = basename(path).replace(/[^\w.-]/g, '_');
    return `${name.slice(0, 64)}-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`;
  }

  private seen(summary: RunSummary, stateOf: (id: string) => RunState | undefined): RunSummary {
    const id = this.idOf(summary.path);
    const live = stateOf(id);
    const shown = { ...summary, id, outside: dirname(summary.path) !== this.folder };
    if (live) return { ...shown, state: live, error: null };
    if (summary.state !== 'crashed' || summary.error) return shown;
    return { ...shown, error: toPlainError(new StillhouseError('run.died', { reason: reason('process.gone') })) };
  }

  private keep(path: string): void {
    this.elsewhere.add(path);
    mkdirSync(this.folder, { recursive: true });
    this.writeRegister();
  }

  private writeRegister(): void {
    writeFileAtomic(this.register, `${JSON.stringify([...this.elsewhere], null, 2)}\n`);
  }
}

function foldersIn(parent: string): string[] {
  try {
    const entries = readdirSync(parent, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(parent, name));
  } catch {
    return [];
  }
}

function readElsewhere(register: string): string[] {
  try {
    const paths: unknown = JSON.parse(readFileSync(register, 'utf8'));
    return Array.isArray(paths) ? paths.filter((path): path is string => typeof path === 'string') : [];
  } catch {
    return [];
  }
}
