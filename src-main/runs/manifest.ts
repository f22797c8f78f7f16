import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointInfo } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { namesIn, writeFileAtomic } from '../base/files.ts';
import { isCheckpointFile, openCheckpoint } from './checkpoint-file.ts';
import { readHistory } from './history.ts';
import { checkpointsFolder } from './run-folder.ts';
import { readNotes } from './run-notes.ts';

/**
 * `checkpoints/manifest.json`: a cache of what the checkpoint files say, with their hashes and scores. A file counts
 * when it is there and whole; an entry counts when it is about that very file.
 */

/** One checkpoint as the manifest knows it. */
export interface ManifestEntry {
  file: string;
  /** Of the header: tells a file from a later one of the same name. */
  id: string;
  bytes: number;
  /** Of the file, milliseconds since 1970: while it and the size are the same, the header is not read again. */
  modified: number;
  /** null when the file was found without an entry. */
  sha256: string | null;
  epoch: number;
  step: number;
  time: number;
  acc1: number | null;
  /** Of the moving average of the model. */
  acc1Ema: number | null;
}

/** Reads the complete checkpoints in a run's folder, by step. Half-written and damaged files are left out. */
export function readEntries(run: string): ManifestEntry[] {
  const known = new Map(readManifest(run).map((entry) => [entry.file, entry]));
  const scores = scoresOf(run);
  const entries = checkpointFiles(run).flatMap((file) => checkEntry(run, file, known.get(file), scores) ?? []);
  return entries.sort((a, b) => a.step - b.step || a.epoch - b.epoch);
}

type Scores = Pick<ManifestEntry, 'acc1' | 'acc1Ema'>;

function checkEntry(run: string, file: string, known: ManifestEntry | undefined, scores: () => Map<string, Scores>) {
  const path = join(checkpointsFolder(run), file);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return null;
  const modified = Math.round(stat.mtimeMs);
  if (known && known.bytes === stat.size && known.modified === modified) return known;
  const found = readHeader(path);
  if (!found) return null;
  if (known && known.id === found.id && known.bytes === found.bytes) return { ...known, modified };
  return { ...found, modified, ...(scores().get(scoreKey(found)) ?? { acc1: null, acc1Ema: null }) };
}

function readHeader(path: string): Omit<ManifestEntry, 'modified' | keyof Scores> | null {
  try {
    const { id, info, close } = openCheckpoint(path);
    close();
    return {
      file: info.file,
      id,
      bytes: info.bytes,
      sha256: null,
      epoch: info.epoch,
      step: info.step,
      time: info.time,
    };
  } catch {
    return null;
  }
}

/** The end of an epoch and the start of the next are one step: only the first has been evaluated. */
const scoreKey = ({ epoch, step }: { epoch: number; step: number }) => `${epoch} ${step}`;

// Only read when an entry is missing.
function scoresOf(run: string): () => Map<string, Scores> {
  let scores: Map<string, Scores> | null = null;
  return () => {
    scores ??= new Map(
      readHistory(run).flatMap((row) =>
        row.type === 'epoch' ? [[scoreKey(row), { acc1: row.test.acc1, acc1Ema: row.testEma?.acc1 ?? null }]] : [],
      ),
    );
    return scores;
  };
}

/** Reads the manifest's entry for one file, unchecked; undefined when there is none. */
export function readEntry(run: string, file: string): ManifestEntry | undefined {
  return readManifest(run).find((entry) => entry.file === file);
}

/**
 * Replaces the manifest. On a full disk the old one stays: a checkpoint that is whole must not fail for its cache.
 * @throws StillhouseError `disk.denied`
 */
export function writeManifest(run: string, entries: readonly ManifestEntry[]): void {
  try {
    writeFileAtomic(manifestPath(run), `${JSON.stringify({ format: 1, checkpoints: entries }, null, 2)}\n`);
  } catch (error) {
    if (!(error instanceof StillhouseError && error.code === 'disk.full')) throw error;
  }
}

function readManifest(run: string): ManifestEntry[] {
  try {
    const manifest = JSON.parse(readFileSync(manifestPath(run), 'utf8')) as { checkpoints?: unknown };
    return Array.isArray(manifest.checkpoints) ? manifest.checkpoints.flatMap((value) => readWhole(value) ?? []) : [];
  } catch {
    return [];
  }
}

// A version that kept no score of the average wrote entries without one.
function readWhole(value: unknown): ManifestEntry | null {
  const entry = value as Partial<ManifestEntry> | null;
  const numbers = [entry?.bytes, entry?.modified, entry?.epoch, entry?.step, entry?.time];
  const scores = [entry?.acc1, entry?.acc1Ema ?? null].every((score) => score === null || typeof score === 'number');
  const hash = entry?.sha256 === null || typeof entry?.sha256 === 'string';
  const whole =
    typeof entry?.file === 'string' && typeof entry.id === 'string' && scores && hash && numbers.every(Number.isFinite);
  return whole ? { ...(entry as ManifestEntry), acc1Ema: entry.acc1Ema ?? null } : null;
}

/** Turns the entries of a run into those of the protocol; best is the earliest with the highest accuracy. */
export function toInfos(run: string, entries: readonly ManifestEntry[]): CheckpointInfo[] {
  const [best, bestEma] = [bestBy(entries, 'acc1'), bestBy(entries, 'acc1Ema')];
  const last = entries.at(-1);
  const pinned = new Set(readNotes(run).checkpoints);
  return entries.map((entry) => {
    const { file, epoch, step, time, bytes, acc1, acc1Ema } = entry;
    const marks = { best: entry === best, bestEma: entry === bestEma, last: entry === last, pinned: pinned.has(file) };
    return { file, epoch, step, time, bytes, acc1, acc1Ema, ...marks };
  });
}

function bestBy(entries: readonly ManifestEntry[], score: keyof Scores): ManifestEntry | undefined {
  const top = Math.max(...entries.map((entry) => entry[score] ?? -1));
  return entries.find((entry) => entry[score] === top);
}

/** Lists the names of a run's checkpoint files, whole or not, by step. */
export function checkpointFiles(run: string): string[] {
  return namesIn(checkpointsFolder(run)).filter(isCheckpointFile).sort(byStep);
}

function byStep(a: string, b: string): number {
  const step = (name: string) => Number(/step-(\d+)/.exec(name)?.[1]);
  return step(a) - step(b);
}

function manifestPath(run: string): string {
  return join(checkpointsFolder(run), 'manifest.json');
}
