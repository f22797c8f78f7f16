import { is } from 'valibot';
import { describe, expect, test } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import type { ServiceEvent } from '../../../src-main/protocol/events.ts';
import { connect, serve } from '../../../src-main/protocol/rpc.ts';
import { CALLS, type CallName, type Handlers } from '../../../src-main/protocol/service.ts';
import { portPair } from '../../helpers/port-pair.ts';

/** Handlers that note every call they get; `special` answers those a test is about. */
function noting(special: Partial<Handlers> = {}): { handlers: Handlers; calls: CallName[] } {
  const calls: CallName[] = [];
  const names = Object.keys(CALLS) as CallName[];
  const handlers = Object.fromEntries(
    names.map((name) => [
      name,
      async (params: never) => {
        calls.push(name);
        return special[name]?.(params) ?? null;
      },
    ]),
  ) as unknown as Handlers;
  return { handlers, calls };
}

describe('calls', () => {
  test('carry parameters there and results back, each to its own caller', async () => {
    const { near, far } = portPair();
    let answered = (): void => undefined;
    const first = new Promise<void>((resolve) => (answered = resolve));
    const { handlers } = noting({
      'run.start': async ({ recipe }) => ({ run: String(recipe['model']) }),
      'job.cancel': async () => {
        await first;
        throw new StillhouseError('job.cancelled');
      },
    });
    serve(far, handlers);
    const client = connect(near);
    const late = client.call('job.cancel', { job: 'late' });
    await expect(client.call('run.start', { recipe: { model: 'm' } })).resolves.toEqual({ run: 'm' });
    answered();
    await expect(late).rejects.toMatchObject({ name: 'StillhouseError', code: 'job.cancelled' });
  });

  test('with wrong parameters are refused by name before any handler', async () => {
    const { near, far } = portPair();
    const { handlers, calls } = noting();
    serve(far, handlers);
    const client = connect(near);
    await expect(client.call('run.stop', { run: '../etc' })).rejects.toMatchObject({
      code: 'argument.invalid',
      params: { name: 'run.stop.run' },
    });
    await expect(client.call('dataset.inspect', { path: 'a', more: 1 } as never)).rejects.toMatchObject({
      code: 'argument.invalid',
    });
    await expect(client.call('toString' as never, {} as never)).rejects.toMatchObject({ code: 'rpc.unknown-call' });
    await expect(client.call('__proto__' as never, {} as never)).rejects.toMatchObject({ code: 'rpc.unknown-call' });
    expect(calls).toEqual([]);
  });

  test('that are open fail when the port closes, and so do later ones', async () => {
    const { near, far, close, idle } = portPair();
    serve(far, noting({ 'run.list': () => new Promise(() => undefined) }).handlers);
    const client = connect(near);
    const open = client.call('run.list', {});
    await idle();
    close();
    await expect(open).rejects.toMatchObject({ code: 'rpc.closed' });
    await expect(client.call('run.list', {})).rejects.toMatchObject({ code: 'rpc.closed' });
  });

  test('beyond 256 unanswered ones are refused, not queued', async () => {
    const { near, far } = portPair();
    serve(far, noting({ 'run.list': () => new Promise(() => undefined) }).handlers);
    const client = connect(near);
    for (let index = 0; index < 256; index++) client.call('run.list', {}).catch(() => undefined);
    await expect(client.call('run.list', {})).rejects.toMatchObject({ code: 'rpc.busy' });
  });

  test('an answer that comes after the port closed is dropped', async () => {
    const { near, far, close, idle } = portPair();
    let finish = (): void => undefined;
    serve(far, noting({ 'run.list': () => new Promise((resolve) => (finish = () => resolve([]))) }).handlers);
    connect(near)
      .call('run.list', {})
      .catch(() => undefined);
    await idle();
    close();
    finish();
    await idle(); // posting to a closed port throws: an unhandled rejection would fail the run
  });
});

