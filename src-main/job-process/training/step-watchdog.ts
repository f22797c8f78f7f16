import { StillhouseError } from '../../protocol/errors.ts';

/** How much longer than the others the first step may take: it compiles. */
const FIRST = 4;
/** Looks at the clock in a limit's time. */
const TICKS = 20;

/**
 * Tells when a training makes no progress although its process lives: a step that never returns, data that never come.
 * It counts its own ticks and not the clock, so that a machine that slept is not taken for a training that hangs.
 */
export class StallGuard {
  /** Rejects with `run.stalled`; settles in no other way. */
  readonly stalled: Promise<never>;
  private quiet = 0;
  private first = true;
  private held = false;
  private timer: NodeJS.Timeout | undefined;
  private fail: (error: StillhouseError) => void = () => undefined;

  /** @param minutes without progress that are too many; 0: never. */
  constructor(private readonly minutes: number) {
    this.stalled = new Promise<never>((_, reject) => (this.fail = reject));
    this.stalled.catch(() => undefined);
  }

  /** Watches from now on, until {@link end}. */
  begin(): void {
    if (this.minutes === 0 || this.timer) return;
    this.timer = setInterval(() => this.tick(), (this.minutes * 60_000) / TICKS);
    this.timer.unref();
  }

  /** Something was done. */
  mark(): void {
    this.quiet = 0;
  }

  /** As {@link mark}, after the first step. */
  stepped(): void {
    this.quiet = 0;
    this.first = false;
  }

  /** While `on`, doing nothing is what is wanted. */
  hold(on: boolean): void {
    this.held = on;
    this.quiet = 0;
  }

  end(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    if (this.held) return;
    const limit = TICKS * (this.first ? FIRST : 1);
    if (++this.quiet < limit) return;
    this.end();
    this.fail(new StillhouseError('run.stalled', { minutes: (this.quiet * this.minutes) / TICKS }));
  }
}
