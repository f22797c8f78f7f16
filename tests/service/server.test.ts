import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { decodeBmp } from '../../src-main/data/decode/bmp.ts';
import { connect, type Client, type Port } from '../../src-main/protocol/rpc.ts';
import { createWorkstation } from '../../src-main/service/workstation.ts';
import { LIMITS } from '../../src-main/shells/server/limits.ts';
import { serve, type Served } from '../../src-main/shells/server/serve.ts';
import outside from '../fixtures/datasets/sets.json' with { type: 'json' };
import { makeTinyData } from '../helpers/tiny-data.ts';
import { ownOptions, ownPlaces } from '../helpers/workstation.ts';

const places = ownPlaces(false);
const data = makeTinyData(join(places.root, 'data'), { train: 2, val: 1 });
const rendererFolder = mkdtempSync(join(tmpdir(), 'stillhouse-window-'));
let served: Served;
let cookie: string;

const options = (port: number) => ({
  port,
  host: '127.0.0.1',
  rendererFolder,
  workstation: (emit: Parameters<typeof ownOptions>[1]) => createWorkstation(ownOptions(places, emit)),
});

beforeAll(async () => {
  writeFileSync(join(rendererFolder, 'index.html'), '<!doctype html><title>Stillhouse</title>');
  mkdirSync(join(rendererFolder, 'assets'));
  writeFileSync(join(rendererFolder, 'assets', 'main-1a2b.js'), 'export {};');
  writeFileSync(join(places.root, 'secret.js'), 'secret');
  served = await serve(options(0));
  const { headers } = await get(served.url.slice(served.url.indexOf('/?')));
  cookie = headers['set-cookie']![0].split(';')[0]!;
});

afterAll(async () => {
  await served.close();
  for (const folder of [places.root, rendererFolder]) rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** One request as it is given: no header is added, no path normalised. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const host = `127.0.0.1:${served.port}`;
    const call = request({ port: served.port, path, method, headers: { host, ...headers } }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

interface Opened {
  socket: WebSocket;
  client: Client;
}

/** A WebSocket as a browser at our own page opens it, but for `headers`. */
function open(headers: Record<string, string> = {}, path = '/port'): Promise<Opened> {
  const host = `127.0.0.1:${served.port}`;
  const socket = new WebSocket(`ws://${host}${path}`, { headers: { origin: `http://${host}`, cookie, ...headers } });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => resolve({ socket, client: connect(portOf(socket)) }));
  });
}

function portOf(socket: WebSocket): Port {
  return {
    post: (message) => socket.send(JSON.stringify(message)),
    onMessage: (listener) => socket.on('message', (text) => listener(JSON.parse((text as Buffer).toString()))),
    onClose: (listener) => socket.on('close', listener),
  };
}

const closed = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => socket.on('close', (code) => resolve(code)));

