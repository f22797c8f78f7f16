import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DatasetLayout, DatasetSummary } from '../../protocol/data-types.ts';
import { StillhouseError, type PlainError } from '../../protocol/errors.ts';
import { ArchiveIndex } from './archive-index.ts';
import { ARCHIVE } from './archive-scan.ts';
import { classBranches, type Branch, type Roots } from './branch.ts';
import { classTitle } from './class-titles.ts';
import { archiveBranch, diskBranch } from './disk-branch.ts';
import { findLabels } from './labels.ts';
import { sortByCodePoint } from './order.ts';
import { readFilePart, readImageFile, reasonOf, type ReadOptions } from './read-file.ts';
import type { Sample } from './sample.ts';
import { stratifiedSplit } from './split.ts';
import { Warnings } from '../check/warnings.ts';

/** A data folder as training sees it. Class numbers are places in `classes`, sorted by code point as torchvision does. */
export interface Dataset {
  path: string;
  layout: DatasetLayout;
  classes: string[];
  train: Sample[];
  val: Sample[];
  /** val was taken out of train by `stratifiedSplit`. */
  splitMade: boolean;
  warnings: PlainError[];
  /** Images that the list of excluded ones left out. */
  excluded: number;
  /** Where the images lie that are in archives; null when there are none. */
  archives: ArchiveIndex | null;
}

export interface ListOptions {
  /** Files (relative to the data folder) to leave out. They are left out of a split that was made with them. */
  excluded?: ReadonlySet<string>;
  /** Decides which images are set aside where there is no val. */
  splitSeed?: number;
  /** Folder that keeps what was found in archives, for the next time. */
  archiveCache?: string;
}

// Names of splits; `dir/train` of a data set from a public list and ImageNet's own archives.
const TRAIN_NAMES = ['train', 'ilsvrc2012_img_train'];
const VAL_NAMES = ['val', 'valid', 'validation', 'ilsvrc2012_img_val', 'test'];
/** Where Kaggle's ImageNet has its train and val. */
const KAGGLE = ['ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC'];
const SCANNERS = 8;

/**
 * Lists the images of a data set: `train/<class>/…` with `val/<class>/…`, or with a flat `val/` and a list of its
 * labels; or `<class>/…`, of which a tenth is set aside for val. Each of these folders may be a tar archive, and so may
 * the data set itself. Nothing is opened but archives and lists of labels, and nothing is written.
 * @throws StillhouseError `data.no-folder`, `data.no-classes`, `folder.unreadable`, `data.vanished`.
 */
export async function listDataset(path: string, options: ListOptions = {}): Promise<Dataset> {
  const { archiveCache = null } = options;
  const roots: Roots = { path, index: new ArchiveIndex(), warnings: new Warnings(), archiveCache };
  const splits = await findSplits(await rootOf(roots));
  const found = await scanClasses(splits.train.classes);
  const classes = sortByCodePoint([...found.keys()]);
  if (![...found.values()].some((files) => files.length > 0)) throw await nothingIn(path);
  for (const name of classes)
    if (found.get(name)!.length === 0) roots.warnings.add('data.empty-class', { path: join(splits.train.file, name) });
  if (classes.length === 1) roots.warnings.add('data.one-class', { name: classes[0] });
  const samples = samplesOf(classes, found);
  const given = splits.val && (await valSamples(splits.val, classes, roots));
  const { train, val } = given ? { train: samples, val: given } : stratifiedSplit(samples, options.splitSeed);
  if (val.length === 0) roots.warnings.add('data.no-val', { path });
  const { index, warnings } = roots;
  return {
    path,
    layout: splits.layout,
    classes,
    ...withoutExcluded(train, val, options.excluded),
    splitMade: !given,
    warnings: warnings.all(),
    archives: index.size > 0 ? index : null,
  };
}

