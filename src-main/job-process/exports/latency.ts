import type { Latency } from '../../protocol/export.ts';

/** Batches that are timed. */
export const BATCHES = [1, 32];
const [WARM_UPS, LEAST_RUNS] = [2, 5];
/** Most runs, and the milliseconds after which no batch is timed any more. */
const USUAL = { runs: 50, time: 4000 };

/** Times runs of a batch. Null when stopped. */
export async function latencyOfRuns(
  batch: number,
  run: () => Promise<unknown>,
  stop: AbortSignal,
  most = USUAL,
): Promise<Latency | null> {
  const times = await timed(run, stop, most);
  return times && latencyOf(batch, times);
}

/** Milliseconds of each run, after two that are not counted: the first ones warm caches, allocators and kernels. */
async function timed(run: () => Promise<unknown>, stop: AbortSignal, most: typeof USUAL): Promise<number[] | null> {
  const times: number[] = [];
  const end = performance.now() + most.time;
  for (let at = 0; at < WARM_UPS + most.runs; at++) {
    if (stop.aborted) return null;
    const started = performance.now();
    await run();
    if (at >= WARM_UPS) times.push(performance.now() - started);
    if (times.length >= LEAST_RUNS && performance.now() > end) break;
  }
  return times;
}

/** Computes median and ninetieth percentile, by the nearest rank. */
export function latencyOf(batch: number, times: readonly number[]): Latency {
  const sorted = [...times].sort((one, other) => one - other);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const median = rank(0.5);
  return { batch, median, p90: rank(0.9), imagesPerSecond: (1000 * batch) / median, runs: sorted.length };
}
