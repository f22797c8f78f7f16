import { describe, expect, it } from 'vitest';
import { ahead, type AheadPlan } from '../../../src-main/data/batches/ahead.ts';
import { turns } from '../../helpers/wait.ts';

type Numbers = number[];
const plan = (changes: Partial<AheadPlan<Numbers>>): AheadPlan<Numbers> => ({
  first: 0,
  end: 4,
  parts: () => 3,
  make: () => [],
  fill: async (batch, number, part) => {
    await turns((part * 7 + number * 3) % 5);
    batch[part] = number * 10 + part;
  },
  workers: 2,
  depth: 3,
  ...changes,
});

describe('ahead', () => {
  it('hands batches out in order, whatever finishes first', async () => {
    for (const workers of [1, 2, 5, 20]) {
      const batches: Numbers[] = [];
      for await (const batch of ahead(plan({ workers, first: 1 }))) batches.push(batch);
      expect(batches).toEqual([
        [10, 11, 12],
        [20, 21, 22],
        [30, 31, 32],
      ]);
    }
  });

  it('works on no more parts than workers and no more batches than depth', async () => {
    let [active, most, made] = [0, 0, 0];
    const fill = async (): Promise<void> => {
      most = Math.max(most, ++active);
      await turns(1);
      active--;
    };
    const batches = ahead(plan({ end: 100, workers: 4, depth: 3, make: () => (made++, []), fill }));
    await batches.next();
    await turns(100);
    expect({ most, made }).toEqual({ most: 4, made: 3 });
    await batches.next();
    await turns(100);
    expect(made).toBe(4);
    await batches.return();
  });

  it('passes on what filling or making throws, and only once', async () => {
    const broken = plan({ fill: async (_, number) => Promise.reject(new Error(`part of ${number}`)) });
    const batches = ahead(broken);
    await expect(batches.next()).rejects.toThrow('part of 0');
    expect(await batches.next()).toEqual({ done: true, value: undefined });
    const make = (number: number): Numbers => {
      if (number === 2) throw new Error('no memory');
      return [];
    };
    const late = ahead(plan({ make, depth: 2 }));
    await late.next();
    await expect(late.next().then(() => late.next())).rejects.toThrow('no memory');
  });

  it('hands out empty batches and ends at once without any', async () => {
    const batches: Numbers[] = [];
    for await (const batch of ahead(plan({ parts: (number) => number % 2 }))) batches.push(batch);
    expect(batches).toEqual([[], [10], [], [30]]);
    for await (const _ of ahead(plan({ end: 0 }))) expect.unreachable();
  });
});
