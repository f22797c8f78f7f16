import { createReadStream } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import classList from '../../../resources/sample/classes.json';
import sources from '../../../resources/sample/sources.json';
import { diskError, removeLeftovers, temporaryBeside } from '../../base/files.ts';
import { move, remove } from '../../base/moves.ts';
import { throwIfCancelled } from '../../base/process.ts';
import { decodePng, encodePng, onBackground } from '../../data/decode/png.ts';
import { readTar } from '../../data/layout/tar.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reasonIn } from '../../protocol/reasons.ts';
import { fetchPackage } from './npm-package.ts';

/**
 * The sample data set: emoji as four artists drew them, sorted into Unicode's nine groups. Three drawing styles are for
 * training, the fourth is held out for validation, so a good score means that the network recognises what is drawn in a
 * hand it has never seen. The drawings come from npm packages; nothing of them is shipped with Stillhouse.
 */

export interface SampleProgress {
  stage: 'download' | 'build';
  done: number;
  total: number;
  unit: 'bytes' | 'files';
}

export interface SampleOptions {
  /** The data set's own folder, made here: it is there whole or not at all. */
  folder: string;
  /** Where archives are kept until the data set is built; what has arrived is used again. */
  cache: string;
  onProgress?(progress: SampleProgress): void;
  signal?: AbortSignal;
}

type Style = (typeof sources.styles)[number];

const LAST_FILE = 'SOURCES.txt';

/** Bytes that building the sample data set downloads. */
export const SAMPLE_BYTES = sources.styles.reduce((sum, { bytes }) => sum + bytes, 0);

// Images, licences and the archives that they come from, whole blocks each.
const DISK_BYTES = 150e6;

/** Tells whether the data set is there. */
export async function hasSample(folder: string): Promise<boolean> {
  return access(join(folder, LAST_FILE)).then(
    () => true,
    () => false,
  );
}

/**
 * Builds the sample data set: `train/<class>/<name>-<style>.png` and `val/…`, 64 × 64 RGB, with the licences beside it.
 * @returns its folder.
 * @throws StillhouseError `sample.build`, `job.cancelled`, `disk.full`.
 */
export async function buildSample(options: SampleOptions): Promise<string> {
  const { folder, cache, signal } = options;
  if (await hasSample(folder)) return folder;
  const partial = temporaryBeside(folder);
  try {
    await mkdir(cache, { recursive: true });
    const archives = await fetchAll(options);
    await removeLeftovers(dirname(folder));
    await writeDataset(partial, archives, options);
    await remove(folder);
    await move(partial, folder);
    await remove(cache);
    return folder;
  } catch (error) {
    await remove(partial);
    throw explained(error, folder, signal);
  }
}

function explained(error: unknown, path: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof StillhouseError) return error;
  if (signal?.aborted) return new StillhouseError('job.cancelled', {}, { cause: error });
  const known = diskError(error, path, DISK_BYTES);
  if (known !== error) return known;
  return new StillhouseError('sample.build', { reason: reasonIn(error) }, { cause: error });
}

async function fetchAll({ cache, onProgress, signal }: SampleOptions): Promise<string[]> {
  const archives: string[] = [];
  let before = 0;
  for (const style of sources.styles) {
    const onBytes = (arrived: number): void =>
      onProgress?.({ stage: 'download', done: before + arrived, total: SAMPLE_BYTES, unit: 'bytes' });
    archives.push(await fetchPackage(style, { folder: cache, onBytes, signal }));
    before += style.bytes;
    throwIfCancelled(signal);
  }
  return archives;
}

interface Emoji {
  class: string;
  name: string;
}

/** Class and name by code, `1f600` or `1f468-200d-1f33e`, as {@link plainCode} writes it. */
function emojiByCode(): Map<string, Emoji> {
  const entries = Object.entries(classList).flatMap(([group, list]) =>
    list.split(' ').map((entry): [string, Emoji] => {
      const [name, code] = entry.split('=') as [string, string];
      return [code, { class: group, name }];
    }),
  );
  return new Map(entries);
}

// Packages differ in case and in whether they write the variation selector.
function plainCode(file: string): string {
  const code = basename(file, '.png').toLowerCase();
  return code.replace(/-fe0f/g, '').replace(/^fe0f-/, '');
}

async function writeDataset(root: string, archives: string[], { onProgress, signal }: SampleOptions): Promise<void> {
  const emoji = emojiByCode();
  const groups = Object.keys(classList);
  const folders = ['train', 'val'].flatMap((split) => groups.map((group) => join(root, split, group)));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const total = emoji.size * archives.length;
  let done = 0;
  for (const [index, style] of sources.styles.entries()) {
    await writeStyle(root, archives[index], style, emoji, (written) => {
      throwIfCancelled(signal);
      onProgress?.({ stage: 'build', done: done + written, total, unit: 'files' });
    });
    done += emoji.size;
  }
  await writeFile(join(root, LAST_FILE), sourcesText());
}

async function writeStyle(
  root: string,
  archive: string,
  style: Style,
  emoji: ReadonlyMap<string, Emoji>,
  onFile: (written: number) => void,
): Promise<void> {
  const licences = join(root, 'licences', `${style.package}-${style.version}`);
  await mkdir(licences, { recursive: true });
  const isImage = (name: string): boolean => name.startsWith(style.images) && emoji.has(plainCode(name));
  const unpacked = pipeline(createReadStream(archive), createGunzip(), () => undefined);
  const seen = new Set<string>();
  for await (const { name, data } of readTar(unpacked, (file) => isImage(file) || style.licences.includes(file))) {
    if (!isImage(name)) {
      await writeFile(join(licences, basename(name)), data);
      continue;
    }
    const code = plainCode(name);
    if (seen.has(code)) continue;
    seen.add(code);
    const drawn = emoji.get(code)!;
    const image = encodePng(onBackground(decodePng(data), sources.background));
    await writeFile(join(root, style.split, drawn.class, `${drawn.name}-${style.style}.png`), image);
    onFile(seen.size);
  }
}

function sourcesText(): string {
  const lines = sources.styles.map(
    (style) => `${style.split}  ${style.style}: ${style.credit}\n       npm package ${style.package} ${style.version}`,
  );
  return `Stillhouse sample data: emoji in four drawing styles, sorted into Unicode's groups.

${lines.join('\n')}

Changed: laid on a light grey background, renamed, sorted; skin-tone variants left out. The images stay under the
licences above; the texts that came with them are in the folder licences. ${sources.names}
`;
}
