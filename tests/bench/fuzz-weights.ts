import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HOSTILE, TOUCHED } from '../unit/formats/hostile-files.ts';
import { mutate, numbers, outcome, seedFiles } from '../unit/formats/mutations.ts';

/**
 * Opens mutated weight files, hostile ones among the seeds, and fails on anything but a typed error in bounded time
 * and memory. `npm run bench -- fuzz-weights [count] [seed] [--json]`
 */

const [count = 10_000, seed = 1] = process.argv
  .slice(2)
  .filter((word) => /^\d+$/.test(word))
  .map(Number);
const MAX_MILLISECONDS = 5000;
const MAX_GROWTH = 1.5e9;

const good = seedFiles(join(process.cwd(), 'tests/fixtures/formats'));
// Megabytes of one operation are slow to copy ten thousand times and mutate to themselves.
const hostile = HOSTILE.map(({ bytes }) => Buffer.from(bytes)).filter((bytes) => bytes.length < 1 << 20);
// Two of three mutants come from good files: they get further.
const files = [...Array.from({ length: (2 * hostile.length) / good.length }, () => good).flat(), ...hostile];
const draw = numbers(seed);
const before = process.memoryUsage().rss;
const counts: Record<string, number> = {};
const failures: string[] = [];
let [slowest, largest] = [0, 0];

for (let i = 0; i < count; i++) {
  const bytes = mutate(files, draw);
  const start = performance.now();
  let result: string;
  try {
    result = outcome(bytes);
  } catch (error) {
    result = 'untyped error';
    failures.push(`file ${i}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const took = performance.now() - start;
  if (took > MAX_MILLISECONDS) failures.push(`file ${i} took ${took.toFixed(0)} ms`);
  slowest = Math.max(slowest, took);
  largest = Math.max(largest, process.memoryUsage.rss() - before);
  counts[result] = (counts[result] ?? 0) + 1;
}
if (largest > MAX_GROWTH) failures.push(`memory grew by ${(largest / 1e6).toFixed(0)} MB`);
if (existsSync(TOUCHED)) failures.push(`${TOUCHED} exists: something was executed`);

const summary = { count, seed, seeds: files.length, counts, slowestMilliseconds: slowest, growthBytes: largest };
console.log(process.argv.includes('--json') ? JSON.stringify({ ...summary, failures }) : summary);
for (const failure of failures.slice(0, 20)) console.error(failure);
process.exitCode = failures.length > 0 ? 1 : 0;