test('events reach every listener until it is removed', async () => {
  const { near, far, idle } = portPair();
  const send = serve(far, noting().handlers);
  const client = connect(near);
  const heard: ServiceEvent[] = [];
  const remove = client.onEvent((event) => heard.push(event));
  send({ event: 'runs' });
  await idle();
  remove();
  send({ event: 'engine' });
  await idle();
  expect(heard).toEqual([{ event: 'runs' }]);
});

/** A small seeded generator, so that a failure can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function junk(random: () => number, depth = 0): unknown {
  const pick = <T>(from: T[]): T => from[Math.floor(random() * from.length)];
  const word = (): string =>
    pick(['id', 'call', 'params', 'event', 'result', 'error', 'code', 'run', '__proto__', 'x']);
  const kind = Math.floor(random() * (depth > 3 ? 6 : 9));
  if (kind === 0) return pick([null, true, false, '', 'run.list', 'run.stop', '\u0000', 'constructor']);
  if (kind === 1) return pick([0, -1, 1.5, 1e308, 2 ** 53, 7]);
  if (kind === 2) return 'y'.repeat(Math.floor(random() * 200));
  if (kind < 6) return pick(Object.keys(CALLS));
  if (kind === 6) return Array.from({ length: Math.floor(random() * 4) }, () => junk(random, depth + 1));
  return Object.fromEntries(Array.from({ length: Math.floor(random() * 5) }, () => [word(), junk(random, depth + 1)]));
}

describe('5,000 malformed messages', () => {
  test('to the service: no throw, no call by accident, an answer to whatever has an id', async () => {
    const { near, far, idle } = portPair();
    const { handlers, calls } = noting();
    serve(far, handlers);
    const answers: { id: number; error?: { code: string } }[] = [];
    near.onMessage((message) => answers.push(message as (typeof answers)[number]));
    const random = generator(1);
    let named = 0;
    const good: string[] = [];
    for (let count = 0; count < 5000; count++) {
      const message = random() < 0.5 ? junk(random) : { id: count, call: junk(random), params: junk(random) };
      const { id, call, params } = (message ?? {}) as Record<string, unknown>;
      if (!Array.isArray(message) && typeof id === 'number' && Number.isInteger(id) && id >= 0) named++;
      // Some are met by chance: calls that need no parameter, or one that any short word is good for.
      if (Object.hasOwn(CALLS, String(call)) && is(CALLS[call as CallName].params, params)) good.push(String(call));
      near.post(message);
      if (count % 100 === 0) await idle();
    }
    await idle();
    expect(answers.length).toBe(named);
    expect(named).toBeGreaterThan(2000);
    expect(good.length).toBeLessThan(500);
    expect(calls.filter((name) => !good.includes(name))).toEqual([]);
    expect(calls.length).toBeLessThanOrEqual(good.length);
    const codes = new Set(answers.flatMap((answer) => (answer.error ? [answer.error.code] : [])));
    expect([...codes].sort()).toEqual(['argument.invalid', 'rpc.unknown-call']);
  });

  test('to the window: no throw, and the next true answer still arrives', async () => {
    const { near, far, idle } = portPair();
    const client = connect(near);
    const answer = client.call('run.list', {});
    const random = generator(2);
    for (let count = 0; count < 5000; count++) {
      far.post(random() < 0.5 ? junk(random) : { id: 1 + count, error: junk(random), result: junk(random) });
    }
    // One of them bore its number: whoever waits is told that the answer was none.
    await expect(answer).rejects.toMatchObject({ code: 'protocol.answer', params: { name: 'run.list.' } });
    await idle();
    expect(client.ignored).toBeGreaterThan(4000);
    const [next, last] = [client.call('run.list', {}), client.call('run.list', {})];
    far.post({ id: 1, error: { code: 'toString', params: {}, message: '' } });
    far.post({ id: 2, result: [] });
    await expect(next).rejects.toMatchObject({ code: 'internal' });
    await expect(last).resolves.toEqual([]);
  });
});
