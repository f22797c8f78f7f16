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
  process.on(signal, () => (interruptions.any ? interruptions.interrupt() : process.exit(code)));

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
