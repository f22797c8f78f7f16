import { opendir, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetLayout, DatasetSummary } from '../protocol/data-types.ts';
import {
  StillhouseError,
  toPlainError,
  type ErrorCode,
  type ErrorParams,
  type PlainError,
} from '../protocol/errors.ts';
import { reasonOf } from './read-file.ts';

/** One picture: its path relative to the data folder, with `/` between folders, and its class number. */
export interface Sample {
  file: string;
  label: number;
}

/** A data folder as training sees it. Class numbers are places in `classes`, sorted by code point as torchvision does. */
export interface Dataset {
  path: string;
  layout: DatasetLayout;
  classes: string[];
  train: Sample[];
  val: Sample[];
  /** val was taken out of train by {@link stratifiedSplit}. */
  splitMade: boolean;
  warnings: PlainError[];
}

// torchvision's list, and GIF.
const PICTURE = /\.(jpe?g|png|ppm|bmp|pgm|tiff?|webp|gif)$/i;
const VAL_NAMES = ['val', 'valid', 'validation', 'test'];
const SCANNERS = 8;

/**
 * Lists the pictures of a folder that holds `train/<class>/…` and `val/<class>/…`, or `<class>/…`; where val is
 * missing, a tenth of each class is set aside for it. Nothing is opened, only listed.
 * @throws StillhouseError `data.no-folder`, `data.no-classes`.
 */
export async function listDataset(path: string): Promise<Dataset> {
  const warnings: PlainError[] = [];
  const { train, val } = await findSplits(path, warnings);
  const found = await scanSplit(path, train, warnings);
  const classes = sortByCodePoint([...found.keys()]);
  if (![...found.values()].some((files) => files.length > 0)) throw new StillhouseError('data.no-classes', { path });
  for (const name of classes)
    if (found.get(name)!.length === 0) warn(warnings, 'data.empty-class', join(train.name, name));
  if (classes.length === 1) warnings.push(note('data.one-class', { name: classes[0] }));
  const layout = train.name ? 'train-val' : 'classes';
  const samples = samplesOf(classes, found);
  if (!val) return { path, layout, classes, ...stratifiedSplit(samples), splitMade: true, warnings };
  const valFound = await scanSplit(path, val, warnings);
  compareClasses(classes, valFound, warnings);
  return { path, layout, classes, train: samples, val: samplesOf(classes, valFound), splitMade: false, warnings };
}

/** A split's folder under the data folder, '' for the data folder itself, and its class folders. */
interface Split {
  name: string;
  classes: string[];
}

/** A folder named train is the training split if it holds folders; without val it may be a class (of railways). */
async function findSplits(path: string, warnings: PlainError[]): Promise<{ train: Split; val: Split | null }> {
  const top = await topFolders(path);
  const named = async (wanted: string): Promise<Split | null> => {
    const name = top.find((folder) => folder.toLowerCase() === wanted);
    return name === undefined ? null : { name, classes: await topFolders(join(path, name)) };
  };
  const train = await named('train');
  const candidates = (await Promise.all(VAL_NAMES.map(named))).filter((split) => split !== null);
  const val = candidates.find(({ classes }) => classes.length > 0) ?? null;
  if (!train || (train.classes.length === 0 && !val)) return { train: { name: '', classes: top }, val: null };
  if (!val && candidates.length > 0)
    warnings.push(note('data.class-mismatch', { difference: `${candidates[0].name} holds no class folders` }));
  return { train, val };
}

/** What {@link listDataset} finds, counted. Throws as it does. */
export async function inspectFolder(path: string): Promise<DatasetSummary> {
  return summarise(await listDataset(path));
}

/** Counts for each class of a data set. */
export function summarise(dataset: Dataset): DatasetSummary {
  const { path, layout, splitMade, warnings, train, val } = dataset;
  const classes = dataset.classes.map((name) => ({ name, train: 0, val: 0 }));
  for (const { label } of train) classes[label].train++;
  for (const { label } of val) classes[label].val++;
  return { path, layout, classes, train: train.length, val: val.length, splitMade, warnings };
}

/** Where a sample's file is on this machine. */
export function samplePath(dataset: Pick<Dataset, 'path'>, sample: Pick<Sample, 'file'>): string {
  return join(dataset.path, ...sample.file.split('/'));
}

/**
 * Sets a tenth of each class aside, at least one picture where the class has two. Which ones depends on their names
 * alone, so that adding a picture moves few others.
 */
export function stratifiedSplit(samples: readonly Sample[]): { train: Sample[]; val: Sample[] } {
  const byClass = new Map<number, Sample[]>();
  for (const sample of samples) {
    const group = byClass.get(sample.label);
    if (group) group.push(sample);
    else byClass.set(sample.label, [sample]);
  }
  const chosen = new Set<Sample>();
  for (const group of byClass.values()) {
    const share = group.length < 2 ? 0 : Math.max(1, Math.round(group.length / 10));
    const ranked = group.map((sample) => ({ sample, rank: hashOf(sample.file) }));
    ranked.sort((a, b) => a.rank - b.rank || compareCodePoints(a.sample.file, b.sample.file));
    for (const { sample } of ranked.slice(0, share)) chosen.add(sample);
  }
  return {
    train: samples.filter((sample) => !chosen.has(sample)),
    val: samples.filter((sample) => chosen.has(sample)),
  };
}

