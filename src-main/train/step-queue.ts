import type { StepCost, StepLosses, TrainBatch, TrainStep } from './step-types.ts';
import type { StepTimes } from '../protocol/step-numbers.ts';

/** A step and what came of it. Times by `performance.now()`. */
export interface DoneStep {
  batch: TrainBatch;
  lr: number;
  losses: StepLosses;
  /** The wait for its batch, and its own computing: what ran beside the step before is not counted twice. */
  wait: { start: number; end: number };
  computing: { start: number; end: number };
  times: StepTimes & Pick<StepCost, 'kept' | 'saved'>;
}

interface Begun extends Pick<DoneStep, 'batch' | 'lr'> {
  asked: number;
  got: number;
  ended: Promise<{ losses: StepLosses & { took?: StepCost }; done: number }>;
}

/**
 * Begins steps, and takes their losses in order. Where the step allows it, one is begun before the losses of the one
 * before it are taken, so that the engine never waits for the loop.
 */
export class StepQueue {
  private waiting: Begun | null = null;
  private lastDone = 0;

  /** @param take gets each step when its losses are known; for a bad one, when nothing is begun any more. */
  constructor(
    private readonly step: TrainStep,
    private readonly take: (step: DoneStep) => Promise<void>,
  ) {}

  /** How many steps were begun and not taken. */
  get begun(): number {
    return this.waiting ? 1 : 0;
  }

  /** Begins a step; takes the one before it, or this one where none may be begun ahead. @param asked when its batch was asked for */
  async begin(batch: TrainBatch, scalars: { lr: number; step: number }, asked: number): Promise<void> {
    const got = performance.now();
    const ended = this.step.run(batch, scalars).then((losses) => ({ losses, done: performance.now() }));
    // Whoever takes it hears of a failure.
    ended.catch(() => undefined);
    const before = this.waiting;
    this.waiting = { batch, lr: scalars.lr, asked, got, ended };
    if (before) await this.finish(before);
    if (!this.step.ahead) await this.settle();
  }

  /** Takes what was begun. */
  async settle(): Promise<void> {
    const last = this.waiting;
    this.waiting = null;
    if (last) await this.finish(last);
  }

  private async finish({ batch, lr, asked, got, ended }: Begun): Promise<void> {
    try {
      const { losses, done } = await ended;
      if (isBad(losses)) await this.drop();
      const start = Math.max(got, this.lastDone);
      const wait = { start: Math.min(got, Math.max(asked, this.lastDone)), end: got };
      const hidden = start - got;
      this.lastDone = done;
      const times = stepTimesOf(wait.end - wait.start, done - start, hidden, losses.took);
      await this.take({ batch, lr, losses, wait, computing: { start, end: done }, times });
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  /** Waits for what was begun, and forgets it. */
  private async drop(): Promise<void> {
    const last = this.waiting;
    this.waiting = null;
    await last?.ended.catch(() => undefined);
  }
}

/** Tells whether a loss or a gradient was not finite. */
export function isBad({ loss, overflow }: StepLosses): boolean {
  return !Number.isFinite(loss) || overflow === true;
}

/**
 * The whole time of a step, split. What was measured apart from it cannot be more than it.
 * @param hidden milliseconds at its start, as it feeds, during which the step before was computed
 */
function stepTimesOf(dataWait: number, whole: number, hidden: number, took: StepCost | undefined): DoneStep['times'] {
  const feed = Math.min(Math.max(0, (took?.feed ?? 0) - hidden), whole);
  const teacher = took?.teacher === undefined ? {} : { teacher: Math.min(took.teacher, whole - feed) };
  const kept = took?.kept === undefined ? {} : { kept: took.kept, saved: took.saved };
  return { dataWait, feed, step: whole - feed - (teacher.teacher ?? 0), ...teacher, ...kept };
}
