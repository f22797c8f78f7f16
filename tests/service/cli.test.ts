import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { openFile } from '../../src-main/runs/file-source.ts';
import { exportedFiles } from '../../src-main/runs/export-list.ts';
import { readLog } from '../../src-main/runs/history.ts';
import { buildPrograms } from '../helpers/build.ts';
import { jsonLines, stillhouseApart, stillhouseHere, type Place } from '../helpers/command-line.ts';
import { pseudoRandom } from '../helpers/engine.ts';
import { makeDataset } from '../helpers/images.ts';

/** The program `stillhouse`: arguments, output and an exit code; as a process where that is what counts. */
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-cli-'));
const data = join(folder, 'data');
const run = join(folder, 'run');
let program: string;

beforeAll(async () => {
  makeDataset(data, { train: 16, val: 6, side: 40 });
  writeFileSync(join(data, 'val', 'blue', 'notes.jpg'), 'Not an image.');
  program = join(await buildPrograms(), 'cli.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const place = (more: Record<string, string> = {}): Place => ({
  cwd: folder,
  env: { STILLHOUSE_HOME: join(folder, 'home'), ...more },
});
const stillhouse = (args: string[], more?: Record<string, string>) => stillhouseHere(args, place(more));
const lines = jsonLines;

const PLAIN = [
  '--aa',
  '',
  '--color-jitter',
  '0',
  '--reprob',
  '0',
  '--mixup',
  '0',
  '--cutmix',
  '0',
  '--no-repeated-aug',
];
const SMALL = ['--input-size', '32', '--batch_size', '8', '--warmup-epochs', '0', '--unscale-lr', '--threads', '2'];

describe('arguments', () => {
  it('that are wrong end with 2 and a reason, those that are right with 0', async () => {
    const wrong = await stillhouseApart(['train', '--epcohs', '3'], place());
    expect([wrong.code, wrong.out]).toEqual([2, '']);
    expect(wrong.err).toContain('Did you mean --epochs?');
    expect(await stillhouseApart(['--version'], place())).toMatchObject({ code: 0, err: '' });
  });

  it('that are said twice, and variables that nothing reads, are noted', async () => {
    const typed = ['forecast', '--epochs', '3', '--epochs', '4', '--model', 'nonsense'];
    const { err } = await stillhouse(typed, { STILLHOUSE_HOEM: '/nowhere' });
    expect(err).toContain('--epochs 3 is overruled by the later --epochs 4.');
    expect(err).toContain('STILLHOUSE_HOEM changes nothing. Did you mean STILLHOUSE_HOME?');
  });

  it('that name what is not there end with 1', async () => {
    const ended = await stillhouse(['data', 'nowhere', '--json']);
    expect(ended.code).toBe(1);
    expect(lines(ended)).toEqual([expect.objectContaining({ type: 'error', code: 'data.no-folder' })]);
  });
});

describe('looking', () => {
  it('counts the images of a folder and lists those that cannot be read', async () => {
    const ended = await stillhouse(['data', 'data', '--check', '--json']);
    expect(ended.code).toBe(0);
    expect(lines(ended).at(-1)).toMatchObject({
      type: 'data',
      train: 48,
      val: 18,
      excluded: 1,
      classes: [{ name: 'amber' }, { name: 'blue', train: 16, val: 6 }, { name: 'crimson' }],
      report: { checked: 67, findings: [{ kind: 'unreadable', files: [{ file: 'val/blue/notes.jpg' }] }] },
    });
  });

  it('tells which GPUs there are, why none computes, and what would have to be fetched', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const row = '0, NVIDIA A10, 23028, 22500, 8.6, GPU-a, 550.54.14';
    writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\necho '${row}'\n`, { mode: 0o755 });
    const machine = { PATH: `${bin}:${process.env.PATH}`, STILLHOUSE_CACHE: join(folder, 'bare') };
    const told = await stillhouse(['engine', 'status', '--json'], machine);
    const gpu = { index: 0, name: 'NVIDIA A10', memory: 23028 * 2 ** 20, capability: 8.6 };
    expect(lines(told)).toMatchObject([
      {
        state: 'missing',
        gpu: { driver: '550.54.14', gpus: [gpu], device: 'cpu', plugin: 'pjrt-cuda12', why: { code: 'cuda.driver' } },
      },
    ]);
    expect(lines(told)[0].gpu).toMatchObject({ reason: { code: 'gpu.no-engine', params: { plugin: 'pjrt-cuda12' } } });
    const hidden = { ...machine, CUDA_VISIBLE_DEVICES: '' };
    const refused = await stillhouse(['eval', '--checkpoint', data, '--device', 'cuda:0'], hidden);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('CUDA_VISIBLE_DEVICES is "", which hides every GPU');
    const { out, err } = await stillhouse(['engine', 'wheels', '--device', 'cuda'], machine);
    expect(err).toContain('cuda is pjrt-cuda12 here: driver 550.54.14 is older than 580.65.06');
    expect(out.trim().split('\n')).toContainEqual(expect.stringMatching(/^nvidia-cudnn-cu12==9\.\S+ --hash=sha256:/));
  });

  it('fails a strict check, in the words of the terminal, and steers no terminal', async () => {
    const hostile = join(folder, 'hostile');
    makeDataset(hostile, { train: 2, val: 1, side: 8 });
    renameSync(join(hostile, 'train', 'amber'), join(hostile, 'train', 'n01440764'));
    renameSync(join(hostile, 'val', 'amber'), join(hostile, 'val', 'n01440764'));
    renameSync(join(hostile, 'train', 'blue'), join(hostile, 'train', '\u001b[31m\u202ered\n'));
    const loose = await stillhouse(['data', 'hostile', '--check'], { LC_ALL: 'zh_CN.UTF-8' });
    expect(loose.code).toBe(0);
    expect(loose.out).toMatch(/n01440764 +2 +1 {2}丁鱥/);
    expect(loose.out).toContain('\\u001b[31m\\u202ered\\n');
    expect(loose.out).not.toMatch(/[\u001b\u202e]/);
    copyFileSync(join(hostile, 'train/n01440764/000.png'), join(hostile, 'val/n01440764/leaked.png'));
    const strict = await stillhouse(['data', 'hostile', '--check', '--strict', '--json']);
    expect(strict.code).toBe(1);
    expect(lines(strict).slice(-2)).toMatchObject([
      { type: 'data', report: { checked: 9, reused: 8, findings: [{ kind: 'leak', count: 1 }] } },
      { type: 'error', code: 'data.findings', params: { unreadable: 0, leaks: 1 } },
    ]);
    const clean = await stillhouse(['data', 'hostile', '--leave-out', 'leak', '--json']);
    expect(lines(clean)).toMatchObject([{ excluded: 1, train: 5, excludedList: { count: 1, kinds: ['leak'] } }]);
    expect((await stillhouse(['data', 'hostile', '--leave-out', 'nonsense'])).code).toBe(2);
  });

  it('lists the networks', async () => {
    const ended = await stillhouse(['models', '--json']);
    expect(lines(ended)).toContainEqual(
      expect.objectContaining({
        type: 'model',
        name: 'deit_tiny_distilled_patch16_224',
        parameters: 5910800,
        gflops: 1.261003776,
      }),
    );
  });
});

describe('a machine without Slurm', () => {
  const bare = { PATH: join(folder, 'nowhere') };
  const settings = ['--data-path', data, '--model', 'deit_tiny_patch16_224', '--batch-size', '8'];

  it('has a script printed, or written to be submitted elsewhere, and says so', async () => {
    const shown = await stillhouse(['submit', ...settings, '--nodes', '1', '--dry-run'], bare);
    expect(shown).toMatchObject({ code: 0, out: expect.stringMatching(/^#!\/bin\/bash\n/) as string });
    expect(await stillhouse(['slurm'], bare)).toMatchObject({ out: 'No job was submitted from here.\n' });
    const written = await stillhouse(['submit', ...settings], bare);
    expect(written).toMatchObject({ code: 1, err: expect.stringContaining('there is no command sinfo') as string });
    const [job] = lines(await stillhouse(['slurm', '--json'], bare));
    expect(job).toMatchObject({ type: 'slurm-job', job: null, state: 'WRITTEN' });
    expect(existsSync(String(job.script))).toBe(true);
    expect(await stillhouse(['slurm', String(job.name), '--forget'], bare)).toMatchObject({ code: 0 });
    expect(existsSync(String(job.script))).toBe(false);
  });

  it('refuses before that what could not be trained', async () => {
    const ended = await stillhouse(['submit', '--data-path', join(folder, 'none')], bare);
    expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('There is no folder') as string });
    const twice = await stillhouse(['submit', ...settings, '--sbatch', '--time=3'], bare);
    expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('--sbatch') as string });
  });
});

describe('training', () => {
  it('is stopped by an interruption, saved, and resumed with the same command line', async () => {
    const args = [
      'train',
      '--data-path',
      'data',
      '--model',
      'test_deit_distilled_patch16_32',
      '--lr',
      '1e-3',
      ...SMALL,
      ...PLAIN,
    ];
    const job = [...args, '--epochs', '3', '--output_dir', 'run', '--resume', 'auto', '--json'];
    let interrupted = false;
    const first = await stillhouseApart(job, place(), (text, child) => {
      if (interrupted || !text.includes('"type":"step"')) return;
      interrupted = true;
      child.kill('SIGINT');
    });
    expect(first.code).toBe(130);
    expect(lines(first).at(-1)).toMatchObject({ type: 'result', state: 'stopped', run });
    expect(readLog(run).length).toBeLessThan(3);

    const second = await stillhouse(job);
    expect(second.code).toBe(0);
    expect(lines(second).at(-1)).toMatchObject({ type: 'result', state: 'finished', run });
    const log = readLog(run);
    expect(log.map((line) => line.epoch)).toEqual([0, 1, 2]);
    expect(Object.keys(log[0])).toEqual([
      'train_lr',
      'train_loss',
      'test_loss',
      'test_acc1',
      'test_acc5',
      'epoch',
      'n_parameters',
    ]);
    expect((await stillhouse([...args, '--output_dir', 'run'])).code).toBe(1);
  });

  it('whose reader goes away is saved, says so, and is not called done', async () => {
    const args = ['train', '--data-path', data, '--model', 'test_deit_distilled_patch16_32', ...SMALL, ...PLAIN];
    const quoted = [process.execPath, program, ...args, '--epochs', '50', '--output_dir', 'piped', '--json']
      .map((word) => `'${word}'`)
      .join(' ');
    // `head` leaves at the third step; the shell prints the exit code of the program, not of `head`.
    const script = `(${quoted}; echo "code $?" >&2) | grep --line-buffered '"type":"step"' | head -n 3`;
    const env = { ...process.env, STILLHOUSE_HOME: join(folder, 'home') };
    const child = spawn('sh', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (err += text));
    await new Promise((resolve) => child.on('close', resolve));
    expect(out.trim().split('\n')).toHaveLength(3);
    expect(err).toContain('Nobody reads the output any more: ending what runs; a training is saved first.');
    expect(err).toMatch(/code 141\n$/);
    const shown = await stillhouse(['show', 'piped', '--json']);
    expect(lines(shown)[0]).toMatchObject({ state: 'stopped' });
    expect(lines(shown)[0].checkpoints).toContainEqual(expect.objectContaining({ last: true }));
  });

  it("is evaluated, closing with DeiT's line", async () => {
    const { code, out, err } = await stillhouse(['eval', '--resume', 'run', '--data-path', 'data', '--threads', '2']);
    expect(code).toBe(0);
    // The check before has put it on the list.
    expect(err).toContain('left out by the list excluded.txt');
    const [, acc1, acc5, loss] = /^\* Acc@1 (\S+) Acc@5 (\S+) loss (\S+)$/.exec(out.trim().split('\n').at(-1)!) ?? [];
    const best = Math.max(...readLog(run).map((line) => line.test_acc1));
    expect(Number(acc1)).toBeCloseTo(best, 3);
    expect(Number(acc5)).toBe(100);
    expect(Number(loss)).toBeGreaterThan(0);
  });

  it.each(['--resume', '--finetune'])(
    "is evaluated by DeiT's own command with %s, its two lines alone",
    async (flag) => {
      const { code, out, err } = await stillhouse([
        'train',
        '--eval',
        flag,
        'run',
        '--data-path',
        'data',
        '--threads',
        '2',
      ]);
      expect(code).toBe(0);
      expect(err).not.toContain('change nothing');
      const pattern =
        /^\* Acc@1 (\d+\.\d{3}) Acc@5 \d+\.\d{3} loss \d+\.\d{3}\nAccuracy of the network on the (\d+) test images: (\d+\.\d)%\n$/;
      const [, acc1, images, rounded] = pattern.exec(out) ?? [];
      expect(Number(rounded)).toBeCloseTo(Number(acc1), 0);
      expect(Number(images)).toBeGreaterThan(0);
    },
  );

  it('is evaluated class by class, as CSV', async () => {
    const args = ['evaluate', '--checkpoint', 'run', '--data-path', 'data', '--threads', '2', '--no-keep', '--csv'];
    const { code, out } = await stillhouse(args);
    expect(code).toBe(0);
    const rows = out.trim().split('\r\n');
    expect(rows[0]).toMatch(/^class,images,predicted,acc1,acc5,precision,recall,f1,/);
    expect(rows.slice(1).map((row) => row.split(',')[0])).toEqual(['amber', 'blue', 'crimson']);
  });

  it('is exported, and the export answers as the checkpoint does', async () => {
    const input = join(folder, 'images.safetensors');
    const images = {
      name: 'images',
      shape: [3, 3, 32, 32],
      dtype: 'F32',
      values: pseudoRandom(3 * 3 * 32 * 32, 7),
    } as const;
    writeFileSync(input, Buffer.concat([...writeSafetensors([images], {})]));
    const answers = [];
    for (const weights of ['run', 'model.safetensors', 'model.pth']) {
      if (weights !== 'run')
        expect((await stillhouse(['export', '--checkpoint', 'run', '--output', weights])).code).toBe(0);
      const forward = ['forward', '--model', 'test_deit_distilled_patch16_32', '--weights', weights, '--threads', '2'];
      const { code, out } = await stillhouse([...forward, '--input', input, '--output', `${weights}.logits`]);
      expect(out).toContain('logits [3, 3]');
      expect(code).toBe(0);
      answers.push(readAll(join(folder, `${weights}.logits`)));
    }
    expect(exportedFiles(run)).toEqual(expect.arrayContaining([join(folder, 'model.pth')]));
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    const { logits, head, head_dist: headDist } = answers[0];
    logits.forEach((value, index) => expect(value).toBeCloseTo((head[index] + headDist[index]) / 2, 6));
  });

  it('is exported and checked; a file that is not the checkpoint ends with 1', async () => {
    const output = join(folder, 'checked.safetensors');
    const asked = ['export', '--checkpoint', 'run', '--output', output, '--images', '4', '--threads', '2'];
    const { code, out, err } = await stillhouse([...asked, '--check']);
    expect(code, err).toBe(0);
    expect(out).toMatch(/^check +passed$/m);
    expect(out).toMatch(/^logits differ by +0\.00 at most, 0\.00 in the mean$/m);
    expect(out).toMatch(/^batch of 32 +\S+ ms median, \S+ ms p90, \S+ images\/s \(\d+ runs\)$/m);
    expect(out).toMatch(/^computed by +cpu, 2 threads$/m);
    truncateSync(output, 1000);
    const again = await stillhouse([...asked, '--check-only', '--json']);
    expect(again.code).toBe(1);
    const [result] = lines(again).filter(({ type }) => type === 'result');
    expect(result).toMatchObject({ passed: false, check: { problems: [{ code: 'weights.format' }] } });
  });

  it('is inspected: the network, its classes and its size are told of checkpoint and export', async () => {
    const [checkpoint] = lines(await stillhouse(['inspect', 'run', '--json']));
    const network = { models: ['test_deit_distilled_patch16_32'], classes: 3, inputSize: 32, distilled: true };
    expect(checkpoint.network).toMatchObject({ ...network, layout: 'Stillhouse checkpoint' });
    expect(checkpoint.classNames).toEqual(['amber', 'blue', 'crimson']);
    const { code, out } = await stillhouse(['inspect', 'model.pth', '--values']);
    expect(code).toBe(0);
    expect(out).toMatch(/^.*model\.pth: torch, zip format, \d+ kB$/m);
    expect(out).toContain('Network: test_deit_distilled_patch16_32, names of timm, distilled\nClasses: 3 (');
    expect(out).toContain('Values: all finite');
    const missing = await stillhouse(['inspect', 'nowhere.pth', '--json']);
    expect([missing.code, lines(missing)[0].code]).toEqual([1, 'file.missing']);
  });

  it('is evaluated by the heads that are asked for', async () => {
    const scores = [];
    for (const heads of ['distillation', 'softmax']) {
      const args = ['eval', '--checkpoint', 'run', '--data-path', 'data', '--threads', '2', '--eval-heads', heads];
      scores.push(lines(await stillhouse([...args, '--json'])).at(-1)!);
    }
    const [distillation, softmax] = scores;
    expect(distillation.test).toEqual(distillation.distillationHead);
    const alone = [softmax.classHead, softmax.distillationHead];
    expect(alone).toEqual([distillation.classHead, distillation.distillationHead]);
    expect(alone).not.toContainEqual(softmax.test);
  });

  it('needs enough images and leaves no folder behind when it has not', async () => {
    const few = await stillhouse([
      'train',
      '--data-path',
      'data',
      '--batch-size',
      '100',
      '--output_dir',
      'few',
      '--json',
    ]);
    expect(few.code).toBe(1);
    expect(lines(few)).toEqual([expect.objectContaining({ code: 'data.too-few' })]);
    expect(existsSync(join(folder, 'few'))).toBe(false);
  });
});

function readAll(path: string): Record<string, number[]> {
  const source = openFile(path);
  const { tensors } = readSafetensors(source, path);
  const values = Object.fromEntries([...tensors].map(([name, tensor]) => [name, [...tensor.toFloat32()]]));
  source.close();
  return values;
}
