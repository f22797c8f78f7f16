import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { whyNotMultiplied } from '../../src-main/base/processor.ts';
import type { Model } from '../../src-main/model/model.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { JOB_FLAGS, jobEnvironment } from '../../src-main/jobs/job-process.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { initialValues } from '../../src-main/train/init.ts';
import { createEvalStep, createTrainStep } from '../../src-main/train/step.ts';
import { PREFIX, trainable } from '../../src-main/train/variables.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- step`: a whole training step (forward, hard distillation from a fixed teacher, backward, AdamW) of
 * ours and of PyTorch + timm, in turns on the same machine in the same run; with `--task infer`, inference, also of
 * onnxruntime.
 *
 * Options: --model NAME (repeatable; NAME:N for a batch of its own), --batch N, --rounds N, --steps N a round, --task train|infer, --json.
 */
/** Those that this processor multiplies. */
const PRECISIONS = (['float32', 'bfloat16'] as const).filter((precision) => !whyNotMultiplied(precision));
const MODELS = ['deit_tiny_distilled_patch16_224'];

if (process.argv[2] === 'worker') await worker(process.argv.slice(3));
else await main();

interface Line {
  model: string;
  label: string;
  imagesPerSecond: number;
  peakBytes: number;
  /** Against the best of the others. */
  ratio: number | null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', multiple: true },
      batch: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '4' },
      steps: { type: 'string', default: '3' },
      task: { type: 'string', default: 'train' },
      json: { type: 'boolean', default: false },
    },
  });
  const python = peerPython();
  const threads = cpus().length;
  const roof = await measureRoof(threads);
  const roofs = PRECISIONS.map((precision, index) => `${precision} ${roof[index].toFixed(0)}`);
  console.log(`Roof: one large matrix product, GFLOP/s: ${roofs.join(', ')}`);
  const table: Line[] = [];
  for (const given of values.model ?? MODELS) {
    const [model, batch = values.batch] = given.split(':');
    table.push(
      ...(await compare(
        model,
        Number(batch),
        values.task,
        python,
        threads,
        Number(values.rounds),
        Number(values.steps),
      )),
    );
  }
  printTable(table);
  if (values.json) printSummary(table, Math.max(...roof), values.task);
}

async function compare(
  model: string,
  batch: number,
  task: string,
  python: string | null,
  threads: number,
  rounds: number,
  steps: number,
): Promise<Line[]> {
  const self = fileURLToPath(import.meta.url);
  const script = fileURLToPath(new URL('../../../tests/bench/step.py', import.meta.url));
  const torch = ['float32', 'float32 compile', 'bfloat16', 'bfloat16 compile'].map((variant) => `PyTorch ${variant}`);
  const theirs = python ? [...torch, ...(task === 'infer' ? ['onnxruntime'] : [])] : [];
  const contestants: Contestant[] = [];
  for (const precision of PRECISIONS) {
    const args = [...JOB_FLAGS, self, 'worker', precision, model, String(batch), task, String(threads)];
    contestants.push(await startContestant(`Stillhouse ${precision}`, process.execPath, args, jobEnvironment()));
  }
  for (const label of theirs) {
    const args = [script, label.replace('PyTorch ', ''), model, String(batch), task, String(threads)];
    // PyTorch's threads must not spin while the others run.
    contestants.push(await startContestant(label, python!, args, { OMP_WAIT_POLICY: 'PASSIVE' }));
  }
  const seconds = new Map(contestants.map(({ label }) => [label, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const one of contestants) seconds.get(one.label)!.push(...(await one.round(steps)));
  }
  for (const one of contestants) one.close();
  const speed = (label: string) => batch / median(seconds.get(label)!);
  const best = Math.max(...theirs.map(speed));
  return contestants.map((one) => ({
    model,
    label: one.label,
    imagesPerSecond: speed(one.label),
    peakBytes: one.peak(),
    ratio: Number.isFinite(best) ? speed(one.label) / best : null,
  }));
}

function printTable(table: Line[]): void {
  console.log(`\n${cpus()[0].model}, ${cpus().length} threads, ${new Date().toISOString().slice(0, 10)}`);
  console.log('| model | variant | images/s | peak memory | to the best peer |\n|---|---|---|---|---|');
  for (const { model, label, imagesPerSecond, peakBytes, ratio } of table) {
    const memory = `${(peakBytes / 2 ** 30).toFixed(2)} GiB`;
    console.log(`| ${model} | ${label} | ${imagesPerSecond.toFixed(1)} | ${memory} | ${ratio?.toFixed(2) ?? '–'}× |`);
  }
}

/** One line about DeiT-Ti, or about the first model where that is not among them. */
function printSummary(table: Line[], roof: number, task: string): void {
  const told = table.some(({ model }) => model === MODELS[0]) ? MODELS[0] : table[0].model;
  const ours = table.filter(({ model, label }) => model === told && label.startsWith('Stillhouse'));
  const best = ours.reduce((a, b) => (a.imagesPerSecond > b.imagesPerSecond ? a : b));
  const perImage = flops(createModel(best.model, { classes: 1000, inputSize: 224 })) * (task === 'train' ? 3 : 1);
  const roofShare = (best.imagesPerSecond * perImage) / 1e9 / roof;
  console.log(JSON.stringify({ ratio: best.ratio, roofShare, roofGflops: roof, task, table }));
}

/** Floating-point operations of the matrix products of one forward pass of a transformer. */
function flops(model: Model): number {
  const tokens = (model.inputSize / 16) ** 2 + 2;
  const matrices = model.specs.filter(({ name, shape }) => name.startsWith('blocks') && shape.length === 2);
  const width = model.specs.find(({ name }) => name === 'norm.weight')!.shape[0];
  const depth = matrices.length / 4;
  const linear = matrices.reduce((sum, { shape }) => sum + 2 * tokens * shape[0] * shape[1], 0);
  return linear + depth * 4 * tokens * tokens * width + 2 * tokens * 768 * width;
}

/** GFLOP/s of a 2048³ matrix product through the engine, in each of `PRECISIONS`. */
async function measureRoof(threads: number): Promise<number[]> {
  const args = [fileURLToPath(import.meta.url), 'worker', 'roof', '-', '1', 'roof', String(threads)];
  const contestant = await startContestant('roof', process.execPath, args);
  const roof = await contestant.round(1);
  contestant.close();
  return roof;
}

async function worker([precision, name, batch, task, threads]: string[]): Promise<void> {
  const threading = task === 'roof' ? 'ops' : 'lanes';
  const engine = await loadEngine(engineFolder(), { threads: Number(threads), threading });
  const step =
    task === 'roof' ? roofStep(engine) : await modelStep(engine, precision as Precision, name, Number(batch), task);
  const answer = (seconds: number[]) => {
    console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 }));
  };
  globalThis.gc?.();
  if (task !== 'roof') for (let index = 0; index < 3; index++) await step();
  answer([]);
  for await (const line of createInterface({ input: process.stdin })) {
    if (task === 'roof') answer((await step()) as number[]);
    else {
      const seconds: number[] = [];
      for (let index = 0; index < Number(line); index++) {
        const start = performance.now();
        await step();
        seconds.push((performance.now() - start) / 1000);
      }
      answer(seconds);
    }
  }
  exitProcess(0);
}

