import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ArrayToWrite } from '../../src-main/formats/named-array.ts';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { writeTorchFile } from '../../src-main/formats/torch-writer.ts';
import type { Model } from '../../src-main/model/model.ts';
import { fitWeights } from '../../src-main/model/weights.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { writeChunksAtomic } from '../../src-main/base/files.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { inspectWeights } from '../../src-main/weights/inspect-weights.ts';
import { setParams } from '../../src-main/job-process/training/train-state.ts';
import { withWeights } from '../../src-main/weights/weights.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { peerPython } from './peers.ts';

/**
 * Reads the weights of a model from .pth and .safetensors into the engine, and writes them, beside PyTorch doing the
 * same into and from its own memory. The files are in the system's cache, as after a download.
 * `npm run bench -- weights [model] [--rounds N] [--no-peers] [--json]`
 */

interface Taken {
  task: string;
  format: string;
  /** Fastest of the rounds. */
  seconds: number;
  /** Processor time of that round: what other programs take of the machine is not in it. */
  cpu: number;
  bytes: number;
}

const words = process.argv.slice(2);
const name = words.find((word) => /^\w+_/.test(word)) ?? 'deit_base_distilled_patch16_224';
const rounds = Number(words[words.indexOf('--rounds') + 1]) || 3;
const FORMATS = ['pth', 'safetensors'] as const;

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-weights-'));
const fileOf = (format: string, by = 'ours') => join(folder, `${by}.${format}`);
try {
  const model = createModel(name, { classes: 1000, inputSize: 224 });
  const results = [...(await ours(model)), ...(words.includes('--no-peers') ? [] : await theirs())];
  report(model, results);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function ours(model: Model): Promise<Taken[]> {
  const results: Taken[] = [];
  const arrays = arraysOf(model);
  for (const format of FORMATS) {
    const path = fileOf(format);
    const write = async () => void (await writeChunksAtomic(path, pieces(format, arrays)));
    results.push(await fastest('write to disk (synced)', format, path, write));
  }
  const engine = await loadEngine(engineFolder());
  const state = engine.newState();
  for (const format of FORMATS) {
    const path = fileOf(format);
    const read = () =>
      withWeights(path, ({ tensors }) => {
        const { params } = fitWeights(model, tensors, { path, newHead: false });
        setParams(state, PREFIX.model, model.specs, params);
      });
    results.push(await fastest('read into the engine', format, path, read));
    results.push(await fastest('inspect every number', format, path, async () => void inspectWeights(path)));
  }
  state.dispose();
  return results;
}

// Any finite numbers will do; one piece of memory for all keeps making them out of the measurement.
function arraysOf({ specs }: Model): ArrayToWrite[] {
  const sizes = specs.map(({ shape }) => shape.reduce((product, side) => product * side, 1));
  const values = Float32Array.from({ length: Math.max(...sizes) }, (_, i) => Math.sin(i));
  return specs.map(({ name, shape, integer }, index) => {
    return { name, shape, dtype: integer ? 'I64' : 'F32', values: values.subarray(0, sizes[index]) };
  });
}

function pieces(format: string, arrays: ArrayToWrite[]): Iterable<Uint8Array> {
  return format === 'pth' ? writeTorchFile(arrays) : writeSafetensors(arrays, { format: 'pt' });
}

async function fastest(task: string, format: string, path: string, work: () => Promise<void>): Promise<Taken> {
  let best = { seconds: Infinity, cpu: Infinity };
  for (let round = 0; round < rounds; round++) {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    await work();
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - start) / 1e3;
    if (seconds < best.seconds) best = { seconds, cpu: (user + system) / 1e6 };
  }
  return { task, format, ...best, bytes: statSync(path).size };
}

async function theirs(): Promise<Taken[]> {
  const python = peerPython();
  if (!python) return [];
  const child = spawn(python, [join(process.cwd(), 'tests/bench/weights.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (task: string, format: string): Promise<Omit<Taken, 'task' | 'format'>> => {
    child.stdin.write(`${JSON.stringify([task, fileOf(format), fileOf(format, 'theirs')])}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('PyTorch ended early');
    return { ...(JSON.parse(value) as Taken), bytes: statSync(fileOf(format)).size };
  };
  const asked: [task: string, label: string, formats: readonly string[]][] = [
    ['write', 'PyTorch: write (not synced)', FORMATS],
    ['read', 'PyTorch: read', FORMATS],
    ['mapped', 'PyTorch: read, mapped', ['pth']],
  ];
  const results: Taken[] = [];
  for (const [task, label, formats] of asked)
    for (const format of formats) {
      const taken = [];
      for (let round = 0; round < rounds; round++) taken.push(await ask(task, format));
      taken.sort((a, b) => a.seconds - b.seconds);
      results.push({ task: label, format, ...taken[0] });
    }
  child.stdin.end();
  return results;
}

function report({ name }: Model, results: Taken[]): void {
  if (words.includes('--json')) return console.log(JSON.stringify({ model: name, rounds, results }));
  console.log(`${name}, ${(results[0].bytes / 1e6).toFixed(0)} MB, fastest of ${rounds}`);
  const table = results.map(({ task, format, seconds, cpu, bytes }) => ({
    task,
    format,
    seconds: Number(seconds.toFixed(2)),
    'CPU seconds': Number(cpu.toFixed(2)),
    'MB/s': Math.round(bytes / 1e6 / seconds),
  }));
  console.table(table);
}
