import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../helpers/build.ts';

let folder: string;
let program: string;

beforeAll(async () => {
  ({ folder, program } = await buildProgram('tests/bench/slurm.ts'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the bench in a process of its own, which waits for Slurm's commands. */
function bench(...words: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (out += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out })));
}

const WITH_SLURM = [
  'a job is submitted, followed and completed',
  'the word that the time is up puts it back, and it goes on',
  'its process is killed, and it goes on',
  'scancel has a run saved',
];
const WITHOUT = 'without a controller the script is written';

test('a training is a job of a real Slurm, as root, and a script where none can be started', async () => {
  const { code, out } = await bench('--short', '--json');
  const rows = JSON.parse(out.trim().split('\n').at(-1)!) as { case: string; good: boolean; found: string }[];
  expect(rows.filter(({ good }) => !good)).toEqual([]);
  const isElsewhere = /^No Slurm can be started here: /m.test(out);
  expect(rows.map((row) => row.case)).toEqual(isElsewhere ? [WITHOUT] : [...WITH_SLURM, WITHOUT]);
  expect(code).toBe(0);
});
