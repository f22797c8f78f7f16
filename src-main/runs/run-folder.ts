import { existsSync, readdirSync, readFileSync, rmdirSync, lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import { WEIGHT_ENDINGS, formatOfPath } from '../protocol/export-formats.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { isOwnFolder } from './export-manifest.ts';
import { parseSavedRecipe, type Recipe } from '../protocol/recipe.ts';
import { STUDY_FORMATS } from '../protocol/study.ts';
import { diskError, namesIn, requireFolder, writeFileAtomic, writeNewFile } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { requireName } from '../base/names.ts';

/**
 * One training on disk. A run folder holds:
 * run.json (what was asked), history.jsonl and log.txt (`history.ts`), checkpoints/
 * (`checkpoint.ts`), lock (`lock.ts`), exports wherever the person wanted them, and beside those in exports/ its reports.
 * A profiled run has trace.json
 * (`trace-file.ts`) and profile.json (`profile-file.ts`), one that met a bad loss non-finite.json (`bad-step.ts`), one
 * that learns from an ONNX file or a SavedModel teacher.json (`run-teacher.ts`), one
 * that somebody said something of notes.json (`run-notes.ts`), one whose speed was measured throughput.json
 * (`throughput-file.ts`), one that writes for TensorBoard tensorboard/
 * (`tensorboard.ts`). One in the trash has no run.json but trashed-<time>.json (`trash.ts`).
 */

/** The content of `run.json`. */
export interface RunFile {
  format: 1;
  id: string;
  /** Milliseconds since 1970. */
  created: number;
  /** Of Stillhouse. */
  version: string;
  /** The library that trained it: `TensorFlow 2.21.0 cpu`. */
  engine: string;
  dataPath: string;
  /** The recipe as applied, complete. */
  recipe: Recipe;
  /** Class names by label. */
  classes: string[];
  /** The precision that `auto` meant where it was trained last. */
  precision?: string;
  /** How many ranks have trained it last; missing: one process. */
  ranks?: number;
}

/** A folder that claims to be a run; exactly one of `run` and `error` is set. */
export interface FoundRun {
  path: string;
  run: RunFile | null;
  error: PlainError | null;
}

/** Makes a fresh id, sortable by time: `20250131-154512-deit_tiny_patch16_224`, with `-2`, `-3`… where one is taken. */
export function newRunId(parent: string, recipe: Recipe, now = new Date()): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const base = `${stamp}-${recipe.model.replace(/[^\w.-]/g, '_').slice(0, 80)}`;
  let id = base;
  for (let i = 2; existsSync(join(parent, id)); i++) id = `${base}-${i}`;
  return id;
}

/**
 * Makes a run folder. Its parents are made too; an existing folder is used when it holds no run.
 * @throws StillhouseError `run.exists`, `run.in-trash`, `disk.full`, `disk.denied`
 */
export function createRun(folder: string, content: Omit<RunFile, 'format' | 'created'>): RunFile {
  if (existsSync(runPath(folder))) throw new StillhouseError('run.exists', { path: folder });
  if (trashedFile(folder)) throw new StillhouseError('run.in-trash', { path: folder });
  requireName(folder);
  const run: RunFile = { format: 1, created: Date.now(), ...content };
  requireFolder(checkpointsFolder(folder), folder);
  if (!writeNewFile(runPath(folder), `${JSON.stringify(run, null, 2)}\n`))
    throw new StillhouseError('run.exists', { path: folder });
  return run;
}

/** Puts a changed recipe in the place of the one that a run began with. Throws as {@link openRun}, and `disk.*`. */
export function changeRecipe(folder: string, recipe: Recipe): void {
  writeFileAtomic(runPath(folder), `${JSON.stringify({ ...openRun(folder), recipe }, null, 2)}\n`);
}

/**
 * Keeps the precision that `auto` means on this machine. @returns the one it meant before, where that was another.
 * Throws as {@link openRun}, and `disk.*`.
 */
