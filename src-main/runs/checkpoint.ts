import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { badFormat } from '../formats/source.ts';
import type { CheckpointInfo } from '../protocol/data-types.ts';
import { StillhouseError, toPlainError, type PlainError, reasonOf } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import type { EpochRow } from '../protocol/events.ts';
import { diskError, removeLeftovers, writeChunksAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { checkpointFile, encodeFacts, parseCheckpoint } from './checkpoint-file.ts';
import type { Checkpoint, CheckpointFacts } from './checkpoint-file.ts';
import { openFile, type FileSource } from './file-source.ts';
import { truncateHistory } from './history.ts';
import { lockedError, lockOwner } from './lock.ts';
import { checkpointFiles, readEntries, readEntry, toInfos, writeManifest, type ManifestEntry } from './manifest.ts';
import { checkpointsFolder } from './run-folder.ts';
import { trashCheckpoints } from './trash.ts';

/**
 * The checkpoints of a run: `checkpoints/epoch-0012-step-00003450.safetensors`, each with all that resuming needs in
 * its header (`checkpoint-file.ts`), beside a manifest with their hashes and scores (`manifest.ts`).
 */

/** A tensor of the state. A function is called when its turn comes, so that one tensor is in memory at a time. */
export type StateTensor = readonly [name: string, shape: readonly number[], values: ArrayToWrite['values']];

/**
 * Writes a checkpoint whole or not at all, then removes those that need not be kept: of the rest stay the newest
 * `keepCheckpoints` of the recipe, the best by Acc@1, the best by that of the moving average, and the pinned.
 * @throws StillhouseError `disk.full` or `disk.denied`; older checkpoints are untouched then.
 */
export async function saveCheckpoint(
  run: string,
  facts: CheckpointFacts,
  tensors: Iterable<StateTensor>,
): Promise<CheckpointInfo> {
  const folder = checkpointsFolder(run);
  await prepareFolder(folder);
  const arrays = Array.from(tensors, ([name, shape, values]) => ({ name, shape, dtype: 'F32' as const, values }));
  const [id, time, file] = [randomUUID(), Date.now(), checkpointFile(facts.position)];
  const metadata = encodeFacts(facts, id, time);
  const path = join(folder, file);
  const expected = safetensorsBytes(arrays, metadata);
  const { bytes, sha256 } = await writeChunksAtomic(path, writeSafetensors(arrays, metadata), expected);
  const { epoch, step } = facts.position;
  const modified = Math.round(statSync(path).mtimeMs);
  const entry = { file, id, bytes, modified, sha256, epoch, step, time, acc1: null, acc1Ema: null };
  // A file that replaces another of the same step takes its place; one of an earlier step is not the newest.
  const others = readEntries(run).filter((other) => other.file !== file);
  const all = [...others, entry].sort((a, b) => a.step - b.step);
  const kept = wanted(run, all, facts.recipe.keepCheckpoints, file);
  // The manifest goes first: it must not name a file that is gone when the process is killed between the two.
  writeManifest(run, kept);
  for (const other of all) if (!kept.includes(other)) removeNow(join(folder, other.file));
  return toInfos(run, kept).find((info) => info.file === file)!;
}

async function prepareFolder(folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true });
    await removeLeftovers(folder);
  } catch (error) {
    throw diskError(error, folder, 0);
  }
}

/** Adds the scores of its epoch to a checkpoint that was written before they were known. */
export function amendCheckpoint(run: string, file: string, row: EpochRow): CheckpointInfo | null {
  const scores = { acc1: row.test.acc1, acc1Ema: row.testEma?.acc1 ?? null };
  const amended = readEntries(run).map((entry) => (entry.file === file ? { ...entry, ...scores } : entry));
  writeManifest(run, amended);
  return toInfos(run, amended).find((info) => info.file === file) ?? null;
}

/** Lists the complete checkpoints of a run, oldest first, without half-written or damaged files. */
export function listCheckpoints(run: string): CheckpointInfo[] {
  return toInfos(run, readEntries(run));
}

/** Finds the newest complete checkpoint, or null. */
export function latestCheckpoint(run: string): CheckpointInfo | null {
  return listCheckpoints(run).at(-1) ?? null;
}

/**
 * Finds the complete checkpoint with the highest accuracy, the earliest of equals; null when none was evaluated.
 * @param by `bestEma`: that of the moving average
 */
