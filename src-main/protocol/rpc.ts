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

/** Calls of one port that may be waiting for their answer at the same time. */
const MOST_WAITING = 256;

const id = v.pipe(v.number(), v.integer(), v.minValue(0));
const request = v.strictObject({ id, call: v.string(), params: v.unknown() });
const failure = v.object({
  id,
  error: v.object({
    code: v.string(),
    params: v.record(v.string(), v.union([v.string(), v.number()])),
    message: v.string(),
  }),
});
const success = v.object({ id, result: v.unknown() });
const reply = v.union([failure, success]);
const event = v.looseObject({ event: v.picklist(['job', 'run', 'runs', 'queue', 'engine']) });

type Request = v.InferOutput<typeof request>;
type Reply = { id: number; result: unknown } | { id: number; error: PlainError };

/**
 * Answers calls that arrive on a port and sends events out through it. Malformed messages without an id are
 * dropped; all others get a reply.
 * @returns what sends an event to this port; it does nothing once the port is closed.
 */
export function serve(port: Port, handlers: Handlers): (event: ServiceEvent) => void {
  let open = true;
  let waiting = 0;
  port.onClose(() => (open = false));
  const post = (message: Reply | ServiceEvent): void => {
    if (open) port.post(message);
  };
  port.onMessage((message) => {
    const parsed = v.safeParse(request, message);
    if (!parsed.success) return postRefusal(message, post);
    if (waiting >= MOST_WAITING) return post({ id: parsed.output.id, error: toPlainError(busy()) });
    waiting++;
    void answer(handlers, parsed.output).then((answered) => {
      waiting--;
      post(answered);
    });
  });
  return post;
}

function busy(): StillhouseError {
  return new StillhouseError('rpc.busy', { waiting: MOST_WAITING });
}

/** A message that is no request, but names an id, is told so: else its caller would wait for ever. */
function postRefusal(message: unknown, post: (reply: Reply) => void): void {
  const named = v.safeParse(v.looseObject({ id }), message);
  if (!named.success) return;
  const refused = new StillhouseError('argument.invalid', { name: 'call', expected: 'id, call, params', got: 'else' });
  post({ id: named.output.id, error: toPlainError(refused) });
}

async function answer(handlers: Handlers, { id, call, params }: Request): Promise<Reply> {
  try {
    if (!Object.prototype.hasOwnProperty.call(CALLS, call))
      throw new StillhouseError('rpc.unknown-call', { name: call.slice(0, 64) });
    const name = call as CallName;
    const checked = v.safeParse(CALLS[name].params, params);
    if (!checked.success) throw invalid(name, checked.issues[0]);
    const handler = handlers[name] as (params: unknown) => Promise<unknown>;
    return { id, result: (await handler(checked.output)) ?? null };
  } catch (error) {
    return { id, error: toPlainError(error) };
  }
}

function invalid(name: CallName, issue: v.BaseIssue<unknown>): StillhouseError {
  const path = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  return new StillhouseError('argument.invalid', {
    name: `${name}.${path}`.slice(0, 128),
    expected: issue.expected ?? issue.message,
    got: issue.received.slice(0, 128),
  });
}

/** Makes calls over a port and hears its events. */
export interface Client {
  call<Name extends CallName>(name: Name, params: CallParams<Name>): Promise<CallResult<Name>>;
  onEvent(listener: (event: ServiceEvent) => void): () => void;
  onClose(listener: () => void): void;
}

/**
 * A client of the service at the other end of `port`. Pending calls fail with `rpc.closed` when it closes; messages
 * that are neither an event nor a reply are dropped.
 */
export function connect(port: Port): Client {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const listeners = new Set<(event: ServiceEvent) => void>();
  let next = 0;
  let closed = false;
  port.onMessage((message) => {
    if (v.is(event, message)) {
      for (const listener of listeners) listener(message as unknown as ServiceEvent);
    } else if (v.is(reply, message)) {
      const waiting = pending.get(message.id);
      pending.delete(message.id);
      if ('error' in message) waiting?.reject(fromPlainError(message.error as PlainError));
      else waiting?.resolve(message.result);
    }
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
