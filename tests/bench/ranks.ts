import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { loadEngine } from '../../src-main/engines/load.ts';
import { startFresh } from '../../src-main/job-process/training/train-state.ts';
import { jobEnvironment } from '../../src-main/jobs/job-process.ts';
import { countParameters } from '../../src-main/model/model.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { parseRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { acrossRanks, sumOverRanks } from '../../src-main/trace/ranks.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { buildPrograms } from '../helpers/build.ts';
import { freePorts } from '../helpers/free-ports.ts';
import { draws, stateHash } from '../helpers/killed-run.ts';
import { rankedAttempt, type Harm } from '../helpers/ranked-run.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { trainOnTwoHosts } from './ranks/two-hosts.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- ranks`: images a second of one process with two lanes, of two ranks of one thread, and of PyTorch's
 * DistributedDataParallel (gloo) with two ranks, in turns on the same cores; then what more ranks would cost by the
 * parts that were measured. Steps alone, without images to decode.
 *
 * `npm run bench -- ranks --harms 200`: one of two ranks is killed or stopped at a random step again and again, and the
 * run resumed, until it finishes. Fails unless every end is noticed within 10 s, no process is left, and the state at
 * the end equals that of a run that nobody disturbed, bit for bit.
 *
 * `npm run bench -- ranks --hosts`: the two ranks have a network namespace each, as two machines; the cable between
 * them is pulled out while they train. Needs root and `ip`.
 *
 * Options: --model M (deit_tiny_patch16_224), --batch N,N… (64, the recipe's own; then 16, of which fixed costs are
 * a larger share), --rounds N (6), --steps N (2), --harms N, --seed N (1).
 */
const { values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'deit_tiny_patch16_224' },
    batch: { type: 'string', default: '64,16' },
    rounds: { type: 'string', default: '6' },
    steps: { type: 'string', default: '2' },
    harms: { type: 'string' },
    hosts: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    rank: { type: 'string' },
    addresses: { type: 'string', default: '' },
    threads: { type: 'string', default: '1' },
  },
});
const [rounds, steps] = [values.rounds, values.steps].map((text) => Math.max(1, Number(text)));
const batches = values.batch.split(',').map(Number);
const SELF = fileURLToPath(import.meta.url);

if (values.rank !== undefined) await contestant(Number(values.rank), batches[0]);
else if (values.harms !== undefined) process.exitCode = (await harm(Math.max(1, Number(values.harms)))) ? 0 : 1;
else if (values.hosts) process.exitCode = (await trainOnTwoHosts()) ? 0 : 1;
else for (const batch of batches) await race(batch);

/** One process of a contestant: rounds of steps, or of sums over the ranks alone, as they are asked for. */
async function contestant(rank: number, batch: number): Promise<void> {
  const addresses = values.addresses.split(',');
  const size = addresses.length;
  const cluster = size > 1 ? { rank, addresses } : null;
  const engine = await loadEngine(engineFolder(), { threads: Number(values.threads), threading: 'lanes', cluster });
  const recipe = parseRecipe({ model: values.model, ...WITHOUT_AUGMENTATION, precision: 'float32', modelEma: false });
  const student = createModel(values.model, { classes: 1000, inputSize: 224, dropPath: 0 });
  const state = engine.newState();
  startFresh(state, student, recipe);
  const own = batch / size;
  const ranks = size > 1 ? { rank, size } : undefined;
  const step = await createTrainStep(engine, state, { student, teacher: null, recipe, batchSize: own, ranks });
  const count = countParameters(student.specs);
  const onlySum = () =>
    record(engine, { x: { shape: [count], dtype: 'float32' } }, {}, ({ x }) => ({
      outputs: { first: tf.slice(sumOverRanks(x), [0], [1]) },
      assigns: {},
    }));
  const sums = acrossRanks(size, onlySum, 2_000_000);
  const sum = await engine.compile(sums, state);
  const zeros = new Float32Array(count);
  const images = new Uint8Array(own * student.inputSize ** 2 * 3).map((_, at) => (at * 2654435761) >>> 24);
  const labels = Int32Array.from({ length: own }, (_, at) => (at * 37) % 1000);
  let number = 0;
  const makeStep = () => step.run({ images, labels, noise: null }, { lr: 1e-4, step: ++number });
  const timed = async (work: () => Promise<unknown>, times: number): Promise<number[]> => {
    const seconds: number[] = [];
    for (let at = 0; at < times; at++) {
      const begun = performance.now();
      await work();
      seconds.push((performance.now() - begun) / 1000);
    }
    return seconds;
  };
  const tell = (seconds: number[]) =>
    process.stdout.write(`${JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 })}\n`);
  await timed(makeStep, 3);
  tell([]);
  for await (const line of createInterface({ input: process.stdin }))
    tell(line === 'sum' ? await timed(() => sum.run({ x: zeros }), 5) : await timed(makeStep, Number(line)));
  exitProcess(0);
}

async function race(batch: number): Promise<void> {
  const [port, ...ports] = await freePorts(3);
  const start = (label: string, rank: number, places: string, threads: number): Promise<Contestant> => {
    const shape = ['--model', values.model, '--batch', String(batch)];
    const own = ['--rank', String(rank), '--addresses', places, '--threads', String(threads)];
    return startContestant(label, process.execPath, [SELF, ...shape, ...own], jobEnvironment());
  };
  const places = ports.map((one) => `127.0.0.1:${one}`).join(',');
  const groups = new Map<string, Contestant[]>();
  groups.set('1 process, 2 lanes', [await start('one', 0, 'alone', 2)]);
  groups.set('2 ranks of 1 thread', await Promise.all([0, 1].map((rank) => start('ranks', rank, places, 1))));
  const python = peerPython();
  const script = join(process.cwd(), 'tests/bench/ranks.py');
  const peer = (rank: number) =>
    startContestant('PyTorch', python!, [
      script,
      values.model,
      String(batch / 2),
      '1',
      String(rank),
      '2',
      String(port),
    ]);
  if (python) groups.set('PyTorch DDP (gloo), 2 ranks of 1 thread', await Promise.all([peer(0), peer(1)]));
  const times = new Map([...groups.keys()].map((label) => [label, [] as number[]]));
  for (let round = 0; round < rounds; round++)
    for (const [label, members] of groups) {
      const found = await Promise.all(members.map((member) => member.round(steps)));
      times.get(label)!.push(...found[0].map((_, at) => Math.max(...found.map((seconds) => seconds[at]))));
    }
  for (const [label, seconds] of times)
    console.log(
      `${label}: ${(batch / median(seconds)).toFixed(2)} images/s (median of ${seconds.length} steps of ${batch})`,
    );
  const [one, ranks] = [...times.values()].map(median);
  console.log(`2 ranks / 1 process: ${(one / ranks).toFixed(3)}`);
  const sums = await Promise.all(groups.get('2 ranks of 1 thread')!.map((member) => member.round('sum')));
  model(ranks, median(sums.flat()));
  for (const members of groups.values()) for (const member of members) member.close();
}

/** What a step would cost with more ranks that have as many images each. */
function model(step: number, sum: number): void {
  const bytes = 4 * countParameters(createModel(values.model, { classes: 1000, inputSize: 224, dropPath: 0 }).specs);
  const rate = bytes / sum;
  console.log(
    `Sum over 2 ranks of ${(bytes / 1e6).toFixed(1)} MB: ${(1000 * sum).toFixed(1)} ms. A ring moves 2 (N − 1) / N of ` +
      `them through each rank. Assumed: a core for each rank, as here; a network as fast for each as this machine's ` +
      `loopback (${(rate / 1e6).toFixed(0)} MB/s in these sums), or 1 Gbit/s; sums after the way back, none hidden; ` +
      'no slower rank, 0.5 ms for each of 2 (N − 1) turns of the ring.',
  );
  const compute = step - sum;
  for (const size of [8, 16, 64]) {
    const cost = (speed: number): number => (2 * (size - 1) * (bytes / speed)) / size + 2 * (size - 1) * 5e-4;
    const share = (speed: number): string => ((100 * compute) / (compute + cost(speed))).toFixed(0);
    console.log(
      `${size} ranks: ${share(rate)} % of ${size} times one rank's images/s, over 1 Gbit/s ${share(125e6)} %`,
    );
  }
}

