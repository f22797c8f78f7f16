import { engineDecode, engineDecodeNow } from '../../src-main/job-process/images/engine-decode.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { decodeOutcome, imageFiles } from '../helpers/damaged-images.ts';
import { mutate, numbers } from '../unit/formats/mutations.ts';

/**
 * Decodes damaged images of every sort, with the engine's decoders and our own, and fails on anything but pixels or a
 * reason in bounded time and memory; a crash of a decoder ends it. `npm run bench -- fuzz-images [count] [seed] [--json]`
 */

const [count = 20_000, seed = 1] = process.argv
  .slice(2)
  .filter((word) => /^\d+$/.test(word))
  .map(Number);
const MAX_MILLISECONDS = 5000;
const MAX_GROWTH = 1.5e9;

const files = imageFiles();
const draw = numbers(seed);
const engine = await loadEngine(engineFolder(), { threads: 1 });
const [decode, now] = [engineDecode(engine.tensorflow), engineDecodeNow(engine.tensorflow)];
const before = process.memoryUsage().rss;
const counts: Record<string, number> = {};
const failures: string[] = [];
let [slowest, largest] = [0, 0];

for (let turn = 0; turn < count; turn++) {
  const bytes = mutate(files, draw);
  const start = performance.now();
  let result: string;
  try {
    result = await decodeOutcome(bytes, decode, now);
  } catch (error) {
    result = 'untyped error';
    failures.push(`file ${turn}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const took = performance.now() - start;
  if (took > MAX_MILLISECONDS) failures.push(`file ${turn} took ${took.toFixed(0)} ms`);
  slowest = Math.max(slowest, took);
  largest = Math.max(largest, process.memoryUsage.rss() - before);
  counts[result] = (counts[result] ?? 0) + 1;
}
if (largest > MAX_GROWTH) failures.push(`memory grew by ${(largest / 1e6).toFixed(0)} MB`);

const summary = { count, seed, seeds: files.length, counts, slowestMilliseconds: slowest, growthBytes: largest };
console.log(process.argv.includes('--json') ? JSON.stringify({ ...summary, failures }) : summary);
for (const failure of failures.slice(0, 20)) console.error(failure);
process.exit(failures.length > 0 ? 1 : 0);
