import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchPackage, type FetchOptions, type PackagePin } from '../../../src-main/install/package-fetch.ts';
import { listed, offerOf, placesOf } from '../../../src-main/install/package-index.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { askOnly, makeWheel, startPackageIndex, type PackageIndex } from '../../helpers/package-index.ts';

const NAME = 'small-engine';

let root: string;
let wheel: string;
let pin: PackagePin;
let index: PackageIndex;
const servers: { close(): unknown }[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'stillhouse-fetch-'));
  mkdirSync(join(root, 'wheels'));
  writeFileSync(join(root, 'one'), randomBytes(300_000));
  pin = makeWheel(join(root, 'wheels'), NAME, { 'engine/libone.so.2': join(root, 'one') });
  wheel = join(root, 'wheels', pin.file);
  index = await started();
  askOnly(index);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) await server.close();
  rmSync(root, { recursive: true, force: true });
});

async function started(offers: Record<string, string> = { [wheel]: NAME }): Promise<PackageIndex> {
  const server = await startPackageIndex(offers);
  servers.push(server);
  return server;
}

const fetched = (options: Partial<FetchOptions> = {}) =>
  fetchPackage(pin, { folder: join(root, 'got'), pauses: [0, 0], stall: 5, ...options });

async function refused(work: Promise<unknown>): Promise<StillhouseError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StillhouseError)) throw new Error(`a StillhouseError was expected, not ${String(error)}`);
  return error;
}

/** What a finished download leaves: the wheel alone. */
async function expectWheel(path: Promise<string>): Promise<void> {
  expect(readFileSync(await path)).toEqual(readFileSync(wheel));
  expect(readdirSync(join(root, 'got'))).toEqual([pin.file]);
}

describe.each([true, false])('an index in JSON: %s', (json) => {
  beforeEach(() => void (index.json = json));

  it('is asked by the normal name, and gives the file', async () => {
    pin = { ...pin, package: 'Small_Engine' };
    await expectWheel(fetched());
    expect(index.pages).toEqual(['/simple/small-engine/']);
  });

  it('that gives another hash is refused before a byte of the file comes', async () => {
    index.hash = '0'.repeat(64);
    const error = await refused(fetched());
    expect(error.params).toMatchObject({ file: pin.file, expected: pin.sha256, got: index.hash });
    expect(index.asked).toEqual([]);
  });

  it('that withdrew the file still gives it, for the pin names its bytes', async () => {
    index.yanked = true;
    await expectWheel(fetched());
  });
});

it('goes on where the connection was cut, as often as bytes come', async () => {
  index.cuts = 4;
  await expectWheel(fetched());
  expect(index.ranges.length).toBe(5);
  expect(index.ranges[1]).toBe(`bytes=${pin.bytes >> 1}-`);
});

it('counts a silent connection as dead, and goes on with another', async () => {
  index.hang = true;
  const work = fetched({ stall: 0.3, onProgress: ({ done }) => done > 0 && (index.hang = false) });
  await expectWheel(work);
  expect(index.ranges).toEqual([undefined, `bytes=${pin.bytes >> 1}-`]);
});

it('throws away bytes that are not the pinned ones', async () => {
  index.hash = '0'.repeat(64);
  pin = { ...pin, sha256: index.hash };
  expect((await refused(fetched())).code).toBe('engine.corrupt');
  expect(readdirSync(join(root, 'got'))).toEqual([]);
});

it('follows the index to where its files lie, without the login', async () => {
  const files = await started();
  index.sendsTo = files;
  vi.stubEnv('PIP_INDEX_URL', index.url.replace('//', '//someone:p%40ss@'));
  await expectWheel(fetched());
  expect(index.logins).toEqual(Array(2).fill(`Basic ${btoa('someone:p@ss')}`));
  expect(files.logins).toEqual([undefined]);
});

it('takes a further index where the first lacks the package or fails', async () => {
  const mirror = await started();
  vi.stubEnv('PIP_EXTRA_INDEX_URL', ` ${mirror.url}/  `);
  for (const status of [404, 500]) {
    index.status = status;
    await expectWheel(fetched());
    rmSync(join(root, 'got'), { recursive: true });
  }
  expect(mirror.asked.length).toBe(2);
});

