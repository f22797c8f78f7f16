import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchBytes, blockBytes, type AnswerForm } from '../../../src-main/answers/answer-block.ts';
import { AnswerStore, type StoreOptions } from '../../../src-main/answers/answer-store.ts';
import { listStores, makeRoom, removeStore, timeOf } from '../../../src-main/answers/answer-stores.ts';
import { diskError } from '../../../src-main/base/files.ts';
import { pseudoRandom } from '../../helpers/engine.ts';

const HARD: AnswerForm = { kind: 'decisions', classes: 1000, type: 'float16', batchSize: 4 };
const SOFT: AnswerForm = { kind: 'logits', classes: 5, type: 'float32', batchSize: 4 };
const FACTS = { teacher: 'regnety_160', dataPath: '/data', kind: 'decisions', created: 0, key: {} } as const;
const [ONE, TWO, THREE] = ['1', '2', '3'].map((digit) => digit.repeat(32));
const PLENTY = 2 ** 30;

let root: string;
let notes: string[];
let opened: AnswerStore[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stillhouse-answers-'));
  [notes, opened] = [[], []];
});
afterEach(() => {
  for (const store of opened) store.close();
  rmSync(root, { recursive: true, force: true });
});

function open(more: Partial<StoreOptions> = {}): AnswerStore {
  const onNote: StoreOptions['onNote'] = (note) => void notes.push(note.code);
  const store = AnswerStore.open({ root, id: ONE, facts: FACTS, form: HARD, budget: PLENTY, onNote, ...more });
  opened.push(store);
  return store;
}

const decisions = (seed: number) => Int32Array.from(pseudoRandom(4, seed), (value) => Math.floor(500 * (value + 1)));
const blocksIn = (path: string) => readdirSync(path).filter((name) => name.endsWith('.answers'));

/** Keeps the answers to batches of the first epoch; the print of each is its number + 100. */
function fill(store: AnswerStore, from: number, to: number): void {
  for (let batch = from; batch < to; batch++) store.keep({ epoch: 0, batch }, 100 + batch, decisions(batch), 5);
  store.flush();
}

describe('kept answers', () => {
  it('are found by another run, two bytes an image', () => {
    const first = open();
    fill(first, 0, 10);
    first.close();
    const [file] = blocksIn(first.path);
    expect(readFileSync(join(first.path, file)).length).toBe(blockBytes(HARD, 10));
    expect(batchBytes(HARD)).toBe(2 * HARD.batchSize);
    const second = open();
    for (let batch = 0; batch < 10; batch++)
      expect(second.find({ epoch: 0, batch }, 100 + batch)).toEqual(decisions(batch));
    expect(second.find({ epoch: 0, batch: 10 }, 110)).toBeNull();
    expect(second.find({ epoch: 1, batch: 0 }, 100)).toBeNull();
    expect(timeOf(second.path)).toEqual({ milliseconds: 50, batches: 10 });
    expect(notes).toEqual([]);
  });

  it.each(['float32', 'float16'] as const)('of soft distillation are whole in %s', (type) => {
    const form = { ...SOFT, type };
    const logits = pseudoRandom(20, 3).map((value) => 30 * value);
    const store = open({ form });
    store.keep({ epoch: 2, batch: 7 }, 1, logits, 1);
    store.flush();
    const found = open({ form }).find({ epoch: 2, batch: 7 }, 1)!;
    found.forEach((value, at) => {
      if (type === 'float32') expect(value).toBe(logits[at]);
      else expect(Math.abs(value - logits[at])).toBeLessThanOrEqual(Math.abs(logits[at]) * 2 ** -11);
    });
  });

  it('of a hundred thousand classes hold every class', () => {
    const form = { ...HARD, classes: 100_000 };
    const store = open({ form });
    store.keep({ epoch: 0, batch: 0 }, 1, Int32Array.of(0, 65_535, 65_536, 99_999), 1);
    store.flush();
    expect(open({ form }).find({ epoch: 0, batch: 0 }, 1)).toEqual(Int32Array.of(0, 65_535, 65_536, 99_999));
  });

  it('are not served for other images, which is said once', () => {
    fill(open(), 0, 3);
    const store = open();
    expect(store.find({ epoch: 0, batch: 1 }, 999)).toBeNull();
    expect(store.find({ epoch: 0, batch: 2 }, 999)).toBeNull();
    expect(notes).toEqual(['answers.other-images']);
    store.keep({ epoch: 0, batch: 1 }, 999, decisions(50), 1);
    store.flush();
    expect(store.find({ epoch: 0, batch: 1 }, 999)).toEqual(decisions(50));
    expect(store.find({ epoch: 0, batch: 1 }, 101)).toEqual(decisions(1));
  });

  it('are listed by the gaps between them', () => {
    const store = open();
    fill(store, 2, 4);
    fill(store, 6, 7);
    expect(store.gaps(0, 0, 10)).toEqual([[0, 2], [4, 6], [7, 10]]); // prettier-ignore
    expect(store.gaps(0, 2, 4)).toEqual([]);
    expect(store.gaps(1, 3, 5)).toEqual([[3, 5]]);
    expect(store.places().map(({ batch }) => batch)).toEqual(expect.arrayContaining([2, 3, 6]));
  });
});

const oneBit = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === 90 ? byte ^ 4 : byte));

