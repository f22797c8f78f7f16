import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, statSync, type Dirent } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { Warnings } from '../../data/check/warnings.ts';
import { leftByPrograms, PassedOver } from '../../data/layout/passed-over.ts';
import { download } from '../../install/http-download.ts';
import { parseSource } from '../../install/weight-source.ts';
import type { JobResults } from '../../jobs/job-protocol.ts';
import { csvText } from '../../protocol/csv.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { MOST_PHOTO_BYTES, type FilePrediction } from '../../protocol/evaluation.ts';
import { sayReason } from '../../protocol/reasons.ts';
import { isAddress } from '../../protocol/weight-data.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { integerValue, pathValue, recipeOptions, recipeValues, textValue, type Parsed } from './options.ts';
import { fetchedWeights } from './published.ts';
import { CLASSES, ENTRY, inJobProcess } from './weights.ts';
import { removeNow } from '../../base/moves.ts';

const TOP = 5;
const SETTINGS = /^(model|input-size|eval-crop-ratio|eval-heads|device)$/;

export const predict: Command = {
  name: 'predict',
  summary: 'Name the classes of images: files, folders of any size, or addresses.',
  words: 'FILE|FOLDER|ADDRESS…',
  count: [1, Infinity],
  options: [
    { flag: 'checkpoint', value: 'FILE', help: 'A checkpoint, a run folder (its best one), or a weight file.' },
    { flag: 'average', value: null, help: 'Take the moving average of the model, where the file holds one.' },
    ENTRY,
    CLASSES,
    { flag: 'top', value: 'N', help: `Classes to name of each image. Default ${TOP}.` },
    { flag: 'csv', value: null, help: 'Print CSV: file, rank, class, English, Chinese, probability.' },
    { flag: 'zh', value: null, help: "Name ImageNet's classes in Chinese." },
    ...recipeOptions().filter(({ flag }) => SETTINGS.test(flag)),
    { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' },
  ],
  run: async (parsed, shell) => {
    const weights = await weightsOf(parsed, shell);
    const temporary = mkdtempSync(join(tmpdir(), 'stillhouse-predict-'));
    try {
      const found = await gather(parsed.words, temporary, shell);
      if (found.files.length === 0) throw new StillhouseError('data.no-images', { path: parsed.words.join(', ') });
      const { skipped, notes } = await answer(parsed, shell, weights, found);
      for (const { message } of notes) shell.reporter.note(message);
      for (const { file, reason } of skipped)
        shell.reporter.note(`Left out: ${found.nameOf(file)} (${sayReason(reason)})`);
      if (skipped.length > 0) throw new StillhouseError('photo.left-out', { count: skipped.length });
    } finally {
      removeNow(temporary);
    }
  },
};

/** A file that was named, or the published weights of the network. */
async function weightsOf(parsed: Parsed, shell: Shell): Promise<string> {
  const given = pathValue(parsed, 'checkpoint');
  if (given) return weightFileOf(given);
  const model = textValue(parsed, 'model');
  if (model) return fetchedWeights(model, shell);
  throw new StillhouseError('argument.invalid', { name: 'predict', expected: '--model NAME or --checkpoint FILE', got: 'neither' }); // prettier-ignore
}

/** Image files below one folder, as a job takes them. */
interface Found {
  root: string;
  /** Relative to `root`, with slashes. */
  files: string[];
  /** Returns the name that a person gave a file. */
  nameOf(file: string): string;
}

async function gather(words: readonly string[], temporary: string, shell: Shell): Promise<Found> {
  const named = new Map<string, string>();
  const passed = new PassedOver();
  for (const word of words) {
    if (isAddress(word)) named.set(await fetched(word, temporary, shell), word);
    else for (const path of filesOf(word, passed)) named.set(resolve(path), path);
  }
  const notes = new Warnings();
  passed.tell(notes);
  for (const { message } of notes.all()) shell.reporter.note(message);
  const paths = [...named.keys()];
  const root = paths.reduce(commonFolder, dirname(paths[0] ?? resolve('.')));
  const files = paths.map((path) => relative(root, path).split(sep).join('/'));
  return { root, files, nameOf: (file) => named.get(join(root, file)) ?? file };
}

/** Lists a file, or the images below a folder by name. @throws StillhouseError `file.missing` */
function filesOf(word: string, passed: PassedOver): string[] {
  const found = statSync(word, { throwIfNoEntry: false });
  if (!found) throw new StillhouseError('file.missing', { path: resolve(word) });
  if (!found.isDirectory()) return [word];
  const entries: Dirent[] = readdirSync(word, { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(word, entry.name);
      if (!entry.isDirectory()) return passed.isImage(path.split(sep).join('/')) ? [path] : [];
      const left = leftByPrograms(entry.name, true);
      if (!left) return filesOf(path, passed);
      passed.junk(left, path);
      return [];
    });
}

function commonFolder(folder: string, path: string): string {
  let common = folder;
  while (common !== dirname(common) && !path.startsWith(common + sep)) common = dirname(common);
  return common;
}

/** @throws StillhouseError `weights.fetch` and those of the disk */
async function fetched(address: string, temporary: string, shell: Shell): Promise<string> {
  const source = parseSource(address);
  if (source.kind !== 'url') throw new StillhouseError('argument.invalid', { name: 'image', expected: 'https://…', got: address }); // prettier-ignore
  const part = join(temporary, `${randomUUID().slice(0, 8)}-${basename(source.file)}`);
  await download({
    ...{ address, part, limit: MOST_PHOTO_BYTES },
    onProgress: (done, total) => shell.reporter.progress('download', done, total ?? 0, 'bytes'),
    fail: (reason, cause) => new StillhouseError('weights.fetch', { address, reason, place: resolve('.') }, { cause }),
  });
  return part;
}

async function answer(
  parsed: Parsed,
  shell: Shell,
  weights: string,
  found: Found,
): Promise<JobResults['predict-files']> {
  const settings = recipeValues(parsed);
  const top = integerValue(parsed, 'top', 1, 1000) ?? TOP;
  const { engine, gpu } = await chooseEngine(shell, settings.device);
  const { root, files } = found;
  const write = writerOf(parsed, shell, found);
  const job = {
    ...({ kind: 'predict-files', engine, gpu, weights, root, files, top, settings } as const),
    threads: integerValue(parsed, 'threads', 1, 1024),
    average: parsed.values.get('average') === true,
    entry: textValue(parsed, 'entry'),
    classNames: pathValue(parsed, 'classes'),
  };
  return inJobProcess(job, shell, (event) => {
    if (event.tell === 'predictions') event.rows.forEach(write);
  });
}

function writerOf(parsed: Parsed, { reporter, terminal }: Shell, { nameOf }: Found): (row: FilePrediction) => void {
  const [csv, json, chinese] = ['csv', 'json', 'zh'].map((flag) => parsed.values.get(flag) === true);
  if (csv && !json) terminal.out(csvText([['file', 'rank', 'class', 'english', 'chinese', 'probability']]));
  return ({ file, top }) => {
    const name = nameOf(file);
    if (csv && !json) return terminal.out(csvText(top.map((one, rank) => csvRow(name, one, rank))));
    const lines = top.map((one) => {
      const title = one.title && (chinese ? one.title.zh : one.title.en);
      return `${(100 * (one.probability ?? NaN)).toFixed(2).padStart(7)} %  ${title ? `${title} (${one.name})` : one.name}`;
    });
    reporter.result([name, ...lines].join('\n'), { type: 'prediction', file: name, top });
  };
}

function csvRow(file: string, one: FilePrediction['top'][number], rank: number): (string | number | null)[] {
  return [file, rank + 1, one.name, one.title?.en ?? '', one.title?.zh ?? '', one.probability];
}