describe('the page', () => {
  test('is given to who has the key, with a cookie in its place and a strict policy', async () => {
    expect((await get('/')).status).toBe(401);
    expect((await get('/?token=wrong')).status).toBe(401);
    const welcome = await get(served.url.slice(served.url.indexOf('/?')));
    expect(welcome.status).toBe(200);
    expect(welcome.headers['set-cookie']![0]).toMatch(/^stillhouse-\d+=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(String(welcome.body)).toContain('url=/"');
    const page = await get('/', { cookie });
    expect(String(page.body)).toContain('<title>Stillhouse</title>');
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/);
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-cache',
    });
    const script = await get('/assets/main-1a2b.js', { cookie });
    expect(script.headers['content-type']).toContain('text/javascript');
    expect(script.headers['cache-control']).toContain('immutable');
  });

  test('is all there is: no other file, no other method', async () => {
    for (const path of [
      '/../secret.js',
      '/assets/../../secret.js',
      '/%2e%2e/secret.js',
      '/assets/%2e%2e%2f%2e%2e%2fsecret.js',
    ])
      expect((await get(path, { cookie })).status).toBe(404);
    expect((await get('/', { cookie }, 'POST')).status).toBe(405);
  });

  test('is refused under a foreign name (DNS rebinding) and to foreign pages', async () => {
    expect((await get('/', { cookie, host: 'evil.example' })).status).toBe(400);
    expect((await get('/', { cookie, host: `evil.example:${served.port}` })).status).toBe(400);
    expect((await get('/', { cookie, host: `localhost:${served.port}` })).status).toBe(200);
    expect((await get('/', { cookie, origin: 'http://evil.example' })).status).toBe(403);
    expect((await get('/', { cookie, origin: 'null' })).status).toBe(403);
    expect((await get('/', { cookie, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(403);
    expect((await get('/', { cookie, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).toBe(200);
    expect((await get('/', { cookie: 'stillhouse=guess' })).status).toBe(401);
  });
});

describe('the socket', () => {
  test('answers calls and shows images by id only', async () => {
    const { socket, client } = await open();
    const { images } = await client.call('dataset.images', { path: data, split: 'train', offset: 0, limit: 1 });
    const image = await get(`/image/${images[0].id}`, { cookie });
    expect(image.headers).toMatchObject({
      'content-type': 'image/png',
      'content-security-policy': "default-src 'none'; sandbox",
    });
    expect(image.body.subarray(1, 4).toString()).toBe('PNG');
    expect((await get(`/image/${images[0].id}`)).status).toBe(401);
    expect((await get(`/image/${encodeURIComponent(join(data, images[0].file))}`, { cookie })).status).toBe(404);
    socket.close();
  });

  test('shows raw pixels of a published data set as a bitmap', async () => {
    const { socket, client } = await open();
    const path = fileURLToPath(new URL('../fixtures/datasets/sets/cifar10', import.meta.url));
    const summary = await client.call('dataset.inspect', { path });
    expect(summary).toMatchObject({ set: 'CIFAR10', train: 10, val: 2 });
    const { images } = await client.call('dataset.images', { path, split: 'train', offset: 0, limit: 1 });
    expect(images[0]).toMatchObject({ file: 'cifar-10-batches-py/data_batch_1/00000', class: 'ship' });
    const { headers, body } = await get(`/image/${images[0].id}`, { cookie });
    expect(headers).toMatchObject({ 'content-type': 'image/bmp', 'content-length': String(54 + 3072) });
    const { width, height, data: pixels } = decodeBmp(body);
    expect([width, height, createHash('sha256').update(pixels).digest('hex').slice(0, 16)]).toEqual([
      ...[32, 32, outside.cifar10.train[0][1]],
    ]);
    socket.close();
  });

  test('opens for our own page with the key alone', async () => {
    const unanswered = (status: number) => `Unexpected server response: ${status}`;
    await expect(open({ cookie: '' })).rejects.toThrow(unanswered(403));
    await expect(open({ origin: 'http://evil.example' })).rejects.toThrow(unanswered(403));
    await expect(open({ origin: '' })).rejects.toThrow(unanswered(403));
    await expect(open({ host: 'evil.example', origin: 'http://evil.example' })).rejects.toThrow(unanswered(403));
    await expect(open({}, '/elsewhere')).rejects.toThrow(unanswered(404));
  });

  test('drops what is no JSON, and ends on bytes, on a message too big and on floods', async () => {
    const { socket, client } = await open();
    socket.send('{"id": 1, "call"');
    expect((await client.call('job.list', {})).length).toBe(0);
    socket.send(Buffer.from([1, 2, 3]));
    expect(await closed(socket)).toBe(1003);

    const big = await open();
    big.socket.send('x'.repeat(LIMITS.messageBytes + 1));
    expect(await closed(big.socket)).toBe(1009);

    const flood = await open();
    for (let count = 0; count < 1000; count++) flood.socket.send('{}');
    expect(await closed(flood.socket)).toBe(1008);
  });

  test('of a window that closes hears no more, and others do', async () => {
    const [one, other] = [await open(), await open()];
    one.socket.close();
    await closed(one.socket);
    const ended = new Promise<void>((resolve) =>
      other.client.onEvent((event) => {
        if (event.event === 'job' && event.progress.state !== 'running') resolve();
      }),
    );
    // No such folder of wheels: the job fails at once, and says so to whoever is there.
    await other.client.call('engine.install', { from: join(places.root, 'no-wheels') });
    await ended;
    other.socket.close();
  });
});

test('a port in use is told by number', async () => {
  await expect(serve(options(served.port))).rejects.toMatchObject({
    name: 'StillhouseError',
    code: 'port.in-use',
    params: { port: served.port },
  });
});

test('a window that was never built is told by path', async () => {
  await expect(serve({ ...options(0), rendererFolder: '/nowhere' })).rejects.toMatchObject({ code: 'file.missing' });
});

test('closing says goodbye to windows and frees the port', async () => {
  const second = await serve(options(0));
  const { port } = second;
  const ticket = await fetch(second.url).then((response) => response.headers.get('set-cookie')!.split(';')[0]);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/port`, {
    headers: { origin: `http://127.0.0.1:${port}`, cookie: ticket },
  });
  await new Promise((resolve) => socket.on('open', resolve));
  const goodbye = closed(socket);
  await second.close();
  expect(await goodbye).toBe(1001);
  const again = await serve(options(port));
  await again.close();
});
