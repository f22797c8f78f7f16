import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { serveWorkers, threadWorkers } from '../../src-main/data/batches/worker-threads.ts';
import { listDataset } from '../../src-main/data/layout/folder.ts';
import type { SkippedImage } from '../../src-main/data/batches/image-cache.ts';
import { createLoader, type Loader } from '../../src-main/data/batches/loader.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { sayReason } from '../../src-main/protocol/reasons.ts';
import { defaultRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { cacheFolder, engineFolder } from '../../src-main/runs/places.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { loadLibrary } from '../../src-main/runtime/library.ts';
import { engineDecodeNow } from '../../src-main/job-process/images/engine-decode.ts';
import { trainingRecipe } from '../../src-main/job-process/images/loader-recipe.ts';
import type { DecoderData } from '../../src-main/job-process/images/decode-workers.ts';
import { startFresh } from '../../src-main/job-process/training/train-state.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- loader`: images a second from JPEG files to batches, ours and timm's DataLoader, in turns on the
 * same machine in the same run; a round is an epoch. A core: images over CPU seconds, all threads counted. All cores:
 * over wall time. timm makes uint8 as we do (`use_prefetcher`: the rest is the device's), or, as DeiT's own main.py does,
 * normalised and erased tensors; that part of ours belongs to the step and is not in these figures.
 *
 * Options: --data DIR (default: made JPEGs of 500 × 375), --size N, --rounds N, --cores 1|all|both, --json;
 * --model NAME: whether a step of that student waits for data, and nothing else.
 */
const DEIT = { aa: 'rand-m9-mstd0.5-inc1', reprob: 0.25, mixup: 0.8, cutmix: 1 };
const PLAIN = { aa: '', reprob: 0, mixup: 0, cutmix: 0, colorJitter: 0, repeatedAug: false };
/** What is raced: our recipe, and whose transform is timm's. Decoded images are kept only where it says so. */
const RACES: Race[] = [
  { name: 'crop and flip', recipe: PLAIN, peer: 'plain' },
  { name: "DeiT's transform", recipe: { ...DEIT, repeatedAug: false }, peer: 'uint8' },
  { name: "DeiT's, to tensors", recipe: { ...DEIT, repeatedAug: false }, peer: 'tensors' },
  { name: "DeiT's, repeated", recipe: { ...DEIT, repeatedAug: true }, peer: 'repeated' },
  { name: "DeiT's, 2nd epoch", recipe: { ...DEIT, repeatedAug: false }, peer: 'uint8', keep: true },
];
const BATCH = 32;
const MADE = 200;
/** Steps that `--model` makes. */
const STEPS = 6;

interface Race {
  name: string;
  recipe: Partial<Recipe>;
  peer: 'plain' | 'uint8' | 'tensors' | 'repeated';
  keep?: boolean;
}

if (!isMainThread) {
  serveWorkers(({ folder, context }: DecoderData) => engineDecodeNow({ tf: loadLibrary(folder), context }));
} else if (process.argv[2] === 'worker') await worker(JSON.parse(process.argv[3]) as WorkerOptions);
else await main();

interface WorkerOptions {
  data: string;
  size: number;
  threads: number;
  recipe: Partial<Recipe>;
  keep: boolean;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: join(cacheFolder(), 'bench-images') },
      size: { type: 'string', default: '224' },
      rounds: { type: 'string', default: '5' },
      cores: { type: 'string', default: 'both' },
      model: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const python = peerPython();
  const script = fileURLToPath(new URL('../../../tests/bench/loader.py', import.meta.url));
  if (!existsSync(values.data)) {
    if (!python) throw new Error('Without Python there are no images: give a data folder with --data.');
    execFileSync(python, [script, 'make', values.data, String(MADE)]);
  }
  if (values.model) return waiting(values.data, values.model, values.json);
  const images = Math.floor((await listDataset(values.data)).train.length / BATCH) * BATCH;
  const counts = values.cores === '1' ? [1] : values.cores === 'all' ? [cpus().length] : [1, cpus().length];
  const lines: Line[] = [];
  for (const { name, recipe, peer, keep = false } of RACES)
    for (const cores of counts) {
      const ours = { data: values.data, size: Number(values.size), threads: cores, recipe, keep };
      const contestants = [await startOurs(ours)];
      const workers = String(cores === 1 ? 0 : cores);
      const theirs = [script, 'run', values.data, values.size, peer, workers, String(BATCH)];
      if (python) contestants.push(await startContestant('timm', python, theirs));
      lines.push(...(await race(name, cores, contestants, Number(values.rounds), images)));
      for (const line of lines.slice(-contestants.length)) console.log(describe(line));
    }
  if (values.json) console.log(JSON.stringify(lines));
}

interface Line {
  transform: string;
  label: string;
  cores: number;
  /** Images a second: of CPU time for one core, of wall time for all; in the best round and in the middle one. */
  best: number;
  middle: number;
  /** Of the best rounds against timm's; null for timm itself and without it. */
  ratio: number | null;
}

async function race(
  transform: string,
  cores: number,
  contestants: Contestant[],
  rounds: number,
  images: number,
): Promise<Line[]> {
  const rates = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, contestant] of contestants.entries()) {
      const [wall, cpu, made = images] = await contestant.round(images);
      rates[index].push(made / (cores === 1 ? cpu : wall));
    }
  contestants.forEach((contestant) => contestant.close());
  const best = rates.map((all) => Math.max(...all));
  return contestants.map(({ label }, index) => ({
    transform,
    label,
    cores,
    best: best[index],
    middle: median(rates[index]),
    ratio: index === 0 && best[1] ? best[0] / best[1] : null,
  }));
}

