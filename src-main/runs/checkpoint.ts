import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { badFormat } from '../formats/source.ts';
import type { CheckpointInfo } from '../protocol/data-types.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import type { EpochRow } from '../protocol/events.ts';
import { diskError, removeLeftovers, writeChunksAtomic } from './atomic-file.ts';
import { checkpointFile, encodeFacts, parseCheckpoint } from './checkpoint-file.ts';
import type { Checkpoint, CheckpointFacts } from './checkpoint-file.ts';
import { openFile, type FileSource } from './file-source.ts';
import { truncateHistory } from './history.ts';
import { lockedError, lockOwner } from './lock.ts';
import { checkpointFiles, readEntries, readEntry, toInfos, writeManifest, type ManifestEntry } from './manifest.ts';
import { checkpointsFolder } from './run-folder.ts';

/**
 * The checkpoints of a run: `checkpoints/epoch-0012-step-00003450.safetensors`, each with all that resuming needs in
 * its header (`checkpoint-file.ts`), beside a manifest with their hashes and scores (`manifest.ts`).
 */

/** A tensor of the state. A function is called when its turn comes, so that one tensor is in memory at a time. */
export type StateTensor = readonly [name: string, shape: readonly number[], values: ArrayToWrite['values']];

/** Which checkpoints stay: the newest ones, and the best. */
export interface KeepPolicy {
  /** How many of the newest, at least 1; Infinity keeps all. */
  last: number;
  best: boolean;
}

/** What is kept unless asked otherwise. */
export const KEEP: KeepPolicy = { last: 3, best: true };

/**
 * Writes a checkpoint whole or not at all, then removes those that `keep` does not ask for.
 * @throws StillhouseError `disk.full` or `disk.denied`; older checkpoints are untouched then.
 */
export async function saveCheckpoint(
  run: string,
  facts: CheckpointFacts,
  tensors: Iterable<StateTensor>,
  keep: KeepPolicy = KEEP,
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
  const entry = { file, id, bytes, modified, sha256, epoch, step, time, acc1: null };
  // A file that replaces another of the same step takes its place; one of an earlier step is not the newest.
  const others = readEntries(run).filter((other) => other.file !== file);
  const all = [...others, entry].sort((a, b) => a.step - b.step);
  const kept = dropUnwanted(run, all, keep, file);
  writeManifest(run, kept);
  return toInfos(kept).find((info) => info.file === file)!;
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
  const amended = readEntries(run).map((entry) => (entry.file === file ? { ...entry, acc1: row.test.acc1 } : entry));
  writeManifest(run, amended);
  return toInfos(amended).find((info) => info.file === file) ?? null;
}

/** The complete checkpoints of a run, oldest first. Half-written or damaged files are not among them. */
export function listCheckpoints(run: string): CheckpointInfo[] {
  return toInfos(readEntries(run));
}

/** The newest complete checkpoint, or null. */
export function latestCheckpoint(run: string): CheckpointInfo | null {
  return listCheckpoints(run).at(-1) ?? null;
}

/** The complete checkpoint with the highest accuracy, the earliest of equals; null when none was evaluated. */
export function bestCheckpoint(run: string): CheckpointInfo | null {
  return listCheckpoints(run).find((info) => info.best) ?? null;
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
  const reason = error instanceof StillhouseError ? error.params.reason : undefined;
  return toPlainError(new StillhouseError('checkpoint.damaged', { path, reason: reason ?? String(error) }));
}

async function openVerified(run: string, path: string): Promise<Checkpoint> {
  const source = openFile(path);
  try {
    const entry = readEntry(run, basename(path));
    const checkpoint = parseCheckpoint(source, path);
    // An entry of an earlier file of this name says nothing about this one.
    const expected = entry?.id === checkpoint.id ? entry.sha256 : null;
    if (expected && expected !== (await hashOf(source))) throw badFormat(path, 'its content is not what was saved');
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

/** Removes the checkpoints that `keep` does not ask for. */
export function pruneCheckpoints(run: string, keep: KeepPolicy): void {
  writeManifest(run, dropUnwanted(run, readEntries(run), keep));
}

// Removes the files of what is not to be kept, `spared` never; returns what stays.
function dropUnwanted(run: string, all: readonly ManifestEntry[], keep: KeepPolicy, spared?: string): ManifestEntry[] {
  const newest = all.slice(-Math.max(1, Math.min(keep.last, all.length)));
  const best = keep.best ? toInfos(all).find((info) => info.best)?.file : undefined;
  const stays = (entry: ManifestEntry) => newest.includes(entry) || [best, spared].includes(entry.file);
  for (const { file } of all.filter((entry) => !stays(entry)))
    rmSync(join(checkpointsFolder(run), file), { force: true });
  return all.filter(stays);
}

/**
 * Removes one checkpoint.
 * @throws StillhouseError `file.missing`; `run.locked` for the newest one while the run is training: it may be needed.
 */
export function deleteCheckpoint(run: string, file: string): void {
  presentFile(run, file);
  const owner = lockOwner(run);
  if (owner && latestCheckpoint(run)?.file === file) throw lockedError(run, owner);
  rmSync(join(checkpointsFolder(run), file), { force: true });
  writeManifest(run, readEntries(run));
}

/**
 * Makes an earlier checkpoint the newest one: later ones are moved into `checkpoints/aside-<time>`, not removed, and
 * the history ends where it stood.
 * @throws StillhouseError `file.missing`
 */
export function rewindRun(run: string, file: string, firstEpoch: number): void {
  const files = checkpointFiles(run);
  const later = files.slice(files.indexOf(presentFile(run, file)) + 1);
  const aside = join(checkpointsFolder(run), `aside-${Date.now()}`);
  if (later.length > 0) mkdirSync(aside, { recursive: true });
  for (const name of later) renameSync(join(checkpointsFolder(run), name), join(aside, name));
  const entries = readEntries(run);
  writeManifest(run, entries);
  const step = entries.find((entry) => entry.file === file)?.step;
  if (step !== undefined) truncateHistory(run, { step, epoch: firstEpoch });
}
