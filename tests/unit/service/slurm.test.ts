import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultRecipe } from '../../../src-main/protocol/recipe.ts';
import { SLURM_DEFAULTS } from '../../../src-main/protocol/slurm.ts';
import { noticeOf } from '../../../src-main/service/slurm/batch-script.ts';
import { planJob, type JobWish } from '../../../src-main/service/slurm/job-plan.ts';
import { beginSoon, findJobs, listPartitions, submitScript } from '../../../src-main/service/slurm/slurm-client.ts';
import {
  parseJobs,
  parsePartitions,
  parseQueued,
  parseRestarts,
  parseSubmitted,
  parseTime,
} from '../../../src-main/service/slurm/slurm-text.ts';

/** What Slurm 22.05.8 printed (`npm run bench -- slurm --capture DIR`, and by hand for the errors). */
function recorded(name: string): string {
  return readFileSync(join('tests/fixtures/slurm', `${name}.txt`), 'utf8');
}

describe('what Slurm prints', () => {
  it('of jobs in the queue has state, reason, nodes and time', () => {
    const rows = parseJobs(recorded('squeue'), 'squeue').map((facts) => Object.values(facts).join(' '));
    expect(rows).toEqual([
      '7 CANCELLED   0 0 ',
      '4 PENDING Resources  0 0 ',
      '5 PENDING BeginTime  0 0 ',
      '3 RUNNING  vm 4 0 ',
      '6 PENDING PartitionTimeLimit  0 0 ',
    ]);
  });

  it('of partitions is merged over the kinds of their nodes', () => {
    expect(parsePartitions(recorded('sinfo'))).toEqual([
      { name: 'debug', isDefault: true, up: true, nodes: 1, cpus: 2, gpus: 0, minutes: null },
      { name: 'short', isDefault: false, up: true, nodes: 1, cpus: 2, gpus: 0, minutes: 10 },
    ]);
    const [mixed] = parsePartitions(
      'gpu|up|3|64+|gpu:v100:4(S:0-1),shard:8|1-02:00:00\ngpu|up|2|32|(null)|1-02:00:00\n',
    );
    expect(mixed).toMatchObject({ nodes: 5, cpus: 32, gpus: 4, minutes: 26 * 60 });
  });

  it('of a job that was put back says how often, and when', () => {
    expect(parseRestarts(recorded('scontrol'))).toBe(1);
    expect(parseQueued(recorded('scontrol'))).toBe('2026-11-29T16:57:47');
    expect(parseQueued('JobId=3 SubmitTime=Unknown EligibleTime=2026-11-29T16:59:48')).toBe('');
  });

  it('of a submission is its number, with a cluster or without', () => {
    expect(parseSubmitted(recorded('sbatch'))).toBe('8');
    expect(parseSubmitted('123;north\n')).toBe('123');
  });

  it('of ended jobs in the accounting names who ended them', () => {
    const line = '12|CANCELLED by 1000|None|None assigned|00:00:00\n13|COMPLETED|None|node[1-2]|1-00:00:05\n';
    expect(parseJobs(line, 'sacct')).toMatchObject([
      { job: '12', state: 'CANCELLED', nodes: '' },
      { job: '13', state: 'COMPLETED', nodes: 'node[1-2]', elapsed: 86_405 },
    ]);
  });

  it.each([
    ['4:05', 245],
    ['1:00:00', 3600],
    ['2-00:00:01', 172_801],
    ['infinite', null],
  ])('as the time %s is %s s', (text, seconds) => expect(parseTime(text)).toBe(seconds));

  it.each([
    ['a page in place of a number', () => parseSubmitted('<html>')],
    ['a line with a field too few', () => parseJobs('4|PENDING|Resources|', 'squeue')],
    ['a partition without a size', () => parsePartitions('debug|up|many|2|(null)|infinite')],
  ])('is refused where it is %s', (_what, parse) => expect(parse).toThrow('not understood'));
});

