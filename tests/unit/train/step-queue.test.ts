import { describe, expect, it } from 'vitest';
import { StepQueue, type DoneStep } from '../../../src-main/train/step-queue.ts';
import type { StepLosses, TrainBatch, TrainStep } from '../../../src-main/train/step-types.ts';
import { turns } from '../../helpers/wait.ts';

const batchOf = (label: number): TrainBatch => ({
  images: new Uint8Array(0),
  labels: Int32Array.of(label),
  noise: null,
  files: [],
});

/** Steps that end when they are told to, in the order of their begin; `open` are those that have not. */
function manualSteps() {
  const begun: number[] = [];
  const open: { resolve(losses: StepLosses): void; reject(error: Error): void }[] = [];
  const step: TrainStep = {
    ahead: true,
    run: ({ labels }) => {
      begun.push(labels[0]);
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
  };
  const end = (loss: number): void => open.shift()!.resolve({ loss, lossClass: loss, lossDistillation: null });
  return { begun, open, step, end };
}

function queueOf(step: TrainStep) {
  const taken: DoneStep[] = [];
  const queue = new StepQueue(step, async (one) => {
    taken.push(one);
    if (!Number.isFinite(one.losses.loss)) throw new Error('bad');
  });
  const begin = (at: number) => queue.begin(batchOf(at), { lr: at / 10, step: at }, 0);
  return { queue, taken, begin };
}

describe('the queue of steps', () => {
  it('begins a step before the losses of the one before are known, and takes them in order', async () => {
    const { begun, step, end } = manualSteps();
    const { queue, taken, begin } = queueOf(step);
    await begin(1);
    expect([begun, queue.begun, taken.length]).toEqual([[1], 1, 0]);
    const second = begin(2);
    expect(begun).toEqual([1, 2]);
    end(5);
    await second;
    expect(taken.map(({ batch, lr, losses }) => [batch.labels[0], lr, losses.loss])).toEqual([[1, 0.1, 5]]);
    const settled = queue.settle();
    end(4);
    await settled;
    expect(taken.map(({ losses }) => losses.loss)).toEqual([5, 4]);
    expect(queue.begun).toBe(0);
  });

  it('takes each step at once where none may be begun ahead', async () => {
    const { begun, step, end } = manualSteps();
    const { queue, taken, begin } = queueOf({ ...step, ahead: false });
    const first = begin(1);
    expect([begun, taken.length]).toEqual([[1], 0]);
    end(5);
    await first;
    expect([taken.length, queue.begun]).toEqual([1, 0]);
  });

  it('hands on a bad step when what was begun after it has ended too', async () => {
    const { step, open, end } = manualSteps();
    const { queue, taken, begin } = queueOf(step);
    await begin(1);
    const second = begin(2);
    end(NaN);
    await turns(3);
    expect(taken).toEqual([]);
    open.shift()!.reject(new Error('not of interest'));
    await expect(second).rejects.toThrow('bad');
    expect(taken.map(({ batch }) => batch.labels[0])).toEqual([1]);
    await queue.settle();
    expect(taken.length).toBe(1);
  });

  it('counts no time twice', async () => {
    const { step, end } = manualSteps();
    const { queue, taken, begin } = queueOf(step);
    await begin(1);
    for (let at = 2; at <= 5; at++) {
      const next = begin(at);
      end(at);
      await next;
    }
    const last = queue.settle();
    end(6);
    await last;
    const all = taken.at(-1)!.computing.end - taken[0].wait.start;
    const sum = taken.reduce((sum, { times }) => sum + times.dataWait + (times.feed ?? 0) + times.step, 0);
    expect(taken.length).toBe(5);
    expect(sum).toBeLessThanOrEqual(all + 1e-6);
    for (const [at, { computing }] of taken.entries())
      expect(computing.start).toBeGreaterThanOrEqual(taken[at - 1]?.computing.end ?? 0);
  });
});
