import { describe, expect, it } from 'vitest';
import { spawnJob } from '../../../src-main/jobs/job-process.ts';
import { runCli } from '../../../src-main/shells/cli/main.ts';

/** What one command line prints, and its exit code. */
async function typed(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    interactive: false,
    columns: 80,
  };
  const code = await runCli(argv, terminal, { onInterrupt: () => ({ release: () => undefined }), spawnJob });
  return { code, out, err };
}

it('without arguments lists the commands', async () => {
  expect((await typed()).out).toContain('Usage: stillhouse COMMAND');
});

describe('help', () => {
  it.each(['-h', '--help', 'help'])('lists the options of every command with %s', async (help) => {
    const { out: all, code: done } = await typed(help);
    expect(done).toBe(0);
    const commands = [...all.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name);
    expect(commands.length).toBeGreaterThan(15);
    for (const command of commands) {
      const { code, out } = await typed(command, help);
      expect([code, out.includes(`Usage: stillhouse ${command}`)], command).toEqual([0, true]);
    }
    expect((await typed(help, 'train')).out).toContain('Usage: stillhouse train');
  });

  it('lists the flags that DeiT has', async () => {
    const { out } = await typed('train', '--help');
    for (const flag of ['--data-path', '--teacher-model', '--distillation-type', '--output-dir', '--resume', '--json'])
      expect(out).toContain(flag);
  });

  it('is found among other options, and not behind --', async () => {
    expect((await typed('train', '--epochs', '3', '-h')).out).toContain('Usage: stillhouse train');
    expect((await typed('train', '--', '-h')).err).toContain('expected options only, got -h');
  });
});

it.each([['-V'], ['--version'], ['train', '-V'], ['data', '--version']])(
  'shows the version with %s %s',
  async (...argv) => {
    expect((await typed(...argv)).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  },
);

describe('wrong arguments', () => {
  it.each([
    [['nonsense'], 'The commands are train'],
    [['trian'], 'Did you mean stillhouse train?'],
    [['evaluate-techer'], 'Did you mean stillhouse evaluate-teacher?'],
    [['train', 'now'], 'expected options only, got now'],
    [['train', '-x'], '-x is not known here'],
    [['data', 'data', '--strict'], '--strict: expected --check beside it'],
    [['engine', 'status', '--force'], '--force: expected engine install'],
    [['export', '--checkpoint', 'x', '--output', 'y', '--images', '4'], '--images: expected --check or --check-only'],
    [['evaluate', '--checkpoint', 'x', '--resume', 'y'], 'one of --resume and --checkpoint'],
    [['trash', '--empty', '--restore', 'run'], 'one of --empty and --restore'],
    [['teacher-card', 'x.onnx', '--input-size', '24px'], '--input-size: expected N, got 24px'],
    [['teacher-card', 'x.onnx', '--mean', '0.5', '--std', '1'], '--mean: expected R G B, got 0.5'],
    [['train', '--epcohs', '3'], 'Did you mean --epochs?'],
    [['train', '--epochs', 'many'], '--epochs: expected a whole number'],
    [['train', '--data-path', 'data', '--model', 'deit_gigantic'], 'model'],
    [['train', '--resume', 'auto'], '--output-dir'],
    [['data'], 'expected DIR, got nothing'],
    [['engine', 'polish'], 'install, status, verify'],
    [['export', '--output', 'x.pth'], '--checkpoint: expected FILE'],
    [['train', '--device', 'gpu'], '--device: expected auto, cpu, cuda:0'],
    [['engine', 'install', '--device', 'cuda:0'], '--device: expected cuda, cpu, pjrt-cpu'],
  ])('end %j with 2 and a reason', async (args, reason) => {
    const { code, out, err } = await typed(...args);
    expect(code).toBe(2);
    expect(err).toContain(reason);
    expect(out).toBe('');
  });
});
