import type { WebSocket } from 'ws';
import type { Port } from '../../protocol/rpc.ts';
import { RateLimit } from './gate.ts';

/** Unsent bytes beyond which a window that does not read is cut off; it takes the whole state when it comes back. */
const MOST_UNSENT = 32 << 20;

/** WebSocket close codes, RFC 6455 section 7.4.1. */
const CLOSE = { notText: 1003, tooOften: 1008, tooSlow: 1013 } as const;

/** A WebSocket as a port: one JSON text a message. Text that is no JSON is dropped; floods end the connection. */
export function socketPort(socket: WebSocket, limit = new RateLimit()): Port {
  const listeners: ((message: unknown) => void)[] = [];
  socket.on('message', (data, binary) => {
    if (binary) return socket.close(CLOSE.notText, 'text only');
    if (!limit.take()) return socket.close(CLOSE.tooOften, 'too many messages');
    const message = parse((data as Buffer).toString());
    if (message !== undefined) for (const listener of listeners) listener(message);
  });
  return {
    post: (message) => {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > MOST_UNSENT) return socket.close(CLOSE.tooSlow, 'reads too slowly');
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
