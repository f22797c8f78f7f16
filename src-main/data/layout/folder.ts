import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { DatasetLayout, DatasetSummary } from '../../protocol/data-types.ts';
import { StillhouseError, type PlainError, reasonOf } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { ArchiveIndex } from './archive-index.ts';
import { ARCHIVE } from './archive-scan.ts';
import { arrange, list, type Arrangement } from './arrangement.ts';
import type { Branch, Roots } from './branch.ts';
import { classTitle, type ClassTitle } from './class-titles.ts';
import { archiveBranch, diskBranch } from './disk-branch.ts';
import { findLabels, type FoundLabels, type LabelRequest } from './labels.ts';
import { composed, naturalOrder, sortByCodePoint } from '../../base/name-order.ts';
import { caseTwins } from '../../base/names.ts';
import { inWords, PassedOver } from './passed-over.ts';
import { readPlace, type ReadOptions } from './read-file.ts';
import type { BytesPlace } from './read-now.ts';
import { parseReading, splitsReading, type Reading } from '../../protocol/data-reading.ts';
import type { Sample } from './sample.ts';
import { stratifiedSplit } from './split.ts';
import { Warnings } from '../check/warnings.ts';
import { BY_FOLDERS, DATA_SETS, type DataSetName } from '../../protocol/data-sets.ts';
import { findSet, packedSet } from '../sets/find-set.ts';
import type { FoundSet } from '../sets/published-set.ts';

/**
 * A data folder as training sees it. Class numbers are places in `classes`, sorted by code point as torchvision does;
 * those of a published data set are its authors'.
 */
export interface Dataset {
  path: string;
  layout: DatasetLayout;
  classes: string[];
  train: Sample[];
  val: Sample[];
  /** val was taken out of train by `stratifiedSplit`. */
  splitMade: boolean;
  /** The published data set that it was read as; null for folders of classes. */
  set: DataSetName | null;
  /** Names of classes in both languages, where the data themselves do not name them. */
  titles?: ReadonlyMap<string, ClassTitle>;
  warnings: PlainError[];
  /** Notes on how things were taken, and on things that were passed over. */
  notes: PlainError[];
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
  /** How a person says the folder is to be read, see {@link parseReading}; '' by its names and contents. */
  reading?: string;
  /** Folder that keeps what was found in archives, for the next time. */
  archiveCache?: string;
}

/** Where Kaggle's ImageNet has its train and val. */
const KAGGLE = ['ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC'];
const SCANNERS = 8;

/**
 * Lists the images of a data set: `train/<class>/…` with `val/<class>/…`, or with a flat `val/` and a list of its
 * labels; or `<class>/…`, of which a tenth is set aside for val. Each of these folders may be a tar archive, and so may
 * the data set itself. Nothing is opened but archives and lists of labels, and nothing is written.
 * What was taken how is in the notes; what can be read in two ways is refused.
 * @throws StillhouseError `data.no-folder`, `data.no-classes`, `folder.unreadable`, `data.vanished`, and those of
 * {@link arrange} and {@link findLabels}.
 */
export async function listDataset(path: string, options: ListOptions = {}): Promise<Dataset> {
  const roots = rootsOf(path, options.archiveCache ?? null);
  const reading = parseReading(options.reading ?? '');
  const set = await findSet(roots, reading);
  if (set) return publishedSet(set, reading, roots, options);
  const arrangement = await arrange(await rootOf(roots), reading, roots);
  const listed = (await flatTrain(arrangement, reading, roots)) ?? (await classTrain(arrangement, roots));
  const { classes, samples } = listed;
  if (classes.length === 1) roots.warnings.add('data.one-class', { name: classes[0] });
  for (const twins of caseTwins(classes)) roots.warnings.add('data.case-twins', { classes: list(twins) });
  const natural = naturalOrder(classes);
  if (natural) roots.notes.add('data.order', { ours: list(classes), timm: list(natural) });
  const given = arrangement.val && (await valSamples(arrangement, listed, reading, roots));
  const { train, val } = given ? { train: samples, val: given } : stratifiedSplit(samples, options.splitSeed);
  if (val.length === 0) roots.warnings.add('data.no-val', { path });
  const { index, warnings, notes, passed } = roots;
  passed.tell(notes);
  return {
    path,
    layout: arrangement.isSplit || listed.list ? 'train-val' : 'classes',
    classes,
    ...withoutExcluded(train, val, options.excluded),
    splitMade: !given,
    set: null,
    warnings: warnings.all(),
    notes: notes.all(),
    archives: index.size > 0 ? index : null,
  };
}

