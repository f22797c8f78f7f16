import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StillhouseError, type ErrorCode } from '../protocol/errors.ts';
import { diskError, hashFile, requireSpace, fileSize } from '../base/files.ts';
import { move, remove } from '../base/moves.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { download as fetchFile } from './http-download.ts';
import { takeLockFile } from './lock-file.ts';
import { meter, type OnProgress } from './meter.ts';
import { offerOf, placesOf, type Asking } from './package-index.ts';
import { readPipConfig, type PipConfig } from './pip-config.ts';
import type { Member, PinnedFile } from './wheel.ts';

/** One wheel of the Python package index, pinned. */
export interface PackagePin extends PinnedFile {
  package: string;
  version: string;
  /** The wheel's file name. */
  file: string;
  members: Member[];
}

/** What a failure of the network or the index is called. */
interface FailureName {
  code: ErrorCode;
  params?: Record<string, string>;
}

export interface FetchOptions {
  /** Where the wheel goes; made when missing. */
  folder: string;
  /** Offline: a folder that holds the wheel, or the wheel itself. It is used where it is. */
  from?: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** Seconds without a byte after which the connection counts as dead; 30 by default. */
  stall?: number;
  /** Milliseconds before each further try of a connection that broke. */
  pauses?: readonly number[];
  /** The error to raise when the network or the index fails; its parameters get a `reason`. */
  failure?: FailureName;
}

/** Counts the bytes of a pinned wheel that have arrived in `folder`, whole or in part. */
export async function arrivedBytes(pin: PackagePin, folder: string): Promise<number> {
  return (await fileSize(join(folder, pin.file))) ?? (await fileSize(partOf(pin, folder))) ?? 0;
}

/**
 * Gets a pinned wheel from where pip's settings say, else from the usual package index, and checks it. What has
 * arrived is kept when this process or the connection ends, and the next call goes on from there.
 * @returns the wheel's path.
 * @throws StillhouseError `failure` (default `engine.download`), `engine.corrupt`, `disk.full`,
 * `disk.denied`, `file.missing` (offline), `job.cancelled`.
 */
export async function fetchPackage(pin: PackagePin, options: FetchOptions): Promise<string> {
  if (options.from !== undefined) return checkGiven(pin, options.from, options);
  const wheel = join(options.folder, pin.file);
  const part = partOf(pin, options.folder);
  try {
    await mkdir(options.folder, { recursive: true });
    if ((await fileSize(wheel)) !== null) await move(wheel, part);
    await requireSpace(options.folder, Math.max(0, pin.bytes - ((await fileSize(part)) ?? 0)));
    if ((await fileSize(part)) !== pin.bytes) await download(pin, part, options);
    await checkWheel(pin, part, options);
    await move(part, wheel);
  } catch (error) {
    if (error instanceof StillhouseError && error.code === 'engine.corrupt') await discard(part);
    throw diskError(error, options.folder, pin.bytes);
  }
  return wheel;
}

// Named for the hash: what is left of another pin is never continued.
function partOf(pin: PackagePin, folder: string): string {
  return join(folder, `${pin.file}.${pin.sha256.slice(0, 8)}.part`);
}

async function discard(part: string): Promise<void> {
  for (const path of [part, `${part}.json`]) await remove(path);
}

async function checkGiven(pin: PackagePin, from: string, options: FetchOptions): Promise<string> {
  const isFolder = await stat(from).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const wheel = isFolder ? join(from, pin.file) : from;
  if ((await fileSize(wheel)) === null) throw new StillhouseError('file.missing', { path: wheel });
  await checkWheel(pin, wheel, options);
  return wheel;
}

async function checkWheel(pin: PackagePin, wheel: string, { onProgress, signal }: FetchOptions): Promise<void> {
  const got = await hashFile(wheel, meter('check', pin.bytes, onProgress), signal);
  if (got !== pin.sha256) throw new StillhouseError('engine.corrupt', { file: wheel, expected: pin.sha256, got });
}

/** Downloads into `part`, from the first place that offers the file and does not fail. */
async function download(pin: PackagePin, part: string, options: FetchOptions): Promise<void> {
  const lock = `${part}.lock`;
  if (!(await takeLockFile(lock)) && !(await takeLockFile(lock)))
    throw failureOf(reason('download.busy'), undefined, options);
  try {
    const pip = readPipConfig();
    const asking = askingOf(pip, options);
    let failure: StillhouseError | null = null;
    for (const place of placesOf(pin, pip)) {
      try {
        if (await downloadFrom(place, pin, part, { ...options, ...asking })) return;
      } catch (error) {
        if (!isOfNetwork(error, options)) throw error;
        failure ??= error;
      }
    }
    throw failure ?? failureOf(reason('index.lacks', { file: pin.file }), undefined, options);
  } finally {
    await remove(lock);
  }
}

function askingOf({ proxy, cert }: PipConfig, options: FetchOptions): Asking {
  const { stall, pauses, signal } = options;
  return { proxy, cert, stall, pauses, signal, fail: (why, cause) => failureOf(why, cause, options) };
}

/** @returns whether the place offers the file. */
async function downloadFrom(place: string, pin: PackagePin, part: string, options: FetchOptions & Asking) {
  const offer = await offerOf(pin, place, options).catch((error: unknown) => {
    if (isNotThere(error)) return null;
    throw error;
  });
  if (offer === null) return false;
  const onBytes = meter('download', pin.bytes, options.onProgress);
  if ('path' in offer) await copyFile(offer.path, part);
  else await fetchFile({ ...options, ...offer, part, limit: pin.bytes, onProgress: onBytes });
  await remove(`${part}.json`);
  return true;
}

function isNotThere(error: unknown): boolean {
  const why = error instanceof StillhouseError ? error.params.reason : null;
  return typeof why === 'object' && why !== null && 'code' in why && why.code === 'fetch.not-found';
}

// Another place may do what this one could not; a full disk or other bytes than the pinned ones it cannot mend.
function isOfNetwork(error: unknown, { failure }: FetchOptions): error is StillhouseError {
  return error instanceof StillhouseError && error.code === (failure?.code ?? 'engine.download');
}

function failureOf(why: Reason, cause: unknown, { failure }: FetchOptions): StillhouseError {
  const { code, params } = failure ?? { code: 'engine.download' };
  return new StillhouseError(code, { ...params, reason: why }, { cause });
}