// FNV-1a over UTF-16 units, then a finalizer: names that differ at the end only must not rank in order.
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function note(code: ErrorCode, params: ErrorParams): PlainError {
  return toPlainError(new StillhouseError(code, params));
}

function warn(warnings: PlainError[], code: ErrorCode, path: string, reason = ''): void {
  warnings.push(note(code, reason ? { path, reason } : { path }));
}

async function topFolders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new StillhouseError('data.no-folder', { path }, { cause: error });
    throw new StillhouseError('folder.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  });
  const links = entries.filter((entry) => entry.isSymbolicLink());
  const linked = await Promise.all(
    links.map(async ({ name }) => ((await stat(join(path, name)).catch(() => null))?.isDirectory() ? name : null)),
  );
  return [
    ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
    ...linked.filter((name) => name !== null),
  ];
}

function samplesOf(classes: readonly string[], found: ReadonlyMap<string, string[]>): Sample[] {
  return classes.flatMap((name, label) => (found.get(name) ?? []).map((file) => ({ file, label })));
}

function compareClasses(classes: readonly string[], val: ReadonlyMap<string, string[]>, warnings: PlainError[]): void {
  const known = new Set(classes);
  const extra = sortByCodePoint([...val.keys()].filter((name) => !known.has(name)));
  const missing = classes.filter((name) => !val.get(name)?.length);
  const parts = [
    ...(missing.length > 0 ? [`without val pictures ${someOf(missing)}`] : []),
    ...(extra.length > 0 ? [`only in val, not used ${someOf(extra)}`] : []),
  ];
  if (parts.length > 0) warnings.push(note('data.class-mismatch', { difference: parts.join('; ') }));
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `(${names.length}): ${shown}, …` : `(${names.length}): ${shown}`;
}

/** Files of each class folder of one split, sorted. Folders whose name begins with a dot count only with pictures. */
async function scanSplit(root: string, split: Split, warnings: PlainError[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const queue = split.classes.values();
  const scanner = async (): Promise<void> => {
    for (const name of queue) {
      const files = await scanClass(root, split.name ? `${split.name}/${name}` : name, warnings);
      if (files.length > 0 || !name.startsWith('.')) found.set(name, files);
    }
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
  return found;
}

/** Pictures under a class folder at any depth, links followed, each real folder once: sorted by folder, then name. */
async function scanClass(root: string, folder: string, warnings: PlainError[]): Promise<string[]> {
  const seen = new Set<string>();
  const folders: { folder: string; files: string[] }[] = [];
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const path = join(root, next);
    try {
      const files = await scanFolder(path, seen, waiting, next);
      if (files.length > 0) folders.push({ folder: next, files });
    } catch (error) {
      warn(warnings, 'data.unreadable', next, reasonOf(error));
    }
  }
  folders.sort((a, b) => compareCodePoints(a.folder, b.folder));
  return folders.flatMap(({ folder, files }) => sortByCodePoint(files).map((name) => `${folder}/${name}`));
}

async function scanFolder(path: string, seen: Set<string>, waiting: string[], folder: string): Promise<string[]> {
  const files: string[] = [];
  const folders: string[] = [];
  const real = await realpath(path);
  if (seen.has(real)) return files;
  seen.add(real);
  // Entry by entry: a folder of a million files must not stall whoever shares this thread.
  for await (const entry of await opendir(path, { bufferSize: 256 })) {
    const isLink = entry.isSymbolicLink();
    if (!isLink && entry.isFile() && PICTURE.test(entry.name)) files.push(entry.name);
    else if (entry.isDirectory()) folders.push(entry.name);
    else if (isLink) {
      const target = await stat(join(path, entry.name)).catch(() => null);
      if (target?.isDirectory()) folders.push(entry.name);
      // A broken link stays in the list when named like a picture: the check then reports it by name.
      else if (PICTURE.test(entry.name) && (target === null || target.isFile())) files.push(entry.name);
    }
  }
  // The last is taken next: in this order a folder that several links lead to is always found by the same one.
  waiting.push(
    ...sortByCodePoint(folders)
      .reverse()
      .map((name) => `${folder}/${name}`),
  );
  return files;
}

// UTF-16 order differs from code-point order only where surrogates meet U+E000 to U+FFFF.
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Sorts in place by code point, as Python sorts strings. */
function sortByCodePoint(names: string[]): string[] {
  return names.some((name) => /[\ud800-\udfff]/.test(name)) ? names.sort(compareCodePoints) : names.sort();
}