/** A data set as its authors publish it, with their classes, splits and numbers. */
async function publishedSet(set: FoundSet, reading: Reading, roots: Roots, options: ListOptions): Promise<Dataset> {
  if (reading.train !== null && set.name !== 'FLOWERS') {
    const expected = reason('value.no-splits', { set: DATA_SETS[set.name] });
    throw new StillhouseError('recipe.invalid', { key: 'dataReading', expected, got: options.reading ?? '' });
  }
  if (reading.category !== null && !set.name.startsWith('INAT'))
    roots.notes.add('data.set-category', { category: reading.category, set: DATA_SETS[set.name] });
  const { classes, titles, train, val, from } = await set.read(roots, reading);
  const [trainFrom, valFrom] = from;
  roots.notes.add('data.read-set', {
    ...{ set: DATA_SETS[set.name], folder: set.place || '.', train: train.length, val: val.length },
    ...{ trainFrom, valFrom, instead: `set=${BY_FOLDERS}` },
  });
  const { path, index, warnings, notes } = roots;
  return {
    ...{ path, layout: 'train-val', classes, ...(titles && { titles }) },
    ...withoutExcluded(train, val, options.excluded),
    ...{ splitMade: false, set: set.name, warnings: warnings.all(), notes: notes.all() },
    archives: index.size > 0 ? index : null,
  };
}

function rootsOf(path: string, archiveCache: string | null): Roots {
  const [warnings, notes] = [new Warnings(), new Warnings()];
  return { path, index: new ArchiveIndex(), warnings, notes, passed: new PassedOver(), archiveCache };
}

/** Images to train on, or to split. */
interface Listed {
  classes: string[];
  samples: Sample[];
  /** The list that named their classes, and what it could name; null where folders did. */
  list: LabelRequest['taken'];
}

async function classTrain({ train, isSplit, root }: Arrangement, roots: Roots): Promise<Listed> {
  if (isSplit && train.classes.length === 0) {
    const count = (await train.branch.loose()).length;
    throw new StillhouseError('data.flat', { folder: train.branch.file || '.', count, first: 'classes', second: '' });
  }
  const found = await scanClasses(train.classes);
  const classes = sortByCodePoint([...found.keys()]);
  if (![...found.values()].some((files) => files.length > 0)) throw await nothingIn(roots, root);
  for (const name of classes)
    if (found.get(name)!.length === 0) roots.warnings.add('data.empty-class', { path: join(train.branch.file, name) });
  await tellLoose(train.branch, roots);
  return { classes, samples: samplesOf(classes, found), list: null };
}

/** Images that lie in one folder and have their classes from a list: of train, or of the whole. Null without such. */
async function flatTrain({ train, isSplit }: Arrangement, reading: Reading, roots: Roots): Promise<Listed | null> {
  const [only, ...others] = train.classes;
  if (others.length > 0 || reading.classes || (only && isSplit)) return null;
  const branch = only ?? train.branch;
  const files = await branch.images();
  if (files.length === 0 || (await branch.branches()).length > 0) return null;
  const folders = foldersOf(branch, roots.path);
  const found = await findLabels({ folders, files, classes: null, role: 'train', reading, taken: null });
  if (!found) return null;
  say(found, files, branch, roots);
  const classes = sortByCodePoint([...new Set(found.labels.values())]);
  return { classes, samples: labelSamples(found.labels, classes), list: { source: found.source, files } };
}

/** Where the lists of a folder's images may lie. */
function foldersOf({ file, isArchive }: Branch, path: string): string[] {
  const home = ARCHIVE.test(path) ? dirname(path) : path;
  return file === '' || isArchive || ARCHIVE.test(path) ? [home] : [home, join(path, file)];
}

