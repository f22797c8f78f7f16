import { isPlain } from '../../protocol/plain.ts';
import type { Port } from '../../protocol/rpc.ts';

/** One end of a port whose other end is in the service process. */
export class RelayPort implements Port {
  private readonly messages: ((message: unknown) => void)[] = [];
  private readonly closes: (() => void)[] = [];
  private closed = false;

  constructor(
    private readonly send: (message: unknown) => void,
    private readonly release: () => void,
  ) {}

  /**
   * Takes a message from the page. A page can send what no port carries (cycles, big integers, endless depth): of that
   * only the number of the call is handed on, so that the service refuses it.
   */
  post(message: unknown): void {
    if (typeof message !== 'object' || message === null) return;
    if (isPlain(message)) return this.send(message);
    const { id } = message as { id?: unknown };
    if (typeof id === 'number') this.send({ id });
  }

  onMessage(listener: (message: unknown) => void): void {
    this.messages.push(listener);
  }

  onClose(listener: () => void): void {
    this.closes.push(listener);
  }

  /** Takes a message from the service. */
  deliver(message: unknown): void {
    for (const listener of this.messages) listener(message);
  }

  /** Either side is gone. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.release();
    for (const listener of this.closes) listener();
  }
}
