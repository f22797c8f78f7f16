import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { namesIn } from '../base/files.ts';
import { moveNow, removeNow } from '../base/moves.ts';
import { join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, reasonIn } from '../protocol/reasons.ts';
import { lockOwner } from '../runs/lock.ts';
import { HEAD_BYTES, millisecondsOf } from './answer-block.ts';

/** Every store of kept answers below one folder: what they hold, and which of them go when room is needed. */

/** Says what a store is of, in its `store.json`. */
export interface StoreFacts {
  /** Of the teacher, for people. */
  teacher: string;
  /** The data folder that it was first made for. */
  dataPath: string;
  kind: 'decisions' | 'logits';
  /** The images that were shown; left out: those of a training. */
  of?: 'validation';
  /** Milliseconds since 1970. */
  created: number;
  /** Everything that the answers depend on. */
  key: unknown;
}

/** A store as it lies on the disk. */
interface StoreSummary {
  id: string;
  path: string;
  /** null where its `store.json` cannot be read. */
  facts: StoreFacts | null;
  bytes: number;
  batches: number;
  /** Milliseconds since 1970. */
  used: number;
  inUse: boolean;
}

/** The file of a block by its name: epoch, first batch, number of batches. */
export const BLOCK = /^e(\d+)-(\d+)-(\d+)-[0-9a-f]+\.answers$/;
export const FACTS = 'store.json';
export const USERS = 'users';
const DROPPED = '.dropped-';
const ID = /^[0-9a-f]{32}$/;

/** Lists the stores, the longest unused first. */
export function listStores(root: string): StoreSummary[] {
  const names = namesIn(root);
  for (const name of names) if (name.startsWith(DROPPED)) removeNow(join(root, name));
  const stores = names.filter((name) => ID.test(name)).map((id) => summaryOf(root, id));
  return stores.sort((a, b) => a.used - b.used);
}

function summaryOf(root: string, id: string): StoreSummary {
  const path = join(root, id);
  const [blocks, bytes] = namesIn(path).reduce(
    ([batches, sum], name) => [batches + Number(BLOCK.exec(name)?.[3] ?? 0), sum + sizeOf(join(path, name))],
    [0, 0],
  );
  return { id, path, facts: readFacts(path), bytes, batches: blocks, used: usedAt(path), inUse: usersOf(path) > 0 };
}

/** Reads what a store is of; null where that cannot be read. */
function readFacts(path: string): StoreFacts | null {
  try {
    return JSON.parse(readFileSync(join(path, FACTS), 'utf8')) as StoreFacts;
  } catch {
    return null;
  }
}

/** Adds up how long the teacher took for the blocks of a store, in milliseconds, and for how many batches. */
export function timeOf(path: string): { milliseconds: number; batches: number } {
  const found = { milliseconds: 0, batches: 0 };
  for (const name of namesIn(path)) {
    const block = BLOCK.exec(name);
    const took = block && millisecondsOf(headOf(join(path, name)));
    if (took === null || !Number.isFinite(took)) continue;
    found.milliseconds += took;
    found.batches += Number(block![3]);
  }
  return found;
}

/** Counts the batches of the first `epochs` epochs, each of `steps`, whose answers a store holds. */
export function keptBatches(path: string, epochs: number, steps: number): number {
  const kept = new Set<number>();
  for (const name of namesIn(path)) {
    const [, epoch, first, count] = BLOCK.exec(name)?.map(Number) ?? [];
    if (count === undefined || epoch >= epochs) continue;
    for (let batch = first; batch < Math.min(first + count, steps); batch++) kept.add(epoch * steps + batch);
  }
  return kept.size;
}

function headOf(path: string): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    const file = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(file, head, 0, head.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return head.subarray(0, 0);
  }
}

/**
 * Removes a store.
 * @param id or its first letters.
 * @throws StillhouseError `answers.unknown`, `answers.in-use`, `disk.denied`
 */
export function removeStore(root: string, id: string): StoreSummary {
  const found = listStores(root).filter((store) => id !== '' && store.id.startsWith(id));
  if (found.length !== 1) throw new StillhouseError('answers.unknown', { id, count: found.length });
  const [store] = found;
  if (store.inUse) throw new StillhouseError('answers.in-use', { id: store.id });
  drop(root, store);
  return store;
}

/**
 * Makes room for `needed` bytes: drops stores, the longest unused first, but none in use.
 * @param own the store that the room is for.
 * @returns whether all stores then stay within `budget` bytes.
 */
export function makeRoom(root: string, own: string, needed: number, budget: number): boolean {
  const stores = listStores(root);
  let total = stores.reduce((sum, { bytes }) => sum + bytes, 0);
  const others = stores.filter(({ id, inUse }) => id !== own && !inUse);
  // What cannot be reached is not worth the other stores.
  const stays = total - others.reduce((sum, { bytes }) => sum + bytes, 0);
  if (stays + needed > budget) return false;
  for (const store of others) {
    if (total + needed <= budget) break;
    drop(root, store);
    total -= store.bytes;
  }
  return true;
}

// Renamed first: whoever looks sees a whole store or none.
function drop(root: string, { id, path }: StoreSummary): void {
  const aside = join(root, `${DROPPED}${id}-${randomBytes(4).toString('hex')}`);
  try {
    moveNow(path, aside);
    removeNow(aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new StillhouseError(
      'disk.denied',
      { path, reason: reasonIn(error) ?? reason('os.denied') },
      { cause: error },
    );
  }
}

/** Counts the processes that use a store; the places of those that are gone are cleared away. */
export function usersOf(path: string): number {
  const users = namesIn(join(path, USERS)).map((name) => join(path, USERS, name));
  const living = users.filter((user) => lockOwner(user) !== null);
  for (const user of users) if (!living.includes(user) && isOld(user)) removeNow(user);
  return living.length;
}

/** Milliseconds in which a place that was just made gets its lock. */
const NEW = 60_000;

function isOld(path: string): boolean {
  return Date.now() - modified(path) > NEW;
}

function usedAt(path: string): number {
  return modified(join(path, FACTS)) || modified(path);
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.size : 0;
}
