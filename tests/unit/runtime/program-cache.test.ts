import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PjrtClient } from '../../../src-main/runtime/pjrt/client.ts';
import { ProgramCache } from '../../../src-main/runtime/pjrt/program-cache.ts';
import { testClient } from '../../helpers/pjrt.ts';

const double = (times: number): string => `
module @double {
  func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %c = stablehlo.constant dense<${times}.0> : tensor<4xf32>
    %y = stablehlo.multiply %x, %c : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}`;

let client: PjrtClient;
let folder: string;
beforeAll(async () => (client = await testClient()));
afterAll(() => client.close());
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'programs-'))));

/** What the program of `times` makes of 1, and whether it came from the disk. */
async function once(cache: ProgramCache, times: number): Promise<{ cached: boolean; result: number }> {
  const { executable, cached } = await cache.load(client, double(times));
  const { buffer, sent } = await client.upload(new Float32Array(4).fill(1), 'float32', [4]);
  const { outputs, done } = await executable.execute([[buffer]]);
  await Promise.all([sent(), done]);
  const [result] = await outputs[0][0].read(new Float32Array(4));
  for (const one of [buffer, outputs[0][0]]) one.free();
  executable.dispose();
  return { cached, result };
}

describe('the cache of compiled programs', () => {
  it('compiles a program once, and no other in its place', async () => {
    const cache = new ProgramCache(folder);
    expect(await once(cache, 2)).toEqual({ cached: false, result: 2 });
    expect(await once(new ProgramCache(folder), 2)).toEqual({ cached: true, result: 2 });
    expect(await once(cache, 3)).toEqual({ cached: false, result: 3 });
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it.each([
    ['is cut', (bytes: Buffer) => bytes.subarray(0, 40)],
    ['is empty', () => Buffer.alloc(0)],
    ['has a byte that differs', (bytes: Buffer) => (bytes[60]++, bytes)],
  ])('makes anew a file that %s', async (_how, damage) => {
    const cache = new ProgramCache(folder);
    await once(cache, 2);
    const file = join(folder, readdirSync(folder)[0]);
    writeFileSync(file, damage(readFileSync(file)));
    expect(await once(cache, 2)).toEqual({ cached: false, result: 2 });
    expect(await once(cache, 2)).toEqual({ cached: true, result: 2 });
  });

  it('drops those that were not used for the longest time', async () => {
    await once(new ProgramCache(folder), 2);
    const [oldest] = readdirSync(folder);
    utimesSync(join(folder, oldest), 1, 1);
    const { length } = readFileSync(join(folder, oldest));
    await once(new ProgramCache(folder, 1.5 * length), 3);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(readdirSync(folder)).not.toContain(oldest);
  });

  it('does without a folder that cannot be written', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(await once(new ProgramCache(join(file, 'inside')), 2)).toEqual({ cached: false, result: 2 });
  });

  afterAll(() => rmSync(folder, { recursive: true }));
});
