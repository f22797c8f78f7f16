import * as v from 'valibot';
import { number, oneOf, text } from './shapes.ts';

const timed = v.object({ batch: number, imagesPerSecond: number });

/**
 * Says how fast a network answers images that are in memory, in float32: batches are timed from one image upward, each
 * twice the one before. Images a second are by the median of the runs of a batch.
 */
export const throughput = v.object({
  /** The fastest of the batches, and its speed. */
  ...timed.entries,
  tried: v.array(timed),
  /** Why none larger was timed: memory holds none, the last two were no faster by 2 %, or it is the largest that is tried. */
  end: oneOf(['memory', 'no-gain', 'most']),
});
export type Throughput = v.InferOutput<typeof throughput>;

/** A throughput as it is kept, with what it was measured on. */
export const keptThroughput = v.object({
  ...throughput.entries,
  model: text,
  inputSize: number,
  /** The engine as runs name it, and the machine. */
  engine: text,
  machine: text,
  /** Milliseconds since 1970. */
  time: number,
});
export type KeptThroughput = v.InferOutput<typeof keptThroughput>;

/** Parses a throughput that was kept; null for anything else. */
export function parseThroughput(given: unknown): KeptThroughput | null {
  const read = v.safeParse(keptThroughput, given);
  return read.success ? read.output : null;
}
