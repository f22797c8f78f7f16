import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { diskError, namesIn, requireFolder, syncToDisk } from '../base/files.ts';
import { moveNow, removeNow } from '../base/moves.ts';
import { emptyExport, trashedExports } from './export-trash.ts';
import { isCheckpointFile } from './checkpoint-file.ts';
import { lockedError, lockOwner } from './lock.ts';
import { pinCheckpoint } from './run-notes.ts';
import {
  checkpointsFolder,
  parseRun,
  removeOwnFiles,
  runBytes,
  runPath,
  trashedFile,
  type RunFile,
} from './run-folder.ts';

/**
 * Keeps what a person deletes in the trash. Each way in and out is one rename inside the run's own folder, so it works
 * on any disk, takes no time, and a crash leaves the one or the other:
 * - a run in the trash has its `run.json` under the name `trashed-<time>.json`; all else stays where it is, also what a
 *   person keeps beside it;
 * - a checkpoint in the trash is `checkpoints/trash/<time>-<its name>`;
 * - an export's is in `export-trash.ts`. Times are milliseconds since 1970. What retention drops does not come here: it
 *   is the machine's own, and gone.
 */

/** A run in the trash. */
export interface TrashedRun {
  folder: string;
  time: number;
  bytes: number;
  /** null where its file is damaged. */
  run: RunFile | null;
}

/** A checkpoint in the trash. */
export interface TrashedCheckpoint {
  /** Its name in the trash, which {@link restoreCheckpoint} takes. */
  name: string;
  /** Its name as a checkpoint. */
  file: string;
  time: number;
  bytes: number;
}

/**
 * Puts a run into the trash.
 * @throws StillhouseError `run.missing` for what is no run, `run.locked` while one trains in it, `disk.denied`
 */
export function trashRun(folder: string, now = Date.now()): void {
  if (!existsSync(runPath(folder))) throw new StillhouseError('run.missing', { path: folder });
  const owner = lockOwner(folder);
  if (owner) throw lockedError(folder, owner);
  move(runPath(folder), join(folder, `trashed-${now}.json`), folder);
}

/** Takes a run out of the trash. @throws StillhouseError `run.missing`, `run.exists`, `disk.denied` */
export function restoreRun(folder: string): void {
  const file = trashedFile(folder);
  if (!file) throw new StillhouseError('run.missing', { path: folder });
  if (existsSync(runPath(folder))) throw new StillhouseError('run.exists', { path: folder });
  move(join(folder, file), runPath(folder), folder);
}

/** Reads the run that a folder in the trash was; null where the folder is not in the trash. */
export function trashedRun(folder: string): TrashedRun | null {
  const file = trashedFile(folder);
  if (!file) return null;
  return { folder, time: timeOf(file), bytes: runBytes(folder), run: readTrashed(folder, file) };
}

function readTrashed(folder: string, file: string): RunFile | null {
  try {
    return parseRun(readFileSync(join(folder, file), 'utf8'), folder);
  } catch {
    return null;
  }
}

/**
 * Removes a run in the trash for good: what Stillhouse wrote, and the folder when nothing else is in it.
 * @returns the bytes that became free.
 * @throws StillhouseError `run.missing` for what is not in the trash, `run.locked`, `disk.denied`
 */
export function emptyRun(folder: string): number {
  if (!trashedFile(folder)) throw new StillhouseError('run.missing', { path: folder });
  const owner = lockOwner(folder);
  if (owner) throw lockedError(folder, owner);
  const before = runBytes(folder);
  for (const { name } of trashedExports(folder)) emptyExport(folder, name);
  removeOwnFiles(folder);
  return before - runBytes(folder);
}

/** Moves checkpoint files of a run into its trash. @throws StillhouseError `disk.denied`, `disk.full` */
export function trashCheckpoints(run: string, files: readonly string[], now = Date.now()): void {
  if (files.length === 0) return;
  requireFolder(trashFolder(run));
  for (const file of files)
    move(join(checkpointsFolder(run), file), join(trashFolder(run), `${now}-${file}`), trashFolder(run));
}

/** Lists the checkpoints in a run's trash, the latest deleted first. */
export function trashedCheckpoints(run: string): TrashedCheckpoint[] {
  const found = namesIn(trashFolder(run)).flatMap((name) => {
    const file = fileOf(name);
    const stat = file && statSync(join(trashFolder(run), name), { throwIfNoEntry: false });
    return file && stat ? [{ name, file, time: timeOf(name), bytes: stat.size }] : [];
  });
  return found.sort((one, other) => other.time - one.time || (one.name < other.name ? 1 : -1));
}

/**
 * Takes a checkpoint out of the trash and pins it: else the next save might drop it for good.
 * @param name as {@link TrashedCheckpoint} has it.
 * @returns the checkpoint's file name.
 * @throws StillhouseError `file.missing`, `file.exists` when one of its name was written since, `run.locked` while the
 *   run trains: what was set aside must not come between its checkpoints; `disk.denied`
 */
export function restoreCheckpoint(run: string, name: string): string {
  const [from, file] = [presentIn(run, name), fileOf(name)!];
  const owner = lockOwner(run);
  if (owner) throw lockedError(run, owner);
  const to = join(checkpointsFolder(run), file);
  if (existsSync(to)) throw new StillhouseError('file.exists', { path: to });
  pinCheckpoint(run, file, true);
  move(from, to, checkpointsFolder(run));
  return file;
}

/** Removes a checkpoint in the trash for good. @returns its bytes. @throws StillhouseError `file.missing`, `disk.denied` */
export function emptyCheckpoint(run: string, name: string): number {
  const path = presentIn(run, name);
  try {
    const { size } = statSync(path);
    removeNow(path);
    return size;
  } catch (error) {
    throw diskError(error, path, 0);
  }
}

function presentIn(run: string, name: string): string {
  const path = join(trashFolder(run), name);
  if (fileOf(name) === null || !existsSync(path)) throw new StillhouseError('file.missing', { path });
  return path;
}

function move(from: string, to: string, folder: string): void {
  try {
    moveNow(from, to);
    syncToDisk(folder);
  } catch (error) {
    throw diskError(error, from, 0);
  }
}

function trashFolder(run: string): string {
  return join(checkpointsFolder(run), 'trash');
}

// A plain name, never a path.
function fileOf(name: string): string | null {
  const file = name.replace(/^\d+-/, '');
  return file !== name && isCheckpointFile(file) ? file : null;
}

function timeOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0);
}
