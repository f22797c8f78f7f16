import * as v from 'valibot';
import { StillhouseError, fromPlainError, toPlainError, type PlainError } from './errors.ts';
import type { ServiceEvent } from './events.ts';
import { CALLS, type CallName, type CallParams, type CallResult, type Handlers } from './service.ts';

/** Anything that carries structured messages both ways, in order: an IPC channel, a WebSocket, a MessagePort. */
export interface Port {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}

type Reply = { id: number; result: unknown } | { id: number; error: PlainError };

const request = v.strictObject({
  id: v.pipe(v.number(), v.integer(), v.minValue(0)),
  call: v.string(),
  params: v.unknown(),
});

/**
 * Answers calls that arrive on a port and sends events out through it. Malformed messages without an id are
 * dropped; all others get a reply.
 * @returns what sends an event to this port.
 */
export function serve(port: Port, handlers: Handlers): (event: ServiceEvent) => void {
  port.onMessage((message) => {
    const parsed = v.safeParse(request, message);
    if (!parsed.success) return;
    void answer(handlers, parsed.output).then((reply) => port.post(reply));
  });
  return (event) => port.post(event);
}

async function answer(handlers: Handlers, { id, call, params }: v.InferOutput<typeof request>): Promise<Reply> {
  try {
    if (!Object.prototype.hasOwnProperty.call(CALLS, call))
      throw new StillhouseError('rpc.unknown-call', { name: call.slice(0, 64) });
    const name = call as CallName;
    const checked = v.safeParse(CALLS[name].params, params);
    if (!checked.success) {
      const issue = checked.issues[0];
      throw new StillhouseError('argument.invalid', {
        name: `${name}.${v.getDotPath(issue) ?? ''}`,
        expected: issue.expected ?? issue.message,
        got: issue.received,
      });
    }
    const handler = handlers[name] as (params: unknown) => Promise<unknown>;
    return { id, result: (await handler(checked.output)) ?? null };
  } catch (error) {
    return { id, error: toPlainError(error) };
  }
}

/** Makes calls over a port and hears its events. */
export interface Client {
  call<Name extends CallName>(name: Name, params: CallParams<Name>): Promise<CallResult<Name>>;
  onEvent(listener: (event: ServiceEvent) => void): () => void;
  onClose(listener: () => void): void;
}

/** A client of the service at the other end of `port`. Pending calls fail with `rpc.closed` when it closes. */
export function connect(port: Port): Client {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const listeners = new Set<(event: ServiceEvent) => void>();
  let next = 0;
  let closed = false;
  port.onMessage((message) => {
    if (typeof message !== 'object' || message === null) return;
    if ('event' in message) {
      for (const listener of listeners) listener(message as ServiceEvent);
      return;
    }
    const reply = message as Reply;
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if (!waiting) return;
    if ('error' in reply) waiting.reject(fromPlainError(reply.error));
    else waiting.resolve(reply.result);
  });
  port.onClose(() => {
    closed = true;
    for (const waiting of pending.values()) waiting.reject(new StillhouseError('rpc.closed'));
    pending.clear();
  });
  return {
    call: (name, params) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new StillhouseError('rpc.closed'));
        pending.set(next, { resolve: resolve as (value: unknown) => void, reject });
        port.post({ id: next++, call: name, params });
      }),
    onEvent: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onClose: (listener) => port.onClose(listener),
  };
}
