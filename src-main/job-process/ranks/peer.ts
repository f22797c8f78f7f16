import type { Socket } from 'node:net';
import { BEAT, SILENCE, type LostWhy } from './line-protocol.ts';

/** Milliseconds that the last messages have to leave. */
const PARTING = 2000;
/** Characters that a message may have. */
const LONGEST = 1 << 24;

/** One side of a connection: whole messages, signs of life, and its end, heard once. */
export class Peer {
  private heard = performance.now();
  private rest = '';
  private gone = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    readonly socket: Socket,
    private readonly hear: (message: unknown) => void,
    private readonly onGone: (why: LostWhy) => void,
  ) {
    socket.setNoDelay(true).setEncoding('utf8');
    socket.on('data', (text) => this.read(String(text)));
    socket.on('error', () => this.end('closed'));
    socket.on('close', () => this.end('closed'));
    this.timer = setInterval(() => this.beat(), BEAT);
  }

  send(message: unknown): void {
    if (!this.gone) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Ends the connection when all is sent; nobody hears of it. */
  async close(): Promise<void> {
    if (this.gone) return;
    this.gone = true;
    clearInterval(this.timer);
    // One that is stopped takes nothing more.
    const late = new Promise<void>((done) => setTimeout(done, PARTING));
    await Promise.race([new Promise<void>((done) => this.socket.once('close', done).end(done)), late]);
    this.socket.destroy();
  }

  /** Ends the connection at once, and says why. */
  end(why: LostWhy): void {
    if (this.gone) return;
    this.gone = true;
    clearInterval(this.timer);
    this.socket.destroy();
    this.onGone(why);
  }

  private beat(): void {
    if (performance.now() - this.heard > SILENCE) this.end('silent');
    else this.socket.write('\n');
  }

  private read(text: string): void {
    this.heard = performance.now();
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LONGEST) return this.end('strange');
    for (const line of lines) {
      if (line === '' || this.gone) continue;
      try {
        this.hear(JSON.parse(line));
      } catch {
        this.end('strange');
      }
    }
  }
}
