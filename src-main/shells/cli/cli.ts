import { spawnJob } from '../../jobs/job-process.ts';
import type { Interruption } from './command.ts';
import { Interruptions } from './interruptions.ts';
import { runCli } from './main.ts';
import { OutputPipe } from './output-pipe.ts';
import { TIME_UP } from '../../service/slurm/batch-script.ts';

/** The program `stillhouse`. */

const interruptions = new Interruptions();
const pipe = new OutputPipe(process.stdout, process.stderr, interruptions);

// Schedulers send SIGTERM to a whole tree of processes, and a script of theirs hands it on: only Ctrl-C insists.
for (const [signal, code, force] of [
  ['SIGINT', 130, true],
  ['SIGTERM', 143, false],
] as const)
  process.on(signal, () => interrupted(code, force));
process.on('SIGUSR1', () => interrupted(TIME_UP, false, 'time-up'));

// Windows has no signals between programs: closing the console and Ctrl-Break come as these, and whoever started this
// program with a channel asks it to stop over that.
if (process.platform === 'win32')
  for (const signal of ['SIGHUP', 'SIGBREAK'] as const) process.on(signal, () => interrupted(130));
if (process.channel) {
  process.on('message', (message) => message === 'stop' && interrupted(130));
  process.channel.unref();
}

function interrupted(code: number, force = true, why: Interruption = 'stop'): void {
  if (interruptions.any) interruptions.interrupt(force, why);
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
  { onInterrupt: interruptions.on, spawnJob },
);
process.exitCode = pipe.brokenCode ?? code;
