/**
 * Holds a person's wish for a training: to stand still between two steps, and to go on. It says nothing of what the
 * training does with it.
 */
export class PauseSwitch {
  private asked = false;
  private readonly waiting = new Set<() => void>();

  /** Whether standing still was asked for last. */
  get on(): boolean {
    return this.asked;
  }

  pause(): void {
    this.asked = true;
  }

  /** Takes a pause back, and wakes whoever waits for something else. */
  continue(): void {
    this.asked = false;
    for (const wake of [...this.waiting]) wake();
  }

  /** Resolves when continued, when stopped, or after so many milliseconds. */
  async wait(stop: AbortSignal, milliseconds?: number): Promise<void> {
    if (stop.aborted) return;
    let done = (): void => undefined;
    const woken = new Promise<void>((resolve) => (done = resolve));
    const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
    this.waiting.add(done);
    stop.addEventListener('abort', done, { once: true });
    await woken;
    clearTimeout(timer);
    this.waiting.delete(done);
    stop.removeEventListener('abort', done);
  }
}