export function keepPrecision(folder: string, precision: string): string | null {
  const run = openRun(folder);
  if (run.precision === precision) return null;
  writeFileAtomic(runPath(folder), `${JSON.stringify({ ...run, precision }, null, 2)}\n`);
  return run.precision ?? null;
}

/** Keeps how many ranks train a run from now on. Throws as {@link openRun}, and `disk.*`. */
export function keepRanks(folder: string, ranks: number): void {
  const { ranks: before = 1, ...run } = openRun(folder);
  if (before === ranks) return;
  writeFileAtomic(runPath(folder), `${JSON.stringify({ ...run, ...(ranks > 1 && { ranks }) }, null, 2)}\n`);
}

/** Keeps the engine that a run is trained with from now on. @returns the one before. Throws as {@link keepRanks}. */
export function keepEngine(folder: string, engine: string): string {
  const run = openRun(folder);
  if (run.engine !== engine) writeFileAtomic(runPath(folder), `${JSON.stringify({ ...run, engine }, null, 2)}\n`);
  return run.engine;
}

/** Reads and checks `run.json`. @throws StillhouseError `run.missing`, `run.damaged`, `recipe.*` */
export function openRun(folder: string): RunFile {
  let text: string;
  try {
    text = readFileSync(runPath(folder), 'utf8');
  } catch (error) {
    throw new StillhouseError('run.missing', { path: folder }, { cause: error });
  }
  return parseRun(text, folder);
}

/** Parses the content of a `run.json`. @throws StillhouseError `run.damaged`, `recipe.*` */
export function parseRun(text: string, folder: string): RunFile {
  const damaged = (reason: Reason) => new StillhouseError('run.damaged', { path: folder, reason });
  let given: Record<string, unknown> | null;
  try {
    given = JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    throw damaged(reason('run.not-json'));
  }
  if (typeof given !== 'object' || given === null) throw damaged(reason('run.not-object'));
  const { format, created, classes, recipe } = given;
  if (format !== 1) throw damaged(reason('run.format', { format: JSON.stringify(format) ?? 'none' }));
  if (typeof created !== 'number') throw damaged(reason('run.no-created'));
  if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string'))
    throw damaged(reason('run.no-classes'));
  if (typeof recipe !== 'object' || recipe === null) throw damaged(reason('run.no-recipe'));
  const [id, version, engine, dataPath] = ['id', 'version', 'engine', 'dataPath'].map((key) => {
    if (typeof given[key] !== 'string') throw damaged(reason('run.lacks', { key }));
    return given[key];
  });
  const applied = parseSavedRecipe(recipe as Record<string, unknown>);
  const { precision, ranks } = given;
  return {
    ...{ format, id, created, version, engine, dataPath, recipe: applied, classes },
    ...(typeof precision === 'string' && { precision }),
    ...(typeof ranks === 'number' && { ranks }),
  };
}

/** Lists the folders directly under a folder that hold a run, by name. */
export function runFolders(parent: string): string[] {
  return folderNames(parent)
    .sort()
    .map((name) => join(parent, name))
    .filter((path) => existsSync(runPath(path)));
}

/** Lists the runs directly under a folder, newest first; a broken one comes with its error. */
export function listRuns(parent: string): FoundRun[] {
  const found = runFolders(parent).map(findRun);
  return found.sort((a, b) => (b.run?.created ?? 0) - (a.run?.created ?? 0) || (a.path < b.path ? 1 : -1));
}

/** Reads a folder that claims to be a run; never throws. */
export function findRun(path: string): FoundRun {
  try {
    return { path, run: openRun(path), error: null };
  } catch (error) {
    return { path, run: null, error: toPlainError(error) };
  }
}

function folderNames(parent: string): string[] {
  return namesIn(parent).filter((name) => !name.startsWith('.'));
}

