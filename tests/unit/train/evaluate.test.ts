import { describe, expect, it } from 'vitest';
import { decideAll, evaluate, evaluationOf, scoreBatches, type EvalBatch } from '../../../src-main/train/evaluate.ts';
import type { EvalStep } from '../../../src-main/train/step-types.ts';

/** A "network" of two classes over one-byte images, B = 2: the byte is the logit of class 1 against 100. */
const threshold = (limit: number): EvalStep => ({
  run: async (images) => {
    expect(images).toHaveLength(2);
    return { head: Float32Array.from([...images].flatMap((byte) => [limit, byte])), headDist: null };
  },
});

async function* batches(): AsyncIterable<EvalBatch> {
  yield { images: Uint8Array.of(10, 200), labels: Int32Array.of(0, 1), files: ['a', 'b'] };
  yield { images: Uint8Array.of(150), labels: Int32Array.of(0), files: ['c'] };
}

describe('evaluate', () => {
  it('scores all images, the short last batch too, and counts agreement', async () => {
    const seen: number[] = [];
    const result = await evaluate({
      batches: batches(),
      student: threshold(100),
      teacher: new Map(Object.entries({ a: 0, b: 1, c: 0 })),
      classes: 2,
      heads: 'mean',
      batchBytes: 2,
      onProgress: (images) => seen.push(images),
    });
    expect(result?.test.acc1).toBeCloseTo(200 / 3, 9);
    expect(result?.classHead).toEqual(result?.test);
    expect(result?.distillationHead).toBeNull();
    expect(result?.agreement).toBeCloseTo(200 / 3, 9);
    expect(seen).toEqual([2, 3]);
  });

  it('scores both heads and their fusion apart', async () => {
    const student: EvalStep = {
      run: async () => ({ head: Float32Array.of(5, 0, 5, 0), headDist: Float32Array.of(0, 9, 0, 1) }),
    };
    const one = async function* (): AsyncIterable<EvalBatch> {
      yield { images: new Uint8Array(2), labels: Int32Array.of(1, 0), files: ['a', 'b'] };
    };
    const result = await evaluate({
      batches: one(),
      student,
      teacher: null,
      classes: 2,
      heads: 'mean' as const,
      batchBytes: 2,
    });
    expect([result?.classHead.acc1, result?.distillationHead?.acc1, result?.test.acc1]).toEqual([50, 50, 100]);
    for (const heads of ['class', 'distillation'] as const) {
      const alone = await evaluate({ batches: one(), student, teacher: null, classes: 2, heads, batchBytes: 2 });
      expect(alone?.test).toEqual(alone?.[`${heads}Head`]);
    }
    expect(result?.agreement).toBeNull();
  });

  it('ends between batches when stopped, and says nothing about no images', async () => {
    const stop = new AbortController();
    const parts = {
      student: threshold(1),
      teacher: null,
      classes: 2,
      heads: 'mean' as const,
      batchBytes: 2,
      stop: stop.signal,
    };
    const onProgress = (): void => stop.abort();
    expect(await evaluate({ ...parts, batches: batches(), onProgress })).toBeNull();
    const none = async function* (): AsyncIterable<EvalBatch> {};
    expect(await evaluate({ ...parts, stop: undefined, batches: none() })).toBeNull();
  });
});

describe('an evaluation by several processes', () => {
  const logits = Float32Array.from({ length: 14 }, (_, at) => Math.sin(at * at));
  const student: EvalStep = { run: async (images) => ({ head: Float32Array.from([...images].flatMap((row) => [...logits.subarray(2 * row, 2 * row + 2)])), headDist: null }) }; // prettier-ignore
  /** Parts of seven images, three of them a whole batch: which batch, and which rows. */
  async function* share(parts: [number, number[]][]): AsyncIterable<EvalBatch> {
    for (const [number, rows] of parts)
      yield { number, images: Uint8Array.from(rows), labels: Int32Array.from(rows, (row) => row % 2), files: rows.map(String) }; // prettier-ignore
  }
  const scored = async (parts: [number, number[]][]) => {
    const teacher = new Map([['1', 0], ['4', 1]]); // prettier-ignore
    const all = scoreBatches({ batches: share(parts), student, average: student, teacher, classes: 2, heads: 'mean', batchBytes: 3 }); // prettier-ignore
    const found = [];
    for await (const one of all) found.push(one);
    return found;
  };

  it('equals that by one, whichever of them is slower', async () => {
    const alone = evaluationOf([await scored([[0, [0, 1, 2]], [1, [3, 4, 5]], [2, [6]]])])!; // prettier-ignore
    const [first, second] = [await scored([[0, [0, 1]], [1, [3, 4]], [2, [6]]]), await scored([[0, [2]], [1, [5]]])]; // prettier-ignore
    const shared = evaluationOf([first, second])!;
    expect(shared.test.loss).toBeCloseTo(alone.test.loss, 12);
    expect({ ...shared, test: null, classHead: null, testEma: null }).toEqual({ ...alone, test: null, classHead: null, testEma: null }); // prettier-ignore
    expect([shared.test.acc1, shared.testEma?.acc5]).toEqual([alone.test.acc1, alone.testEma?.acc5]);
    expect(evaluationOf([[...first].reverse(), second])).toEqual(shared);
  });
});

describe('decideAll', () => {
  it('tells what a network decides on each image, and nothing when stopped', async () => {
    const stop = new AbortController();
    const answer = async (images: Uint8Array) => (await threshold(180).run(images)).head;
    const parts = { answer, classes: 2, batchBytes: 2, stop: stop.signal, onProgress: () => undefined };
    const decided = await decideAll({ ...parts, batches: batches() });
    expect([...decided!]).toEqual([['a', 0], ['b', 1], ['c', 0]]); // prettier-ignore
    const onProgress = (): void => stop.abort();
    expect(await decideAll({ ...parts, batches: batches(), onProgress })).toBeNull();
  });

  it('asks for what is not known alone, and keeps that', async () => {
    const kept: number[][] = [];
    const find = ({ files }: { files: readonly string[] }) => (files.includes('a') ? Int32Array.of(1, 1) : null);
    const store = { find, keep: (_: unknown, decided: Int32Array) => void kept.push([...decided]) };
    const answer = async (images: Uint8Array) => (await threshold(180).run(images)).head;
    const stop = new AbortController().signal;
    const parts = { answer, classes: 2, batchBytes: 2, stop, onProgress: () => undefined };
    const decided = await decideAll({ ...parts, store, batches: batches() });
    expect([...decided!].map(([, decision]) => decision)).toEqual([1, 1, 0]);
    expect(kept).toHaveLength(1);
    expect(kept[0]).toHaveLength(2);
  });

  it('leaves images out of the agreement that the teacher could not read', async () => {
    const parts = { student: threshold(100), classes: 2, heads: 'mean' as const, batchBytes: 2 };
    const some = await evaluate({ ...parts, batches: batches(), teacher: new Map(Object.entries({ a: 0, c: 0 })) });
    expect(some?.agreement).toBe(50);
    const none = await evaluate({ ...parts, batches: batches(), teacher: new Map() });
    expect(none?.agreement).toBeNull();
  });
});