/** No image was found; or there were some, and the disk went while they were looked for. */
async function nothingIn(path: string): Promise<StillhouseError> {
  return stat(path).then(
    () => new StillhouseError('data.no-classes', { path }),
    (cause: unknown) => new StillhouseError('data.vanished', { path, reason: reasonOf(cause) }, { cause }),
  );
}

function withoutExcluded(
  train: Sample[],
  val: Sample[],
  excluded: ReadonlySet<string> = new Set(),
): Pick<Dataset, 'train' | 'val' | 'excluded'> {
  if (excluded.size === 0) return { train, val, excluded: 0 };
  const kept = (samples: Sample[]): Sample[] => samples.filter(({ file }) => !excluded.has(file));
  const all = train.length + val.length;
  const left = { train: kept(train), val: kept(val) };
  return { ...left, excluded: all - left.train.length - left.val.length };
}

/** The branch that holds the splits or the classes. */
async function rootOf(roots: Roots): Promise<Branch> {
  const { path } = roots;
  if (ARCHIVE.test(path) && (await stat(path).catch(() => null))?.isFile()) return archiveBranch(roots, '');
  for (const place of KAGGLE)
    if (await stat(join(path, place, 'train')).catch(() => null)) return diskBranch(roots, '', place);
  const folder = diskBranch(roots, '', '');
  const inside = await folder.branches();
  const [only] = inside;
  // A lone archive that holds more than one class is the data set itself.
  const isLone = inside.length === 1 && only.isArchive && !isNamed(only, [...TRAIN_NAMES, ...VAL_NAMES]);
  return isLone && (await only.branches()).length > 1 ? only : folder;
}

interface Splits {
  layout: DatasetLayout;
  train: { file: string; classes: Branch[] };
  /** null where it is to be made. */
  val: { branch: Branch; classes: Branch[] } | null;
}

/** A folder named train is the training split if it holds folders; without val it may be a class (of railways). */
async function findSplits(root: Branch): Promise<Splits> {
  const top = await root.branches();
  const named = async (wanted: string): Promise<{ branch: Branch; classes: Branch[] } | null> => {
    const branches = top.filter((branch) => isNamed(branch, [wanted]));
    const branch = branches.find(({ isArchive }) => !isArchive) ?? branches[0];
    return branch ? { branch, classes: classBranches(await branch.branches()) } : null;
  };
  const isSplit = <Split>(split: Split | null): split is Split => split !== null;
  const trains = (await Promise.all(TRAIN_NAMES.map(named))).filter(isSplit);
  const vals = (await Promise.all(VAL_NAMES.map(named))).filter(isSplit);
  const train = trains.find(({ classes }) => classes.length > 0) ?? null;
  if (!train) return { layout: 'classes', train: { file: root.file, classes: classBranches(top) }, val: null };
  const val = vals.find(({ classes }) => classes.length > 0) ?? vals[0] ?? null;
  return { layout: 'train-val', train: { file: train.branch.file, classes: train.classes }, val };
}

function isNamed({ name }: Branch, names: readonly string[]): boolean {
  return names.includes(name.toLowerCase());
}

