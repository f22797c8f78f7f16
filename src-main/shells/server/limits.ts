import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/** Amounts that a server takes before it refuses, makes somebody wait, or hangs up. Times are milliseconds. */
export const LIMITS = {
  /** Windows at the same time: of all, and of one address. */
  windows: 32,
  windowsOfAddress: 16,
  /** Connections of any kind. */
  connections: 256,
  /** Bytes of one message from a window. */
  messageBytes: 1 << 20,
  /** Messages and bytes from one window: a second, and in a burst. */
  messagesPerSecond: 200,
  messageBurst: 400,
  bytesPerSecond: 16 << 20,
  byteBurst: 64 << 20,
  /** Unsent bytes beyond which a window that does not read is cut off; it reads everything anew when it comes back. */
  unsentBytes: 32 << 20,
  /** How long a window may take to read why its connection is closed. */
  leave: 5_000,
  /** Wrong keys that an address may try at once, then the pause after each, which doubles. */
  guesses: 8,
  firstPause: 1_000,
  longestPause: 60_000,
  /** Images that are sent at the same time, that wait for it, and the bytes of the largest. */
  images: 32,
  imagesWaiting: 1024,
  imageBytes: 256 << 20,
  /** A connection on which nothing moves for so long is closed; windows are asked for a sign of life. */
  idle: 30_000,
};
export type Limits = typeof LIMITS;

/** A bucket of `burst` that refills at `perSecond`. */
export class RateLimit {
  private left: number;
  private last = performance.now();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.left = burst;
  }

  /** Takes some out; false when there is not enough left. */
  take(count = 1, now = performance.now()): boolean {
    this.left = Math.min(this.burst, this.left + ((now - this.last) / 1000) * this.perSecond);
    this.last = now;
    if (this.left < count) return false;
    this.left -= count;
    return true;
  }
}

/** Addresses that are remembered for their wrong keys; beyond that the one that guessed longest ago is forgotten. */
const MOST_ADDRESSES = 4096;

/** Remembers who has tried wrong keys, and how long each has to wait before the next. */
export class Guesses {
  private readonly seen = new Map<string, { wrong: number; until: number }>();

  constructor(private readonly limits: Pick<Limits, 'guesses' | 'firstPause' | 'longestPause'>) {}

  /** Milliseconds that an address has still to wait; 0 when its next key is looked at. */
  pause(address: string, now = performance.now()): number {
    return Math.max(0, (this.seen.get(address)?.until ?? 0) - now);
  }

  /** Notes a wrong key. */
  wrong(address: string, now = performance.now()): void {
    const { guesses, firstPause, longestPause } = this.limits;
    const wrong = (this.seen.get(address)?.wrong ?? 0) + 1;
    const pause = wrong < guesses ? 0 : Math.min(longestPause, firstPause * 2 ** (wrong - guesses));
    // Anew at the end: the order of the map is that of the last guesses.
    this.seen.delete(address);
    this.seen.set(address, { wrong, until: now + pause });
    const [oldest] = this.seen.keys();
    if (this.seen.size > MOST_ADDRESSES) this.seen.delete(oldest);
  }

  /** Forgets the wrong ones of who has the right key. */
  right(address: string): void {
    this.seen.delete(address);
  }
}

/** Lets some go on at the same time; some more wait for their turn. */
export class Turns {
  private going = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly most: number,
    private readonly mostWaiting: number,
  ) {}

  /** Resolves when it is one's turn, with what ends it; null when too many wait already. */
  async take(): Promise<(() => void) | null> {
    if (this.going >= this.most) {
      if (this.waiting.length >= this.mostWaiting) return null;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.going++;
    return () => {
      const next = this.waiting.shift();
      if (next) next();
      else this.going--;
    };
  }
}

/** Finds where a request comes from; of an IPv6 address the first half, which stands for one household. */
export function addressOf(request: IncomingMessage): string {
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(address)) return address;
  const [head, tail = ''] = address.split('%')[0].split('::');
  const [first, last] = [head, tail].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
