import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fromPlainError } from '../../src-main/protocol/errors.ts';
import {
  ENDED,
  type EpochRow,
  type JobProgress,
  type RunState,
  type ServiceEvent,
} from '../../src-main/protocol/events.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import { exportCheckpoint } from '../../src-main/runs/export.ts';
import { cacheFolder } from '../../src-main/runs/places.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { createWorkstation } from '../../src-main/service/workstation.ts';
import { buildPrograms } from '../helpers/build.ts';
import { writeReport, type FinishedRun } from '../helpers/study-report.ts';

/**
 * `npm run bench -- study`: does a student learn more with a teacher? On the sample data, through the workstation's own
 * calls: an EfficientNet-Lite0 is fine-tuned from its ImageNet weights, then a DeiT-Ti is trained from scratch alone,
 * with soft and with hard distillation, without and with the distillation token, from each seed. The last epoch counts,
 * never the best one. Writes docs/results.md.
 *
 * A run that has finished is kept and not made again, one that was cut goes on from its last checkpoint.
 * Options: --seeds N (3), --epochs N (6), --folder DIR (<cache>/study), --report FILE (docs/results.md).
 */
const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    epochs: { type: 'string', default: '6' },
    folder: { type: 'string', default: join(cacheFolder(), 'study') },
    report: { type: 'string', default: 'docs/results.md' },
  },
});
const SIDE = 64;
const [epochs, folder] = [Number(options.epochs), resolve(options.folder)];
const seeds = Array.from({ length: Number(options.seeds) }, (_, seed) => seed);

const PLAIN = { model: 'deit_tiny_patch16_224' };
/** Both losses count half in each, so that they differ in nothing but what they are compared for. */
const ARMS: { name: string; values: Partial<Recipe> }[] = [
  { name: 'alone', values: { ...PLAIN, distillationType: 'none' } },
  { name: 'soft', values: { ...PLAIN, distillationType: 'soft', distillationTau: 3 } },
  { name: 'hard, no token', values: { ...PLAIN, distillationType: 'hard' } },
  { name: 'hard, token', values: { model: 'deit_tiny_distilled_patch16_224', distillationType: 'hard' } },
];

mkdirSync(folder, { recursive: true });
const listeners = new Set<(event: ServiceEvent) => void>();
const entry = join(await buildPrograms(), 'job.process.mjs');
const workstation = createWorkstation({
  shell: 'cli',
  homeFolder: folder,
  cacheFolder: cacheFolder(),
  spawnJob: (job, given) => spawnJob(job, { ...given, entry }),
  emit: (event) => listeners.forEach((listener) => listener(event)),
});
const calls = workstation.handlers;
try {
  await study();
} finally {
  await workstation.close();
}

async function study(): Promise<void> {
  const dataPath = String(await jobResult(calls['dataset.sample']({})));
  const data = await calls['dataset.inspect']({ path: dataPath });
  const common: Partial<Recipe> = { dataPath, inputSize: SIDE, device: 'cpu', precision: 'float32' };
  const teacher = await trained('teacher', async () => {
    const finetune = String(await jobResult(calls['weights.fetch']({ model: 'tf_efficientnet_lite0' })));
    return { ...preset('sample-teacher'), ...common, finetune };
  });
  const teacherPath = await exported(teacher.run);
  const runs: FinishedRun[] = [];
  for (const seed of seeds)
    for (const { name, values } of ARMS) {
      const taught = values.distillationType === 'none' ? {} : { teacherPath };
      const recipe = { ...preset('sample-student'), ...common, ...values, ...taught, epochs, seed };
      runs.push({ ...(await trained(`${name}, ${epochs} epochs, seed ${seed}`, async () => recipe)), arm: name, seed });
    }
  await writeReport(resolve(options.report), {
    data,
    side: SIDE,
    epochs,
    arms: ARMS.map(({ name }) => name),
    teacher: { ...teacher, arm: 'teacher', seed: 0 },
    runs,
    machine: `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`,
    command: ['npm run bench -- study', ...process.argv.slice(2)].join(' '),
  });
  console.log(`Written: ${options.report}`);
}