describe('the client', () => {
  const { PATH } = process.env;
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slurm-commands-'));
    process.env.PATH = `${folder}:/usr/bin:/bin`;
  });
  afterEach(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true, force: true });
  });

  /** Puts a command in the way that prints what a real one did. */
  function replay(command: string, name: string, code = 0): void {
    writeFileSync(join(folder, `${command}.txt`), recorded(name));
    const text = `#!/bin/sh\ncat '${join(folder, command)}.txt' ${code === 0 ? '' : '>&2'}\nexit ${code}\n`;
    writeFileSync(join(folder, command), text);
    chmodSync(join(folder, command), 0o755);
  }

  it('says that a machine has no Slurm', async () => {
    process.env.PATH = folder;
    await expect(listPartitions()).rejects.toThrow('No Slurm answers here: there is no command sinfo.');
  });

  it.each(['sinfo-no-configuration', 'sinfo-no-controller'])('takes %s for no Slurm', async (name) => {
    replay('sinfo', name, 1);
    await expect(listPartitions()).rejects.toMatchObject({ code: 'slurm.missing' });
  });

  it('hands on why a script is refused', async () => {
    replay('sbatch', 'sbatch-refused', 1);
    const words = 'invalid partition specified: nowhere; Batch job submission failed: Invalid partition name specified';
    await expect(submitScript('/x')).rejects.toMatchObject({ code: 'slurm.refused', params: { message: words } });
  });

  it('finds nothing of a job that neither queue nor accounting knows', async () => {
    replay('squeue', 'squeue-unknown', 1);
    replay('sacct', 'sacct-disabled', 1);
    expect(await findJobs(['99999'])).toEqual([]);
  });

  it('joins what the queue and the controller say', async () => {
    replay('squeue', 'squeue');
    replay('scontrol', 'scontrol');
    const found = await findJobs(['3', '4', '5', '6', '7']);
    expect(found.find(({ job }) => job === '3')).toMatchObject({ state: 'RUNNING', nodes: 'vm', restarts: 1 });
  });

  // A start in the second in which the last one ended has “Job credential revoked”, and Slurm fails the job.
  it('has a job begin ten seconds after it was put back, and where Slurm does not say when, leaves it alone', async () => {
    replay('squeue', 'squeue');
    replay('scontrol', 'scontrol');
    const [job] = (await findJobs(['5'])).filter((one) => one.job === '5');
    const asked = join(folder, 'asked');
    writeFileSync(join(folder, 'scontrol'), `#!/bin/sh\necho "$@" >> '${asked}'\n`);
    await beginSoon(job);
    await beginSoon({ ...job, queued: '2026-12-31T23:59:55' });
    await beginSoon({ ...job, queued: '' });
    expect(readFileSync(asked, 'utf8').trim().split('\n')).toEqual([
      'update jobid=5 starttime=2026-11-29T16:57:57',
      'update jobid=5 starttime=2027-01-01T00:00:05',
    ]);
  });
});