/** GFLOP/s of a chain of large matrix products, in each of `PRECISIONS`. */
function roofStep(engine: Engine): () => Promise<number[]> {
  const SIDE = 2048;
  const PRODUCTS = 6;
  const spec = { shape: [SIDE, SIDE], dtype: 'float32' as const };
  const state = engine.newState();
  for (const name of ['a', 'b']) state.set(name, [SIDE, SIDE], new Float32Array(SIDE * SIDE).fill(1 / SIDE));
  const chain = record(engine, {}, { a: spec, b: spec }, (_, { a, b }) => {
    let c = a as tf.Tensor2D;
    for (let index = 0; index < PRODUCTS; index++) c = tf.matMul(c, b);
    return { outputs: {}, assigns: { a: c } };
  });
  const measure = async (precision: Precision) => {
    const compiled = compile(engine.tensorflow, lower(chain, { precision, fuse: false }), state);
    await compiled.run({});
    const start = performance.now();
    await compiled.run({});
    compiled.dispose();
    return (PRODUCTS * 2 * SIDE ** 3) / 1e6 / (performance.now() - start);
  };
  return async () => {
    const speeds: number[] = [];
    for (const precision of PRECISIONS) speeds.push(await measure(precision));
    return speeds;
  };
}

async function modelStep(
  engine: Engine,
  precision: Precision,
  name: string,
  batch: number,
  task: string,
): Promise<() => Promise<unknown>> {
  const model = createModel(name, { classes: 1000, inputSize: 224, dropPath: task === 'train' ? 0.1 : 0 });
  const state = engine.newState();
  for (const spec of model.specs) {
    const values = initialValues([spec], (_, count) => Float64Array.from({ length: count }, () => Math.random()));
    state.set(PREFIX.model + spec.name, spec.shape, values[spec.name]);
  }
  const images = Uint8Array.from({ length: batch * model.inputSize ** 2 * 3 }, () => Math.random() * 256);
  if (task === 'infer') {
    const step = await createEvalStep(engine, state, { model, prefix: PREFIX.model, batchSize: batch, precision });
    return () => step.run(images);
  }
  for (const { name, shape } of trainable(model)) {
    const zeros = new Float32Array(shape.reduce((product, side) => product * side, 1));
    state.set(PREFIX.mean + name, shape, zeros);
    state.set(PREFIX.square + name, shape, zeros);
  }
  const teacher = fixedTeacher(model, batch);
  state.set(
    `${PREFIX.teacher}table`,
    [batch, 1000],
    Float32Array.from({ length: batch * 1000 }, () => Math.random()),
  );
  const settings = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION, modelEma: false };
  const recipe = { ...settings, batchSize: batch, distillationType: 'hard' as const };
  const step = await createTrainStep(engine, state, { student: model, teacher, recipe, batchSize: batch, precision });
  const labels = Int32Array.from({ length: batch }, () => Math.random() * 1000);
  const noise = Float32Array.from({ length: model.noise!.shape(1)[0] * batch }, () => Math.random());
  let index = 0;
  return () => step.run({ images, labels, noise }, { lr: 1e-3, step: ++index });
}

/** A teacher that always says the same: what it costs is not part of this comparison. */
function fixedTeacher(model: Model, batch: number): Model {
  const shape = [batch, 1000];
  return {
    ...model,
    specs: [{ name: 'table', shape, init: { kind: 'zeros' }, buffer: false }],
    predict: ({ table }, images) => ({ head: tf.slice(table as tf.Tensor2D, 0, images.shape[0]), headDist: null }),
  };
}