function preset(id: string): Partial<Recipe> {
  return PRESETS.find((preset) => preset.id === id)!.values;
}

/** Of a run of this study: made now, gone on with, or kept from before. */
async function trained(
  key: string,
  recipeOf: () => Promise<Partial<Recipe>>,
): Promise<Omit<FinishedRun, 'arm' | 'seed'>> {
  const known = readKnown();
  const list = await calls['run.list']({});
  const before = list.find(({ id }) => id === known[key]);
  if (before?.state !== 'finished') {
    console.log(`${new Date().toISOString().slice(11, 19)} ${key}${before ? ', going on' : ''}`);
    const ended = nextEnd();
    if (before) await calls['run.resume']({ run: before.id, anyway: true });
    else {
      const { run } = await calls['run.start']({ recipe: { ...(await recipeOf()) }, anyway: true });
      known[key] = run;
      writeFileSync(knownFile(), JSON.stringify(known, null, 1));
    }
    const state = await ended;
    if (state !== 'finished') throw new Error(`${key}: the run ended as ${state}; see ${join(folder, 'runs')}`);
  }
  const { history, recipe } = await detailOf(known[key]);
  const last = history.at(-1)!;
  console.log(`         ${key}: Acc@1 ${last.test.acc1.toFixed(2)} after ${last.epoch + 1} epochs`);
  return { run: known[key], last, recipe, seconds: history.reduce((sum, { seconds }) => sum + seconds, 0) };
}

async function detailOf(run: string): Promise<{ history: EpochRow[]; recipe: Recipe }> {
  const { recipe, history } = await calls['run.detail']({ run });
  return { recipe, history: history.filter((row): row is EpochRow => row.type === 'epoch') };
}

/** Weights of the last epoch of the teacher, as a student's recipe takes them. */
async function exported(run: string): Promise<string> {
  const output = join(folder, 'teacher.safetensors');
  if (existsSync(output)) return output;
  const { file: checkpoint } = (await calls['checkpoint.list']({ run })).find(({ last }) => last)!;
  const { summary } = await calls['run.detail']({ run });
  return (await exportCheckpoint(summary.path, { checkpoint, format: 'safetensors', output })).path;
}

function knownFile(): string {
  return join(folder, 'study.json');
}

function readKnown(): Record<string, string> {
  return existsSync(knownFile()) ? (JSON.parse(readFileSync(knownFile(), 'utf8')) as Record<string, string>) : {};
}

function listen<Result>(pick: (event: ServiceEvent) => Result | undefined): Promise<Result> {
  return new Promise((resolve) => {
    const listener = (event: ServiceEvent): void => {
      const found = pick(event);
      if (found === undefined) return;
      listeners.delete(listener);
      resolve(found);
    };
    listeners.add(listener);
  });
}

function nextEnd(): Promise<RunState> {
  return listen((event) => {
    if (event.event !== 'run') return undefined;
    return event.rows.flatMap((row) => (row.type === 'state' && ENDED.includes(row.state) ? [row.state] : [])).at(-1);
  });
}

async function jobResult(started: Promise<{ job: string }>): Promise<unknown> {
  const all: JobProgress[] = [];
  const note = (event: ServiceEvent): void => void (event.event === 'job' && all.push(event.progress));
  listeners.add(note);
  const { job } = await started;
  const over = ({ job: id, state }: JobProgress): boolean => id === job && state !== 'running';
  const progress =
    all.find(over) ??
    (await calls['job.list']({})).find(over) ??
    (await listen((event) => (event.event === 'job' && over(event.progress) ? event.progress : undefined)));
  listeners.delete(note);
  if (progress.error) throw fromPlainError(progress.error);
  return progress.result;
}
