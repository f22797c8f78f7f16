import type { TrainerEvent } from './trainer-protocol.ts';

/** What a job may use of the process it runs in. */
export interface JobContext {
  /** Aborted when the job should end and save where it stands. */
  stop: AbortSignal;
  tell(event: TrainerEvent): void;
}
