import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { SlurmJob } from '../../src-main/protocol/slurm.ts';
import { cacheFolder } from '../../src-main/runs/places.ts';
import { buildPrograms } from '../helpers/build.ts';
import { curve, stateHash } from '../helpers/killed-run.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { confOf, installSlurm, startCluster, until, type Cluster } from './slurm/cluster.ts';

/**
 * `npm run bench -- slurm`: a real Slurm out of Debian's packages, started as root without systemd, which `stillhouse
 * submit` and `stillhouse slurm` use as a person would: a job is submitted and followed, waits, is cancelled, meets its
 * time limit and is put back, loses its processes, is refused, and loses its controller.
 *
 * Fails unless every case ends as it should, and unless losses, scores and all values of a run that was put back or
 * killed equal those of one that nobody disturbed, bit for bit. It takes about six minutes.
 * Options: --capture DIR keeps what Slurm printed, for the fixtures of the unit tests; --tasks only the jobs of two
 * tasks, on one node and on two, which take another ten minutes; --short what `npm test` runs, and where no Slurm can
 * be started, that the script is written all the same; --json.
 */
const { values } = parseArgs({
  allowPositionals: true,
  options: {
    capture: { type: 'string' },
    tasks: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-slurm-'));
const cli = join(await buildPrograms(), 'cli.mjs');
const env = {
  ...process.env,
  ...{ SLURM_CONF: confOf(folder), STILLHOUSE_HOME: join(folder, 'home'), STILLHOUSE_CACHE: cacheFolder() },
};

interface Row {
  case: string;
  seconds: number;
  good: boolean;
  found: string;
}

/** Seconds that a disturbed training should take, so that it meets a time limit of two minutes. */
const LONG = 100;

const rows: Row[] = [];
let cluster: Cluster | null = null;
try {
  cluster = await begunCluster();
  if (values.short) await shortly();
  else if (!values.tasks) await oneTask();
  if (!values.short) await twoTasks();
  if (!values.tasks) await withoutSlurm(cluster);
} finally {
  if (cluster) {
    spawnSync('scancel', ['-u', 'root'], { env });
    cluster.stop();
    await until('nothing of the cluster is left', () => cluster!.hasEnded());
  }
  rmSync(folder, { recursive: true, force: true });
}
for (const { case: name, seconds, good, found } of rows)
  console.log(`${good ? 'good' : 'BAD '}  ${name.padEnd(44)} ${seconds.toFixed(1).padStart(6)} s  ${found}`);
if (values.json) console.log(JSON.stringify(rows));
process.exitCode = rows.length > 0 && rows.every(({ good }) => good) ? 0 : 1;

/** Starts Slurm; where that is not possible, null if the short cases are asked for. */
async function begunCluster(): Promise<Cluster | null> {
  try {
    installSlurm();
    return await startCluster(folder);
  } catch (error) {
    if (!values.short) throw error;
    console.log(`No Slurm can be started here: ${(error as Error).message}`);
    return null;
  }
}

/** What `npm test` asks of a Slurm, as far as there is one. */
async function shortly(): Promise<void> {
  if (!cluster) return;
  await completed();
  const epochs = 60;
  const whole = stillhouse('train', ...settings(epochs, 'whole'), '--threads', '1');
  if (whole.status !== 0) throw new Error(whole.stderr);
  await judged('the word that the time is up puts it back, and it goes on', async () => {
    const job = submit(...settings(epochs, 'limited'));
    await until('it trains', () => checkpoints(runOf('limited')) > 2);
    // As Slurm itself does before the limit, to the script.
    spawnSync('scancel', ['--signal=USR1', '--batch', job], { env });
    return putBack(job, 'whole', 'limited');
  });
  await judged('its process is killed, and it goes on', async () => {
    const job = submit(...settings(epochs, 'killed'), '--max-restarts', '1');
    await until('it trains', () => checkpoints(runOf('killed')) > 2);
    killAll('job.process.mjs', runOf('killed'));
    return followed(job, 'whole', 'killed');
  });
  await judged('scancel has a run saved', async () => {
    const job = submit(...settings(100_000, 'cancelled'));
    await until('it trains', () => checkpoints(runOf('cancelled')) > 0);
    stillhouse('slurm', job, '--cancel');
    await until('its log says so', () => /Stopped and saved/.test(stillhouse('slurm', job, '--log').stdout));
    return [true, shown(job).state];
  });
}

function settings(epochs: number, run: string): string[] {
  const data = makeTinyData(join(folder, 'data'), { train: 16, val: 4 });
  const model = values.short ? 'test_deit_distilled_patch16_32' : 'deit_tiny_patch16_224';
  return [
    ...['--data-path', data, '--model', model, '--input-size', '32', '--batch-size', '4'],
    ...['--epochs', String(epochs), '--warmup-epochs', '0', '--num_workers', '1', '--precision', 'float32'],
    ...['--device', 'cpu', '--no-repeated-aug', '--save-every', '1', '--output-dir', runOf(run)],
  ];
}

function runOf(name: string): string {
  return join(folder, 'runs', name);
}

/** One processor a task everywhere: the sums of a training depend on how many threads make them. */
function submit(...words: string[]): string {
  return submitted(stillhouse('submit', ...words, '--cpus-per-task', '1', '--json'));
}

/** Jobs of two tasks on the node, each a rank of the run. */
async function twoTasks(): Promise<void> {
  const two = ['--ngpus', '2'];
  await judged('two tasks train one run', async () => {
    const done = stillhouse('submit', ...settings(3, 'two'), ...two, '--cpus-per-task', '1', '--follow');
    const { ranks } = JSON.parse(readFileSync(join(runOf('two'), 'run.json'), 'utf8')) as { ranks?: number };
    return [done.status === 0 && ranks === 2, `${lastLine(done.stdout)}, ${ranks} ranks`];
  });
  const epochs = 16;
  const whole = stillhouse('train', ...settings(epochs, 'two-whole'), '--nproc', '2', '--threads', '1');
  if (whole.status !== 0) throw new Error(whole.stderr);
  await judged('one of two tasks is killed, then the other, and both go on', async () => {
    const job = submit(...settings(epochs, 'two-killed'), ...two, '--max-restarts', '2');
    for (const [rank, program] of [
      [1, 'job.process.mjs'],
      [0, 'cli.mjs'],
    ] as const) {
      // prettier-ignore
      const before = checkpoints(runOf('two-killed'));
      await until('it trains', () => checkpoints(runOf('two-killed')) > before + 2);
      killTask(program, runOf('two-killed'), rank);
      const left = new RegExp(`; ${rank} more times`);
      await until('it goes on', () => left.test(stillhouse('slurm', job, '--log').stdout));
    }
    return followed(job, 'two-whole', 'two-killed');
  });
  await judged('the time limit puts two tasks back, and they go on', async () => {
    const long = epochsFor(runOf('two-whole'), 1.5 * LONG);
    const { status, stderr } = stillhouse('train', ...settings(long, 'two-long'), '--nproc', '2', '--threads', '1');
    if (status !== 0) throw new Error(stderr);
    return putBack(submit(...settings(long, 'two-limited'), ...two, '--timeout', '2'), 'two-long', 'two-limited');
  });
  await judged('two nodes of a task each train one run', async () => {
    const job = submit(...settings(epochs, 'nodes'), '--nodes', '2', '--partition', 'pair');
    await until('it trains', () => checkpoints(runOf('nodes')) > 0);
    const onNodes = [0, 1].map((rank) => processesOf('job.process.mjs', runOf('nodes'), rank).map(nodeOf).join());
    const { nodes } = shown(job);
    const [good, found] = await followed(job, 'two-whole', 'nodes');
    const apart = new Set(onNodes).size === 2 && onNodes.every(Boolean);
    return [good && apart, `${nodes}: ${onNodes.join(' and ')}, ${found}`];
  });
  await judged('a task on the second node is killed, and both go on', async () => {
    const job = submit(...settings(epochs, 'nodes-killed'), '--nodes', '2', '--partition', 'pair');
    await until('it trains', () => checkpoints(runOf('nodes-killed')) > 2);
    killTask('job.process.mjs', runOf('nodes-killed'), 1);
    return followed(job, 'two-whole', 'nodes-killed');
  });
  await judged('scancel has both tasks save', async () => {
    const job = submit(...settings(100_000, 'two-cancelled'), ...two);
    await until('it trains', () => checkpoints(runOf('two-cancelled')) > 0);
    stillhouse('slurm', job, '--cancel');
    await until('its log says so', () => /Stopped and saved/.test(stillhouse('slurm', job, '--log').stdout));
    await until('nothing is left', () => processesOf('job.process.mjs', runOf('two-cancelled')).length === 0);
    return [true, shown(job).state];
  });
}

/** Characters of a log that say how a job ended. */
const LOG_END = 2000;

/** Follows a job to its end: its run must equal one that nobody disturbed. */
async function followed(job: string, whole: string, run: string): Promise<[good: boolean, found: string]> {
  const { status } = stillhouse('slurm', job, '--follow');
  const same = await equal(runOf(whole), runOf(run));
  const good = status === 0 && same;
  const log = good ? '' : `, its log ends: ${stillhouse('slurm', job, '--log').stdout.slice(-LOG_END)}`;
  return [good, `${shown(job).state}, ${same ? 'equal' : 'DIFFERS'}${log}`];
}

/** Follows a job that must have been put back. */
async function putBack(job: string, whole: string, run: string): Promise<[good: boolean, found: string]> {
  const [good, found] = await followed(job, whole, run);
  const { restarts } = shown(job);
  return [good && restarts > 0, `${found}, put back ${restarts} times`];
}

function completed(): Promise<void> {
  return judged('a job is submitted, followed and completed', async () => {
    const done = stillhouse('submit', ...settings(2, 'first'), '--cpus-per-task', '1', '--follow');
    return [done.status === 0 && /COMPLETED/.test(done.stdout), lastLine(done.stdout)];
  });
}

async function oneTask(): Promise<void> {
  await completed();
  const epochs = epochsFor(runOf('first'), LONG);
  const whole = stillhouse('train', ...settings(epochs, 'whole'), '--threads', '1');
  if (whole.status !== 0) throw new Error(whole.stderr);

  await judged('one that has no room waits and says why', async () => {
    const long = submit(...settings(100_000, 'cancelled'), '--sbatch', '--exclusive');
    await until('it trains', () => checkpoints(runOf('cancelled')) > 0);
    const second = submit(...settings(2, 'waits'));
    const waits = await until('it waits', () => shown(second).reason === 'Resources' && shown(second));
    capture('squeue', ['-h', '-t', 'all', '-o', '%A|%T|%r|%N|%M']);
    capture('scontrol', ['show', 'job', '-o', second]);
    stillhouse('slurm', second, '--cancel');
    return [waits.state === 'PENDING' && shown(long).nodes !== '', `${waits.state} (${waits.reason})`];
  });
  await judged('scancel has a run saved', async () => {
    const job = jobs().find(({ folder }) => folder === runOf('cancelled'))!.job!;
    const before = checkpoints(runOf('cancelled'));
    stillhouse('slurm', job, '--cancel');
    const ended = await until('it ends', () => shown(job).state === 'CANCELLED' && shown(job));
    await until('its log says so', () => /Stopped and saved/.test(stillhouse('slurm', job, '--log').stdout));
    return [checkpoints(runOf('cancelled')) >= before, ended.state];
  });
  await judged('the time limit puts it back, and it goes on', async () => {
    const job = submit(...settings(epochs, 'limited'), '--timeout', '2');
    const found = await putBack(job, 'whole', 'limited');
    capture('sinfo', ['-h', '-o', '%P|%a|%D|%c|%G|%l']);
    return found;
  });
  await judged('its processes are killed, and it goes on', async () => {
    const job = submit(...settings(epochs, 'killed'), '--max-restarts', '2');
    await until('it trains', () => checkpoints(runOf('killed')) > 3);
    killAll('job.process.mjs', runOf('killed'));
    await until('it goes on', () => /goes on from its last checkpoint/.test(stillhouse('slurm', job, '--log').stdout));
    const before = checkpoints(runOf('killed'));
    await until('it trains again', () => checkpoints(runOf('killed')) > before);
    killAll('cli.mjs', runOf('killed'));
    return followed(job, 'whole', 'killed');
  });
  await judged('one that is killed more often than allowed fails', async () => {
    const job = submit(...settings(100_000, 'fails'), '--max-restarts', '0');
    await until('it trains', () => checkpoints(runOf('fails')) > 0);
    killAll('cli.mjs', runOf('fails'));
    const ended = await until('it ends', () => shown(job).state === 'FAILED' && shown(job));
    return [true, ended.state];
  });
  await judged('a partition that is not there is refused', async () => {
    const { status, stderr } = stillhouse('submit', ...settings(1, 'refused'), '--partition', 'nowhere');
    return [status === 1 && /invalid partition/.test(stderr), lastLine(stderr)];
  });
}

async function withoutSlurm(cluster: Cluster | null): Promise<void> {
  await judged('without a controller the script is written', async () => {
    cluster?.stopController();
    await until('it is gone', () => !existsSync(join(folder, 'slurmctld.pid')));
    const { status, stderr } = stillhouse('submit', ...settings(1, 'written'));
    return [status === 1 && /Not submitted/.test(stderr), lastLine(stderr).slice(0, 100)];
  });
}

async function judged(name: string, work: () => Promise<[good: boolean, found: string]>): Promise<void> {
  const begun = Date.now();
  const row = { case: name, seconds: 0, good: false, found: '' };
  rows.push(row);
  try {
    [row.good, row.found] = await work();
  } catch (error) {
    row.found = String(error);
  }
  row.seconds = (Date.now() - begun) / 1000;
  console.log(`${row.good ? 'good' : 'BAD '}  ${name}: ${row.found}`);
}

function stillhouse(...words: string[]) {
  return spawnSync(process.execPath, [cli, ...words], { env, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function submitted({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const line = stdout.split('\n').find((one) => one.includes('"type":"submitted"'));
  if (line === undefined) throw new Error(stdout + stderr);
  return (JSON.parse(line) as SlurmJob).job!;
}

function jobs(): SlurmJob[] {
  const lines = stillhouse('slurm', '--json').stdout.split('\n');
  return lines.filter((line) => line.includes('"type":"slurm-job"')).map((line) => JSON.parse(line) as SlurmJob);
}

function shown(number: string): SlurmJob {
  return jobs().find(({ job }) => job === number)!;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function checkpoints(run: string): number {
  const path = join(run, 'checkpoints', 'manifest.json');
  if (!existsSync(path)) return 0;
  return (JSON.parse(readFileSync(path, 'utf8')) as { checkpoints: { step: number }[] }).checkpoints.at(-1)?.step ?? 0;
}

/** How many epochs a run of so many seconds has, as another went. */
function epochsFor(run: string, seconds: number): number {
  const last = curve(run).length;
  const lines = readFileSync(join(run, 'history.jsonl'), 'utf8').trim().split('\n');
  const times = lines.map((line) => (JSON.parse(line) as { type: string; time?: number }).time ?? 0).filter(Boolean);
  const each = (times.at(-1)! - times[0]) / 1000 / last;
  return Math.min(2000, Math.max(20, Math.round(seconds / each)));
}

async function equal(one: string, other: string): Promise<boolean> {
  if (JSON.stringify(curve(one)) !== JSON.stringify(curve(other))) return false;
  return (await stateHash(one)) === (await stateHash(other));
}

/** Ends every process of a program that trains in a run, by its lock or its arguments. */
function killAll(program: string, run: string): void {
  const owner = JSON.parse(readFileSync(join(run, 'lock'), 'utf8')) as { pid: number };
  const found = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(program));
  const mine = found.filter((pid) => Number(pid) === owner.pid || commandLine(pid).includes(run));
  if (mine.length === 0) throw new Error(`No process of ${program} trains in ${run}.`);
  for (const pid of mine) process.kill(Number(pid), 'SIGKILL');
}

/** Processes of a program in a job of a run, which are a rank's where one is given. */
function processesOf(program: string, run: string, rank?: number): number[] {
  const script = jobs().find((one) => one.folder === run)!.job!;
  const wanted = [`SLURM_JOB_ID=${script}`, ...(rank === undefined ? [] : [`SLURM_PROCID=${rank}`])];
  const isOurs = (pid: string): boolean => {
    const variables = fileOf(pid, 'environ').split('\0');
    return commandLine(pid).includes(program) && wanted.every((one) => variables.includes(one));
  };
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOurs(pid)).map(Number); // prettier-ignore
}

/** The node of Slurm that a process runs on. */
function nodeOf(pid: number): string {
  const variables = fileOf(String(pid), 'environ').split('\0');
  return variables.find((one) => one.startsWith('SLURMD_NODENAME='))?.slice('SLURMD_NODENAME='.length) ?? '';
}

function killTask(program: string, run: string, rank: number): void {
  const found = processesOf(program, run, rank);
  if (found.length === 0) throw new Error(`No process of ${program} is rank ${rank} of ${run}.`);
  for (const pid of found) process.kill(pid, 'SIGKILL');
}

function commandLine(pid: string): string {
  return fileOf(pid, 'cmdline');
}

function fileOf(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/** Keeps what one of Slurm's commands prints. */
function capture(command: string, words: string[]): void {
  if (values.capture === undefined) return;
  mkdirSync(values.capture, { recursive: true });
  const { stdout, stderr } = spawnSync(command, words, { env: { ...env, LC_ALL: 'C' }, encoding: 'utf8' });
  writeFileSync(join(values.capture, `${command}.txt`), stdout + stderr);
}