/** Harms ranks until it was done often enough and the run finishes. */
async function harm(count: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-ranks-'));
  try {
    const entry = join(await buildPrograms(), 'job.process.mjs');
    const dataPath = makeTinyData(join(folder, 'data'), { train: 11, val: 2 });
    const epochs = Math.max(2, count);
    const recipe = parseRecipe({
      ...{ model: 'test_deit_distilled_patch16_32', dataPath, inputSize: 32, batchSize: 4, numWorkers: 1, epochs },
      ...{ precision: 'float32', device: 'cpu', warmupEpochs: 0, lr: 1e-4, unscaleLr: true, modelEma: true },
    });
    const whole = await rankedAttempt({ entry, run: join(folder, 'whole'), recipe, size: 2, harm: null });
    const draw = draws(Number(values.seed));
    const run = join(folder, 'harmed');
    let [made, longest] = [0, 0];
    const ends = new Map<string, number>();
    for (let ended = ''; ended !== 'finished';) {
      const rank = Math.floor(2 * draw());
      const signal: Harm['signal'] = rank === 1 && draw() < 0.3 ? 'SIGSTOP' : 'SIGKILL';
      const steps = 1 + Math.floor(2 * draw());
      let begun = 0;
      const harm: Harm | null = made < count ? { rank, signal, steps } : null;
      const onHarm = () => (begun = performance.now());
      const outcome = await rankedAttempt({ entry, run, recipe, size: 2, harm, onHarm });
      ended = outcome.ended;
      if (outcome.harmed) longest = Math.max(longest, performance.now() - begun);
      if (outcome.harmed && ++made % 25 === 0)
        console.log(`${made} harms, the longest end ${(longest / 1000).toFixed(1)} s`);
      ends.set(ended, (ends.get(ended) ?? 0) + 1);
      if (!['finished', 'ranks.lost', 'run.died'].includes(ended)) throw new Error(`${ended}: ${outcome.message}`);
    }
    const same = whole.ended === 'finished' && (await stateHash(run)) === (await stateHash(join(folder, 'whole')));
    console.log(`${made} harms: ${[...ends].map(([end, times]) => `${end} ${times}`).join(', ')}`);
    console.log(`All processes had ended ${(longest / 1000).toFixed(1)} s after the harm at most.`);
    console.log(same ? 'The state at the end equals that of an undisturbed run.' : 'THE STATE AT THE END DIFFERS.');
    return same && longest < 10_000;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
