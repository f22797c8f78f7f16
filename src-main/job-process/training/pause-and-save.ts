import { toPlainError, StillhouseError } from '../../protocol/errors.ts';
import type { Saved } from '../../train/loop.ts';
import type { Position } from '../../train/position.ts';
import type { PauseSwitch } from './pause-switch.ts';
import { asFull, type RunLog } from './run-log.ts';
import type { StallGuard } from './step-watchdog.ts';

/** Milliseconds between two looks at a full disk. */
const LOOK = 5000;

/** A checkpoint and its file. */
export interface SavedFile extends Saved {
  file: string;
  step: number;
}

export interface PauseAndSaveParts {
  run: string;
  log: RunLog;
  pause: PauseSwitch;
  guard: StallGuard;
  stop: AbortSignal;
  /** Age of the last checkpoint at which another is due; 0: never. */
  saveMinutes: number;
  /** The checkpoint that the run goes on from, where it is its own. */
  last: SavedFile | null;
  /** Writes a checkpoint whole or not at all. @throws StillhouseError `disk.full`, `disk.denied` */
  write(position: Position): Promise<SavedFile>;
}

/**
 * Lets a training stand still between two steps, with all it knows in memory: because a person asked for it, or
 * because the disk is full, until there is space. It is saved first, where that is possible, so that a machine that
 * fails meanwhile costs nothing.
 */
export class PauseAndSave {
  /** Milliseconds that the run has stood still. */
  held = 0;
  private last: SavedFile | null;
  private savedAt = performance.now();
  private position: Position | null = null;

  constructor(private readonly parts: PauseAndSaveParts) {
    this.last = parts.last;
  }

  /**
   * Before each step: saves when a checkpoint is due, and returns when the run may go on or was stopped.
   * @param settle takes the steps that were begun beyond `position`, which follows.
   */
  async between(position: Position, settle: () => Promise<void>): Promise<void> {
    const { guard, saveMinutes } = this.parts;
    if (this.position) guard.stepped();
    this.position = position;
    const due = saveMinutes > 0 && performance.now() - this.savedAt >= saveMinutes * 60_000;
    if (due || this.mustRest()) await settle();
    if (due && this.last?.step !== position.step) await this.save(position);
    await this.rest();
  }

  /** The items, with a rest between two of them where that is asked for. */
  async *resting<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
    for await (const item of items) {
      this.parts.guard.mark();
      await this.rest();
      yield item;
    }
  }

  /**
   * Saves; what is saved already is not written again. On a full disk it waits for space: stopped meanwhile, it gives
   * up and says so.
   */
  async save(position: Position): Promise<SavedFile> {
    if (this.last?.step === position.step) return this.last;
    let saved: SavedFile | null = null;
    const attempt = async (): Promise<StillhouseError | null> => {
      try {
        saved = await this.parts.write(position);
        return null;
      } catch (error) {
        return asFull(error, this.parts.run);
      }
    };
    const full = await attempt();
    if (full && !this.parts.stop.aborted) await this.wait(full, async () => (await attempt()) === null);
    if (full && !saved) await attempt();
    this.savedAt = performance.now();
    return saved ? (this.last = saved) : this.givenUp();
  }

  private givenUp(): SavedFile {
    const step = this.last?.step ?? 0;
    this.parts.log.note(toPlainError(new StillhouseError('run.unsaved', { saved: step })));
    return { file: '', step, amend: async () => undefined };
  }

  private mustRest(): boolean {
    return this.parts.pause.on || this.parts.log.full() !== null;
  }

  private async rest(): Promise<void> {
    const { pause, stop, log } = this.parts;
    while (this.mustRest() && !stop.aborted) {
      if (this.position) await this.save(this.position);
      const full = log.full();
      if (stop.aborted) return;
      if (full) await this.wait(full, async () => (log.retry(), !log.full()));
      else if (pause.on) await this.wait(null, async () => !pause.on);
    }
  }

  private async wait(reason: StillhouseError | null, over: () => Promise<boolean>): Promise<void> {
    const { log, pause, guard, stop } = this.parts;
    const began = performance.now();
    guard.hold(true);
    log.state('paused', reason ? toPlainError(reason) : undefined);
    try {
      do await pause.wait(stop, reason ? LOOK : undefined);
      while (!stop.aborted && !(await over()));
    } finally {
      guard.hold(false);
      this.held += performance.now() - began;
    }
    if (!stop.aborted) log.state('running');
  }
}
