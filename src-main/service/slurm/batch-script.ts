import { quoteWord } from '../../protocol/recipe-flags.ts';
import type { SlurmForm } from '../../protocol/slurm.ts';
import { VERSION } from '../../protocol/version.ts';

/** Writes the script of a job, for Slurm and for people: what it asks for, what it trains, and how it goes on. */

/** Holds what a script is made of. Paths are absolute; `%j` in them is Slurm's number of the job. */
export interface ScriptParts {
  form: SlurmForm;
  cpusPerTask: number;
  /** GPUs that are asked for on each node; 0 asks for none. */
  gpus: number;
  /** Flags of the training, but for where its run lies. */
  flags: readonly (readonly string[])[];
  /** Folder of the run. */
  folder: string;
  /** File or run that it begins with; null for none. `auto` goes on in `folder`. */
  resume: string | null;
  log: string;
  /** The words that start `stillhouse`. */
  program: readonly string[];
  environment: Readonly<Record<string, string>>;
}

/** Marks the end of a training that was saved because its time is up: EX_TEMPFAIL of sysexits.h, “try again later”. */
export const TIME_UP = 75;

/** Writes a script for sbatch. */
export function batchScript(parts: ScriptParts): string {
  return [head(parts), places(parts), training(parts), CONTINUING].join('\n');
}

function head({ form, cpusPerTask, gpus, log }: ScriptParts): string {
  const { nodes, ngpus, timeout, partition, useVolta32, comment, sbatch } = form;
  const options = [
    '--job-name=stillhouse',
    `--nodes=${nodes}`,
    `--ntasks-per-node=${ngpus}`,
    `--cpus-per-task=${cpusPerTask}`,
    ...(gpus > 0 ? [`--gpus-per-node=${gpus}`] : []),
    `--time=${timeout}`,
    ...(partition ? [`--partition=${quoteWord(partition)}`] : []),
    ...(useVolta32 ? ['--constraint=volta32gb'] : []),
    ...(comment ? [`--comment=${quoteWord(comment)}`] : []),
    ...sbatch.split(/\s+/).filter((word) => word !== ''),
    // Slurm sends USR1 to this script so many seconds before the time is up; the run is saved and put back.
    `--signal=B:USR1@${noticeOf(timeout)}`,
    '--requeue',
    `--output=${quoteWord(log)}`,
    '--open-mode=append',
  ];
  const lines = options.map((option) => `#SBATCH ${option}`);
  return ['#!/bin/bash', `# Written by Stillhouse ${VERSION}. Submit it with: sbatch FILE`, ...lines, ''].join('\n');
}

/** Returns how many seconds before the time limit a run is saved: DeiT's two minutes, of a short limit a third. */
export function noticeOf(minutes: number): number {
  return Math.min(120, Math.floor((minutes * 60) / 3));
}

function places({ environment, program, folder, form }: ScriptParts): string {
  const variables = Object.entries(environment).map(([name, value]) => `export ${name}=${quoteWord(value)}`);
  const many = form.nodes * form.ngpus > 1;
  const launch = many ? 'srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" ' : '';
  return [
    ...variables,
    // Drawn anew at each start, and in no file: the tasks know each other by it.
    ...(many ? [`export STILLHOUSE_RANKS_SECRET=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')`] : []),
    `run=${withNumber(folder)}`,
    `stillhouse=(${launch}${program.map(quoteWord).join(' ')})`,
    `restarts=${form.maxRestarts} # how often it goes on when a task dies`,
    '',
  ].join('\n');
}

/** `%j` as the shell has it. */
function withNumber(path: string): string {
  const pieces = path.split('%j').map((piece) => (piece === '' ? '' : quoteWord(piece)));
  return pieces.join('"$SLURM_JOB_ID"');
}

function training({ flags, resume }: ScriptParts): string {
  const lines = flags.map((words) => `  ${words.map(quoteWord).join(' ')}`);
  const first = resume === null ? '' : `--resume ${quoteWord(resume)}`;
  return [
    'train=(',
    '  train',
    ...lines,
    '  --output-dir "$run"',
    '  --threads "$SLURM_CPUS_PER_TASK"',
    ')',
    `begin=(${first})`,
    '',
  ].join('\n');
}

/** The part that is the same in every script. */
const CONTINUING = `# USR1 has the training save and end with ${TIME_UP}, TERM (scancel) has it save and end with 130.
child=
cancelled=
hand_on() { handed=yes; [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null; }
trap 'hand_on USR1' USR1
trap 'cancelled=yes; hand_on TERM' TERM

# Trains until the training ends; leaves its exit code in code.
attempt() {
  "\${stillhouse[@]}" "\${train[@]}" "\${begin[@]}" &
  child=$!
  while handed=; wait "$child"; code=$?; [ -n "$handed" ]; do :; done
  child=
}

# Names what is saved: without anything new, putting the job back would never end.
saved() { cksum 2>/dev/null <"$run/checkpoints/manifest.json"; }

# After the first start the run itself goes on, if it came to be.
go_on() { [ ! -e "$run/run.json" ] || begin=(--resume auto); }

[ "\${SLURM_RESTART_COUNT:-0}" -eq 0 ] || go_on
while :; do
  before=$(saved)
  attempt
  go_on
  case $code in
    0) exit 0 ;;
    ${TIME_UP})
      if [ "$(saved)" = "$before" ]; then
        echo 'The time was up before anything new was saved: the job is not put back. Give it more time.'
        exit 1
      fi
      # Slurm ends all of a job that it puts back, this word to it too.
      (trap '' TERM; exec scontrol requeue "$SLURM_JOB_ID") && exit ${TIME_UP}
      echo "Slurm does not put the job back. It is saved; go on with: stillhouse submit --resume $run"
      exit 1
      ;;
    2) exit 2 ;;
  esac
  # Without a word of scancel, only some of the tasks were asked to end: another one has died.
  [ -z "$cancelled" ] || exit "$code"
  [ "$restarts" -gt 0 ] || exit "$code"
  restarts=$((restarts - 1))
  echo "The training ended with code $code. It goes on from its last checkpoint; $restarts more times after this."
done
`;