export function bestCheckpoint(run: string, by: 'best' | 'bestEma' = 'best'): CheckpointInfo | null {
  return listCheckpoints(run).find((info) => info[by]) ?? null;
}

/** A checkpoint that was opened, and what was wrong with newer ones. */
export interface LoadedCheckpoint {
  /** The caller closes it. */
  checkpoint: Checkpoint;
  /** `checkpoint.damaged` for each that had to be passed over. */
  notes: PlainError[];
}

/**
 * Opens a run's newest checkpoint, or the one named, after checking its size and hash; a damaged one is passed over
 * for the one before it.
 * @throws StillhouseError `run.no-checkpoint` when none is whole, `file.missing` when the named one is not there.
 */
export async function loadCheckpoint(run: string, file?: string): Promise<LoadedCheckpoint> {
  const files = checkpointFiles(run);
  const until = file === undefined ? files.length : files.indexOf(presentFile(run, file)) + 1;
  const notes: PlainError[] = [];
  for (const candidate of files.slice(0, until).reverse()) {
    const path = join(checkpointsFolder(run), candidate);
    try {
      return { checkpoint: await openVerified(run, path), notes };
    } catch (error) {
      notes.push(damagedNote(path, error));
    }
  }
  throw new StillhouseError('run.no-checkpoint', { path: run });
}

function presentFile(run: string, file: string): string {
  if (checkpointFiles(run).includes(file)) return file;
  throw new StillhouseError('file.missing', { path: join(checkpointsFolder(run), file) });
}

function damagedNote(path: string, error: unknown): PlainError {
  return toPlainError(new StillhouseError('checkpoint.damaged', { path, reason: reasonOf(error) }));
}

async function openVerified(run: string, path: string): Promise<Checkpoint> {
  const source = openFile(path);
  try {
    const entry = readEntry(run, basename(path));
    const checkpoint = parseCheckpoint(source, path);
    // An entry of an earlier file of this name says nothing about this one.
    const expected = entry?.id === checkpoint.id ? entry.sha256 : null;
    if (expected && expected !== (await hashOf(source))) throw badFormat(path, reason('checkpoint.content'));
    const info = listCheckpoints(run).find((candidate) => candidate.file === checkpoint.info.file);
    return { ...checkpoint, info: info ?? checkpoint.info };
  } catch (error) {
    source.close();
    throw error;
  }
}

async function hashOf(source: FileSource): Promise<string> {
  const hash = createHash('sha256');
  const piece = 8 << 20;
  for (let at = 0; at < source.size; at += piece) {
    hash.update(source.read(at, Math.min(piece, source.size - at)));
    await setImmediate();
  }
  return hash.digest('hex');
}

// What is to be kept, `spared` always.
function wanted(run: string, all: readonly ManifestEntry[], last: number, spared: string): ManifestEntry[] {
  const newest = new Set(all.slice(-Math.max(1, last)));
  const marked = new Set(toInfos(run, all).filter((info) => info.best || info.bestEma || info.pinned).map(({ file }) => file)); // prettier-ignore
  const stays = (entry: ManifestEntry) => newest.has(entry) || marked.has(entry.file) || entry.file === spared;
  return all.filter(stays);
}

/**
 * Puts one checkpoint into the trash.
 * @throws StillhouseError `file.missing`; `run.locked` for the newest one while the run is training: it may be needed;
 *   `disk.denied`
 */
export function deleteCheckpoint(run: string, file: string): void {
  presentFile(run, file);
  const owner = lockOwner(run);
  if (owner && latestCheckpoint(run)?.file === file) throw lockedError(run, owner);
  trashCheckpoints(run, [file]);
  writeManifest(run, readEntries(run));
}

/**
 * Makes an earlier checkpoint the newest one: later ones are moved into the trash, and the history ends where it
 * stood.
 * @throws StillhouseError `file.missing`, `disk.denied`
 */
export function rewindRun(run: string, file: string, firstEpoch: number): void {
  const files = checkpointFiles(run);
  trashCheckpoints(run, files.slice(files.indexOf(presentFile(run, file)) + 1));
  const entries = readEntries(run);
  writeManifest(run, entries);
  const step = entries.find((entry) => entry.file === file)?.step;
  if (step !== undefined) truncateHistory(run, { step, epoch: firstEpoch });
}
