import type { Port } from '../../src-main/protocol/rpc.ts';
import { turns } from './wait.ts';

/**
 * Two ends of one in-process port: messages are cloned as JSON and delivered in order, each in a task of its own. `idle`
 * resolves when none is under way, nor follows from one that was by promises alone.
 */
export function portPair(): { near: Port; far: Port; close(): void; idle(): Promise<void> } {
  const near = new PortEnd();
  const far = new PortEnd();
  near.other = far;
  far.other = near;
  return {
    near,
    far,
    close: () => {
      near.end();
      far.end();
    },
    idle: async () => {
      do await turns(1);
      while (near.underWay + far.underWay > 0);
    },
  };
}

class PortEnd implements Port {
  other!: PortEnd;
  /** Messages that were posted here and have not arrived. */
  underWay = 0;
  private readonly messages: ((message: unknown) => void)[] = [];
  private readonly closes: (() => void)[] = [];
  private open = true;

  post(message: unknown): void {
    if (!this.open) throw new Error('the port is closed');
    const text = JSON.stringify(message);
    this.underWay++;
    setImmediate(() => {
      this.underWay--;
      this.other.deliver(JSON.parse(text));
    });
  }

  deliver(message: unknown): void {
    if (this.open) for (const listener of this.messages) listener(message);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.messages.push(listener);
  }

  onClose(listener: () => void): void {
    this.closes.push(listener);
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    for (const listener of this.closes) listener();
  }
}
