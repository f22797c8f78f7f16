import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { loadEngine } from '../../src-main/engines/load.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { exportGraph } from '../../src-main/exports/export-graph.ts';
import { GRAPH_WRITERS } from '../../src-main/exports/graph-writers.ts';
import type { Graph, GraphPrecision } from '../../src-main/exports/graph.ts';
import { recordInference } from '../../src-main/exports/recording.ts';
import { openGraph } from '../../src-main/job-process/exports/graph-runner.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { GraphFormat } from '../../src-main/protocol/graph-formats.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { readGraphExport } from '../../src-main/weights/graph-export.ts';
import { exportedParams } from '../helpers/exported-networks.ts';
import { peerPython, startContestant } from './peers.ts';

/**
 * Times each format of exports in the program that runs it, in turns with PyTorch and with torch's own ONNX export in
 * the same ONNX Runtime. Weights are random: they change no time.
 * `npm run bench -- export [model …] [--rounds N] [--batch N] [--keep FOLDER] [--no-peers] [--json]`
 */
const words = process.argv.slice(2);
const given = words.filter((word) => /^[a-z]+_\w+$/.test(word));
const models = given.length > 0 ? given : ['deit_tiny_patch16_224', 'deit_small_patch16_224', 'efficientnet_b0'];
const option = (name: string, usual: number): number => Number(words[words.indexOf(name) + 1]) || usual;
const rounds = words.includes('--rounds') ? option('--rounds', 5) : 5;
const batches = words.includes('--batch') ? [option('--batch', 1)] : [1, 8];
const [SIDE, STEPS, THREADS] = [224, 3, 1];

/** What is timed: seconds of processor time of each of some batches; other programs on the machine are not in it. */
interface Timed {
  label: string;
  run(count: number, steps: number): Promise<number[]>;
  close(): void | Promise<void>;
}

/** Where files are kept for the next time: torch's export takes longer than all the rest. */
const kept = words.includes('--keep') ? words[words.indexOf('--keep') + 1] : null;
const folder = kept ?? mkdtempSync(join(tmpdir(), 'stillhouse-bench-export-'));
try {
  const engine = await loadEngine(engineFolder(), { threads: THREADS });
  for (const name of models) await race(engine, name);
} finally {
  if (kept === null) rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

async function race(engine: Engine, name: string): Promise<void> {
  const all = [...(await ours(engine, name)), ...(words.includes('--no-peers') ? [] : await theirs(name))];
  const seconds = new Map<string, number[]>();
  for (const batch of batches) for (const one of all) await one.run(batch, 2);
  for (let round = 0; round < rounds; round++)
    for (const batch of batches)
      for (const one of all) {
        const key = `${one.label}|${batch}`;
        seconds.set(key, [...(seconds.get(key) ?? []), ...(await one.run(batch, STEPS))]);
      }
  for (const one of all) await one.close();
  const table = all.map(({ label }) => {
    const ms = batches.map((batch) => (1000 * Math.min(...seconds.get(`${label}|${batch}`)!)) / batch);
    return { program: label, ...Object.fromEntries(batches.map((batch, at) => [`ms an image, ${batch} at a time`, Number(ms[at].toFixed(2))])) }; // prettier-ignore
  });
  if (words.includes('--json')) return console.log(JSON.stringify({ model: name, rounds, threads: THREADS, table }));
  console.log(`${name}, ${THREADS} thread, processor time, least of ${rounds * STEPS} batches`);
  console.table(table);
}

async function ours(engine: Engine, name: string): Promise<Timed[]> {
  const model = createModel(name, { classes: 1000, inputSize: SIDE });
  const params = exportedParams(model);
  const graph = exportGraph(recordInference(engine, model), (key) => params[key], { heads: 'mean' });
  const precisions: GraphPrecision[] = ['float32', 'float16', ...(graph.transformer ? ['int8' as const] : [])];
  const sessions = precisions.map(async (precision) => {
    const path = write(graph, name, 'onnx', precision);
    return session(`ours: ONNX ${precision} in onnxruntime-node`, path);
  });
  return [...(await Promise.all(sessions)), await savedModel(engine, write(graph, name, 'saved-model', 'float32'))];
}

/** @returns what others open. */
function write(graph: Graph, name: string, format: GraphFormat, precision: GraphPrecision): string {
  const own = join(folder, `${name}-${format}-${precision}`);
  const files = GRAPH_WRITERS[format](graph, { precision, input: 'pixel_values', metadata: {} });
  for (const file of files) {
    mkdirSync(dirname(join(own, file.name)), { recursive: true });
    writeFileSync(join(own, file.name), Buffer.concat([...file.chunks()]));
  }
  return format === 'onnx' ? join(own, files[0].name) : own;
}

async function session(label: string, path: string): Promise<Timed> {
  const options = { intraOpNumThreads: THREADS, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const loaded = await ort.InferenceSession.create(path, options);
  const run = (count: number, steps: number): Promise<number[]> => {
    const images = new ort.Tensor('float32', noise(count), [count, 3, SIDE, SIDE]);
    return timed(steps, () => loaded.run({ pixel_values: images }, ['logits']));
  };
  return { label, run, close: () => loaded.release() };
}

async function savedModel(engine: Engine, path: string): Promise<Timed> {
  const runner = await openGraph(engine, readGraphExport(path, 'saved-model'));
  const run = (count: number, steps: number): Promise<number[]> => {
    const pixels = new Uint8Array(3 * count * SIDE ** 2).fill(100);
    return timed(steps, () => runner.run(pixels));
  };
  return { label: `ours: SavedModel in ${runner.runtime}`, run, close: () => runner.dispose() };
}

async function theirs(name: string): Promise<Timed[]> {
  const python = process.env.BENCH_PYTHON ?? peerPython();
  if (!python) return [];
  const path = join(folder, `${name}-torch.onnx`);
  const program = [join(process.cwd(), 'tests/bench/export.py'), name, path, String(THREADS)];
  const torch = await startContestant('PyTorch', python, program);
  return [
    await session("torch's own ONNX export in onnxruntime-node", path),
    { label: 'PyTorch', run: (count, steps) => torch.round(`${count} ${steps}`), close: () => torch.close() },
  ];
}

async function timed(steps: number, run: () => Promise<unknown>): Promise<number[]> {
  const seconds: number[] = [];
  for (let step = 0; step < steps; step++) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    seconds.push((user + system) / 1e6);
  }
  return seconds;
}

function noise(count: number): Float32Array {
  return Float32Array.from({ length: 3 * count * SIDE ** 2 }, (_, at) => Math.sin(at));
}