describe('a script', () => {
  const recipe = { ...defaultRecipe(), dataPath: '/my data', device: 'cpu', lr: 1e-3 };
  const wish = (form: Partial<JobWish['form']> = {}, more: Partial<JobWish> = {}): JobWish => ({
    ...{ recipe, base: defaultRecipe(), form: { ...SLURM_DEFAULTS, ...form }, resume: '', folder: '/runs/%j x' },
    ...{ log: '/home/me/slurm/a.log', homeFolder: '/home/me', cacheFolder: '/home/me/cache', ...more },
  });
  const lines = (text: string) => text.split('\n');

  it('asks for what the form says, and quotes what a shell would split', () => {
    const form = { nodes: 2, ngpus: 4, timeout: 60, partition: 'short', comment: "it's mine", useVolta32: true };
    const { text } = planJob(wish({ ...form, sbatch: '--account=abc  --qos=long' }), []);
    expect(lines(text).filter((line) => line.startsWith('#SBATCH'))).toEqual([
      '#SBATCH --job-name=stillhouse',
      '#SBATCH --nodes=2',
      '#SBATCH --ntasks-per-node=4',
      '#SBATCH --cpus-per-task=10',
      '#SBATCH --time=60',
      '#SBATCH --partition=short',
      '#SBATCH --constraint=volta32gb',
      `#SBATCH --comment='it'\\''s mine'`,
      '#SBATCH --account=abc',
      '#SBATCH --qos=long',
      '#SBATCH --signal=B:USR1@120',
      '#SBATCH --requeue',
      '#SBATCH --output=/home/me/slurm/a.log',
      '#SBATCH --open-mode=append',
    ]);
    expect(lines(text)).toContain(`run=/runs/"$SLURM_JOB_ID"' x'`);
    expect(lines(text)).toContain(`  --data-path '/my data'`);
    expect(lines(text)).toContain('  --lr 0.001');
    expect(text).toMatch(/^stillhouse=\(srun --kill-on-bad-exit=1 /m);
  });

  it('of one task starts the training itself', () => {
    const { text } = planJob(wish(), []);
    expect(text).not.toContain('srun');
    expect(text).toMatch(/^begin=\(\)$/m);
  });

  it('of a run that goes on names what differs from that run, also where it is a default', () => {
    const base = { ...recipe, lr: 0.5 };
    const { text } = planJob(wish({}, { base, resume: 'auto', recipe: { ...recipe, lr: 5e-4 } }), []);
    expect(text).toMatch(/^begin=\(--resume auto\)$/m);
    expect(lines(text)).toContain('  --lr 0.0005');
    expect(text).not.toContain('--device');
  });

  it('shares the processors of a node, and says so', () => {
    const partitions = parsePartitions('a*|up|1|12|gpu:2|infinite\nb|up|1|64|(null)|infinite\n');
    const shared = planJob(wish({ ngpus: 4 }), partitions);
    expect(shared.text).toContain('--cpus-per-task=3\n');
    expect(shared.notes.map(({ code }) => code)).toEqual(['slurm.ranks', 'slurm.cpus']);
    expect(planJob(wish({ partition: 'b' }), partitions).text).toContain('--cpus-per-task=10\n');
  });

  it('asks for GPUs where the recipe or the partition has them', () => {
    const partitions = parsePartitions('a*|up|1|12|gpu:2|infinite\nb|up|1|64|(null)|infinite\n');
    const asked = (device: string, form: Partial<JobWish['form']> = {}) =>
      /--gpus-per-node=(\d+)/.exec(planJob(wish(form, { recipe: { ...recipe, device } }), partitions).text)?.[1];
    expect(asked('cpu')).toBeUndefined();
    expect(asked('cuda')).toBe('1');
    expect(() => asked('cuda', { ngpus: 4 })).toThrow('processors only');
    expect(asked('auto')).toBe('1');
    expect(asked('auto', { partition: 'b' })).toBeUndefined();
  });

  it('of several tasks trains on processors, which share a step, and says so', () => {
    const several = { ...recipe, device: 'auto', batchSize: 96 };
    const { text, notes } = planJob(wish({ nodes: 2, ngpus: 3 }, { recipe: several }), []);
    expect(lines(text)).toEqual(expect.arrayContaining(['  --device cpu', '  --batch-size 96']));
    expect(text).toMatch(/^export STILLHOUSE_RANKS_SECRET=\$\(/m);
    expect(notes[0].params).toMatchObject({ count: 6, batch: 96, each: 16 });
    expect(() => planJob(wish({ ngpus: 5 }), [])).toThrow('multiple of 5');
  });

  it.each([
    ['a line of its own', { comment: 'x\n#SBATCH --nodes=9' }],
    ['an option that the form has', { sbatch: '--time=3' }],
    ['a word that is no option', { sbatch: '--account=a $(reboot)' }],
  ])('refuses %s', (_what, form) => expect(() => planJob(wish(form), [])).toThrow('expected'));

  it.each([
    [2800, 120],
    [3, 60],
    [1, 20],
  ])('of %i minutes hears %i s before', (minutes, seconds) => expect(noticeOf(minutes)).toBe(seconds));

  it('can be read by bash', () => {
    const { text } = planJob(wish({ ngpus: 2 }, { resume: '/a b' }), []);
    expect(execFileSync('bash', ['-n'], { input: text, encoding: 'utf8' })).toBe('');
  });
});
