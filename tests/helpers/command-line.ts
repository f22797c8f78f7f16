import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { buildPrograms } from './build.ts';
import { jobBundle, jobHere } from './jobs-here.ts';

/** What a command line printed, and its exit code. */
export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Folder that command lines are typed in, and variables that they see beside those of this process. */
export interface Place {
  cwd: string;
  env: Record<string, string>;
}

/**
 * Runs a command line of `stillhouse` in this process, jobs and all: a process of its own, and another for its job, take
 * three seconds of a processor. For tests of what a command says and leaves.
 */
export async function stillhouseHere(args: readonly string[], place: Place): Promise<Ended> {
  const { ended } = await typedHere(args, place);
  return ended;
}

/** A command line that runs: what it has printed, and a Ctrl-C. */
export interface Typed {
  said: Ended;
  interrupt(): void;
  ended: Promise<Ended>;
}

/** Begins what {@link stillhouseHere} does; the place is that of this process until it has ended. */
export async function typedHere(args: readonly string[], place: Place): Promise<Typed> {
  const { Interruptions, ownedJob, runCli } = await jobBundle();
  const interruptions = new Interruptions();
  const said: Ended = { code: null, out: '', err: '' };
  const terminal = {
    out: (text: string) => void (said.out += text),
    err: (text: string) => void (said.err += text),
    interactive: false,
    columns: 80,
  };
  const surroundings = {
    onInterrupt: interruptions.on,
    spawnJob: ((job, options) => jobHere(job, options, ownedJob)) as typeof jobHere,
  };
  const leave = enter(place);
  const ended = runCli(args, terminal, surroundings).finally(leave);
  return {
    said,
    interrupt: () => interruptions.interrupt(false, 'stop'),
    ended: ended.then((code) => Object.assign(said, { code })),
  };
}

/** Makes a place that of this process. @returns what undoes it */
function enter({ cwd, env }: Place): () => void {
  const folder = process.cwd();
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  process.chdir(cwd);
  Object.assign(process.env, env);
  return () => {
    process.chdir(folder);
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

/** Runs a command line as a person does: in a process of its own. */
export async function stillhouseApart(
  args: readonly string[],
  { cwd, env }: Place,
  onOutput: (text: string, child: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const program = join(await buildPrograms(), 'cli.mjs');
  const own = { cwd, env: { ...process.env, ...env } };
  const child = spawn(process.execPath, [program, ...args], { ...own, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.out += text;
    onOutput(text, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (ended.err += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}

/** Reads what `--json` prints. */
export function jsonLines({ out }: Ended): Record<string, unknown>[] {
  const lines = out.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
