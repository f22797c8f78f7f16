import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic, writeNewFile, namesIn } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { lockRun, type RunLock } from '../runs/lock.ts';
import { batchBytes, blockBytes, packAnswers, readBlock, unpackAnswers, writeBlock } from './answer-block.ts';
import type { AnswerBlock, AnswerForm, Answers } from './answer-block.ts';
import { BLOCK, FACTS, makeRoom, USERS, type StoreFacts } from './answer-stores.ts';

/**
 * The kept answers of one teacher to the batches of one way of drawing them, in a folder of their own. They lie in
 * blocks that are written whole and never changed, so that any number of runs may read and add at the same time; a
 * block that is damaged is removed, and what it held is asked for again. Where a block cannot be written, nothing more
 * is kept: a run never ends for it.
 */

/** A batch of an epoch, both from 0. */
export interface Place {
  epoch: number;
  batch: number;
}

export interface StoreOptions {
  /** Holds all stores. */
  root: string;
  /** The name of this one: what follows from everything that the answers depend on. */
  id: string;
  facts: StoreFacts;
  form: AnswerForm;
  /** Most bytes of all stores together. */
  budget: number;
  /** Hears what becomes of it, each once. */
  onNote(note: StillhouseError): void;
  /** Writes a file whole; for tests of a disk that is full. */
  write?: (path: string, bytes: Uint8Array) => void;
}

/** A block that has not been read. */
interface Entry {
  name: string;
  first: number;
  count: number;
}

interface Pending extends Pick<AnswerBlock, 'epoch' | 'first' | 'milliseconds'> {
  prints: number[];
  answers: Uint8Array[];
  /** By `performance.now()`. */
  since: number;
}

const [MOST_BATCHES, MOST_BYTES, MOST_AGE] = [1024, 4 << 20, 60_000];
/** Blocks whose content stays in memory. */
const READ = 4;

export class AnswerStore {
  readonly path: string;
  private readonly index = new Map<number, Entry[]>();
  private readonly blocks = new Map<string, AnswerBlock>();
  private readonly said = new Set<string>();
  private seen = -1;
  private pending: Pending | null = null;
  private writes = true;

  private constructor(
    private readonly options: StoreOptions,
    private readonly user: { folder: string; lock: RunLock } | null,
  ) {
    this.path = join(options.root, options.id);
    this.scan();
  }

  /** Opens a store, or makes it, and tells others that it is in use. The caller closes it. */
  static open(options: StoreOptions): AnswerStore {
    const folder = join(options.root, options.id, USERS, `${process.pid}-${randomBytes(6).toString('hex')}`);
    try {
      mkdirSync(folder, { recursive: true });
      const store = new AnswerStore(options, { folder, lock: lockRun(folder) });
      store.requireFacts();
      utimesSync(join(store.path, FACTS), new Date(), new Date());
      return store;
    } catch (error) {
      const store = new AnswerStore(options, null);
      store.stopWriting(whyNot(error));
      return store;
    }
  }

  /** Finds the answers to a batch whose images have this print; null where they are not kept. */
  find({ epoch, batch }: Place, print: number): Answers | null {
    const found = this.lookUp(epoch, batch, print);
    if (found || !this.hasChanged()) return found;
    this.scan();
    return this.lookUp(epoch, batch, print);
  }

  /** Keeps the answers to a batch; they are written with those of its neighbours. */
  keep({ epoch, batch }: Place, print: number, answers: Answers, milliseconds: number): void {
    if (!this.writes) return;
    const { form } = this.options;
    if (this.pending && !this.takesNext(this.pending, epoch, batch)) this.flush();
    const since = performance.now();
    this.pending ??= { epoch, first: batch, milliseconds: 0, prints: [], answers: [], since };
    this.pending.prints.push(print >>> 0);
    this.pending.answers.push(packAnswers(form, answers));
    this.pending.milliseconds += milliseconds;
  }

  /** Writes what is still to be written. */
  flush(): void {
    const { pending } = this;
    this.pending = null;
    if (!pending || !this.writes) return;
    const { root, id, form, budget, write = writeFileAtomic } = this.options;
    const count = pending.prints.length;
    const name = `e${pending.epoch}-${pending.first}-${count}-${randomBytes(6).toString('hex')}.answers`;
    try {
      if (!makeRoom(root, id, blockBytes(form, count), budget)) return this.stopWriting(reason('answers.budget'));
      // Another process may have dropped the store, or the cache may have been emptied.
      this.requireFacts();
      const block = { ...pending, count, prints: Uint32Array.from(pending.prints), answers: joined(pending.answers) };
      write(join(this.path, name), writeBlock(form, block));
      this.add(name);
    } catch (error) {
      this.stopWriting(whyNot(error));
    }
  }

  /** Removes every block that is damaged. */
  check(): void {
    this.scan();
    for (const [epoch, entries] of this.index) for (const entry of [...entries]) this.read(epoch, entry);
  }

