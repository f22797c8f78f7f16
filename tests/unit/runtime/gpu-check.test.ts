import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PLUGIN_PINS, pluginLibrary } from '../../../src-main/install/engine-pin.ts';
import { engineFolder } from '../../../src-main/runs/places.ts';
import { addCheck, layPrograms, type Step } from '../../bench/gpu-packing.ts';
import { testEngine } from '../../helpers/engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-gpu-check-'));
const TINY = { model: 'test_deit_distilled_patch16_32', inputSize: 32, batch: 4, small: true } as const;
const STEPS: Step[] = [
  { ...TINY, name: 'tiny', precision: 'float32', bound: 1e-5 },
  { ...TINY, name: 'tiny, two devices', precision: 'float32', devices: 2, bound: 1e-5 },
  { ...TINY, name: 'tiny, bfloat16', precision: 'bfloat16', bound: 2e-2 },
  { ...TINY, name: 'for a GPU alone', precision: 'bfloat16', small: false },
];

beforeAll(async () => {
  await layPrograms(await testEngine(), STEPS, folder);
  await addCheck(folder);
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the check with nothing of this machine around it, no Python either. */
function check(...args: string[]) {
  const plugin = join(engineFolder('pjrt-cpu'), pluginLibrary(PLUGIN_PINS['pjrt-cpu']).path);
  const given = [join(folder, 'gpu-check.js'), '--device', 'pjrt:cpu', '--plugin', plugin, ...args];
  return spawnSync(process.execPath, given, { encoding: 'utf8', cwd: folder, env: { PATH: '' } });
}

it('runs packed steps to the end of its table, against the losses that TensorFlow had', () => {
  const { status, stdout, stderr } = check();
  expect(stderr).toContain('tiny, two devices: done');
  const rows = stdout.split('\n').filter((line) => line.startsWith('| tiny'));
  expect(rows.map((row) => row.split(' | ').length)).toEqual([10, 10, 10]);
  for (const row of rows) expect(row).toMatch(/\| bit for bit \| \d+ \| \d\.\d\d GiB \| \d\.\d\d GiB \| – \| – \|$/);
  expect(status).toBe(0);
});

it('ends with an error where a device has other losses', async () => {
  await layPrograms(await testEngine(), [{ ...STEPS[0], bound: 0 }], folder);
  const { status, stdout } = check('--no-peers');
  expect(stdout).toContain('(may be 0)');
  expect(status).toBe(1);
});