describe('a block that is not whole', () => {
  it.each([
    ['cut off', (path: string) => truncateSync(path, blockBytes(HARD, 10) - 7)],
    ['empty', (path: string) => truncateSync(path, 0)],
    ['changed in one bit', (path: string) => writeFileSync(path, oneBit(readFileSync(path)))],
    ['something else', (path: string) => writeFileSync(path, 'Not a block.')],
  ])('%s is removed, said, and made anew', (_, damage) => {
    const first = open();
    fill(first, 0, 10);
    damage(join(first.path, blocksIn(first.path)[0]));
    const store = open();
    expect(store.find({ epoch: 0, batch: 3 }, 103)).toBeNull();
    expect(store.find({ epoch: 0, batch: 4 }, 104)).toBeNull();
    expect(notes).toEqual(['answers.damaged']);
    expect(blocksIn(store.path)).toEqual([]);
    fill(store, 0, 10);
    expect(open().find({ epoch: 0, batch: 3 }, 103)).toEqual(decisions(3));
  });

  it('is found when all are checked', () => {
    const first = open();
    fill(first, 0, 5);
    fill(first, 5, 9);
    const name = blocksIn(first.path).find((one) => one.startsWith('e0-5-'))!;
    truncateSync(join(first.path, name), 20);
    const store = open();
    store.check();
    expect(store.gaps(0, 0, 9)).toEqual([[5, 9]]);
  });
});

describe('two runs at a time', () => {
  it('read what the other has written meanwhile, and lose nothing', () => {
    const [one, two] = [open(), open()];
    fill(one, 0, 4);
    expect(two.find({ epoch: 0, batch: 2 }, 102)).toEqual(decisions(2));
    fill(two, 4, 8);
    fill(one, 4, 6);
    expect(one.find({ epoch: 0, batch: 7 }, 107)).toEqual(decisions(7));
    one.close();
    two.close();
    expect(open().gaps(0, 0, 8)).toEqual([]);
    expect(notes).toEqual([]);
  });

  it('keep a store from being removed, until the last one ends', () => {
    const [one, two] = [open(), open()];
    fill(one, 0, 4);
    const inUse = expect.objectContaining({ code: 'answers.in-use' }) as Error;
    expect(() => removeStore(root, ONE)).toThrow(inUse);
    one.close();
    expect(() => removeStore(root, ONE)).toThrow(inUse);
    two.close();
    expect(removeStore(root, ONE.slice(0, 6))).toMatchObject({ id: ONE, batches: 4 });
    expect(listStores(root)).toEqual([]);
    expect(() => removeStore(root, ONE)).toThrow(expect.objectContaining({ code: 'answers.unknown' }) as Error);
  });

  it('that lose their folder write into a new one', () => {
    const store = open();
    fill(store, 0, 2);
    rmSync(store.path, { recursive: true });
    fill(store, 2, 4);
    expect(open().gaps(0, 0, 4)).toEqual([[0, 2]]);
    expect(listStores(root)[0].facts).toMatchObject({ teacher: 'regnety_160' });
  });
});

describe('room', () => {
  it('that is gone ends the keeping, not the run', () => {
    const full = (path: string): void => {
      throw diskError(Object.assign(new Error('no space'), { code: 'ENOSPC' }), path, 1);
    };
    fill(open(), 0, 2);
    const store = open({ write: full });
    fill(store, 2, 5);
    fill(store, 5, 6);
    expect(notes).toEqual(['answers.not-kept']);
    expect(store.keeps).toBe(false);
    expect(store.find({ epoch: 0, batch: 1 }, 101)).toEqual(decisions(1));
    expect(store.gaps(0, 0, 6)).toEqual([[2, 6]]);
  });

  it('in a folder that cannot be made ends it too', () => {
    writeFileSync(join(root, 'file'), '');
    const store = open({ root: join(root, 'file') });
    fill(store, 0, 2);
    expect(notes).toEqual(['answers.not-kept']);
    expect(store.find({ epoch: 0, batch: 1 }, 101)).toBeNull();
  });

  it('is made by dropping the longest unused store, never one in use', () => {
    const used = { [ONE]: 1000, [TWO]: 3000, [THREE]: 2000 };
    for (const [id, time] of Object.entries(used)) {
      const store = open({ id });
      fill(store, 0, 10);
      if (id !== TWO) store.close();
      utimesSync(join(root, id, 'store.json'), time, time);
    }
    const sizes = listStores(root).map(({ bytes }) => bytes);
    const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const left = () => listStores(root).map(({ id }) => id);
    expect(makeRoom(root, TWO, 100, all + 100)).toBe(true);
    expect(left()).toEqual([ONE, THREE, TWO]);
    expect(makeRoom(root, TWO, 100, all)).toBe(true);
    expect(left()).toEqual([THREE, TWO]);
    // Nothing is dropped where that would not be enough.
    expect(makeRoom(root, THREE, all, all)).toBe(false);
    expect(left()).toEqual([THREE, TWO]);
    expect(makeRoom(root, ONE, sizes[0], 2 * sizes[0] + 10)).toBe(true);
    expect(left()).toEqual([TWO]);
  });

  it('beyond the budget is not taken, which is said', () => {
    const store = open({ budget: 1000 });
    fill(store, 0, 200);
    expect(notes).toEqual(['answers.not-kept']);
    expect(blocksIn(store.path)).toEqual([]);
  });
});
