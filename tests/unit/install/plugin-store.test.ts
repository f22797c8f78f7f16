import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { reason } from '../../../src-main/protocol/reasons.ts';
import {
  ENGINES,
  PLUGIN_PINS,
  membersOf,
  requirementsOf,
  type EnginePin,
} from '../../../src-main/install/engine-pin.ts';
import { bytesNeeded, install, status, tryInstalled, verifyInstalled } from '../../../src-main/install/engine-store.ts';
import type { ByteProgress } from '../../../src-main/install/meter.ts';
import { makeWheel, startPackageIndex, type PackageIndex } from '../../helpers/package-index.ts';

let root: string;
let wheels: string;
let folder: string;
let engine: EnginePin;
let index: PackageIndex | undefined;

const FILES = {
  'small-flow': ['jax_plugins/libflow.so.2'],
  'small-blas': ['nvidia/blas/lib/libblas.so.12', 'nvidia/blas/lib/libunused.so.12'],
  'small-tools': ['nvidia/tools/bin/assembler'],
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stillhouse-plugin-'));
  wheels = join(root, 'wheels');
  folder = join(root, 'engine', 'pjrt-cuda13-1.0.0');
  mkdirSync(wheels);
  const pins = Object.entries(FILES).map(([name, paths]) => {
    const sources = paths.map((path, number) => {
      writeFileSync(join(root, `${name}-${number}`), randomBytes(200_000));
      return [path, join(root, `${name}-${number}`)];
    });
    return makeWheel(wheels, name, Object.fromEntries(sources));
  });
  pins[1].members.pop();
  pins[2].members[0].executable = true;
  engine = { device: 'pjrt-cuda13', version: '1.0.0', wheels: pins };
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await index?.close();
  index = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function serve(): Promise<PackageIndex> {
  index = await startPackageIndex(
    Object.fromEntries(engine.wheels.map(({ file, package: name }) => [join(wheels, file), name])),
  );
  for (const [name, value] of Object.entries({ PIP_INDEX_URL: index.url, PIP_FIND_LINKS: '', PIP_RETRIES: '0' }))
    vi.stubEnv(name, value);
  vi.stubEnv('NO_PROXY', '127.0.0.1');
  return index;
}

const sees = (gpus: number) => async () => ({ gpus, reason: gpus > 0 ? null : reason('gpu.none-shown') });
const thrown = (work: Promise<unknown>): Promise<StillhouseError> =>
  work.then(
    () => new StillhouseError('internal', { reason: 'nothing was thrown' }),
    (error: unknown) => error as StillhouseError,
  );
const files = (): string[] => readdirSync(join(root, 'engine')).sort();

it('brings every wheel in turn, goes on where it was cut, and unpacks only what is pinned into its folders', async () => {
  const server = await serve();
  server.cuts = 1;
  const seen: ByteProgress[] = [];
  const needed = await bytesNeeded(folder, engine);
  const total = engine.wheels.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(needed).toBe(600_000 + total);
  const after = await install({ folder, pin: engine, verify: sees(1), onProgress: (progress) => seen.push(progress) });
  expect(after).toMatchObject({
    state: 'verified',
    device: 'pjrt-cuda13',
    bytesDownload: total,
    gpus: 1,
    gpuReason: null,
  });
  expect(server.asked).toEqual([engine.wheels[0], ...engine.wheels].map(({ file }) => file));
  const downloads = seen.filter(({ stage }) => stage === 'download').map(({ done }) => done);
  expect(downloads).toEqual([...downloads].sort((a, b) => a - b));
  expect(seen.every((progress) => progress.stage === 'unpack' || progress.total >= progress.done)).toBe(true);
  expect(readFileSync(join(folder, 'nvidia/blas/lib/libblas.so.12'))).toEqual(readFileSync(join(root, 'small-blas-0')));
  expect(existsSync(join(folder, 'nvidia/blas/lib/libunused.so.12'))).toBe(false);
  expect(statSync(join(folder, 'nvidia/tools/bin/assembler')).mode & 0o111).toBe(0o111);
  expect(files()).toEqual(['pjrt-cuda13-1.0.0']);
});

it('keeps the wheels that have arrived when it is stopped, and asks only for the rest', async () => {
  const server = await serve();
  const stop = new AbortController();
  const onProgress = ({ stage, done }: ByteProgress) => {
    if (stage === 'check' && done > engine.wheels[0].bytes) stop.abort();
  };
  const stopped = await thrown(install({ folder, pin: engine, verify: sees(0), onProgress, signal: stop.signal }));
  expect(stopped.code).toBe('job.cancelled');
  const between = await status(folder, engine);
  expect(between.state).toBe('partial');
  expect(between.bytesArrived).toBe(engine.wheels[0].bytes + engine.wheels[1].bytes);
  expect(await bytesNeeded(folder, engine)).toBe(600_000 + engine.wheels[2].bytes);
  server.asked.length = 0;
  const after = await install({ folder, pin: engine, verify: sees(0) });
  expect(after).toMatchObject({ state: 'verified', gpus: 0, gpuReason: reason('gpu.none-shown') });
  expect(server.asked).toEqual([engine.wheels[2].file]);
});

it('installs from a folder without a network, and names every wheel that the folder lacks', async () => {
  vi.stubEnv('PIP_INDEX_URL', 'http://127.0.0.1:9/none');
  const usb = join(root, 'usb');
  mkdirSync(usb);
  await copyFile(join(wheels, engine.wheels[0].file), join(usb, engine.wheels[0].file));
  const lacking = await thrown(install({ folder, pin: engine, from: usb, verify: sees(0) }));
  expect(lacking.code).toBe('engine.wheels');
  expect(lacking.params).toMatchObject({ count: 2, all: 3 });
  expect(lacking.params.files).toBe(`${engine.wheels[1].file}, ${engine.wheels[2].file}`);
  expect((await install({ folder, pin: engine, from: wheels, verify: sees(0) })).state).toBe('verified');
  expect(readdirSync(wheels).length).toBe(3);
});

it('refuses a wheel that is not the pinned one before anything is unpacked', async () => {
  await serve();
  const odd = { ...engine, wheels: [engine.wheels[0], { ...engine.wheels[1], sha256: '0'.repeat(64) }] };
  expect((await thrown(install({ folder, pin: odd, verify: sees(0) }))).code).toBe('engine.corrupt');
  expect(files()).toEqual([engine.wheels[0].file]);
});

it('asks for the room of all wheels and all of it unpacked before the first byte', async () => {
  const server = await serve();
  const wheel = { ...engine.wheels[2], members: [{ ...engine.wheels[2].members[0], bytes: 1e17 }] };
  const huge = { ...engine, wheels: [engine.wheels[0], engine.wheels[1], wheel] };
  const full = await thrown(install({ folder, pin: huge, verify: sees(0) }));
  expect(full.code).toBe('disk.full');
  expect(server.asked).toEqual([]);
});

it('finds a damaged file in its folder, and looks again for GPUs without reading all of it', async () => {
  expect((await thrown(verifyInstalled({ folder, pin: engine, verify: sees(0) }))).code).toBe('engine.no-plugin');
  await install({ folder, pin: engine, from: wheels, verify: sees(0) });
  expect(await tryInstalled({ folder, pin: engine, verify: sees(2) })).toMatchObject({ state: 'verified', gpus: 2 });
  const damaged = join(folder, 'nvidia/blas/lib/libblas.so.12');
  writeFileSync(damaged, randomBytes(200_000));
  const error = await thrown(verifyInstalled({ folder, pin: engine, verify: sees(0) }));
  expect(error.params.file).toBe(damaged);
  expect((await status(folder, engine)).state).toBe('broken');
});

const CUDA = [
  ['pjrt-cuda13', 'nvidia/cu13/bin/ptxas', 'nvidia/cu13/nvvm/libdevice/libdevice.10.bc'],
  ['pjrt-cuda12', 'nvidia/cuda_nvcc/bin/ptxas', 'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc'],
] as const;

it.each(CUDA)('%s is pinned whole: its libraries and tools, each once, with hashes for pip', (name, ptxas, bitcode) => {
  const plugin = ENGINES[name];
  const members = membersOf(plugin);
  const paths = members.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(paths).toContain(bitcode);
  expect(members.find(({ path }) => path === ptxas)?.executable).toBe(true);
  expect(members.every(({ sha256, bytes }) => /^[\da-f]{64}$/.test(sha256) && bytes > 0)).toBe(true);
  const lines = requirementsOf(plugin).split('\n');
  expect(lines.length).toBe(plugin.wheels.length);
  expect(lines.every((line) => /^[\w-]+==[\d.]+ --hash=sha256:[\da-f]{64}$/.test(line))).toBe(true);
});

it('keeps the last cuDNN with code for Volta where GPUs that old are taken', () => {
  const { capability, wheels } = PLUGIN_PINS['pjrt-cuda12'];
  expect(capability).toBeLessThan(7);
  expect(wheels.find(({ package: name }) => name === 'nvidia-cudnn-cu12')?.version).toMatch(/^9\.10\./);
});
