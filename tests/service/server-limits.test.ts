import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Port } from '../../src-main/protocol/rpc.ts';
import { createWorkstation } from '../../src-main/service/workstation.ts';
import { Guesses, LIMITS, RateLimit, Turns, addressOf, type Limits } from '../../src-main/shells/server/limits.ts';
import { serve, type Served } from '../../src-main/shells/server/serve.ts';
import { keepConnected } from '../../src-renderer/client/connect.ts';
import { openSocket } from '../../src-renderer/client/socket-port.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { eventually } from '../helpers/wait.ts';
import { ownOptions, ownPlaces } from '../helpers/workstation.ts';

/** The real server with limits that a test can reach. */

const places = ownPlaces(false);
const data = makeTinyData(join(places.root, 'data'), { train: 2, val: 1 });
const rendererFolder = mkdtempSync(join(tmpdir(), 'stillhouse-window-'));
let served: Served | undefined;

beforeAll(() => writeFileSync(join(rendererFolder, 'index.html'), '<!doctype html><title>Stillhouse</title>'));
afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  await served?.close();
  served = undefined;
});
afterAll(() => {
  for (const folder of [places.root, rendererFolder]) rmSync(folder, { recursive: true, force: true });
});

/** @returns the cookie of who has the key. */
async function start(limits: Partial<Limits> = {}, token?: string): Promise<string> {
  served = await serve({
    port: 0,
    host: '127.0.0.1',
    rendererFolder,
    workstation: (emit) => createWorkstation(ownOptions(places, emit)),
    limits: { ...LIMITS, ...limits },
    ...(token && { token }),
  });
  const { headers } = await get(served.url.slice(served.url.indexOf('/?')));
  return headers['set-cookie']![0].split(';')[0];
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** One request. A `from` other than 127.0.0.1 is another address of this machine. */
function get(path: string, headers: Record<string, string> = {}, from = '127.0.0.1'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = served!;
    const options = { host: '127.0.0.1', port, path, localAddress: from, headers: { ...headers } };
    const call = request(options, (response) => {
      let body = '';
      response.setEncoding('latin1').on('data', (piece: string) => (body += piece));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

/** Sends bytes as they are. @returns the first line of what comes back; '' when the connection is only closed. */
function send(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connectTcp(served!.port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('latin1').on('data', (piece: string) => (answer += piece));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer.split('\r\n')[0]));
  });
}

function socketOptions(cookie: string, from = '127.0.0.1') {
  return { headers: { origin: `http://127.0.0.1:${served!.port}`, cookie }, localAddress: from };
}

function open(cookie: string, from?: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${served!.port}/port`, socketOptions(cookie, from));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => resolve(socket));
  });
}

const closed = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.on('close', resolve));

function portOf(socket: WebSocket): Port {
  return {
    post: (message) => socket.send(JSON.stringify(message)),
    onMessage: (listener) => socket.on('message', (text) => listener(JSON.parse((text as Buffer).toString()))),
    onClose: (listener) => socket.on('close', listener),
  };
}

describe('wrong keys', () => {
  test('make their address wait, longer each time, and no other; who is in stays in', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const cookie = await start({ guesses: 3, firstPause: 300, longestPause: 400 }, 'short');
    for (let count = 0; count < 3; count++) expect((await get('/?token=guess')).status).toBe(401);
    const refused = await get('/?token=short');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBe(1);
    expect(refused.headers['set-cookie']).toBeUndefined();
    expect((await get('/?token=short', {}, '127.0.0.2')).status).toBe(200);
    expect((await get('/', { cookie })).status).toBe(200);
    (await open(cookie)).close();
    vi.advanceTimersByTime(299);
    expect((await get('/?token=short')).status).toBe(429);
    vi.advanceTimersByTime(1);
    expect((await get('/?token=short')).status).toBe(200);
    // The right one clears what was counted.
    expect((await get('/?token=guess')).status).toBe(401);
    expect((await get('/?token=short')).status).toBe(200);
  });

  test('cannot be tried as cookies: the ticket is no key', async () => {
    const cookie = await start({}, 'short');
    const name = cookie.split('=')[0];
    expect((await get('/', { cookie: `${name}=short` })).status).toBe(401);
    expect(cookie).toMatch(/=[\w-]{32}$/);
  });

  test('are counted by address, doubled, capped and forgotten in turn', () => {
    const guesses = new Guesses({ guesses: 2, firstPause: 1000, longestPause: 3000 });
    const pauses = [1, 2, 3, 4, 5].map(() => {
      guesses.wrong('a', 0);
      return guesses.pause('a', 0);
    });
    expect(pauses).toEqual([0, 1000, 2000, 3000, 3000]);
    expect(guesses.pause('a', 2500)).toBe(500);
    expect(guesses.pause('b', 0)).toBe(0);
    for (let count = 0; count < 5000; count++) guesses.wrong(`other ${count}`, 0);
    expect(guesses.pause('a', 0)).toBe(0);
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['2001:db8:1:2:aaaa::7', '2001:db8:1:2'],
    ['2001:db8:1:2:bbbb:1:2:3', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('an address %s counts as %s', (remoteAddress, counted) => {
    expect(addressOf({ socket: { remoteAddress } } as IncomingMessage)).toBe(counted);
  });
});

describe('windows', () => {
  test('are so many of one address, and of all', async () => {
    const cookie = await start({ windows: 3, windowsOfAddress: 2 });
    const first = await open(cookie);
    await open(cookie);
    await expect(open(cookie)).rejects.toThrow('503');
    await open(cookie, '127.0.0.2');
    await expect(open(cookie, '127.0.0.3')).rejects.toThrow('503');
    first.close();
    await closed(first);
    await eventually(() => open(cookie));
  });

  test('that send more bytes than may be are told to leave', async () => {
    const cookie = await start({ bytesPerSecond: 1000, byteBurst: 4000 });
    const socket = await open(cookie);
    const end = closed(socket);
    for (let count = 0; count < 5; count++) socket.send(`"${'x'.repeat(1000)}"`);
    expect(await end).toBe(1008);
  });

  test('that give no sign of life are ended', async () => {
    const cookie = await start();
    // The looks at the windows, and nothing else, go by a clock of their own.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const [quiet, alive] = [await open(cookie), await open(cookie)];
    const ended = closed(quiet);
    quiet.pause();
    const answered = new Promise((resolve) => alive.once('ping', resolve));
    vi.advanceTimersByTime(LIMITS.idle);
    await answered;
    // Its sign of life has come once the server answers what was asked after it.
    await connect(portOf(alive)).call('job.list', {});
    vi.advanceTimersByTime(LIMITS.idle);
    quiet.resume();
    expect(await ended).toBe(1006);
    expect(alive.readyState).toBe(WebSocket.OPEN);
  });

  test('that read too slowly are cut off, and read everything anew when they are back', async () => {
    const cookie = await start({ unsentBytes: 1 << 16, leave: 300, windowsOfAddress: 1 });
    const sockets: WebSocket[] = [];
    // A browser's WebSocket, which sends origin and cookie by itself.
    vi.stubGlobal(
      'WebSocket',
      class extends WebSocket {
        constructor(address: string) {
          super(address, socketOptions(cookie));
          sockets.push(this);
        }
      },
    );
    const address = `ws://127.0.0.1:${served!.port}/port`;
    const shell = { reloadToReconnect: false, host: null, open: () => openSocket(address), imageUrl: String };
    const client = keepConnected(shell);
    let opened = 0;
    client.onOpen(() => opened++);
    expect((await client.call('models.list', {})).length).toBeGreaterThan(3);
    sockets[0].pause();
    const calls = Array.from({ length: 250 }, () => client.call('models.list', {}).catch((error: unknown) => error));
    // There is room for another only when that one is gone, though it has not heard of it.
    const other = await eventually(() => {
      client.call('models.list', {}).catch(() => undefined);
      return open(cookie);
    });
    expect(sockets).toHaveLength(1);
    other.close();
    await closed(other);
    sockets[0].resume();
    await eventually(() => expect(opened).toBe(2));
    const answers = await Promise.all(calls);
    expect(answers).toContainEqual(expect.objectContaining({ code: 'rpc.closed' }));
    expect((await client.call('models.list', {})).length).toBeGreaterThan(3);
    vi.unstubAllGlobals();
  });
});

