import { SUBMITIT_FLAGS } from '../../protocol/deit-flags.ts';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { SLURM_DEFAULTS, type SlurmForm, type SlurmJob } from '../../protocol/slurm.ts';
import type { Command, Shell } from './command.ts';
import { deitOptions } from './deit-options.ts';
import { withService, type LocalService } from './local-service.ts';
import { integerValue, recipeOptions, textValue, type Option, type Parsed } from './options.ts';
import { PRETRAINED } from './published.ts';
import { RECIPE } from './recipe-file.ts';
import { followJob } from './slurm.ts';
import { describeTeacher, TEACHER_OPTIONS } from './teachers.ts';
import { RESUME, givenValues, presetOption, resumeOf } from './train.ts';

const OPTIONS: readonly Option[] = [
  { flag: 'nodes', value: 'N', help: `Machines. Default ${SLURM_DEFAULTS.nodes}.` },
  { flag: 'ngpus', value: 'N', help: `Tasks on each machine. Several tasks train one run on processors and share --batch-size. Default ${SLURM_DEFAULTS.ngpus}.` }, // prettier-ignore
  { flag: 'timeout', value: 'MINUTES', help: `Before they are over the run is saved and put back into the queue, where it goes on. Default ${SLURM_DEFAULTS.timeout}.` }, // prettier-ignore
  { flag: 'partition', value: 'NAME', help: "Where it queues. Default: the cluster's default." },
  { flag: 'use-volta32', value: null, help: 'Only nodes with the feature volta32gb.' },
  { flag: 'comment', value: 'TEXT', help: 'A word for those who run the cluster.' },
  { flag: 'cpus-per-task', value: 'N', help: 'Processors for each task. Default: as many as a node has for each, at most 10.' }, // prettier-ignore
  { flag: 'sbatch', value: 'OPTIONS', help: "Further options of sbatch in one word: '--account=abc --qos=long'." },
  { flag: 'max-restarts', value: 'N', help: `How often it goes on from its last checkpoint when a task dies. Default ${SLURM_DEFAULTS.maxRestarts}.` }, // prettier-ignore
  { flag: 'dry-run', value: null, help: 'Print the script, write and submit nothing.' },
  { flag: 'follow', value: null, help: 'Stay, and show state and log until it ends. Ctrl-C leaves it to Slurm.', excludes: ['dry-run'] }, // prettier-ignore
];

const FOLDER =
  'Folder of the run; %j in it is the number of the job. Also --job-dir. Default: a new one among your runs.';

/** `stillhouse submit`: a training as a job of Slurm, with the flags of DeiT's run_with_submitit.py. */
export const submit: Command = {
  name: 'submit',
  summary: 'Train as a job of Slurm: write its script, submit it, follow it.',
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions().map((option) => (option.flag === 'output-dir' ? { ...option, help: FOLDER } : option)),
    PRETRAINED,
    RESUME,
    RECIPE,
    presetOption('student', 'Settings to start from; flags change them.'),
    ...TEACHER_OPTIONS,
    ...OPTIONS,
    ...deitOptions(['resume', 'eval', ...SUBMITIT_FLAGS.map(({ flag }) => flag)]),
  ],
  run: (parsed, shell) => withService(shell, (desk) => submitted(parsed, shell, desk)),
};

async function submitted(parsed: Parsed, shell: Shell, desk: LocalService): Promise<number> {
  const { reporter } = shell;
  const given = givenValues(parsed, shell, true);
  await describeTeacher(parsed, given, shell);
  const asked = { recipe: given, form: formOf(parsed), resume: resumeOf(parsed, given) };
  const { text, notes } = await desk.calls['slurm.script'](asked);
  for (const { message } of notes) reporter.note(message);
  if (parsed.values.get('dry-run') === true) {
    reporter.result(text, { type: 'script', text });
    return 0;
  }
  const job = await desk.calls['slurm.submit'](asked);
  if (job.job === null) throw await notSubmitted(job, desk);
  const told = [`Submitted job ${job.job}: ${job.script}`, `Log: ${job.log}`, `Run folder: ${job.folder}`];
  const more = `Follow it with: stillhouse slurm ${job.job} --follow. End it with: stillhouse slurm ${job.job} --cancel`;
  const follows = parsed.values.get('follow') === true;
  reporter.result([...told, ...(follows ? [] : [more])].join('\n'), { type: 'submitted', ...job });
  return follows ? followJob(job.name, shell, desk) : 0;
}

async function notSubmitted({ script }: SlurmJob, { calls }: LocalService): Promise<StillhouseError> {
  const { missing } = await calls['slurm.cluster']({});
  return missing === null
    ? new StillhouseError('slurm.silent', { command: 'sbatch', seconds: 0 })
    : new StillhouseError('slurm.written', { path: script, reason: fromPlainError(missing).params['reason'] ?? '' });
}

function formOf(parsed: Parsed): SlurmForm {
  const { nodes, ngpus, timeout, partition, comment, sbatch, maxRestarts } = SLURM_DEFAULTS;
  return {
    nodes: integerValue(parsed, 'nodes', 1, 1024) ?? nodes,
    ngpus: integerValue(parsed, 'ngpus', 1, 64) ?? ngpus,
    timeout: integerValue(parsed, 'timeout', 1, 525_600) ?? timeout,
    partition: textValue(parsed, 'partition') ?? partition,
    cpusPerTask: integerValue(parsed, 'cpus-per-task', 1, 1024) ?? null,
    useVolta32: parsed.values.get('use-volta32') === true,
    comment: textValue(parsed, 'comment') ?? comment,
    sbatch: textValue(parsed, 'sbatch') ?? sbatch,
    maxRestarts: integerValue(parsed, 'max-restarts', 0, 1000) ?? maxRestarts,
  };
}