/** Files of each class, sorted. Folders whose name begins with a dot count only with images. */
async function scanClasses(branches: readonly Branch[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const queue = branches.values();
  const scanner = async (): Promise<void> => {
    for (const branch of queue) {
      const files = await branch.images();
      if (files.length > 0 || !branch.name.startsWith('.')) found.set(branch.name, files);
    }
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
  return found;
}

function samplesOf(classes: readonly string[], found: ReadonlyMap<string, string[]>): Sample[] {
  return classes.flatMap((name, label) => (found.get(name) ?? []).map((file) => ({ file, label })));
}

/** Images of a val that the data set brings: in class folders, or flat with a list. null: there is none to use. */
async function valSamples(
  { branch, classes: branches }: NonNullable<Splits['val']>,
  classes: readonly string[],
  roots: Roots,
): Promise<Sample[] | null> {
  const known = new Set(classes);
  // Folders that are no classes (val/images of tiny ImageNet) hold flat images too.
  if (branches.some(({ name }) => known.has(name))) {
    const found = await scanClasses(branches);
    compareClasses(classes, found, roots.warnings);
    return samplesOf(classes, found);
  }
  const files = await branch.images();
  const labelled = await labelledSamples(branch, files, classes, roots);
  if (labelled) return labelled;
  const difference = files.length > 0 ? `${branch.file} holds no class folders` : `${branch.file} holds no images`;
  roots.warnings.add('data.class-mismatch', { difference });
  return null;
}

async function labelledSamples(
  { file, isArchive }: Branch,
  files: readonly string[],
  classes: readonly string[],
  { path, warnings }: Roots,
): Promise<Sample[] | null> {
  if (files.length === 0) return null;
  try {
    const folders = [path, ...(isArchive || ARCHIVE.test(path) ? [] : [join(path, file)])];
    const found = await findLabels(folders, files, classes);
    if (!found) return null;
    const missing = files.length - found.labels.size;
    if (missing > 0) warnings.add('data.unlabelled', { count: missing, list: basename(found.source) });
    if (found.labels.size === 0) return null;
    return [...found.labels].map(([file, label]) => ({ file, label })).sort((a, b) => a.label - b.label);
  } catch (error) {
    warnings.add('data.label-list', { reason: (error as Error).message });
    return null;
  }
}

function compareClasses(classes: readonly string[], val: ReadonlyMap<string, string[]>, warnings: Warnings): void {
  const known = new Set(classes);
  const extra = sortByCodePoint([...val.keys()].filter((name) => !known.has(name)));
  const missing = classes.filter((name) => !val.get(name)?.length);
  const parts = [
    ...(missing.length > 0 ? [`without val images ${someOf(missing)}`] : []),
    ...(extra.length > 0 ? [`only in val, not used ${someOf(extra)}`] : []),
  ];
  if (parts.length > 0) warnings.add('data.class-mismatch', { difference: parts.join('; ') });
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `(${names.length}): ${shown}, …` : `(${names.length}): ${shown}`;
}

/** What {@link listDataset} finds, counted. Throws as it does. */
export async function inspectFolder(path: string): Promise<DatasetSummary> {
  return summarise(await listDataset(path));
}

/** Counts for each class of a data set, with the names of those that are synsets. */
export function summarise(dataset: Dataset): DatasetSummary {
  const { path, layout, splitMade, warnings, train, val, excluded } = dataset;
  const classes = dataset.classes.map((name) => ({ name, ...classTitle(name), train: 0, val: 0 }));
  for (const { label } of train) classes[label].train++;
  for (const { label } of val) classes[label].val++;
  return { path, layout, classes, train: train.length, val: val.length, splitMade, excluded, warnings };
}

/** Where a sample's file is on this machine; for one in an archive only its name, see {@link samplePlace}. */
export function samplePath(dataset: Pick<Dataset, 'path'>, sample: Pick<Sample, 'file'>): string {
  return join(dataset.path, ...sample.file.split('/'));
}

/** Where the bytes of an image lie: in a file of their own (`size` null), or in an archive. */
export function samplePlace(
  dataset: Pick<Dataset, 'path' | 'archives'>,
  file: string,
): { path: string; offset: number; size: number | null } {
  const place = dataset.archives?.get(file);
  if (!place) return { path: samplePath(dataset, { file }), offset: 0, size: null };
  return { path: join(dataset.path, place.archive), offset: place.offset, size: place.size };
}

/**
 * All bytes of an image, wherever it lies.
 * Rejects with an Error saying why it could not be read; the `code` of a file-system error is kept.
 */
export function readSample(
  dataset: Pick<Dataset, 'path' | 'archives'>,
  file: string,
  options: ReadOptions,
): Promise<Uint8Array> {
  const { path, offset, size } = samplePlace(dataset, file);
  return size === null ? readImageFile(path, options) : readFilePart(path, { offset, size }, options);
}