describe('images', () => {
  test('larger than may be are refused, others are sent', async () => {
    const cookie = await start({ imageBytes: 1000 });
    const socket = await open(cookie);
    const client = connect(portOf(socket));
    const folder = join(places.root, 'sizes');
    for (const name of ['small', 'large']) {
      mkdirSync(join(folder, 'train', name), { recursive: true });
      writeFileSync(join(folder, 'train', name, 'one.png'), Buffer.alloc(name === 'small' ? 1000 : 1001));
    }
    const page = await client.call('dataset.images', { path: folder, split: 'train', offset: 0, limit: 9 });
    const statuses = page.images.map(async ({ id, class: of }) => [of, (await get(`/image/${id}`, { cookie })).status]);
    expect(Object.fromEntries(await Promise.all(statuses))).toEqual({ small: 200, large: 413 });
    socket.close();
  });

  test('are sent a few at a time; those beyond the queue are told to come again', async () => {
    const turns = new Turns(2, 1);
    const [first, second] = [await turns.take(), await turns.take()];
    const third = turns.take();
    expect(await turns.take()).toBeNull();
    first!();
    const done = await third;
    expect(done).not.toBeNull();
    second!();
    expect(await turns.take()).not.toBeNull();
    done!();

    const cookie = await start({ images: 1, imagesWaiting: 0 });
    const socket = await open(cookie);
    const page = await connect(portOf(socket)).call('dataset.images', {
      path: data,
      split: 'train',
      offset: 0,
      limit: 1,
    });
    const path = `/image/${page.images[0].id}`;
    const answers = await Promise.all(Array.from({ length: 40 }, () => get(path, { cookie })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses).toContain(503);
    expect(new Set(statuses).size).toBe(2);
    // The last one's turn ends a moment after its bytes have come.
    await eventually(async () => expect((await get(path, { cookie })).status).toBe(200));
    socket.close();
  });
});

describe('connections', () => {
  test('that say nothing, or stop in the middle of a request, are closed', async () => {
    await start({ idle: 200 });
    expect(await send('')).toMatch(/^($|HTTP\/1.1 408)/);
    expect(await send('GET / HTTP/1.1\r\nHost: local')).toMatch(/^($|HTTP\/1.1 408)/);
  });

  test('are so many; one more is not taken, and one that ends makes room', async () => {
    await start({ connections: 2 });
    const held = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<ReturnType<typeof connectTcp>>((resolve) => {
            const socket = connectTcp(served!.port, '127.0.0.1', () => resolve(socket));
            socket.on('error', () => undefined);
          }),
      ),
    );
    expect(await send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).toBe('');
    for (const socket of held) socket.destroy();
    await eventually(async () => expect((await get('/')).status).toBe(401));
  });

  test('that ask for what is no address are answered, before and after the key', async () => {
    const cookie = await start();
    const host = `Host: 127.0.0.1:${served!.port}`;
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13';
    expect(await send(`GET // HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)).toMatch(/ 400 /);
    expect(await send(`GET // HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`)).toMatch(/ 404 /);
    expect(await send(`GET http://[ HTTP/1.1\r\n${host}\r\nCookie: ${cookie}\r\n${upgrade}\r\n\r\n`)).toMatch(
      / 40[04] /,
    );
    expect(await send('\u0000\u0001\u0002\r\n\r\n')).toMatch(/ 400 /);
    expect((await get('/', { cookie })).status).toBe(200);
  });
});

test('the rate limit lets bursts through and refills with time', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const limit = new RateLimit(10, 3);
  const now = 0;
  expect([1, 2, 3, 4].map(() => limit.take(1, now))).toEqual([true, true, true, false]);
  expect(limit.take(1, now + 50)).toBe(false);
  expect(limit.take(1, now + 150)).toBe(true);
  expect(limit.take(4, now + 10_000)).toBe(false);
  expect(limit.take(3, now + 10_000)).toBe(true);
});
