import { describe, expect, it } from 'vitest';
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
  const code = await runCli(argv, terminal, () => ({ release: () => undefined }));
  return { code, out, err };
}

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
