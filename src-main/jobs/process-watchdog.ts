import { StillhouseError } from '../protocol/errors.ts';

/** Looks within the time after which a process counts as silent. */
const TICKS = 10;
/** Milliseconds without a message after which a process counts as silent. */
const SILENCE = 30_000;

export interface SilenceWatchOptions {
  /** Milliseconds without a message after which a process counts as silent; 30,000 when left out. */
  silence?: number;
  /** Minutes without a word that are too many; 0: never. */
  minutes: number;
  /** Told once, until the process is heard again. */
  onSilent(error: StillhouseError): void;
  /** Told once, after which nothing more is watched. */
  onStalled(error: StillhouseError): void;
}

/**
 * Tells when a trainer's process says nothing: frozen, or its one thread of JavaScript hangs, so that its own
 * `StallGuard` cannot tell. It counts ticks and not the clock: a machine that slept is no trainer that hangs.
 */
export class SilenceWatch {
  silent = false;
  private quiet = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: SilenceWatchOptions) {
    const every = (options.silence ?? SILENCE) / TICKS;
    this.timer = setInterval(() => this.tick(every), every);
    this.timer.unref();
  }

  /** Something was heard. */
  hear(): void {
    this.quiet = 0;
    this.silent = false;
  }

  end(): void {
    clearInterval(this.timer);
  }

  private tick(every: number): void {
    const { silence = SILENCE, minutes, onSilent, onStalled } = this.options;
    this.quiet += every;
    if (!this.silent && this.quiet >= silence) {
      this.silent = true;
      onSilent(new StillhouseError('run.silent', { seconds: Math.round(this.quiet / 1000) }));
    }
    if (minutes === 0 || this.quiet < minutes * 60_000) return;
    this.end();
    onStalled(new StillhouseError('run.stalled', { minutes }));
  }
}