function describe({ transform, label, cores, best, middle, ratio }: Line): string {
  const share = cores === 1 ? 'a core ' : `${cores} cores`;
  const against = ratio === null ? '' : `  ${ratio.toFixed(2)} × timm`;
  const rates = `${best.toFixed(0).padStart(6)} images/s (middle ${middle.toFixed(0)})`;
  return `${transform.padEnd(20)} ${share}  ${label.padEnd(11)} ${rates}${against}`;
}

function startOurs(options: WorkerOptions): Promise<Contestant> {
  const self = fileURLToPath(import.meta.url);
  return startContestant('Stillhouse', process.execPath, [self, 'worker', JSON.stringify(options)]);
}

async function startLoader(
  engine: Engine,
  data: string,
  recipe: Recipe,
  options: { cacheBytes: number; noiseRows: number },
): Promise<Loader> {
  const own = trainingRecipe(recipe);
  const workers = threadWorkers({
    threads: recipe.numWorkers,
    script: fileURLToPath(import.meta.url),
    data: { folder: engineFolder(), context: engine.tensorflow.context } satisfies DecoderData,
    recipe: own,
  });
  const onSkip = ({ file, reason }: SkippedImage): void => console.error(file, sayReason(reason));
  return createLoader({ dataset: await listDataset(data), recipe: own, workers, onSkip, ...options });
}

async function worker({ data, size, threads, recipe, keep }: WorkerOptions): Promise<void> {
  const engine = await loadEngine(engineFolder(), { threads });
  const own = { ...defaultRecipe(), ...recipe, batchSize: BATCH, inputSize: size, numWorkers: threads };
  const loader = await startLoader(engine, data, own, { cacheBytes: keep ? 2 ** 31 : 0, noiseRows: 0 });
  let epoch = 0;
  const run = async (): Promise<number> => {
    let made = 0;
    for await (const { labels } of loader.trainBatches(epoch++)) made += labels.length;
    return made;
  };
  for (let warm = 0; warm < 3; warm++) await run();
  const reply = (seconds: number[]): void =>
    console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 }));
  reply([0, 0]);
  for await (const _ of createInterface({ input: process.stdin })) {
    const [wall, before] = [performance.now(), process.cpuUsage()];
    const made = await run();
    const { user, system } = process.cpuUsage(before);
    reply([(performance.now() - wall) / 1000, (user + system) / 1e6, made]);
  }
  exitProcess(0);
}

/** Trains a few real steps on real batches and says how long each waited for its batch. */
async function waiting(data: string, name: string, json: boolean): Promise<void> {
  const engine = await loadEngine(engineFolder());
  const recipe = {
    ...defaultRecipe(),
    batchSize: BATCH,
    model: name,
    distillationType: 'none' as const,
    modelEma: false,
  };
  const student = createModel(name, { classes: 1000, inputSize: recipe.inputSize, dropPath: recipe.dropPath });
  const state = engine.newState();
  startFresh(state, student, recipe);
  const step = await createTrainStep(engine, state, {
    student,
    teacher: null,
    recipe,
    batchSize: BATCH,
    precision: 'float32',
  });
  const loader = await startLoader(engine, data, recipe, { cacheBytes: 0, noiseRows: student.noise?.shape(1)[0] ?? 0 });
  const [waits, steps]: [number[], number[]] = [[], []];
  for (let epoch = 0; steps.length < STEPS; epoch++) {
    let asked = performance.now();
    for await (const batch of loader.trainBatches(epoch)) {
      const got = performance.now();
      await step.run(batch, { lr: 0, step: steps.length + 1 });
      waits.push(got - asked);
      steps.push((asked = performance.now()) - got);
      if (steps.length >= STEPS) break;
    }
  }
  // The first step compiles, and the first batch has nothing made ahead.
  const [wait, took] = [median(waits.slice(1)), median(steps.slice(1))];
  const verdict = wait > 0.05 * took ? 'waits for data' : 'never waits';
  console.log(
    `${name}, batches of ${BATCH}, ${recipe.numWorkers} threads: a step takes ${took.toFixed(0)} ms ` +
      `(${((1000 * BATCH) / took).toFixed(0)} images/s) and ${verdict}: ${wait.toFixed(1)} ms`,
  );
  if (json) console.log(JSON.stringify({ model: name, batch: BATCH, step: took, wait }));
  exitProcess(0);
}
