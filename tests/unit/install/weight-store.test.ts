import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getPublished, getWeights, idOf, listStored, removeStored } from '../../../src-main/install/weight-store.ts';
import {
  findPublished,
  parseSource,
  publishedWeights,
  sourcesOf,
  wantedWeights,
} from '../../../src-main/install/weight-source.ts';
import { listModels } from '../../../src-main/model/zoo.ts';
import { parsePublishedTable } from '../../../src-main/protocol/weight-data.ts';
import { fileServer, type FileServer, type Manners } from '../../helpers/file-server.ts';
import { ended, firstLine, startChild } from '../runs/child.ts';

const BYTES = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) % 251);
const SHA = createHash('sha256').update(BYTES).digest('hex');
const NAME = `tiny-${SHA.slice(0, 8)}.pth`;
const VARIABLES = [
  'TORCH_HOME',
  'HF_HUB_CACHE',
  'HF_ENDPOINT',
  'HF_TOKEN',
  'STILLHOUSE_WEIGHTS_MIRROR',
  'STILLHOUSE_WEIGHTS_TABLE',
  'http_proxy',
];

let root: string;
let folder: string;
let server: FileServer;
let before: Record<string, string | undefined>;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'weights-'));
  folder = join(root, 'store');
  server = await fileServer({ [`/${NAME}`]: BYTES });
  before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  for (const name of VARIABLES) delete process.env[name];
  process.env.TORCH_HOME = join(root, 'torch');
  process.env.HF_HUB_CACHE = join(root, 'hub');
});

