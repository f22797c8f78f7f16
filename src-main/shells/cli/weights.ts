import { resolve } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { CHECK_IMAGES, hasPassed, MOST_CHECK_IMAGES, type ExportCheck } from '../../protocol/export.ts';
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS, exportEndings, formatOfPath, type ExportFormat } from '../../protocol/export-formats.ts'; // prettier-ignore
import { rememberExport } from '../../runs/export-list.ts';
import { runOfCheckpoint } from '../../runs/run-folder.ts';
import { spawnJob } from '../../jobs/job-process.ts';
import type { CheckExportJob, JobEvent, JobRequest, JobResults } from '../../jobs/job-protocol.ts';
import { exportWeightFile } from '../../weights/export-weights.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { checkText } from './export-check.ts';
import {
  integerValue,
  pathValue,
  recipeOptions,
  recipeValues,
  textValue,
  type Option,
  type Parsed,
} from './options.ts';
import { bytes } from './progress.ts';

/** The commands that take weights and train nothing. */

/** Options of an export one of which makes the other options of its check count. */
const CHECKS = ['check', 'check-only'];
const THREADS: Option = { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' };

export const ENTRY: Option = {
  flag: 'entry',
  value: 'NAME',
  help: 'Which of several state dicts in a file (model, model_ema, …), or the beginning of the names of its arrays.',
};

const DEFAULT_FORMAT = EXPORT_FORMAT_NAMES[0];
const FORMAT_NOTES = EXPORT_FORMAT_NAMES.map((name) => `${name}: ${EXPORT_FORMATS[name].about}`).join(' ');
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
    const { engine, gpu } = await chooseEngine(recipeValues(parsed).device);
    const entry = textValue(parsed, 'entry');
    const classNames = pathValue(parsed, 'classes');
    const job = { kind: 'forward', engine, gpu, threads, model, weights, entry, classNames, input, output } as const;
    const result = await inJobProcess(job, shell);
    for (const { message } of result.notes) shell.reporter.note(message);
    shell.reporter.result(`${result.output}: logits [${result.shape.join(', ')}]`, { type: 'result', ...result });
  },
};

export const exportWeights: Command = {
  name: 'export',
  summary: "Write a checkpoint's model for others, under timm's names.",
  words: '',
  count: [0, 0],
  options: [
    {
      flag: 'checkpoint',
      value: 'FILE',
      help: 'A checkpoint, a run folder (its best one), or a weight file of another program.',
      required: true,
    },
    ENTRY,
    { ...CLASSES, excludes: CHECKS },
    {
      flag: 'format',
      value: EXPORT_FORMAT_NAMES.join('|'),
      excludes: ['check-only'],
      choices: EXPORT_FORMAT_NAMES,
      help: `Default: by the output's ending, ${DEFAULT_FORMAT} for any other. ${FORMAT_NOTES}`,
    },
    { flag: 'output', value: 'FILE', help: 'Where to write it.', required: true },
    { flag: 'average', value: null, help: 'The moving average of the model in its place, where one was kept.' },
    {
      flag: 'max-shard-size',
      value: 'MB',
      excludes: ['check-only'],
      help: 'Beyond this the weights go to several files and an index, FILE.index.json. Default 5000 MB.',
    },
    { flag: 'check', value: null, help: 'Read the file again as a stranger would, compare it with the checkpoint and time it.' }, // prettier-ignore
    {
      flag: 'check-only',
      value: null,
      excludes: ['check'],
      help: 'The same of a file that was written before; nothing is exported.',
    },
    {
      flag: 'images',
      also: 'pictures',
      value: 'N',
      needs: CHECKS,
      help: `Validation images to compare on. Default ${CHECK_IMAGES}.`,
    },
    ...recipeOptions().filter(({ flag }) => /^(model|input-size|eval-crop-ratio)$/.test(flag)),
    ...[...recipeOptions().filter(({ flag }) => flag === 'device' || flag === 'data-path'), THREADS].map((option) => ({
      ...option,
      needs: CHECKS,
    })),
  ],
  run: async (parsed, shell) => {
    const output = pathValue(parsed, 'output') ?? '';
    const ending = formatOfPath(output);
    const format = (textValue(parsed, 'format') as ExportFormat | undefined) ?? ending ?? DEFAULT_FORMAT;
    if (!ending && format === DEFAULT_FORMAT) shell.reporter.note(`The file is written as ${format}.`);
    const checkpoint = weightFileOf(pathValue(parsed, 'checkpoint') ?? '');
    const entry = textValue(parsed, 'entry');
    const classNames = pathValue(parsed, 'classes');
    const average = parsed.values.get('average') === true;
    const only = parsed.values.get('check-only') === true;
    const megabytes = integerValue(parsed, 'max-shard-size', 1, 1e6);
    const written = only
      ? null
      : await exportWeightFile(checkpoint, {
          ...{ format, output, shardBytes: megabytes && megabytes * 1e6, average, entry, classNames },
          settings: recipeValues(parsed),
        });
    for (const { message } of written?.notes ?? []) shell.reporter.note(message);
    const run = written && runOfCheckpoint(checkpoint);
    if (run) rememberExport(run, written.path);
    const told = written && `${written.path}: ${bytes(written.bytes)}`;
    if (!only && parsed.values.get('check') !== true)
      return shell.reporter.result(told!, { type: 'result', format, ...written });
    const check = await checked(parsed, shell, { path: resolve(written?.path ?? output), checkpoint, average, entry });
    const text = [...(told ? [told, ''] : []), checkText(check)].join('\n');
    shell.reporter.result(text, { type: 'result', format, ...written, passed: hasPassed(check), check });
    if (!hasPassed(check)) throw new StillhouseError('export.failed', { path: check.path });
  },
};

async function checked(
  parsed: Parsed,
  shell: Shell,
  what: Pick<CheckExportJob, 'path' | 'checkpoint' | 'average' | 'entry'>,
): Promise<ExportCheck> {
  const settings = recipeValues(parsed);
  const threads = integerValue(parsed, 'threads', 1, 1024);
  const images = integerValue(parsed, 'images', 1, MOST_CHECK_IMAGES) ?? CHECK_IMAGES;
  const { engine, gpu } = await chooseEngine(settings.device);
  const check = await inJobProcess({ kind: 'check-export', engine, gpu, threads, ...what, images, settings }, shell);
  if (!check) throw new StillhouseError('job.cancelled');
  return check;
}

/** Does one job in a process of its own, showing its progress; an interruption ends it. */
export async function inJobProcess<Job extends JobRequest>(
  job: Job,
  shell: Shell,
  onEvent: (event: JobEvent) => void = () => undefined,
): Promise<JobResults[Job['kind']]> {
  const child = spawnJob(job, {
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
