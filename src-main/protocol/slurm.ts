import * as v from 'valibot';
import { flag, number, oneOf, plainError, text } from './shapes.ts';

/** Shapes of Slurm in calls and answers: the form of a job, the cluster, and jobs that were submitted. */

const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));
const line = v.pipe(v.string(), v.maxLength(1000));

/** Holds what a person asks Slurm for, as DeiT's run_with_submitit.py does. */
export const slurmForm = v.strictObject({
  nodes: count(1024),
  /** Tasks on each node: `--ngpus` of DeiT, which starts one for each GPU. */
  ngpus: count(64),
  /** Minutes that Slurm lets it run before it is saved and put back into the queue. */
  timeout: count(525_600),
  /** '': the cluster's default. */
  partition: line,
  /** Processors for each task; null: as many as a node has for each, at most ten. */
  cpusPerTask: v.nullable(count(1024)),
  /** Only on nodes with the feature `volta32gb`. */
  useVolta32: flag,
  comment: line,
  /** Further options of sbatch, as they are typed: `--account=abc --qos=long`. */
  sbatch: line,
  /** How often it goes on from its last checkpoint when a task dies. */
  maxRestarts: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1000)),
});
export type SlurmForm = v.InferOutput<typeof slurmForm>;

/** The form as it begins: one task, DeiT's time limit. */
export const SLURM_DEFAULTS: SlurmForm = {
  nodes: 1,
  ngpus: 1,
  timeout: 2800,
  partition: '',
  cpusPerTask: null,
  useVolta32: false,
  comment: '',
  sbatch: '',
  maxRestarts: 3,
};

const slurmPartition = v.object({
  name: text,
  isDefault: flag,
  /** Whether jobs are taken. */
  up: flag,
  nodes: number,
  /** The fewest that one of its nodes has. */
  cpus: number,
  gpus: number,
  /** Minutes; null for no limit. */
  minutes: v.nullable(number),
});
export type SlurmPartition = v.InferOutput<typeof slurmPartition>;

/** Describes what the machine sees of Slurm; `missing` says why there is none. */
export const slurmCluster = v.object({
  partitions: v.array(slurmPartition),
  missing: v.nullable(plainError),
});
export type SlurmCluster = v.InferOutput<typeof slurmCluster>;

/** A script before it is submitted, with what was taken where the form leaves a choice. */
export const slurmScript = v.object({ text, notes: v.array(plainError) });
export type SlurmScript = v.InferOutput<typeof slurmScript>;

/** The states of a job, by Slurm's words; `WRITTEN` was never submitted, of a `GONE` one Slurm knows nothing any more. */
export const SLURM_STATES = [
  'WRITTEN',
  'PENDING',
  'RUNNING',
  'SUSPENDED',
  'COMPLETING',
  'REQUEUED',
  'COMPLETED',
  'CANCELLED',
  'FAILED',
  'TIMEOUT',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'PREEMPTED',
  'GONE',
] as const;
const slurmState = oneOf(SLURM_STATES);
export type SlurmState = v.InferOutput<typeof slurmState>;

const ENDED: readonly SlurmState[] = [
  'WRITTEN',
  'COMPLETED',
  'CANCELLED',
  'FAILED',
  'TIMEOUT',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'GONE',
];

/** Tells whether a job will not run any more by itself. */
export function hasEnded(state: SlurmState): boolean {
  return ENDED.includes(state);
}

export const slurmJob = v.object({
  /** Unique among the jobs of this home: the name of its script. */
  name: text,
  /** Slurm's number; null where the script was only written. */
  job: v.nullable(text),
  state: slurmState,
  /** Why it waits, in Slurm's word: `Resources`, `Priority`; '' for nothing. */
  reason: text,
  /** As Slurm lists them: `node[1-3]`. */
  nodes: text,
  /** Seconds since it began; those of the last start. */
  elapsed: number,
  /** How often it was put back into the queue. */
  restarts: number,
  submitted: number,
  model: text,
  tasks: number,
  script: text,
  log: text,
  /** Folder of its run, which appears once it trains. */
  folder: text,
  /** Id of that run, once it is there. */
  run: v.nullable(text),
});
export type SlurmJob = v.InferOutput<typeof slurmJob>;

/** The jobs that were submitted from here, the newest first. `failure`: why Slurm could not be asked about them. */
export const slurmJobs = v.object({ jobs: v.array(slurmJob), failure: v.nullable(plainError) });
export type SlurmJobs = v.InferOutput<typeof slurmJobs>;

/** The end of a log. */
export const slurmLog = v.object({
  path: text,
  /** Whether it begins before `text`. */
  cut: flag,
  text,
});
export type SlurmLog = v.InferOutput<typeof slurmLog>;
