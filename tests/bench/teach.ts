import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { whyNotMultiplied } from '../../src-main/base/processor.ts';
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { answerForm, KeptAnswers } from '../../src-main/job-process/teacher/kept-answers.ts';
import { taughtSteps } from '../../src-main/job-process/teacher/taught-steps.ts';
import { teacherAsker } from '../../src-main/job-process/teacher/teacher-asker.ts';
import type { OpenTeacher } from '../../src-main/job-process/teacher/teacher.ts';
import { JOB_FLAGS, jobEnvironment } from '../../src-main/jobs/job-process.ts';
import type { Model } from '../../src-main/model/model.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { threadingOf } from '../../src-main/train/parts.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { updateVariables } from '../../src-main/train/update.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- teach`: training steps of a student whose teacher's answers are kept. In turns in one run: ours of a
 * first student, which asks its teacher and keeps the answers, ours of a second one, which takes them from the disk, and
 * PyTorch's with the teacher in its loop.
 *
 * Options: --student NAME, --teacher NAME, --batch N, --rounds N, --steps N a round, --json.
 */
const PRECISIONS = (['float32', 'bfloat16'] as const).filter((precision) => !whyNotMultiplied(precision));

if (process.argv[2] === 'worker') await worker(process.argv.slice(3));
else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      student: { type: 'string', default: 'deit_tiny_distilled_patch16_224' },
      teacher: { type: 'string', default: 'regnety_160' },
      batch: { type: 'string', default: '16' },
      rounds: { type: 'string', default: '2' },
      steps: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const { student, teacher, batch, rounds, steps } = values;
  const given = [student, teacher, batch, String(cpus().length)];
  const self = fileURLToPath(import.meta.url);
  const contestants: Contestant[] = [];
  for (const precision of PRECISIONS)
    for (const which of ['first', 'second']) {
      const args = [...JOB_FLAGS, self, 'worker', precision, which, ...given];
      contestants.push(await startContestant(`Stillhouse ${precision}, ${which}`, process.execPath, args, jobEnvironment())); // prettier-ignore
    }
  const python = peerPython();
  const script = fileURLToPath(new URL('../../../tests/bench/teach.py', import.meta.url));
  for (const variant of python ? PRECISIONS : [])
    contestants.push(await startContestant(`PyTorch ${variant}`, python!, [script, variant, ...given], { OMP_WAIT_POLICY: 'PASSIVE' })); // prettier-ignore
  const seconds = new Map(contestants.map(({ label }) => [label, [] as number[]]));
  for (let round = 0; round < Number(rounds); round++)
    for (const one of contestants) seconds.get(one.label)!.push(...(await one.round(Number(steps))));
  for (const one of contestants) one.close();
  const speed = (label: string): number => Number(batch) / median(seconds.get(label)!);
  const peers = contestants.filter(({ label }) => label.startsWith('PyTorch'));
  const best = peers.length > 0 ? Math.max(...peers.map(({ label }) => speed(label))) : null;
  const table = contestants.map((one) => ({
    ...{ label: one.label, imagesPerSecond: speed(one.label), peakBytes: one.peak() },
    ratio: best && speed(one.label) / best,
  }));
  console.log(`\n${cpus()[0].model}, ${cpus().length} threads, ${new Date().toISOString().slice(0, 10)}; ${student} of ${teacher}, batch ${batch}`); // prettier-ignore
  console.log('| variant | images/s | peak memory | to the best peer |\n|---|---|---|---|');
  for (const { label, imagesPerSecond, peakBytes, ratio } of table)
    console.log(`| ${label} | ${imagesPerSecond.toFixed(2)} | ${(peakBytes / 2 ** 30).toFixed(2)} GiB | ${ratio?.toFixed(2) ?? '–'}× |`); // prettier-ignore
  if (values.json) console.log(JSON.stringify({ student, teacher, batch: Number(batch), table }));
}

