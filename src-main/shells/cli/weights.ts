import { exportEndings } from '../../protocol/export-formats.ts';
import type { JobEvent, JobRequest, JobResults } from '../../jobs/job-protocol.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { integerValue, pathValue, recipeOptions, recipeValues, textValue, type Option } from './options.ts';

/** The commands that take weights and train nothing. */

export const THREADS: Option = { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' };

export const ENTRY: Option = {
  flag: 'entry',
  value: 'NAME',
  help: 'Which of several state dicts in a file (model, model_ema, …), or the beginning of the names of its arrays.',
};

export const CLASSES: Option = {
  flag: 'classes',
  value: 'FILE',
  help: 'Class names in the order of the outputs, in place of those that the weights tell: one a line, or JSON, a list or {"0": …}.',
};

export const forward: Command = {
  name: 'forward',
  summary: 'Write the raw logits of a given batch, for comparing networks.',
  words: '',
  count: [0, 0],
  options: [
    { flag: 'model', value: 'NAME', help: 'The network, by its timm name.', required: true },
    { flag: 'weights', value: 'FILE', help: `Its weights: ${exportEndings(', ')}, or a checkpoint.`, required: true },
    ENTRY,
    CLASSES,
    {
      flag: 'input',
      value: 'FILE',
      help: 'A safetensors file with normalised float32 images [B, 3, H, W], named images or alone in it.',
      required: true,
    },
    {
      flag: 'output',
      value: 'FILE',
      help:
        "Gets logits [B, K], what timm's model(x) returns in evaluation; of a distilled model also head and " +
        'head_dist, whose mean logits is.',
      required: true,
    },
    ...recipeOptions().filter(({ flag }) => flag === 'device'),
    THREADS,
  ],
  run: async (parsed, shell) => {
    const [weights, input, output] = ['weights', 'input', 'output'].map((flag) => pathValue(parsed, flag) ?? '');
    const model = textValue(parsed, 'model') ?? '';
    const threads = integerValue(parsed, 'threads', 1, 1024);
    const { engine, gpu } = await chooseEngine(shell, recipeValues(parsed).device);
    const entry = textValue(parsed, 'entry');
    const classNames = pathValue(parsed, 'classes');
    const job = { kind: 'forward', engine, gpu, threads, model, weights, entry, classNames, input, output } as const;
    const result = await inJobProcess(job, shell);
    for (const { message } of result.notes) shell.reporter.note(message);
    shell.reporter.result(`${result.output}: logits [${result.shape.join(', ')}]`, { type: 'result', ...result });
  },
};

/** Does one job in a process of its own, showing its progress; an interruption ends it. */
export async function inJobProcess<Job extends JobRequest>(
  job: Job,
  shell: Shell,
  onEvent: (event: JobEvent) => void = () => undefined,
): Promise<JobResults[Job['kind']]> {
  const child = shell.spawnJob(job, {
    onEvent: (event) => {
      onEvent(event);
      if (event.tell === 'progress') shell.reporter.progress(event.stage, event.done, event.total, 'files');
    },
  });
  const interrupts = shell.onInterrupt(
    () => child.stop(),
    () => child.kill(),
  );
  try {
    return await child.done;
  } finally {
    interrupts.release();
  }
}
