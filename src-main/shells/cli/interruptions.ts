import type { Interruption, Shell } from './command.ts';

/** The listener that asks running work to end, and the one that ends it at once. */
interface Listener {
  ask(why: Interruption): void;
  force(): void;
  asked: boolean;
}

/** Hands interruptions to the work that runs: the first asks it to end in order, the second ends it at once. */
export class Interruptions {
  private readonly listeners = new Set<Listener>();

  readonly on: Shell['onInterrupt'] = (ask, force) => {
    const listener: Listener = { ask, force, asked: false };
    this.listeners.add(listener);
    return { release: () => void this.listeners.delete(listener) };
  };

  /** Whether any work can be interrupted now. */
  get any(): boolean {
    return this.listeners.size > 0;
  }

  /** Asks all that runs to end; what was asked before is ended at once, where `force` allows it. */
  interrupt(force = true, why: Interruption = 'stop'): void {
    for (const listener of [...this.listeners]) {
      if (listener.asked && force) listener.force();
      else if (!listener.asked) listener.ask(why);
      listener.asked = true;
    }
  }
}