async function worker([precision, which, student, teacher, batch, threads]: string[]): Promise<void> {
  const model = createModel(student, { classes: 1000, inputSize: 224, dropPath: 0.1 });
  const engine = await loadEngine(engineFolder(), { threads: Number(threads), threading: threadingOf(model) });
  const root = mkdtempSync(join(tmpdir(), 'stillhouse-teach-'));
  const network = createModel(teacher, { classes: 1000, inputSize: 224 });
  const step = await taughtStep({ engine, model, network, root, precision: precision as Precision, batchSize: Number(batch), asks: which === 'first' }); // prettier-ignore
  const answer = (seconds: number[]): void =>
    console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 }));
  for (let index = 0; index < (which === 'first' ? 1 : 3); index++) await step();
  answer([]);
  for await (const line of createInterface({ input: process.stdin })) {
    const seconds: number[] = [];
    for (let index = 0; index < Number(line); index++) {
      const start = performance.now();
      await step();
      seconds.push((performance.now() - start) / 1000);
    }
    answer(seconds);
  }
  rmSync(root, { recursive: true, force: true });
  exitProcess(0);
}

interface Setting {
  engine: Engine;
  model: Model;
  network: Model;
  root: string;
  precision: Precision;
  batchSize: number;
  /** Whether every batch is a new one, whose answers are asked for; else it is the one whose answers are kept. */
  asks: boolean;
}

async function taughtStep({ engine, model, network, root, precision, batchSize, asks }: Setting) {
  const state = engine.newState();
  const settings = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION, modelEma: false, teachOnce: true };
  const recipe = { ...settings, batchSize, distillationType: 'hard' as const };
  for (const [name, { shape }] of Object.entries(updateVariables(model, recipe)))
    state.set(name, shape, new Float32Array(shape.reduce((product, side) => product * side, 1)));
  fill(state, PREFIX.model, model);
  fill(state, PREFIX.teacher, network);
  const batch = { student: model, recipe, batchSize };
  const opened = { network, outside: null } as OpenTeacher;
  const asker = await teacherAsker(opened, { engine, state, batch, precision });
  const form = answerForm(recipe, 1000);
  const facts = { teacher: network.name, dataPath: '', kind: form.kind, created: 0, key: {} };
  const onNote = (note: Error): void => console.error(note.message);
  const kept = new KeptAnswers({ root, place: { id: '0'.repeat(32), form, facts }, batch, onNote });
  const compiled = await createTrainStep(engine, state, { ...batch, teacher: 'outside', precision });
  const taught = taughtSteps({ asker, kept, beside: false });
  const step = taught.step(compiled);
  const images = Uint8Array.from({ length: batchSize * model.inputSize ** 2 * 3 }, () => Math.random() * 256);
  const labels = Int32Array.from({ length: batchSize }, () => Math.random() * 1000);
  const noise = Float32Array.from({ length: model.noise!.shape(1)[0] * batchSize }, () => Math.random());
  const one = () => ({ images, labels, noise, files: [] });
  if (!asks) {
    kept.keep({ epoch: 0, batch: 0 }, one(), 1, { answers: await asker.ask(one(), 1), milliseconds: 1 });
    kept.store.flush();
  }
  let done = 0;
  async function* batches() {
    yield one();
  }
  return async (): Promise<void> => {
    const place = { epoch: 0, batch: asks ? ++done : 0 };
    for await (const given of taught.batches(batches(), place)) {
      const { took } = await step.run(given, { lr: 1e-3, step: 1 });
      if ((took?.kept === 0) !== asks) throw new Error(`The answers were ${asks ? '' : 'not '}kept`);
    }
  };
}

/** Weights of the usual size; what they are does not change the time. */
function fill(state: State, prefix: string, { specs }: Model): void {
  let seed = 1;
  for (const { name, shape } of specs) {
    const count = shape.reduce((product, side) => product * side, 1);
    const values = new Float32Array(count).fill(/(weight|running_var)$/.test(name) ? 1 : 0);
    const scale = Math.sqrt((3 * shape[0]) / count) / 2 ** 31;
    if (shape.length > 1)
      for (let at = 0; at < count; at++) values[at] = scale * (seed = (Math.imul(seed, 1664525) + 1013904223) | 0);
    state.set(prefix + name, shape, values);
  }
}
