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
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { hasBfloat16Products, thisProcessor } from '../../src-main/base/processor.ts';
import { precisionOf } from '../../src-main/job-process/training/precision.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { JOB_FLAGS, jobEnvironment } from '../../src-main/jobs/job-process.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { threadingOf } from '../../src-main/train/parts.ts';
import { initialValues } from '../../src-main/train/init.ts';
import { createEvalStep, createTrainStep, isFrozen } from '../../src-main/train/step.ts';
import { PREFIX, trainable } from '../../src-main/train/variables.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- step`: a whole training step (forward, hard distillation, backward, AdamW) of ours and of PyTorch +
 * timm, in turns on the same machine in the same run; with `--task infer`, inference, also of onnxruntime. The teacher
 * of `--teacher NAME` runs inside the step; without one its decisions are fixed. A network that is no student of
 * distillation learns from labels, as a teacher that is fine-tuned does.
 *
 * Options: --model NAME (repeatable; NAME:N for a batch of its own), --teacher NAME, --batch N, --rounds N, --steps N a
 * round, --task train|infer, --only NAMES (of the variants that take part, separated by commas), --check-auto (fail
 * unless `--precision auto` is the fastest of ours), --json. `ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2` before
 * it holds TensorFlow and PyTorch to older processors; onnxruntime chooses its instructions by itself.
 */
/** Those that this processor multiplies. */
const PRECISIONS = (['float32', 'bfloat16'] as const).filter((precision) => !whyNotMultiplied(precision));
/** What `auto` means for a training on this processor, which `device` stands for. */
const bfloat16 = hasBfloat16Products(thisProcessor());
const device = { name: 'cpu', kind: 'processor' as const, bfloat16, tf32: false, memory: null, count: 1 };
const AUTO = precisionOf({ ...defaultRecipe(), precision: 'auto' }, { device });
const SIZE = { classes: 1000, inputSize: 224 };
const MODELS = ['deit_tiny_distilled_patch16_224'];

if (process.argv[2] === 'worker') await worker(process.argv.slice(3));
else await main();

interface Line {
  model: string;
  teacher: string | null;
  batch: number;
  label: string;
  imagesPerSecond: number;
  peakBytes: number;
  /** Of the step, by the time of the teacher's forward alone; null without one. */
  teacherShare: number | null;
  /** Against the best of the others. */
  ratio: number | null;
}

/** What is measured, as the options say it. */
interface Setting {
  model: string;
  teacher: string | null;
  batch: number;
  task: string;
  rounds: number;
  steps: number;
  /** Names of the variants that take part; empty for all. */
  only: readonly string[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', multiple: true },
      teacher: { type: 'string' },
      batch: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '4' },
      steps: { type: 'string', default: '3' },
      task: { type: 'string', default: 'train' },
      only: { type: 'string', default: '' },
      'check-auto': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.teacher && values.task !== 'train') throw new RangeError('--teacher takes --task train');
  const python = peerPython();
  const roof = await measureRoof(cpus().length);
  const roofs = PRECISIONS.map((precision, index) => `${precision} ${roof[index].toFixed(0)}`);
  console.log(`Roof: one large matrix product, GFLOP/s: ${roofs.join(', ')}`);
  const table: Line[] = [];
  for (const given of values.model ?? MODELS) {
    const [model, batch = values.batch] = given.split(':');
    const numbers = { batch: Number(batch), rounds: Number(values.rounds), steps: Number(values.steps) };
    const { teacher = null, task } = values;
    const only = values.only.split(',').filter(Boolean);
    table.push(...(await compare({ model, teacher, task, only, ...numbers }, python)));
  }
  printTable(table);
  if (values['check-auto'] && !isFastest(table, AUTO)) process.exitCode = 1;
  if (values.json) printSummary(table, Math.max(...roof), values.task);
}