it('takes the file from a folder of find-links, and asks no index where none may be', async () => {
  vi.stubEnv('PIP_FIND_LINKS', `${root} ${join(root, 'wheels')}`);
  vi.stubEnv('PIP_NO_INDEX', '1');
  await expectWheel(fetched());
  expect(index.pages).toEqual([]);
});

it('goes through the proxy of the environment, and of pip', async () => {
  const seen: string[] = [];
  const proxy: Server = createServer().on('connect', (request, socket, head: Buffer) => {
    seen.push(request.url!);
    const [host, port] = request.url!.split(':');
    const server = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    for (const end of [server, socket]) end.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  servers.push({ close: () => (proxy.closeAllConnections(), proxy.close()) });
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  for (const name of ['http_proxy', 'PIP_PROXY']) {
    seen.length = 0;
    vi.stubEnv(name, address);
    await expectWheel(fetched());
    vi.stubEnv(name, '');
    rmSync(join(root, 'got'), { recursive: true });
    expect(new Set(seen)).toEqual(new Set([new URL(index.url).host]));
  }
});

describe('says why', () => {
  it('an index does not offer the file', async () => {
    pin = { ...pin, file: 'small_engine-2.0.0-py3-none-any.whl' };
    expect(String(await refused(fetched()))).toContain(`does not offer ${pin.file}`);
    index.status = 404;
    expect(String(await refused(fetched()))).toContain(`does not offer ${pin.file}`);
  });

  it('it refuses, is busy or not there', async () => {
    index.status = 403;
    expect((await refused(fetched())).params.reason).toMatchObject({ code: 'fetch.denied' });
    index.status = 503;
    expect((await refused(fetched())).params.reason).toMatchObject({ code: 'fetch.busy' });
    expect(index.pages.length).toBe(4);
    await index.close();
    expect((await refused(fetched())).params.reason).toMatchObject({ code: 'fetch.refused' });
  });

  it('the file of certificates cannot be read', async () => {
    vi.stubEnv('PIP_CERT', join(root, 'none.pem'));
    const error = await refused(fetched());
    expect(error.params.reason).toEqual({ code: 'fetch.certificate-file', params: { path: join(root, 'none.pem') } });
  });
});

it('asks the usual index where no other is set', () => {
  const pip = { index: null, extraIndexes: [], findLinks: [], noIndex: false, proxy: null, cert: null };
  const [page, ...others] = placesOf(pin, pip);
  expect(others).toEqual([]);
  const { protocol, pathname } = new URL(page);
  expect([protocol, pathname]).toEqual(['https:', '/simple/small-engine/']);
});

it('resolves what pages link to', () => {
  const page = 'https://index.test/simple/x/';
  expect(listed(`<A class=a href='../../f/x%2B1.whl?a=1&amp;b=2'>x</A>`, 'text/html', page)).toEqual([
    { file: 'x+1.whl', address: 'https://index.test/f/x%2B1.whl?a=1&b=2', sha256: null },
  ]);
  const based = '<base href="https://files.test/d/"><a href="x.whl">x</a><a name="none">y</a>';
  expect(listed(based, 'text/html', page).map(({ address }) => address)).toEqual(['https://files.test/d/x.whl']);
  const odd = JSON.stringify({ files: [{ filename: 1 }, { filename: 'x', url: 'y' }] });
  expect(listed(odd, 'application/json', page)).toEqual([{ file: 'x', address: `${page}y`, sha256: null }]);
});

it('takes a wheel named by find-links itself only where it is the one', async () => {
  const asking = { fail: () => new StillhouseError('engine.download', { reason: 'x' }) };
  expect(await offerOf(pin, wheel, asking)).toEqual({ path: wheel });
  expect(await offerOf({ ...pin, file: 'other-1-py3-none-any.whl' }, wheel, asking)).toBeNull();
  expect(basename(wheel)).toBe(pin.file);
});
