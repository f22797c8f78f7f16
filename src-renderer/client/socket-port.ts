import { StillhouseError } from '../../src-main/protocol/errors.ts';
import type { Port } from '../../src-main/protocol/rpc.ts';

/**
 * Opens a port over a WebSocket, with messages as JSON text.
 * @throws StillhouseError `rpc.closed` when the address does not answer.
 */
export function openSocket(address: string): Promise<Port> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    let open = false;
    socket.addEventListener('open', () => {
      open = true;
      resolve(portOf(socket));
    });
    socket.addEventListener('close', () => {
      if (!open) reject(new StillhouseError('rpc.closed'));
    });
  });
}

function portOf(socket: WebSocket): Port {
  return {
    post: (message) => socket.send(JSON.stringify(message)),
    onMessage: (listener) =>
      socket.addEventListener('message', ({ data }) => {
        if (typeof data === 'string') listener(parse(data));
      }),
    onClose: (listener) => socket.addEventListener('close', () => listener()),
  };
}

/** Undefined for what is no JSON; the client drops it like any other unknown message. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