/**
 * Removes what Stillhouse wrote into the folder of a run in the trash, and the folder when nothing else is in it: a
 * person may have named a folder that holds other things.
 * @throws StillhouseError `disk.denied`
 */
export function removeOwnFiles(folder: string): void {
  try {
    for (const name of OWN_FOLDERS) removeOwn(join(folder, name), OWN_FILES);
    // What makes it a run goes last, so that a removal cut short is still in the trash and can be repeated.
    removeOwn(folder, OWN_ENTRIES);
  } catch (error) {
    throw diskError(error, folder, 0);
  }
}

/** Finds the name that run.json has in a run in the trash; undefined where the folder holds none. */
export function trashedFile(folder: string): string | undefined {
  return safeEntries(folder).find(({ name }) => TRASHED.test(name))?.name;
}

const OWN_FOLDERS = ['checkpoints/trash', 'checkpoints', 'exports', 'evaluations', 'tensorboard'];
// An export as the window writes it, its index, its check.
const OWN_EXPORTS = `.+\\.(${WEIGHT_ENDINGS.join('|')})((\\.index)?(\\.check)?\\.json)?`;
const OWN_FILES = new RegExp(
  String.raw`^(${OWN_EXPORTS}|manifest\.json|(epochs|steps)\.csv|history\.jsonl|log\.txt|\d{8}-\d{6}-[0-9a-f]{6}\.json|(\d+-)?epoch-.+|elsewhere\.json|trashed\.json|owed\.json|report\.(${STUDY_FORMATS.join('|')})|lock(\..+)?|events\.out\.tfevents\..+|\..+\.tmp)$`,
);
const OWN_ENTRIES =
  /^(history\.jsonl|log\.txt|trainer\.log|notes\.json|data-report\.json|excluded\.txt|trace\.json|profile\.json|non-finite\.json|teacher\.json|throughput\.json|lock(\..+)?|\..+\.tmp|trashed-\d+\.json)$/;
const TRASHED = /^trashed-\d+\.json$/;

function removeOwn(folder: string, own: RegExp): void {
  const names = safeEntries(folder).filter((entry) => !entry.isDirectory() && own.test(entry.name));
  const last = (name: string) => (TRASHED.test(name) ? 1 : 0);
  for (const { name } of names.sort((a, b) => last(a.name) - last(b.name))) removeNow(join(folder, name));
  for (const path of exportFolders(folder)) removeNow(path);
  if (existsSync(folder) && safeEntries(folder).length === 0) rmdirSync(folder);
}

/** Exports that are folders and hold nothing else. */
function exportFolders(folder: string): string[] {
  const folders = safeEntries(folder).filter((entry) => entry.isDirectory() && formatOfPath(entry.name) !== null);
  return folders.map(({ name }) => join(folder, name)).filter(isOwnFolder);
}

/** Counts the bytes of all files in a run folder. */
export function runBytes(folder: string): number {
  return safeEntries(folder).reduce((sum, { name }) => sum + sizeOnDisk(join(folder, name)), 0);
}

/** Counts the bytes of a file, or of all in a folder; 0 where there is none. */
export function sizeOnDisk(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() ? runBytes(path) : (found?.size ?? 0);
}

function safeEntries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Tells whether a folder is that of a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, 'run.json'));
}

/** Finds the run whose `checkpoints` hold a file; null for any other file. */
export function runOfCheckpoint(file: string): string | null {
  const run = dirname(dirname(file));
  return dirname(file) === checkpointsFolder(run) && isRun(run) ? run : null;
}

/** Returns the folder of a run's checkpoints. */
export function checkpointsFolder(folder: string): string {
  return join(folder, 'checkpoints');
}

/** Returns the folder of a run's exports. */
export function exportsFolder(folder: string): string {
  return join(folder, 'exports');
}

/** Returns the path of the file that makes a folder a run. */
export function runPath(folder: string): string {
  return join(folder, 'run.json');
}
