import type { TestContext } from 'vitest';
import { whyNotMultiplied } from '../../src-main/base/processor.ts';
import { sayReason } from '../../src-main/protocol/reasons.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';

/** The installed engine with two threads. `npm test` installs it first. */
export function testEngine(): Promise<Engine> {
  return loadEngine(engineFolder(), { threads: 2 });
}

/** Skips a test, and says why, where this processor does not multiply `precision`: a training would be refused there. */
export function skipWithout(precision: Precision, { skip }: Pick<TestContext, 'skip'>): void {
  const instead = whyNotMultiplied(precision);
  if (instead) skip(`precision: ${sayReason(instead)}`);
}

/** Greatest difference, relative to the greatest magnitude of `expected`. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity;
  let difference = 0;
  let magnitude = 0;
  for (let index = 0; index < got.length; index++) {
    difference = Math.max(difference, Math.abs(got[index] - expected[index]));
    magnitude = Math.max(magnitude, Math.abs(expected[index]));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}

/** Numbers that look random and are always the same, in [−1, 1). */
export function pseudoRandom(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
