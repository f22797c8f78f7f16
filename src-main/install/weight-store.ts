import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { diskError, fileSize, syncToDisk, writeFileAtomic } from '../base/files.ts';
import { move, remove } from '../base/moves.ts';
import { isAlive, throwIfCancelled } from '../base/process.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import type { WeightOwner } from '../protocol/weight-data.ts';
import { download, type Arrived } from './http-download.ts';
import { takeLockFile } from './lock-file.ts';
import { meter, type OnProgress } from './meter.ts';
import { findInCaches, hasHash, HUB_FILES } from './weight-caches.ts';
import { findPublished, sourcesOf, type WeightSource } from './weight-source.ts';

/** Says how weights are fetched. */
export interface FetchOptions {
  /** The store, usually `<cache>/weights`. */
  folder: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** Seconds without a byte after which the connection counts as dead. Default 30. */
  stall?: number;
  /** Milliseconds before each further try of a connection that broke. */
  pauses?: readonly number[];
}

/** Facts that are kept beside fetched weights, written last: without them nothing counts as arrived. */
export interface StoredFacts {
  address: string;
  file: string;
  bytes: number;
  sha256: string;
  /** Whether a hash known beforehand was met: from the file's name, or stated by the hub. */
  checked: boolean;
  /** Milliseconds since 1970. */
  time: number;
}

/** One entry of the store. */
export interface StoredWeights {
  id: string;
  path: string;
  /** As a person would ask for it again; null where an earlier version did not keep it. */
  address: string | null;
  /** Null while only a part of it has arrived. */
  facts: StoredFacts | null;
  /** Bytes on the disk. */
  bytes: number;
}

const FACTS = 'source.json';
const PART = 'download.part';
/** Says of a part what it is of. */
const ADDRESS = 'address.txt';

/**
 * Gets weights by an address; those already on this machine (the store, torch's and the hub's caches) are taken first.
 * @returns the path: a file, or the folder of a repository of the hub.
 * @throws StillhouseError `weights.fetch`, `weights.hash`, `disk.full`, `disk.denied`, `job.cancelled`
 */
export async function getWeights(source: WeightSource, options: FetchOptions): Promise<string> {
  const found = await locate(source, options.folder);
  if (found) return found.path;
  return alone(join(options.folder, idOf(source)), options.signal, async (folder) => {
    const byNow = await stored(source, options.folder);
    if (byNow) return byNow.path;
    await noteAddress(source, folder);
    return source.kind === 'url' ? fetchUrl(source, folder, options) : fetchHub(source, folder, options);
  });
}

/** @throws StillhouseError `disk.full`, `disk.denied` */
async function noteAddress(source: WeightSource, own: string): Promise<void> {
  try {
    await writeFile(join(own, ADDRESS), addressOf(source));
  } catch (error) {
    throw diskError(error, own, 0);
  }
}

/**
 * Gets published weights by name, from the authors' address first and from the hub where that fails.
 * @throws StillhouseError `argument.invalid` for a name without published weights, and those of {@link getWeights}
 */
export async function getPublished(name: string, options: FetchOptions): Promise<string> {
  const weights = findPublished(name);
  if (!weights)
    throw new StillhouseError('argument.invalid', { name: 'weights', expected: reason('value.network'), got: name }); // prettier-ignore
  return getFrom(sourcesOf(weights), options);
}

/**
 * Gets weights from the first place that has them, where none of them is on this machine.
 * @throws StillhouseError the failure of the first place, and those of {@link getWeights}
 */
