import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { engineFolder } from '../../src-main/runs/places.ts';
import { buildProgram } from '../helpers/build.ts';

let folder: string;
let program: string;

vi.setConfig({ testTimeout: 180_000 });
beforeAll(async () => {
  ({ folder, program } = await buildProgram('tests/programs/determinism-program.ts'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The losses of 100 steps in an engine process of their own. */
function losses(threading: string): Promise<Float32Array> {
  const child = spawn(process.execPath, [program, engineFolder(), threading], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [told, complaints] = ['', ''];
  child.stdout.on('data', (text) => (told += String(text)));
  child.stderr.on('data', (text) => (complaints += String(text)));
  return new Promise((resolve, reject) =>
    child.once('close', (code) => {
      if (code === 0) resolve(new Float32Array(Uint8Array.from(Buffer.from(told.trim(), 'hex')).buffer));
      else reject(new Error(complaints));
    }),
  );
}

test.each(['lanes', 'ops'])(
  'the same seed and threads give the same losses, bit for bit, in another process: %s',
  async (threading) => {
    const [one, other] = [await losses(threading), await losses(threading)];
    expect(one).toHaveLength(100);
    expect(one.every(Number.isFinite)).toBe(true);
    expect(new Set(one).size).toBeGreaterThan(90);
    expect(Buffer.from(other.buffer).equals(Buffer.from(one.buffer))).toBe(true);
  },
);
