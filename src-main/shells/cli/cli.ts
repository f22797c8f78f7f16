import { Interruptions } from './interruptions.ts';
import { runCli } from './main.ts';
import { OutputPipe } from './output-pipe.ts';

/** The program `stillhouse`. */

const interruptions = new Interruptions();
const pipe = new OutputPipe(process.stdout, process.stderr, interruptions);

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => interrupted(code));

// Windows has no signals between programs: closing the console and Ctrl-Break come as these, and whoever started this
// program with a channel asks it to stop over that.
if (process.platform === 'win32')
  for (const signal of ['SIGHUP', 'SIGBREAK'] as const) process.on(signal, () => interrupted(130));
if (process.channel) {
  process.on('message', (message) => message === 'stop' && interrupted(130));
  process.channel.unref();
}

function interrupted(code: number): void {
  if (interruptions.any) interruptions.interrupt();
  else process.exit(code);
}

const code = await runCli(
  process.argv.slice(2),
  {
    out: (text) => pipe.out(text),
    err: (text) => pipe.err(text),
    interactive: process.stderr.isTTY === true,
    get columns() {
      return process.stderr.columns || 80;
    },
  },
  interruptions.on,
);
process.exitCode = pipe.brokenCode ?? code;