function labelSamples(labels: ReadonlyMap<string, string>, classes: readonly string[]): Sample[] {
  const places = new Map(classes.map((name, place) => [name, place]));
  const samples = [...labels].map(([file, label]) => ({ file, label: places.get(label)! }));
  return samples.sort((a, b) => a.label - b.label);
}

/** Says which list was used, and which images it leaves without a class. */
function say(found: FoundLabels, files: readonly string[], { file }: Branch, { notes, warnings }: Roots): void {
  const { note, labels, unknown, source } = found;
  notes.add(note.code, { ...note.params, folder: file || '.' });
  if (found.unused.length > 0) notes.add('data.lists-unused', { lists: found.unused.join(', ').slice(0, 1000) });
  const strange = Object.values(unknown).reduce((sum, count) => sum + count, 0);
  const missing = files.length - labels.size - strange;
  if (missing > 0) warnings.add('data.unlabelled', { count: missing, list: basename(source) });
  if (strange > 0)
    warnings.add('data.list-unknown', { count: strange, list: basename(source), labels: inWords(unknown) });
}

/** Images beside class folders belong to no class. */
async function tellLoose(branch: Branch, { notes }: Roots): Promise<void> {
  const { length: count } = await branch.loose();
  if (count > 0) notes.add('data.passed-loose', { count, folder: branch.file || '.' });
}

/** No image was found; or there were some, and the disk went while they were looked for. */
async function nothingIn({ path, passed }: Roots, root: Branch): Promise<StillhouseError> {
  const gone = await stat(path).then(() => null, (cause: unknown) => cause); // prettier-ignore
  if (gone) return new StillhouseError('data.vanished', { path, reason: reasonOf(gone) }, { cause: gone });
  const { images } = passed.counts;
  if (Object.keys(images).length > 0) return new StillhouseError('data.only-others', { path, kinds: inWords(images) });
  const files = await readdir(join(path, root.file)).catch(() => []);
  const set = packedSet(join(path, root.file), files);
  if (set) return set;
  const packed = files.map((file) => packedError(join(path, root.file, file))).find((error) => error !== null);
  return packed ?? new StillhouseError('data.no-classes', { path });
}

