/** Says how far a long job on bytes is. `rate` is bytes a second over the last seconds; times are seconds. */
export interface ByteProgress {
  stage: 'download' | 'check' | 'unpack' | 'verify';
  done: number;
  total: number;
  unit: 'bytes';
  rate: number;
  /** null while unknown. */
  secondsLeft: number | null;
}

export type OnProgress = (progress: ByteProgress) => void;

const WINDOW = 4_000;
const PAUSE = 100;

/**
 * Turns byte counts into progress reports, at most ten a second, the first and the last always.
 * @returns what takes the number of bytes done so far.
 */
export function meter(
  stage: ByteProgress['stage'],
  total: number,
  onProgress: OnProgress | undefined,
  now: () => number = () => performance.now(),
): (done: number) => void {
  const samples: { time: number; done: number }[] = [];
  let reported = -Infinity;
  return (done) => {
    const time = now();
    samples.push({ time, done });
    while (samples.length > 2 && time - samples[0].time > WINDOW) samples.shift();
    if (time - reported < PAUSE && done !== total) return;
    reported = time;
    const [first] = samples;
    const rate = time > first.time ? Math.max(0, ((done - first.done) / (time - first.time)) * 1000) : 0;
    onProgress?.({ stage, done, total, unit: 'bytes', rate, secondsLeft: rate > 0 ? (total - done) / rate : null });
  };
}
