import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { HistoryRow } from '../../src-main/protocol/events.ts';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { isAlive } from '../../src-main/base/process.ts';
import { spawnJob, type JobProcess } from '../../src-main/jobs/job-process.ts';
import { inspect } from '../helpers/killed-run.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/**
 * `npm run bench -- soak`: a real training for as long as asked, in four quarters. It goes through evaluations,
 * checkpoints within and after epochs, and a pause each minute; after the first quarter the run is stopped and resumed, after
 * the second killed and resumed, the second half is one process. What a process holds is compared between a minute
 * after its first evaluation and checkpoint and its end.
 *
 * Fails when memory grows by more than 3 %, descriptors or threads by more than 4, when a told row is not in the
 * history, a checkpoint is lost, or a process is left.
 * Options: --minutes N (60), --json.
 */
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, json: { type: 'boolean', default: false } },
});
const quarter = (Number(values.minutes) * 60_000) / 4;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-soak-'));
const run = join(folder, 'run');

/** What a process holds. */
interface Holds {
  memory: number;
  descriptors: number;
  threads: number;
}

/** One process of the run. */
interface Stretch {
  name: string;
  pid: number;
  start: Holds | null;
  end: Holds | null;
  pauses: number;
  told: HistoryRow[];
}

/** What a process has gone through before it holds all that it will. */
const ROUND = ['epoch', 'checkpoint'] as const;

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function soak(): Promise<boolean> {
  const entry = join(await buildPrograms(), 'job.process.mjs');
  const dataPath = makeTinyData(join(folder, 'data'), { train: 64, val: 12 });
  const recipe = parseRecipe({
    ...{ model: 'deit_tiny_patch16_224', dataPath, inputSize: 32, batchSize: 8, epochs: 100_000, warmupEpochs: 0 },
    ...{ lr: 1e-5, unscaleLr: true, modelEma: true, saveEvery: 20, saveMinutes: 0.5, device: 'cpu' },
  });
  const job = { kind: 'train', engine: engineFolder(), threads: 2, run, recipe, resume: 'auto' } as const;
  const stretches = [
    await stretch('to a stop', entry, job, quarter, (trainer) => trainer.stop()),
    await stretch('to a kill', entry, job, quarter, (trainer) => trainer.kill()),
    await stretch('to the end', entry, job, 2 * quarter, (trainer) => trainer.stop()),
  ];
  const history = new Set(readHistory(run).map((row) => JSON.stringify(row)));
  const last = stretches[2];
  const lostRows = last.told.filter((row) => !history.has(JSON.stringify(row))).length;
  const orphans = stretches.filter(({ pid }) => isAlive(pid)).length;
  const { lost, newest } = inspect(run);
  const growths = stretches.map(report);
  console.log(`${newest} steps, ${lostRows} lost rows, ${lost.length} lost checkpoints, ${orphans} processes left`);
  if (values.json) console.log(JSON.stringify({ minutes: Number(values.minutes), newest, lostRows, lost, orphans, stretches: stretches.map(({ told, ...rest }) => ({ ...rest, rows: told.length })) })); // prettier-ignore
  return growths.every(Boolean) && lostRows + lost.length + orphans === 0;
}

async function stretch(
  name: string,
  entry: string,
  job: Parameters<typeof spawnJob>[0] & { kind: 'train' },
  milliseconds: number,
  end: (trainer: JobProcess<'train'>) => void,
): Promise<Stretch> {
  const told: HistoryRow[] = [];
  const trainer = spawnJob(job, {
    entry,
    onEvent: (event) => {
      if (event.tell === 'rows') told.push(...event.rows);
    },
  });
  const result: Stretch = { name, pid: trainer.pid!, start: null, end: null, pauses: 0, told };
  const began = performance.now();
  const settled = trainer.done.then(
    () => undefined,
    () => undefined,
  );
  const minute = Math.min(60_000, milliseconds / 3);
  while (performance.now() - began < milliseconds) {
    await wait(minute);
    const holds = holdsOf(result.pid);
    if (ROUND.every((type) => told.some((row) => row.type === type))) result.start ??= holds;
    result.end = holds ?? result.end;
    if (holds) console.log(`${name}: ${text(holds)}`);
    trainer.pause(true);
    await wait(2000);
    trainer.pause(false);
    result.pauses++;
    await wait(1000);
  }
  end(trainer);
  await settled;
  return result;
}

function report({ name, start, end, pauses }: Stretch): boolean {
  if (!start || !end) return false;
  const growth = end.memory / start.memory - 1;
  console.log(
    `${name}: from ${text(start)} to ${text(end)}, memory ${(100 * growth).toFixed(2)} % more, ${pauses} pauses`,
  );
  return growth < 0.03 && end.descriptors - start.descriptors <= 4 && end.threads - start.threads <= 4;
}

function text({ memory, descriptors, threads }: Holds): string {
  return `${(memory / 1e6).toFixed(1)} MB, ${descriptors} descriptors, ${threads} threads`;
}

function holdsOf(pid: number): Holds | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return {
      memory: 1024 * number('VmRSS'),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: number('Threads'),
    };
  } catch {
    return null;
  }
}