/** Advises on a file that holds images in a way that is not read; null for any other. */
function packedError(path: string): StillhouseError | null {
  if (/\.(tar\.(gz|bz2|xz|zst)|tgz|tbz2|txz)$/i.test(path)) return new StillhouseError('data.compressed-tar', { path });
  if (/\.(7z|rar)$/i.test(path)) return new StillhouseError('data.packed', { path });
  if (/\.(parquet|arrow|feather|tfrecords?|lmdb|mdb|h5|hdf5|npz|npy|pkl|rec)$/i.test(path))
    return new StillhouseError('data.table-file', { path });
  return null;
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

/** The branch that everything lies in. @throws StillhouseError for a file that cannot be read as a folder. */
async function rootOf(roots: Roots): Promise<Branch> {
  const { path } = roots;
  if ((await stat(path).catch(() => null))?.isFile()) {
    if (ARCHIVE.test(path)) return archiveBranch(roots, '');
    const packed = packedSet(path, []) ?? packedError(path);
    if (packed) throw packed;
  }
  for (const place of KAGGLE)
    if (await stat(join(path, place, 'train')).catch(() => null)) return diskBranch(roots, '', place);
  return diskBranch(roots, '', '');
}

/** Files of each class, sorted. */
async function scanClasses(branches: readonly Branch[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const queue = branches.values();
  const scanner = async (): Promise<void> => {
    for (const branch of queue) {
      found.set(branch.name, await branch.images());
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
  { val, valRole, train }: Arrangement,
  { classes, list: taken }: Listed,
  reading: Reading,
  roots: Roots,
): Promise<Sample[] | null> {
  const { branch, classes: branches } = val!;
  const served = (samples: Sample[]): Sample[] => {
    const [folder, instead] = [branch.file, splitsReading(train.branch.file, null)];
    if (valRole === 'test') roots.notes.add('data.test-as-val', { folder, instead });
    return samples;
  };
  // Folders that are no classes (val/images of tiny ImageNet) hold flat images too.
  const known = new Set(classes.map(composed));
  if (branches.some(({ name }) => known.has(composed(name)))) {
    const found = inFormOf(classes, await scanClasses(branches), branch, roots);
    compareClasses(classes, found, roots.warnings);
    await tellLoose(branch, roots);
    return served(samplesOf(classes, found));
  }
  const files = await branch.images();
  const folders = foldersOf(branch, roots.path);
  const found =
    files.length > 0 ? await findLabels({ folders, files, classes, role: valRole ?? 'val', reading, taken }) : null;
  if (found && found.labels.size > 0) {
    say(found, files, branch, roots);
    return served(labelSamples(found.labels, classes));
  }
  const difference = reason(files.length > 0 ? 'data.no-class-folders' : 'data.no-images', { file: branch.file });
  roots.warnings.add('data.class-mismatch', { difference });
  return null;
}

/** Gives class folders that differ from those of train in their Unicode form alone the names of these, and says so. */
function inFormOf(
  classes: readonly string[],
  found: ReadonlyMap<string, string[]>,
  { file: folder }: Branch,
  { notes }: Roots,
): Map<string, string[]> {
  const known = new Set(classes);
  const forms = new Map(classes.filter((name) => !found.has(name)).map((name) => [composed(name), name]));
  const formOf = (name: string): string => (known.has(name) ? name : (forms.get(composed(name)) ?? name));
  const other = [...found.keys()].filter((name) => formOf(name) !== name);
  if (other.length > 0) notes.add('data.unicode-forms', { count: other.length, folder, example: other[0] });
  return new Map([...found].map(([name, files]) => [formOf(name), files]));
}

function compareClasses(classes: readonly string[], val: ReadonlyMap<string, string[]>, warnings: Warnings): void {
  const known = new Set(classes);
  const extra = sortByCodePoint([...val.keys()].filter((name) => !known.has(name)));
  const missing = classes.filter((name) => !val.get(name)?.length);
  const [one, other] = [
    ...(missing.length > 0 ? [reason('data.without-val', { classes: someOf(missing) })] : []),
    ...(extra.length > 0 ? [reason('data.only-val', { classes: someOf(extra) })] : []),
  ];
  const difference = other ? reason('list.both', { one, other }) : one;
  if (difference) warnings.add('data.class-mismatch', { difference });
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `(${names.length}): ${shown}, …` : `(${names.length}): ${shown}`;
}

/** Counts the images that {@link listDataset} finds, and throws as it does. */
export async function inspectFolder(path: string): Promise<DatasetSummary> {
  return summarise(await listDataset(path));
}

/** Counts for each class of a data set, with the names of those that are synsets. */
export function summarise(dataset: Dataset): DatasetSummary {
  const { path, layout, splitMade, warnings, notes, train, val, excluded } = dataset;
  const titleOf = (name: string): { title: ClassTitle } | null => {
    const title = dataset.titles?.get(name);
    return title ? { title } : classTitle(name);
  };
  const classes = dataset.classes.map((name) => ({ name, ...titleOf(name), train: 0, val: 0 }));
  for (const { label } of train) classes[label].train++;
  for (const { label } of val) classes[label].val++;
  const counts = { train: train.length, val: val.length };
  return { path, layout, classes, ...counts, splitMade, excluded, set: dataset.set, warnings, notes };
}

/**
 * Returns the path of a sample's file on this machine; for one in an archive only its name, see {@link samplePlace}.
 */
export function samplePath(dataset: Pick<Dataset, 'path'>, sample: Pick<Sample, 'file'>): string {
  return join(dataset.path, ...sample.file.split('/'));
}

/** Finds where the bytes of an image lie: in a file of their own (`size` null), or in an archive. */
export function samplePlace(dataset: Pick<Dataset, 'path' | 'archives'>, file: string): BytesPlace {
  const place = dataset.archives?.get(file);
  if (!place) return { path: samplePath(dataset, { file }), offset: 0, size: null };
  const { archive, ...part } = place;
  return { path: resolve(dataset.path, archive), ...part };
}

/**
 * Reads all bytes of an image, wherever it lies. Rejects with an Error that says why it could not be read; the `code`
 * of a file-system error is kept.
 */
export function readSample(
  dataset: Pick<Dataset, 'path' | 'archives'>,
  file: string,
  options: ReadOptions,
): Promise<Uint8Array> {
  return readPlace(samplePlace(dataset, file), options);
}
