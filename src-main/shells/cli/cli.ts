import type { Shell } from './command.ts';
import { runCli } from './main.ts';

/** The program `stillhouse`. */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

const onInterrupt: Shell['onInterrupt'] = (ask, force) => {
  let asked = false;
  const listener = (): void => {
    if (asked) return force();
    asked = true;
    ask();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    release: () => {
      for (const signal of SIGNALS) process.removeListener(signal, listener);
    },
  };
};

// A reader that has had enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
    get columns() {
      return process.stderr.columns || 80;
    },
  },
  onInterrupt,
);
