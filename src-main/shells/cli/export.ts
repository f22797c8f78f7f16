import { resolve } from 'node:path';
import type { CheckExportJob, ExportJob } from '../../jobs/job-protocol.ts';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { CHECK_IMAGES, hasPassed, MOST_CHECK_IMAGES, type ExportCheck, type ExportItem, type WrittenExport } from '../../protocol/export.ts'; // prettier-ignore
import {
  EXPORT_FORMAT_NAMES,
  EXPORT_FORMATS,
  formatOfPath,
  formatsIn,
  isComputed,
  type ExportFormat,
} from '../../protocol/export-formats.ts';
import { reason } from '../../protocol/reasons.ts';
import { rememberExport } from '../../runs/export-list.ts';
import { runOfCheckpoint } from '../../runs/run-folder.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { checkText } from './export-check.ts';
import { integerValue, pathValue, recipeOptions, recipeValues, textValue, type Parsed } from './options.ts';
import { bytes } from './progress.ts';
import { CLASSES, ENTRY, inJobProcess, THREADS } from './weights.ts';

/** Options of an export one of which makes the other options of its check count. */
const CHECKS = ['check', 'check-only'];
const DEFAULT_FORMAT = EXPORT_FORMAT_NAMES[0];
const FORMAT_NOTES = EXPORT_FORMAT_NAMES.map((name) => `${name}: ${EXPORT_FORMATS[name].about}`).join(' ');

export const exportWeights: Command = {
  name: 'export',
  summary: "Write a checkpoint's model for others, in one format or several.",
  words: '',
  count: [0, 0],
  options: [
    {
      flag: 'checkpoint',
      value: 'FILE',
      help: 'A checkpoint, a run folder (its best one), a weight file of another program, its address, or the name of published weights.',
      required: true,
    },
    ENTRY,
    { ...CLASSES, excludes: CHECKS },
    {
      flag: 'format',
      value: EXPORT_FORMAT_NAMES.join(','),
      excludes: ['check-only'],
      help: `One, or several with commas. Default: by the output's ending, ${DEFAULT_FORMAT} for any other. ${FORMAT_NOTES}`,
    },
    {
      flag: 'output',
      value: 'PATH',
      help: 'Where to write it: of one format the file or folder itself, of several the folder that gets them.',
      required: true,
    },
    { flag: 'average', value: null, help: 'The moving average of the model in its place, where one was kept.' },
    {
      flag: 'input-width',
      value: 'N',
      help: 'Width of the images where they are not square; --input-size is then their height.',
    },
    {
      flag: 'input',
      value: 'pixel_values|images',
      choices: ['pixel_values', 'images'],
      help: 'How a graph takes images: normalised float32, or RGB bytes [batch, height, width, 3] with the normalisation inside. Default: images for saved-model, pixel_values for the others.',
    },
    { flag: 'licence', also: 'license', value: 'ID', help: 'The licence that a model card names, such as apache-2.0.' },
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
    ...recipeOptions().filter(({ flag }) => /^(model|input-size|eval-crop-ratio|eval-heads)$/.test(flag)),
    ...[...recipeOptions().filter(({ flag }) => flag === 'device' || flag === 'data-path'), THREADS].map((option) => ({
      ...option,
      needs: CHECKS,
    })),
  ],
  run: async (parsed, shell) => {
    const only = parsed.values.get('check-only') === true;
    const source = sourceOf(parsed);
    const written = only ? null : await write(parsed, source, shell);
    const paths = written ? whole(written) : [resolve(pathValue(parsed, 'output') ?? '')];
    const isChecked = only || parsed.values.get('check') === true;
    const checks: ExportCheck[] = [];
    for (const path of isChecked ? paths : []) checks.push(await checked(parsed, shell, { ...source, path }));
    report(written, checks, shell);
    const refused = written?.find(({ error }) => error);
    if (refused?.error) throw fromPlainError(refused.error);
    const failed = checks.find((check) => !hasPassed(check));
    if (failed) throw new StillhouseError('export.failed', { path: failed.path });
  },
};