export async function getFrom(sources: readonly WeightSource[], options: FetchOptions): Promise<string> {
  const found = await locateAny(sources, options.folder);
  if (found) return found.path;
  let failure: unknown;
  for (const source of sources) {
    try {
      return await getWeights(source, options);
    } catch (error) {
      if (!(error instanceof StillhouseError) || error.code !== 'weights.fetch') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Weights on this machine. */
export interface LocatedWeights {
  path: string;
  owner: WeightOwner;
}

/** Finds weights that are on this machine already; null where they are not. */
export async function locate(source: WeightSource, folder: string): Promise<LocatedWeights | null> {
  return (await stored(source, folder)) ?? findInCaches(source, folder);
}

/** Finds weights on this machine from one of several places. */
export async function locateAny(sources: readonly WeightSource[], folder: string): Promise<LocatedWeights | null> {
  for (const source of sources) {
    const found = await locate(source, folder);
    if (found) return found;
  }
  return null;
}

/** Tells whether a living process is fetching an entry of the store. */
export async function isBeingFetched(id: string, folder: string): Promise<boolean> {
  const holder = Number(await readFile(`${join(folder, id)}.lock`, 'utf8').catch(() => '0'));
  return holder > 0 && isAlive(holder);
}

/** Lists what the store holds, whole or in part. */
export async function listStored(folder: string): Promise<StoredWeights[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const all = entries.filter((entry) => entry.isDirectory()).map(({ name }) => entryOf(folder, name));
  return (await Promise.all(all)).filter((entry) => entry !== null);
}

async function entryOf(folder: string, id: string): Promise<StoredWeights | null> {
  const own = join(folder, id);
  const names = await readdir(own).catch((): string[] => []);
  const facts = await factsOf(own);
  if (!facts && !names.includes(PART)) return null;
  const sizes = await Promise.all(names.map((name) => fileSize(join(own, name))));
  const bytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const address = facts?.address ?? (await readFile(join(own, ADDRESS), 'utf8').catch(() => null));
  return { id, path: facts ? pathOf(own, facts) : own, address, facts, bytes };
}

/**
 * Frees an entry of the store.
 * @returns the bytes that were freed.
 * @throws StillhouseError `argument.invalid`, `weights.being-fetched`
 */
export async function removeStored(id: string, folder: string): Promise<number> {
  const entry = (await listStored(folder)).find((one) => one.id === id);
  if (!entry) {
    const names = (await listStored(folder)).map((one) => one.id).join(', ');
    const expected = names || reason('value.nothing-stored');
    throw new StillhouseError('argument.invalid', { name: 'weights', expected, got: id });
  }
  if (await isBeingFetched(id, folder)) throw new StillhouseError('weights.being-fetched', { id });
  await remove(join(folder, id));
  return entry.bytes;
}

async function stored(source: WeightSource, folder: string): Promise<LocatedWeights | null> {
  const own = join(folder, idOf(source));
  const facts = await factsOf(own);
  if (!facts) return placedByHand(source, own);
  const whole = (await fileSize(join(own, facts.file))) === facts.bytes;
  return whole ? { path: pathOf(own, facts), owner: 'store' } : null;
}

/** A file that a person put where an error asked for it; one whose name carries a hash must meet it. */
async function placedByHand(source: WeightSource, own: string): Promise<LocatedWeights | null> {
  const names = source.file ? [source.file] : HUB_FILES;
  for (const name of names) {
    const path = join(own, name);
    if ((await fileSize(path)) === null) continue;
    if (source.kind === 'hub') return { path: own, owner: 'person' };
    if (source.hash === null || (await hasHash(path, source.hash))) return { path, owner: 'person' };
  }
  return null;
}

async function factsOf(own: string): Promise<StoredFacts | null> {
  try {
    return JSON.parse(await readFile(join(own, FACTS), 'utf8')) as StoredFacts;
  } catch {
    return null;
  }
}

/** The settings of a repository of the hub stand beside its weights, so the folder is what is opened. */
function pathOf(own: string, { address, file }: StoredFacts): string {
  return address.startsWith('hf_hub:') ? own : join(own, file);
}

/** Returns the folder name of a source: readable, and different for each address. */
export function idOf(source: WeightSource): string {
  const address = addressOf(source);
  const mark = createHash('sha256').update(address).digest('hex').slice(0, 8);
  const name = source.kind === 'url' ? parse(source.file).name : source.repository.replace('/', '--');
  return `${name.replace(/[^\w.-]/g, '_').slice(0, 80)}.${mark}`;
}

function addressOf(source: WeightSource): string {
  if (source.kind === 'url') return source.address;
  const { repository, revision, file } = source;
  return `hf_hub:${repository}${revision === 'main' ? '' : `@${revision}`}${file ? `/${file}` : ''}`;
}

async function fetchUrl(source: Extract<WeightSource, { kind: 'url' }>, own: string, options: FetchOptions) {
  const place = join(own, source.file);
  const arrived = await receive(mirrored(source.address), own, options, { place });
  return finish(own, source.file, arrived, { address: source.address, hash: source.hash });
}

/** `STILLHOUSE_WEIGHTS_MIRROR` stands in for the authors' hosts: `<mirror>/<file name>`. */
function mirrored(address: string): string {
  const mirror = process.env.STILLHOUSE_WEIGHTS_MIRROR;
  return mirror ? `${mirror.replace(/\/$/, '')}/${parse(new URL(address).pathname).base}` : address;
}

/** `HF_ENDPOINT`, else the hub's own address. */
function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/$/, '');
}

async function fetchHub(source: Extract<WeightSource, { kind: 'hub' }>, own: string, options: FetchOptions) {
  const base = `${hubEndpoint()}/${source.repository}/resolve/${source.revision}`;
  const token = process.env.HF_TOKEN || process.env.HUGGING_FACE_HUB_TOKEN;
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  let failure: unknown;
  for (const file of source.file ? [source.file] : HUB_FILES) {
    try {
      const arrived = await receive(`${base}/${file}`, own, options, { place: own, headers });
      const etag = (arrived.facts['x-linked-etag'] || arrived.facts.etag || '').replace(/"/g, '');
      const hash = /^[0-9a-f]{64}$/.test(etag) ? etag : null;
      await takeSettings(base, own, options, headers);
      return await finish(own, file, arrived, { address: addressOf(source), hash });
    } catch (error) {
      if (!(error instanceof StillhouseError) || error.code !== 'weights.fetch') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

const SETTINGS = ['config.json', 'preprocessor_config.json'];
const MOST_SETTINGS = 4 * 2 ** 20;

/** Small files that say which network it is; a repository need not have them. */
async function takeSettings(base: string, own: string, options: FetchOptions, headers?: Record<string, string>) {
  for (const name of SETTINGS) {
    const part = join(own, `${name}.part`);
    const { signal, stall, pauses } = options;
    const address = `${base}/${name}`;
    const fail = (reason: Reason) => new StillhouseError('weights.fetch', { address, reason, place: own });
    try {
      await download({ address, part, headers, limit: MOST_SETTINGS, signal, stall, pauses, fail });
      await move(part, join(own, name));
    } catch (error) {
      throwIfCancelled(signal);
      if (!(error instanceof StillhouseError) || error.code !== 'weights.fetch') throw error;
    } finally {
      await remove(part);
      await remove(`${part}.json`);
    }
  }
}

interface Receiving {
  /** Where a person may put the file instead. */
  place: string;
  headers?: Record<string, string>;
}

async function receive(address: string, own: string, options: FetchOptions, { place, headers }: Receiving) {
  const { signal, stall, pauses, onProgress } = options;
  let report: ((done: number) => void) | undefined;
  return download({
    ...{ address, headers, signal, stall, pauses, part: join(own, PART) },
    fail: (reason, cause) => new StillhouseError('weights.fetch', { address, reason, place }, { cause }),
    onProgress: (done, total) => (report ??= meter('download', total ?? 0, onProgress))(done),
  });
}

interface Promised {
  address: string;
  hash: string | null;
}

async function finish(own: string, file: string, arrived: Arrived, { address, hash }: Promised): Promise<string> {
  const part = join(own, PART);
  if (hash !== null && !arrived.sha256.startsWith(hash)) {
    await remove(part);
    throw new StillhouseError('weights.hash', { address, expected: hash, got: arrived.sha256.slice(0, hash.length) });
  }
  const facts: StoredFacts = { address, file, bytes: arrived.bytes, sha256: arrived.sha256, checked: hash !== null, time: Date.now() }; // prettier-ignore
  try {
    await move(part, join(own, file));
    syncToDisk(own);
    writeFileAtomic(join(own, FACTS), `${JSON.stringify(facts, null, 2)}\n`);
    await Promise.all([`${part}.json`, join(own, ADDRESS)].map((path) => remove(path)));
  } catch (error) {
    throw diskError(error, own, arrived.bytes);
  }
  return pathOf(own, facts);
}

const POLL = 200;

/** Lets one process at a time fetch into a folder; the others wait for it. A holder that died is passed over. */
async function alone<T>(own: string, signal: AbortSignal | undefined, work: (own: string) => Promise<T>): Promise<T> {
  const lock = `${own}.lock`;
  try {
    await mkdir(own, { recursive: true });
    while (!(await takeLockFile(lock))) {
      throwIfCancelled(signal);
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  } catch (error) {
    throw diskError(error, dirname(own), 0);
  }
  try {
    return await work(own);
  } finally {
    await remove(lock);
  }
}
