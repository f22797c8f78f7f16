import type { RawData, WebSocket } from 'ws';
import type { Port } from '../../protocol/rpc.ts';
import { LIMITS, RateLimit, type Limits } from './limits.ts';

/** WebSocket close codes, RFC 6455 section 7.4.1. */
const CLOSE = { notText: 1003, tooOften: 1008, tooSlow: 1013 } as const;

/**
 * Makes a port out of a WebSocket: one JSON text a message. Text that is no JSON is dropped; bytes, floods and slow
 * reading end the connection with a reason.
 */
export function socketPort(socket: WebSocket, limits: Limits = LIMITS): Port {
  const messages = new RateLimit(limits.messagesPerSecond, limits.messageBurst);
  const bytes = new RateLimit(limits.bytesPerSecond, limits.byteBurst);
  const listeners: ((message: unknown) => void)[] = [];
  // Whoever does not read does not read that either, and would be held in memory until then.
  const leave = (code: number, reason: string): void => {
    socket.close(code, reason);
    const timer = setTimeout(() => socket.terminate(), limits.leave);
    socket.once('close', () => clearTimeout(timer));
  };
  socket.on('message', (data: RawData, binary) => {
    if (socket.readyState !== socket.OPEN) return;
    if (binary) return leave(CLOSE.notText, 'text only');
    const text = data as Buffer;
    if (!messages.take() || !bytes.take(text.length)) return leave(CLOSE.tooOften, 'too many messages');
    const message = parse(text.toString());
    if (message !== undefined) for (const listener of listeners) listener(message);
  });
  return {
    post: (message) => {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > limits.unsentBytes) return leave(CLOSE.tooSlow, 'reads too slowly');
      socket.send(JSON.stringify(message));
    },
    onMessage: (listener) => listeners.push(listener),
    onClose: (listener) => socket.on('close', listener),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