async function compare(setting: Setting, python: string | null): Promise<Line[]> {
  const { model, teacher, batch, rounds, steps } = setting;
  const contestants = await startAll(setting, python);
  const seconds = new Map(contestants.map(({ label }) => [label, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const one of contestants) seconds.get(one.label)!.push(...(await one.round(steps)));
  }
  const peaks = new Map(contestants.map((one) => [one.label, one.peak()]));
  const shares = new Map<string, number>();
  for (const one of teacher ? contestants : []) {
    shares.set(one.label, median(await one.round('teacher')) / median(seconds.get(one.label)!));
  }
  for (const one of contestants) one.close();
  const speed = ({ label }: Contestant) => batch / median(seconds.get(label)!);
  const best = Math.max(...contestants.filter(({ label }) => !isOurs(label)).map(speed));
  return contestants.map((one) => ({
    model,
    teacher,
    batch,
    label: one.label,
    imagesPerSecond: speed(one),
    peakBytes: peaks.get(one.label)!,
    teacherShare: shares.get(one.label) ?? null,
    ratio: Number.isFinite(best) ? speed(one) / best : null,
  }));
}

function isOurs(label: string): boolean {
  return label.startsWith('Stillhouse');
}

async function startAll({ model, teacher, batch, task, only }: Setting, python: string | null): Promise<Contestant[]> {
  const self = fileURLToPath(import.meta.url);
  const script = fileURLToPath(new URL('../../../tests/bench/step.py', import.meta.url));
  const torch = ['float32', 'float32 compile', 'bfloat16', 'bfloat16 compile'].map((variant) => `PyTorch ${variant}`);
  const theirs = python ? [...torch, ...(task === 'infer' ? ['onnxruntime'] : [])] : [];
  const given = [model, String(batch), task, String(cpus().length), ...(teacher ? [teacher] : [])];
  const takesPart = (label: string) => only.length === 0 || only.includes(label);
  const contestants: Contestant[] = [];
  for (const precision of PRECISIONS) {
    const label = `Stillhouse ${precision}`;
    const args = [...JOB_FLAGS, self, 'worker', precision, ...given];
    if (takesPart(label)) contestants.push(await startContestant(label, process.execPath, args, jobEnvironment()));
  }
  for (const label of theirs) {
    const args = [script, label.replace('PyTorch ', ''), ...given];
    // PyTorch's threads must not spin while the others run.
    const environment = { OMP_WAIT_POLICY: 'PASSIVE' };
    if (takesPart(label)) contestants.push(await startContestant(label, python!, args, environment));
  }
  return contestants;
}

function printTable(table: Line[]): void {
  console.log(`\n${cpus()[0].model}, ${cpus().length} threads, ${new Date().toISOString().slice(0, 10)}`);
  console.log('| model, batch | teacher | variant | images/s | peak memory | to the best peer | of it the teacher |');
  console.log('|---|---|---|---|---|---|---|');
  for (const { model, batch, teacher, label, imagesPerSecond, peakBytes, ratio, teacherShare } of table) {
    const memory = `${(peakBytes / 2 ** 30).toFixed(2)} GiB`;
    const share = teacherShare === null ? '–' : `${(100 * teacherShare).toFixed(0)} %`;
    const cells = [`${model}, ${batch}`, teacher ?? '–', label, imagesPerSecond.toFixed(imagesPerSecond < 10 ? 2 : 1)];
    console.log(`| ${[...cells, memory, `${ratio?.toFixed(2) ?? '–'}×`, share].join(' | ')} |`);
  }
}

/** Tells whether a precision is our fastest for every model, and prints it. */
function isFastest(table: Line[], precision: Precision): boolean {
  const own = table.filter(({ label }) => isOurs(label));
  const slower = own.filter(({ model, label, imagesPerSecond }) => {
    const chosen = own.find((line) => line.model === model && line.label === `Stillhouse ${precision}`);
    return label !== chosen?.label && imagesPerSecond > (chosen?.imagesPerSecond ?? 0);
  });
  const verdict = slower.length === 0 ? 'our fastest' : `slower than ${slower.map(({ label }) => label).join(', ')}`;
  console.log(`--precision auto is ${precision} here: ${verdict}.`);
  return slower.length === 0;
}

/** One line about DeiT-Ti, or about the first model where that is not among them. */
function printSummary(table: Line[], roof: number, task: string): void {
  const told = table.some(({ model }) => model === MODELS[0]) ? MODELS[0] : table[0].model;
  const lines = table.filter(({ model }) => model === told);
  const ours = lines.filter(({ label }) => isOurs(label));
  const best = (ours.length > 0 ? ours : lines).reduce((a, b) => (a.imagesPerSecond > b.imagesPerSecond ? a : b));
  const { teacher } = best;
  const perImage = flops(best.model) * (task === 'train' ? 3 : 1) + (teacher ? flops(teacher) : 0);
  const roofShare = (best.imagesPerSecond * perImage) / 1e9 / roof;
  console.log(JSON.stringify({ ratio: best.ratio, roofShare, roofGflops: roof, task, teacher, table }));
}

/** Floating-point operations of the products and convolutions of one forward pass. */
function flops(model: string): number {
  return 2 * createModel(model, SIZE).macs;
}

/** GFLOP/s of a 2048³ matrix product through the engine, in each of `PRECISIONS`. */
async function measureRoof(threads: number): Promise<number[]> {
  const args = [fileURLToPath(import.meta.url), 'worker', 'roof', '-', '1', 'roof', String(threads)];
  const contestant = await startContestant('roof', process.execPath, args);
  const roof = await contestant.round(1);
  contestant.close();
  return roof;
}

async function worker([precision, model, batch, task, threads, teacher]: string[]): Promise<void> {
  const whole = task === 'roof' || (task === 'train' && threadingOf(createModel(model, SIZE)) === 'ops');
  const threading = whole ? 'ops' : 'lanes';
  const engine = await loadEngine(engineFolder(), { threads: Number(threads), threading });
  const asked = { precision: precision as Precision, model, batch: Number(batch), task, teacher: teacher ?? null };
  const { step, teach } = task === 'roof' ? { step: roofStep(engine), teach: null } : await modelStep(engine, asked);
  const answer = (seconds: number[]) => {
    console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 }));
  };
  globalThis.gc?.();
  if (task !== 'roof') for (let index = 0; index < 3; index++) await step();
  answer([]);
  for await (const line of createInterface({ input: process.stdin })) {
    if (task === 'roof') answer((await step()) as number[]);
    else if (line === 'teacher') answer(await timed(teach!.run, 3));
    else answer(await timed(step, Number(line)));
  }
  exitProcess(0);
}

