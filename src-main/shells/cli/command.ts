import type { SpawnJob } from '../../service/runs/run-control.ts';
import type { Option, Parsed } from './options.ts';
import type { Reporter, Terminal } from './progress.ts';

/** One command of `stillhouse`. */
export interface Command {
  name: string;
  /** Another name of it. */
  also?: string;
  /** One line. */
  summary: string;
  /** Words after the name, like `DIR`; '' for nothing. */
  words: string;
  /** Says that its words are weight files, so that addresses in their place are fetched first. */
  takesWeights?: true;
  /** How many words it takes. */
  count: readonly [least: number, most: number];
  options: readonly Option[];
  /** Does the work. What it throws is shown, and decides the exit code; what it returns is another one than 0. */
  run(parsed: Parsed, shell: Shell): Promise<number | void>;
}

/** Says why work is asked to end. */
export type Interruption = 'stop' | 'time-up';

/** The parts of its surroundings that a command may use. */
export interface Shell {
  terminal: Terminal;
  reporter: Reporter;
  /** Starts a job, in a process of its own where nobody chose otherwise. */
  spawnJob: SpawnJob;
  /**
   * Calls `ask` at the first interruption (Ctrl-C, a request to terminate, or a scheduler whose time is up) and `force`
   * at the second Ctrl-C, until `release` is called.
   */
  onInterrupt(ask: (why: Interruption) => void, force: () => void): { release(): void };
}

/** Options that every command has. */
export const COMMON: readonly Option[] = [
  { flag: 'json', value: null, help: 'Print one JSON object a line, for programs.' },
  { flag: 'help', value: null, help: 'Show this help; also -h.' },
  { flag: 'version', value: null, help: 'Show the version; also -V.' },
];