  /** Lists the ranges [from, to) within `from` to `to` of an epoch that no block covers. */
  gaps(epoch: number, from: number, to: number): [number, number][] {
    if (this.hasChanged()) this.scan();
    const entries = [...(this.index.get(epoch) ?? [])].sort((a, b) => a.first - b.first);
    const gaps: [number, number][] = [];
    let at = from;
    for (const { first, count } of entries) {
      if (first > at && at < to) gaps.push([at, Math.min(first, to)]);
      at = Math.max(at, first + count);
    }
    if (at < to) gaps.push([at, to]);
    return gaps;
  }

  /** Lists every place whose answers are kept. */
  places(): Place[] {
    const ranges = [...this.index].flatMap(([epoch, entries]) => entries.map((entry) => ({ epoch, ...entry })));
    return ranges.flatMap(({ epoch, first, count }) => Array.from({ length: count }, (_, at) => ({ epoch, batch: first + at }))); // prettier-ignore
  }

  /** Removes every block. */
  drop(): void {
    this.pending = null;
    this.blocks.clear();
    for (const name of namesIn(this.path)) if (BLOCK.test(name)) removeNow(join(this.path, name));
    this.scan();
  }

  /** Whether answers are still written. */
  get keeps(): boolean {
    return this.writes;
  }

  /** Writes what is left and tells others that it is used no more. May be called twice. */
  close(): void {
    this.flush();
    this.user?.lock.release();
    if (this.user) removeNow(this.user.folder);
  }

  private lookUp(epoch: number, batch: number, print: number): Answers | null {
    const { form } = this.options;
    const size = batchBytes(form);
    for (const entry of this.index.get(epoch) ?? []) {
      const at = batch - entry.first;
      if (at < 0 || at >= entry.count) continue;
      const block = this.read(epoch, entry);
      if (!block) continue;
      if (block.prints[at] === print >>> 0)
        return unpackAnswers(form, block.answers.subarray(at * size, (at + 1) * size));
      this.note(this.otherImages(epoch, batch));
    }
    return null;
  }

  private otherImages(epoch: number, batch: number): StillhouseError {
    const { path } = this;
    return this.options.facts.of === 'validation'
      ? new StillhouseError('answers.other-validation', { path, batch: batch + 1 })
      : new StillhouseError('answers.other-images', { path, epoch: epoch + 1, batch: batch + 1 });
  }

  private read(epoch: number, entry: Entry): AnswerBlock | null {
    const { name, first, count } = entry;
    const known = this.blocks.get(name);
    if (known) return known;
    const block = readBlock(this.options.form, contentOf(join(this.path, name)));
    if (!block || block.epoch !== epoch || block.first !== first || block.count !== count) {
      this.discard(epoch, entry);
      return null;
    }
    if (this.blocks.size >= READ) this.blocks.delete(this.blocks.keys().next().value!);
    this.blocks.set(name, block);
    return block;
  }

  /** Removes a block that cannot be read; one that another process has removed is no fault. */
  private discard(epoch: number, entry: Entry): void {
    const path = join(this.path, entry.name);
    const there = statSync(path, { throwIfNoEntry: false }) !== undefined;
    removeNow(path);
    this.index.set(epoch, (this.index.get(epoch) ?? []).filter((other) => other !== entry)); // prettier-ignore
    if (there) this.note(new StillhouseError('answers.damaged', { path, count: entry.count }));
  }

  private takesNext({ epoch, first, prints, since }: Pending, nextEpoch: number, batch: number): boolean {
    const most = Math.max(1, Math.min(MOST_BATCHES, Math.floor(MOST_BYTES / batchBytes(this.options.form))));
    const young = performance.now() - since < MOST_AGE;
    return epoch === nextEpoch && first + prints.length === batch && prints.length < most && young;
  }

  private requireFacts(): void {
    mkdirSync(this.path, { recursive: true });
    writeNewFile(join(this.path, FACTS), `${JSON.stringify(this.options.facts, null, 2)}\n`);
  }

  private hasChanged(): boolean {
    return changeOf(this.path) !== this.seen;
  }

  private scan(): void {
    this.seen = changeOf(this.path);
    this.index.clear();
    for (const name of namesIn(this.path)) this.add(name);
  }

  private add(name: string): void {
    const [, epoch, first, count] = BLOCK.exec(name)?.map(Number) ?? [];
    if (count === undefined) return;
    const entries = this.index.get(epoch) ?? [];
    if (!entries.some((entry) => entry.name === name)) entries.push({ name, first, count });
    this.index.set(epoch, entries);
  }

  private stopWriting(why: Reason): void {
    this.writes = false;
    this.note(new StillhouseError('answers.not-kept', { path: this.path, reason: why }));
  }

  private note(note: StillhouseError): void {
    if (this.said.has(note.code)) return;
    this.said.add(note.code);
    this.options.onNote(note);
  }
}

function whyNot(error: unknown): Reason {
  const full = error instanceof StillhouseError && error.code === 'disk.full';
  return full ? reason('os.disk-full') : reasonOf(error);
}

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch {
    return new Uint8Array(0);
  }
}

function changeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return -1;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
