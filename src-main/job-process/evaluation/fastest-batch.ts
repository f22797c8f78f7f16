import { StillhouseError } from '../../protocol/errors.ts';
import type { Throughput } from '../../protocol/throughput.ts';

/** The largest batch that is tried. */
const MOST_BATCH = 4096;
/** None larger is tried after two batches that are not faster by 2 % than all before. */
const [NO_FASTER, GAIN] = [2, 1.02];

interface Parts {
  /** The smallest batch, which is timed whatever memory says. */
  first: number;
  fits(batch: number): Promise<boolean>;
  /** Images a second; null when stopped. @throws StillhouseError `device.out-of-memory` where there is too little memory. */
  speed(batch: number): Promise<number | null>;
}

/**
 * Times batches, each twice the one before, until memory ends or speed grows no more.
 * @returns null when stopped.
 * @throws whatever the smallest one throws, and of others anything but a lack of memory.
 */
export async function fastestBatch({ first, fits, speed }: Parts): Promise<Throughput | null> {
  const tried: Throughput['tried'] = [];
  const found = (end: Throughput['end']): Throughput => {
    const best = tried.reduce((one, other) => (other.imagesPerSecond > one.imagesPerSecond ? other : one));
    return { ...best, tried, end };
  };
  let [most, since] = [0, 0];
  for (let batch = first; batch <= MOST_BATCH; batch *= 2) {
    if (tried.length > 0 && !(await fits(batch))) return found('memory');
    const imagesPerSecond = await speed(batch).catch((error: unknown) => {
      if (tried.length > 0 && isMemory(error)) return 'memory' as const;
      throw error;
    });
    if (imagesPerSecond === null) return null;
    if (imagesPerSecond === 'memory') return found('memory');
    tried.push({ batch, imagesPerSecond });
    since = imagesPerSecond > GAIN * most ? 0 : since + 1;
    most = Math.max(most, imagesPerSecond);
    if (since >= NO_FASTER) return found('no-gain');
  }
  return found('most');
}

function isMemory(error: unknown): boolean {
  return error instanceof StillhouseError && error.code === 'device.out-of-memory';
}