afterEach(async () => {
  for (const [name, value] of Object.entries(before))
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

const get = (text = `${server.url}/${NAME}`, options = {}) =>
  getWeights(parseSource(text), { folder, pauses: [1, 1, 1], ...options });
const meets = (path: string, ...manners: Manners[]) => server.manners.set(path, manners);
const isWhole = (path: string) => expect(Buffer.compare(readFileSync(path), BYTES)).toBe(0);
const ranges = () => server.asked.map(({ headers }) => headers.range);

describe('an address', () => {
  it('is fetched once, checked by the digits in its name, and found again', async () => {
    const path = await get();
    isWhole(path);
    expect(await get()).toBe(path);
    expect(server.asked).toHaveLength(1);
    const [entry] = await listStored(folder);
    expect(entry).toMatchObject({ path, facts: { sha256: SHA, checked: true, bytes: BYTES.length } });
    expect(readdirSync(join(folder, entry.id)).sort()).toEqual(['source.json', NAME].sort());
    expect(await removeStored(entry.id, folder)).toBeGreaterThanOrEqual(BYTES.length);
    expect(await listStored(folder)).toEqual([]);
  });

  it('is tried again where the connection broke', async () => {
    meets(`/${NAME}`, { cutAt: 100_000 }, {});
    isWhole(await get());
    expect(server.asked).toHaveLength(2);
  });

  it('starts again where the server knows no ranges', async () => {
    meets(`/${NAME}`, { cutAt: 100_000 }, { noRanges: true });
    isWhole(await get());
  });

  it('goes on in a later call, and hashes what had arrived', async () => {
    const stop = new AbortController();
    meets(`/${NAME}`, { stallAt: 100_000 });
    const cancelled = get(undefined, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'job.cancelled' });
    expect((await listStored(folder))[0]).toMatchObject({ facts: null });
    isWhole(await get());
    expect(ranges()[1]).toMatch(/^bytes=\d+-$/);
  });

  it('is refused and deleted where its hash differs', async () => {
    server.files.set('/tiny-deadbeef.pth', BYTES);
    await expect(get(`${server.url}/tiny-deadbeef.pth`)).rejects.toMatchObject({
      code: 'weights.hash',
      params: { expected: 'deadbeef', got: SHA.slice(0, 8) },
    });
    expect(await listStored(folder)).toEqual([]);
  });

  it.each<[string, Manners[], RegExp]>([
    ['no such file', [{ status: 404 }], /no such file/],
    ['a refusal', [{ status: 403 }], /refuses/],
    ['a web page', [{ html: true }], /web page/],
    ['a redirect in a circle', Array<Manners>(9).fill({ location: `/${NAME}` }), /more than 5 times/],
    ['a redirect to plain http elsewhere', [{ location: 'http://example.invalid/x.pth' }], /neither https nor/],
    ['a server that stops sending', Array<Manners>(20).fill({ stallAt: 0 }), /stopped sending/],
    ['a server that is always busy', Array<Manners>(20).fill({ status: 503 }), /busy or broken/],
    [
      'a length that is too great',
      Array<Manners>(20).fill({ lies: 400_000, noRanges: true, cutAt: 300_000 }),
      /broke|ended/,
    ],
  ])('ends with what to do: %s', async (_what, manners, reason) => {
    meets(`/${NAME}`, ...manners);
    const failure = await get(undefined, { stall: 0.2 }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'weights.fetch' });
    const { params } = failure as { params: Record<string, string> };
    expect((failure as Error).message).toMatch(reason);
    expect(params.place).toContain(NAME);
  });

  it('ends with the port that nobody listens at', async () => {
    await server.close();
    await expect(get()).rejects.toThrow(/the server refused the connection/);
  });

  it('follows redirects and takes a file without a length', async () => {
    meets('/old.pth', { location: `${server.url}/${NAME}` });
    meets(`/${NAME}`, { chunked: true });
    isWhole(await get(`${server.url}/old.pth`));
    expect((await listStored(folder))[0].facts).toMatchObject({ checked: false });
  });

  it('is fetched where the server closes behind an answer that is not read yet', async () => {
    // As many bytes as the client takes at once before it holds back.
    const small = BYTES.subarray(0, 1 << 16);
    const closing = createNetServer((socket) => {
      socket
        .on('error', () => undefined)
        .once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${small.length}\r\nconnection: close\r\n\r\n`);
          socket.end(small);
        });
    });
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const { port } = closing.address() as AddressInfo;
    for (const round of [1, 2, 3])
      expect(readFileSync(await get(`http://127.0.0.1:${port}/${round}.pth`)).equals(small)).toBe(true);
    closing.close();
  });

  it('is fetched once by two at the same time', async () => {
    const [one, other] = await Promise.all([get(), get()]);
    expect(one).toBe(other);
    expect(server.asked).toHaveLength(1);
  });

  it('is fetched once by two processes at the same time', async () => {
    let release = (): void => undefined;
    meets(`/${NAME}`, { held: new Promise((resolve) => void (release = resolve)) });
    const children = await Promise.all([1, 2].map(() => startChild('fetch', folder, `${server.url}/${NAME}`)));
    await Promise.all(children.map(firstLine));
    release();
    await Promise.all(children.map(ended));
    expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(server.asked).toHaveLength(1);
    isWhole((await listStored(folder))[0].path);
  });

  it('is not waited for where its holder died', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${idOf(parseSource(`${server.url}/${NAME}`))}.lock`), '999999999');
    isWhole(await get());
  });

  it('must be https, or http on this machine', () => {
    for (const bad of ['http://example.invalid/a.pth', 'ftp://127.0.0.1/a.pth', 'hf_hub:one'])
      expect(() => parseSource(bad)).toThrow(/expected https/);
  });
});

describe('what is on the machine already', () => {
  it('is taken from torch where its hash fits, and not where it does not', async () => {
    const place = join(root, 'torch/hub/checkpoints');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, NAME), BYTES.subarray(1));
    isWhole(await get());
    await removeStored((await listStored(folder))[0].id, folder);
    writeFileSync(join(place, NAME), BYTES);
    expect(await get()).toBe(join(place, NAME));
    expect(server.asked).toHaveLength(1);
  });

  it("is taken from the hub's cache where the blob is what its name says", async () => {
    const repository = join(root, 'hub/models--owner--net');
    for (const part of ['refs', 'blobs', 'snapshots/abc']) mkdirSync(join(repository, part), { recursive: true });
    writeFileSync(join(repository, 'refs/main'), 'abc');
    writeFileSync(join(repository, 'blobs', SHA), BYTES);
    symlinkSync(join('../../blobs', SHA), join(repository, 'snapshots/abc/model.safetensors'));
    expect(await get('hf_hub:owner/net')).toBe(join(repository, 'snapshots/abc'));
    writeFileSync(join(repository, 'blobs', SHA), BYTES.subarray(5));
    process.env.HF_ENDPOINT = server.url;
    await expect(get('hf_hub:owner/net')).rejects.toMatchObject({ code: 'weights.fetch' });
  });

  it('counts where a person put it', async () => {
    const own = join(folder, idOf(parseSource(`${server.url}/${NAME}`)));
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, NAME), BYTES);
    expect(await get()).toBe(join(own, NAME));
    expect(server.asked).toEqual([]);
  });
});

describe('a repository of the hub', () => {
  const files = '/owner/net/resolve/main';

  it('is fetched with its settings, by the hash that the hub states, the token staying there', async () => {
    const elsewhere = await fileServer({ '/blob': BYTES });
    process.env.HF_ENDPOINT = server.url;
    process.env.HF_TOKEN = 'secret';
    server.files.set(`${files}/config.json`, Buffer.from('{"architecture":"test"}'));
    meets(`${files}/model.safetensors`, {
      location: `${elsewhere.url}/blob`,
      headers: { 'x-linked-etag': `"${SHA}"` },
    });
    const path = await get('hf_hub:owner/net');
    isWhole(join(path, 'model.safetensors'));
    expect(readFileSync(join(path, 'config.json'), 'utf8')).toContain('test');
    expect(server.asked[0].headers.authorization).toBe('Bearer secret');
    expect(elsewhere.asked[0].headers.authorization).toBeUndefined();
    expect((await listStored(folder))[0].facts).toMatchObject({ checked: true, address: 'hf_hub:owner/net' });
    await elsewhere.close();
  });

  it("falls back to torch's file", async () => {
    process.env.HF_ENDPOINT = server.url;
    server.files.set(`${files}/pytorch_model.bin`, BYTES);
    isWhole(join(await get('hf-hub:owner/net'), 'pytorch_model.bin'));
  });
});

describe('published weights', () => {
  it('come from the authors first and from the hub where that fails', async () => {
    process.env.HF_ENDPOINT = server.url;
    process.env.STILLHOUSE_WEIGHTS_MIRROR = server.url;
    const base = '/timm/deit_tiny_patch16_224.fb_in1k/resolve/main';
    server.files.set(`${base}/model.safetensors`, BYTES);
    const path = await getPublished('deit_tiny_patch16_224', { folder, pauses: [] });
    isWhole(join(path, 'model.safetensors'));
    expect(server.asked[0].path).toBe('/deit_tiny_patch16_224-a1311bcf.pth');
  });

  it('are taken from any place that has them on this machine before anything is fetched', async () => {
    const snapshot = join(root, 'hub/models--timm--deit_tiny_patch16_224.fb_in1k/snapshots/main');
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(snapshot, 'model.safetensors'), BYTES);
    process.env.STILLHOUSE_WEIGHTS_MIRROR = server.url;
    expect(await getPublished('deit_tiny_patch16_224', { folder, pauses: [] })).toBe(snapshot);
    expect(server.asked).toEqual([]);
  });

  it('are not removed while they are fetched', async () => {
    const stop = new AbortController();
    meets(`/${NAME}`, { stallAt: 100_000 });
    let removed: Promise<unknown> | undefined;
    const onProgress = (): void => {
      const id = idOf(parseSource(`${server.url}/${NAME}`));
      removed ??= removeStored(id, folder).catch((error: unknown) => error);
      void removed.then(() => stop.abort());
    };
    await expect(get(undefined, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: 'job.cancelled' });
    expect(await removed).toMatchObject({ code: 'weights.being-fetched' });
    const [{ id }] = await listStored(folder);
    expect(await removeStored(id, folder)).toBeGreaterThan(0);
  });

  it('of a file that STILLHOUSE_WEIGHTS_TABLE names stand before those that come with the program', () => {
    const path = join(root, 'table.json');
    const [, [row]] = publishedWeights()[0];
    process.env.STILLHOUSE_WEIGHTS_TABLE = path;
    expect(() => publishedWeights()).toThrow(/table\.json is no table of published weights: expected JSON/);
    const own = { ...row, name: 'deit_tiny_patch16_224.ours', url: `${server.url}/${NAME}`, hub: null };
    writeFileSync(path, JSON.stringify({ deit_tiny_patch16_224: [{ ...own, top1: 'high' }] }));
    expect(() => publishedWeights()).toThrow(/deit_tiny_patch16_224\.0\.top1/);
    writeFileSync(path, JSON.stringify({ deit_tiny_patch16_224: [own] }));
    expect(findPublished('deit_tiny_patch16_224')).toMatchObject({ name: own.name, first: true });
    expect(findPublished('deit_tiny_patch16_224.fb_in1k')).toMatchObject({ first: false });
    expect(wantedWeights(`${server.url}/${NAME}`)).toMatchObject({ name: own.name, sources: [{ hash: SHA.slice(0, 8) }] }); // prettier-ignore
  });

  it('are listed for the networks of the zoo, by the names and hashes of their authors', () => {
    expect(parsePublishedTable(Object.fromEntries(publishedWeights()))).toHaveProperty('table');
    const models = new Set(listModels().map(({ name }) => name));
    for (const [model, files] of publishedWeights()) {
      expect(models).toContain(model);
      expect(files.filter(({ first }) => first)).toHaveLength(1);
      for (const file of files) expect(sourcesOf(file).length, file.name).toBeGreaterThan(0);
    }
    expect(findPublished('deit_base_patch16_224')).toMatchObject({ hash: 'b5f2ef4d', top1: 81.8, timmTop1: 81.98 });
    expect(findPublished('regnety_160')).toMatchObject({ name: 'regnety_160.deit_in1k', hash: 'a5fe301d' });
    expect(findPublished('deit_base_distilled_patch16_384')).toMatchObject({ hash: 'd0272ac0' });
    expect(findPublished('no_such_network')).toBeUndefined();
  });
});
