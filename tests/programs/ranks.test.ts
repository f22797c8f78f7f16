import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { engineFolder } from '../../src-main/runs/places.ts';
import { buildProgram } from '../helpers/build.ts';
import { relativeError } from '../helpers/engine.ts';
import { freePorts } from '../helpers/free-ports.ts';

let folder: string;
let program: string;

vi.setConfig({ testTimeout: 180_000 });
beforeAll(async () => {
  ({ folder, program } = await buildProgram('tests/programs/ranks-program.ts'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Losses of the steps and then every variable, of each rank. */
async function trained(setting: string, size: number, name: string): Promise<Float32Array[]> {
  const addresses = (await freePorts(size)).map((port) => `127.0.0.1:${port}`).join(',');
  return Promise.all(Array.from({ length: size }, (_, rank) => oneRank([String(rank), addresses, setting], `${setting}-${name}-${rank}`))); // prettier-ignore
}

function oneRank(args: string[], name: string): Promise<Float32Array> {
  const file = join(folder, `${name}.bin`);
  const child = spawn(process.execPath, [program, engineFolder(), ...args, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (text) => (complaints += String(text)));
  return new Promise((resolve, reject) =>
    child.once('close', (code) => {
      if (code === 0) resolve(new Float32Array(Uint8Array.from(readFileSync(file)).buffer));
      else reject(new Error(complaints));
    }),
  );
}

const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer);

test('two ranks equal one process in 20 steps, each other and themselves bit for bit', async () => {
  const [alone] = await trained('deit', 1, 'alone');
  const [first, second] = await trained('deit', 2, 'once');
  const [again] = await trained('deit', 2, 'again');
  expect(alone.every(Number.isFinite)).toBe(true);
  expect(new Set(alone.subarray(0, 20)).size).toBeGreaterThan(15);
  expect(relativeError(first, alone)).toBeLessThan(1e-5);
  expect(bits(second).equals(bits(first))).toBe(true);
  expect(bits(again).equals(bits(first))).toBe(true);
});

test('batch normalisation goes by the images of all ranks', async () => {
  const [alone] = await trained('norms', 1, 'alone');
  const [first, second] = await trained('norms', 2, 'once');
  expect(relativeError(first, alone)).toBeLessThan(1e-5);
  expect(bits(second).equals(bits(first))).toBe(true);
});
