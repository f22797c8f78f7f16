import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { VERSION } from '../../protocol/version.ts';
import { nearest } from '../../base/nearest-word.ts';
import { strangeVariables } from './environment.ts';
import { COMMON, type Command, type Shell } from './command.ts';
import { data } from './data.ts';
import { distil } from './distil.ts';
import { engine } from './engine.ts';
import { evaluate } from './evaluate.ts';
import { inspect } from './inspect.ts';
import { describeOptions, parseArguments, type Parsed } from './options.ts';
import { jsonReporter, textReporter, type Reporter, type Terminal } from './progress.ts';
import { forecast } from './forecast.ts';
import { predict } from './predict.ts';
import { localWeights, weights } from './published.ts';
import { queue } from './queue.ts';
import { history, report, runs, show, trash } from './runs.ts';
import { serve } from './serve.ts';
import { slurm } from './slurm.ts';
import { study } from './study.ts';
import { submit } from './submit.ts';
import { models, sample } from './tools.ts';
import { evaluateTeacher, teacherCard } from './teachers.ts';
import { teach } from './teach.ts';
import { teacher, train } from './train.ts';
import { exportWeights } from './export.ts';
import { forward } from './weights.ts';

/** Every command. To add one: "A command of the command line" in docs/adding.md. */
const COMMANDS: readonly Command[] = [
  train,
  submit,
  slurm,
  teacher,
  distil,
  study,
  forecast,
  teach,
  teacherCard,
  evaluateTeacher,
  evaluate,
  predict,
  exportWeights,
  forward,
  runs,
  show,
  history,
  report,
  trash,
  inspect,
  data,
  sample,
  models,
  weights,
  engine,
  queue,
  serve,
];

/**
 * Runs one command line.
 * @param argv what stands after the program's name.
 * @returns the exit code: 0 done, 1 failed, 2 bad arguments, 130 stopped before the end.
 */
export async function runCli(
  argv: readonly string[],
  terminal: Terminal,
  surroundings: Pick<Shell, 'onInterrupt' | 'spawnJob'>,
): Promise<number> {
  const reporter = argv.includes('--json') ? jsonReporter(terminal) : textReporter(terminal);
  const shell: Shell = { terminal, reporter, ...surroundings };
  try {
    const [name, ...rest] = argv;
    if (name === undefined || asksHelp(name)) return help(rest[0], terminal);
    if (asksVersion(name)) return say(`${VERSION}\n`, terminal);
    const command = commandOf(name);
    const options = rest.slice(0, [...rest, '--'].indexOf('--'));
    if (options.some(asksVersion)) return say(`${VERSION}\n`, terminal);
    if (options.some((word) => HELP.includes(word)) || asksHelp(options[0]))
      return say(describeCommand(command), terminal);
    const parsed = parseArguments(rest, [...command.options, ...COMMON]);
    checkWords(command, parsed);
    for (const note of [...parsed.notes, ...strangeVariables(process.env)]) reporter.note(note);
    await localWeights(parsed, command, shell);
    return (await command.run(parsed, shell)) ?? 0;
  } catch (error) {
    return failed(error, reporter, terminal);
  }
}

const HELP: readonly (string | undefined)[] = ['-h', '--help'];

function asksHelp(word: string | undefined): boolean {
  return word === 'help' || HELP.includes(word);
}

function asksVersion(word: string): boolean {
  return word === '-V' || word === '--version';
}

function failed(error: unknown, reporter: Reporter, { err }: Terminal): number {
  const plain = toPlainError(error);
  reporter.error(plain);
  if (!(error instanceof StillhouseError)) err(`${error instanceof Error ? error.stack : String(error)}\n`);
  return /^(argument|recipe)\./.test(plain.code) ? 2 : 1;
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((command) => command.name === name || command.also === name);
  if (command) return command;
  const names = COMMANDS.flatMap((command) => [command.name, ...(command.also ? [command.also] : [])]);
  const near = nearest(name.toLowerCase().replace(/_/g, '-'), names);
  const list = `The commands are ${COMMANDS.map((command) => command.name).join(', ')}.`;
  const hint = near ? `Did you mean stillhouse ${near}? ${list}` : list;
  throw new StillhouseError('argument.unknown', { name, hint });
}

function checkWords({ name, words, count: [least, most] }: Command, parsed: Parsed): void {
  const { length } = parsed.words;
  if (length >= least && length <= most) return;
  const got = length < least ? 'nothing' : parsed.words.slice(most).join(' ') || '""';
  throw new StillhouseError('argument.invalid', { name, expected: words || reason('value.options-only'), got });
}

function help(name: string | undefined, terminal: Terminal): number {
  return say(name === undefined ? overview() : describeCommand(commandOf(name)), terminal);
}

function say(text: string, { out }: Terminal): number {
  out(text);
  return 0;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  return `Stillhouse ${VERSION}: trains DeiT by distillation.

Usage: stillhouse COMMAND [OPTIONS]

${lines.join('\n')}

stillhouse COMMAND --help lists its options. Dashes and underscores in options are the same.
Exit codes: 0 done, 1 failed, 2 bad arguments, 75 saved because SIGUSR1 said that the time is nearly up, 130 stopped by
Ctrl-C, 141 stopped because nobody reads the output.
`;
}

function describeCommand({ name, summary, words, options }: Command): string {
  const usage = ['stillhouse', name, words, '[OPTIONS]'].filter(Boolean).join(' ');
  return `${summary}\n\nUsage: ${usage}\n\n${describeOptions([...options, ...COMMON])}\n`;
}
