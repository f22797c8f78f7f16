import * as v from 'valibot';
import { StillhouseError, fromPlainError, toPlainError, type PlainError } from './errors.ts';
import { serviceEvent, type ServiceEvent } from './events.ts';
import { FIRST, plainError, whatIsWrong } from './shapes.ts';
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
const reply = v.union([v.object({ id, error: plainError }), v.object({ id, result: v.unknown() })]);
const EVENTS: ReadonlySet<unknown> = new Set(serviceEvent.options.map(({ entries }) => entries.event.literal));

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
    const parsed = v.safeParse(request, message, FIRST);
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

/** Answers a message that is no request but names an id: its caller would wait for ever. */
function postRefusal(message: unknown, post: (reply: Reply) => void): void {
  const named = v.safeParse(v.object({ id }), message);
  if (!named.success) return;
  const refused = new StillhouseError('argument.invalid', { name: 'call', expected: '{id,call,params}', got: 'else' });
  post({ id: named.output.id, error: toPlainError(refused) });
}

async function answer(handlers: Handlers, { id, call, params }: Request): Promise<Reply> {
  try {
    if (!Object.prototype.hasOwnProperty.call(CALLS, call))
      throw new StillhouseError('rpc.unknown-call', { name: call.slice(0, 64) });
    const name = call as CallName;
    const checked = v.safeParse(CALLS[name].params, params, FIRST);
    if (!checked.success) throw new StillhouseError('argument.invalid', whatIsWrong(checked.issues[0], name));
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
  /** Hears of events that came in another form than `events.ts` says: no listener gets them. */
  onFault(listener: (error: StillhouseError) => void): void;
  onClose(listener: () => void): void;
  /** Messages that were neither an answer nor an event that is known here. */
  readonly ignored: number;
}

/**
 * Makes a client of the service at the other end of `port`. Every message is checked against its schema first: a call
 * whose answer is malformed fails with `protocol.answer`. Pending calls fail with `rpc.closed` when the port closes.
 */
export function connect(port: Port): Client {
  return new PortClient(port);
}

interface Waiting {
  name: CallName;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

class PortClient implements Client {
  ignored = 0;
  private readonly pending = new Map<unknown, Waiting>();
  private readonly listeners = new Set<(event: ServiceEvent) => void>();
  private readonly faults: ((error: StillhouseError) => void)[] = [];
  private next = 0;
  private closed = false;

  constructor(private readonly port: Port) {
    port.onMessage((message) => this.hear(message));
    port.onClose(() => this.close());
  }

  call<Name extends CallName>(name: Name, params: CallParams<Name>): Promise<CallResult<Name>> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new StillhouseError('rpc.closed'));
      this.pending.set(this.next, { name, resolve: resolve, reject });
      this.port.post({ id: this.next++, call: name, params });
    });
  }

  onEvent(listener: (event: ServiceEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onFault(listener: (error: StillhouseError) => void): void {
    this.faults.push(listener);
  }

  onClose(listener: () => void): void {
    this.port.onClose(listener);
  }

  private hear(message: unknown): void {
    const { event, id } = (message ?? {}) as { event?: unknown; id?: unknown };
    const waiting = this.pending.get(id);
    if (EVENTS.has(event)) this.tell(message, String(event));
    else if (!waiting) this.ignored++;
    else {
      this.pending.delete(id);
      settle(waiting, message);
    }
  }

  private tell(message: unknown, name: string): void {
    const parsed = v.safeParse(serviceEvent, message, FIRST);
    if (parsed.success) for (const listener of this.listeners) listener(parsed.output);
    else {
      const fault = new StillhouseError('protocol.event', whatIsWrong(parsed.issues[0], name));
      for (const listener of this.faults) listener(fault);
    }
  }

  private close(): void {
    this.closed = true;
    for (const { reject } of this.pending.values()) reject(new StillhouseError('rpc.closed'));
    this.pending.clear();
  }
}

function settle({ name, resolve, reject }: Waiting, message: unknown): void {
  const parsed = v.safeParse(reply, message, FIRST);
  if (!parsed.success) return reject(malformed(parsed.issues[0], name));
  if ('error' in parsed.output) return reject(fromPlainError(parsed.output.error));
  const result = v.safeParse(CALLS[name].result, parsed.output.result, FIRST);
  if (result.success) resolve(result.output);
  else reject(malformed(result.issues[0], name));
}

function malformed(issue: v.BaseIssue<unknown>, name: CallName): StillhouseError {
  return new StillhouseError('protocol.answer', whatIsWrong(issue, name));
}
