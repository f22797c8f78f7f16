import type { PauseSwitch } from './training/pause-switch.ts';
import type { JobEvent } from '../jobs/job-protocol.ts';

/** The parts of its process that a job may use. */
export interface JobContext {
  /** Aborted when the job should end and save where it stands. */
  stop: AbortSignal;
  /** Whether it should stand still; only a training does. */
  pause: PauseSwitch;
  tell(event: JobEvent): void;
  /** Hears the images that are shown to a predict job. */
  onAsk(listener: (question: number, image: Uint8Array) => void): void;
}

const INTERVAL = 100;

/** Tells a stage's progress ten times a second at most, and its end. */
export function progressTeller({ tell }: JobContext, stage: string): (done: number, total: number) => void {
  let told = -Infinity;
  return (done, total) => {
    if (done < total && performance.now() - told < INTERVAL) return;
    told = performance.now();
    tell({ tell: 'progress', stage, done, total });
  };
}