async function timed(step: () => Promise<unknown>, count: number): Promise<number[]> {
  const seconds: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await step();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
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

interface Asked {
  precision: Precision;
  model: string;
  batch: number;
  task: string;
  teacher: string | null;
}

interface Steps {
  step: () => Promise<unknown>;
  /** Asks the teacher alone; null without a teacher in the step. */
  teach: { run: () => Promise<unknown> } | null;
}

async function modelStep(engine: Engine, asked: Asked): Promise<Steps> {
  const { precision, batch, task } = asked;
  const student = createModel(asked.model, { ...SIZE, dropPath: task === 'train' ? 0.1 : 0 });
  const state = engine.newState();
  fill(state, PREFIX.model, student);
  const images = Uint8Array.from({ length: batch * student.inputSize ** 2 * 3 }, () => Math.random() * 256);
  const alone = async (model: Model, prefix: string) => {
    const step = await createEvalStep(engine, state, { model, prefix, batchSize: batch, precision, frozen: true });
    return { run: () => step.run(images) };
  };
  if (task === 'infer') {
    const { run } = await alone(student, PREFIX.model);
    state.trim(() => true);
    return { step: run, teach: null };
  }
  for (const { name, shape } of trainable(student)) {
    const zeros = new Float32Array(shape.reduce((product, side) => product * side, 1));
    state.set(PREFIX.mean + name, shape, zeros);
    state.set(PREFIX.square + name, shape, zeros);
  }
  const own = asked.teacher ? createModel(asked.teacher, SIZE) : null;
  if (own) fill(state, PREFIX.teacher, own);
  const teacher = own ?? (student.distilled ? fixedTeacher(state, student, batch) : null);
  const settings = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION, modelEma: false };
  const recipe = { ...settings, batchSize: batch, distillationType: teacher ? ('hard' as const) : ('none' as const) };
  const step = await createTrainStep(engine, state, { student, teacher, recipe, batchSize: batch, precision });
  const teach = own && (await alone(own, PREFIX.teacher));
  state.trim(isFrozen);
  const labels = Int32Array.from({ length: batch }, () => Math.random() * 1000);
  const noise = Float32Array.from({ length: (student.noise?.shape(1)[0] ?? 0) * batch }, () => Math.random());
  let index = 0;
  return {
    step: () => step.run({ images, labels, noise }, { lr: 1e-3, step: ++index }),
    teach,
  };
}

function fill(state: State, prefix: string, { specs }: Model): void {
  const draws = (_: string, count: number) => Float64Array.from({ length: count }, () => Math.random());
  for (const spec of specs) state.set(prefix + spec.name, spec.shape, initialValues([spec], draws)[spec.name]);
}

/** A teacher that always says the same: what it costs is not part of this comparison. */
function fixedTeacher(state: State, model: Model, batch: number): Model {
  const shape = [batch, 1000];
  state.set(
    `${PREFIX.teacher}table`,
    shape,
    Float32Array.from({ length: batch * 1000 }, () => Math.random()),
  );
  return {
    ...model,
    specs: [{ name: 'table', shape, init: { kind: 'zeros' }, buffer: false }],
    predict: ({ table }, images) => ({ head: tf.slice(table as tf.Tensor2D, 0, images.shape[0]), headDist: null }),
  };
}