type Source = Pick<CheckExportJob, 'checkpoint' | 'average' | 'entry' | 'inputWidth' | 'settings'>;

function sourceOf(parsed: Parsed): Source {
  return {
    checkpoint: weightFileOf(pathValue(parsed, 'checkpoint') ?? ''),
    average: parsed.values.get('average') === true,
    entry: textValue(parsed, 'entry'),
    inputWidth: integerValue(parsed, 'input-width', 1, 1 << 16),
    settings: recipeValues(parsed),
  };
}

const whole = (written: readonly WrittenExport[]): string[] =>
  written.filter(({ error }) => error === null).map(({ path }) => path);

async function write(parsed: Parsed, { checkpoint, ...source }: Source, shell: Shell): Promise<WrittenExport[]> {
  const output = pathValue(parsed, 'output') ?? '';
  const formats = formatsOf(parsed, output, shell);
  const megabytes = integerValue(parsed, 'max-shard-size', 1, 1e6);
  const items = formats.map((format): ExportItem => (formats.length === 1 ? { format, output } : { format }));
  const job: ExportJob = {
    ...{ kind: 'export', weights: checkpoint, ...source, items, folder: output },
    ...(formats.some(isComputed) ? await chooseEngine(shell, source.settings.device) : { engine: '' }),
    input: textValue(parsed, 'input') as ExportJob['input'],
    classNames: pathValue(parsed, 'classes'),
    licence: textValue(parsed, 'licence'),
    resized: source.settings.inputSize !== undefined || source.inputWidth !== undefined,
    shardBytes: megabytes && megabytes * 1e6,
  };
  const { written, notes } = await inJobProcess(job, shell);
  for (const { message } of notes) shell.reporter.note(message);
  const run = runOfCheckpoint(checkpoint);
  if (run) for (const path of whole(written)) rememberExport(run, path);
  if (written.length < items.length) throw new StillhouseError('job.cancelled');
  return written;
}

/** @throws StillhouseError `argument.invalid` */
function formatsOf(parsed: Parsed, output: string, { reporter }: Shell): ExportFormat[] {
  const asked = textValue(parsed, 'format');
  if (asked === undefined) {
    const ending = formatOfPath(output);
    if (!ending) reporter.note(`The file is written as ${DEFAULT_FORMAT}.`);
    return [ending ?? DEFAULT_FORMAT];
  }
  const formats = formatsIn(asked);
  if (formats && formats.length > 0) return formats;
  const expected = reason('value.export-formats', { choices: EXPORT_FORMAT_NAMES.join(', ') });
  throw new StillhouseError('argument.invalid', { name: '--format', expected, got: asked });
}

async function checked(parsed: Parsed, shell: Shell, what: Source & { path: string }): Promise<ExportCheck> {
  const threads = integerValue(parsed, 'threads', 1, 1024);
  const images = integerValue(parsed, 'images', 1, MOST_CHECK_IMAGES) ?? CHECK_IMAGES;
  const { engine, gpu } = await chooseEngine(shell, what.settings.device);
  const check = await inJobProcess({ kind: 'check-export', engine, gpu, threads, ...what, images }, shell);
  if (!check) throw new StillhouseError('job.cancelled');
  return check;
}

/** Shows what was written and what checking it found; of one format as one result, as programs know it. */
function report(written: readonly WrittenExport[] | null, checks: readonly ExportCheck[], { reporter }: Shell): void {
  const lines = (written ?? []).filter(({ error }) => !error).map(({ path, bytes: size }) => `${path}: ${bytes(size)}`);
  const refusals = (written ?? []).flatMap(({ format, error }) => (error ? [`${format}: ${error.message}`] : []));
  const text = [...lines, ...refusals, ...checks.flatMap((check) => ['', checkText(check)])].join('\n').trim();
  if ((written?.length ?? 1) > 1) return reporter.result(text, { type: 'result', written, checks });
  const [one] = written ?? [];
  const [check] = checks;
  if (one?.error) return;
  reporter.result(text, { type: 'result', ...one, ...(check && { passed: hasPassed(check), check }) });
}
