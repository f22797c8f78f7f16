import { StillhouseError } from '../../protocol/errors.ts';
import { classBranches, type Branch, type Roots } from './branch.ts';
import { compareCodePoints } from '../../base/name-order.ts';
import { splitsReading, type Reading } from '../../protocol/data-reading.ts';
import { splitName, type SplitName, type SplitRole } from './split-names.ts';

/** One split: the folder it was found in, and its class folders; none where its images lie flat. */
export interface Split {
  branch: Branch;
  classes: Branch[];
}

/** Says how the folders of a data set were read. */
export interface Arrangement {
  train: Split;
  /** null where it is to be made. */
  val: Split | null;
  /** The word in the name of that split; null where a person named it. */
  valRole: SplitRole | null;
  /** Whether `train` was read as a split, and not the classes of the whole. */
  isSplit: boolean;
  /** The folder that holds the splits or the classes. */
  root: Branch;
}

/**
 * Decides which folders are splits and which are classes, by their names and by what they hold. What was taken is
 * noted; where two readings would train on other images, neither is taken.
 * @throws StillhouseError `data.splits-or-classes` and others, with the readings to choose from as parameters.
 */
export async function arrange(root: Branch, reading: Reading, roots: Roots): Promise<Arrangement> {
  if (reading.train !== null) return asSaid(root, reading);
  const place = await unwrap(root, roots);
  const top = await place.branches();
  if (reading.classes) return asClasses(place, top);
  const named = splitsAmong(top);
  const trains = await withContent(named.filter(({ name }) => name.role === 'train'));
  if (trains.length === 0) return withoutTrain(place, top, named, roots);
  return withTrain(place, top, named, trains, roots);
}

/** A folder whose name is that of a split. */
interface Named {
  branch: Branch;
  name: SplitName;
}

function asClasses(root: Branch, top: readonly Branch[]): Arrangement {
  return { root, train: { branch: root, classes: classBranches(top) }, val: null, valRole: null, isSplit: false };
}

/** Folders as a person names them. */
async function asSaid(root: Branch, { train, val }: Reading): Promise<Arrangement> {
  const split = async (file: string): Promise<Split> => {
    const inner = /^(?:(.*)\/)?\*\/([^/]+)$/.exec(file);
    if (inner) return insideClasses(await branchAt(root, inner[1] ?? ''), inner[2]);
    const branch = await branchAt(root, file);
    return { branch, classes: classBranches(await branch.branches()) };
  };
  const found = await split(train!);
  const others = val === null ? null : await split(val);
  const classes = found.classes.filter(({ file }) => file !== others?.branch.file);
  return { root, train: { ...found, classes }, val: others, valRole: null, isSplit: true };
}

async function branchAt(root: Branch, file: string): Promise<Branch> {
  let branch = root;
  for (const part of file.split('/').filter((one) => one !== '' && one !== '.')) {
    const inside = await branch.branches();
    const found = inside.find((one) => one.file.split('/').at(-1) === part) ?? inside.find(({ name }) => name === part);
    if (!found) throw new StillhouseError('data.no-such-folder', { folder: file, path: branch.file || '.' });
    branch = found;
  }
  return branch;
}

/** A split that lies in every class folder: `cat/train`, `dog/train`. */
async function insideClasses(root: Branch, wanted: string): Promise<Split> {
  const tops = classBranches(await root.branches());
  const classes = await Promise.all(
    tops.map(async (top) => {
      const inner = (await top.branches()).find(({ name }) => name === wanted);
      return inner ? [{ ...inner, name: top.name }] : [];
    }),
  );
  return { branch: root, classes: classes.flat() };
}

/** Folders with the name of a split. `flowers_train` is one only beside, say, `flowers_test`. */
function splitsAmong(top: readonly Branch[]): Named[] {
  const named = top.flatMap((branch) => {
    const name = splitName(branch.name);
    return name ? [{ branch, name }] : [];
  });
  const hasPartner = ({ rest, role }: SplitName): boolean =>
    named.some(({ name }) => name.rest === rest && name.role !== role);
  const splits = named.filter(({ name }) => name.rest === '' || hasPartner(name));
  // Of a folder and an archive of the same name, the archive is most likely what the folder was unpacked from.
  return splits.filter(
    ({ branch, name }) =>
      !branch.isArchive ||
      !splits.some((other) => !other.branch.isArchive && other.name.role === name.role && isUnpacked(other, branch)),
  );
}

function isUnpacked({ branch, name }: Named, archive: Branch): boolean {
  return branch.name === archive.name || (name.exact && /^ilsvrc/i.test(archive.name));
}

/** Those that hold anything, the plainest names first. */
async function withContent(named: readonly Named[]): Promise<Named[]> {
  const kept = await Promise.all(named.map(async (one) => ((await isEmpty(one.branch)) ? [] : [one])));
  const rank = ({ name }: Named): number => (name.exact ? 0 : name.rest === '' ? 1 : 2);
  const byName = (a: Named, b: Named): number => compareCodePoints(a.branch.file, b.branch.file);
  return kept.flat().sort((a, b) => rank(a) - rank(b) || byName(a, b));
}

async function isEmpty(branch: Branch): Promise<boolean> {
  return (await foldersOf(branch)).length === 0 && (await branch.loose()).length === 0;
}

/** Class folders inside; none where it cannot be read, which the scan then says. */
async function foldersOf(branch: Branch): Promise<Branch[]> {
  return classBranches(await branch.branches().catch(() => []));
}

/** Goes into the only folder, as often as there is one that holds several: one class alone could not be trained. */
async function unwrap(root: Branch, roots: Roots): Promise<Branch> {
  let place = root;
  for (let next: Branch | null = root; next;) {
    const [only, ...others]: Branch[] = classBranches(await next.branches());
    if (!only || others.length > 0 || (await next.loose()).length > 0 || splitName(only.name)?.rest === '') break;
    const inside = await foldersOf(only);
    if (inside.length === 0 || (await only.loose()).length > 0) break;
    next = only;
    if (inside.length > 1 || splitName(inside[0].name)) place = only;
  }
  if (place !== root) roots.notes.add('data.read-wrapped', { folder: place.file });
  return place;
}

/** No folder is named like one of training. */
async function withoutTrain(
  root: Branch,
  top: readonly Branch[],
  named: readonly Named[],
  roots: Roots,
): Promise<Arrangement> {
  const folders = classBranches(top);
  const full = await withContent(named);
  const siblings = new Set(folders.map(({ name }) => name));
  const inside = await Promise.all(full.map(({ branch }) => foldersOf(branch)));
  const repeats = inside.flat().some(({ name }) => siblings.has(name));
  if (full.length > 0 && repeats)
    throw new StillhouseError('data.split-beside', {
      folder: full[0].branch.file,
      ...{ first: splitsReading('.', full[0].branch.file), second: 'classes' },
    });
  if (full.length > 1 || (full.length > 0 && full.length === folders.length))
    throw new StillhouseError('data.no-train', {
      folders: list(full.map(({ branch }) => branch.file)),
      first: splitsReading((full.find(({ name }) => name.role === 'val') ?? full[0]).branch.file, null),
      second: 'classes',
    });
  for (const { branch } of full) roots.notes.add('data.read-as-class', { folder: branch.file });
  return (await splitsInClasses(root, folders, roots)) ?? asClasses(root, top);
}

/** Looks whether every class folder holds the same folders, which then are splits, or may be classes. */
async function splitsInClasses(root: Branch, folders: readonly Branch[], roots: Roots): Promise<Arrangement | null> {
  const inner = await sharedFolders(folders);
  const first = inner.map((name) => ({ name, role: splitName(name) })).find(({ role }) => role?.role === 'train');
  if (first?.role?.rest === '') return classesFirst(root, folders, inner, first.name, roots);
  // `images` in every class says nothing.
  const telling = inner.filter((name) => splitName(`train ${name}`)?.rest !== '');
  if (folders.length < 2 || telling.length < 2) return null;
  throw new StillhouseError('data.splits-or-classes', {
    ...{ folders: list(folders.map(({ file }) => file)), inner: list(telling) },
    ...{ first: 'classes', second: splitsReading(folders[0].file, folders[1].file) },
  });
}

/** Names of the folders that all of them hold, if these are most of what they hold and no image lies beside them. */
async function sharedFolders(folders: readonly Branch[]): Promise<string[]> {
  let shared: string[] | null = null;
  const all = new Set<string>();
  // One by one: the first class with images in it ends the search.
  for (const folder of folders) {
    const names = (await foldersOf(folder)).map(({ name }) => name);
    if (names.length === 0 || (await folder.loose()).length > 0) return [];
    for (const name of names) all.add(name);
    shared = shared ? shared.filter((name) => names.includes(name)) : names;
    if (shared.length === 0) return [];
  }
  return shared && shared.length * 2 >= all.size ? shared : [];
}

async function classesFirst(
  root: Branch,
  folders: readonly Branch[],
  inner: readonly string[],
  train: string,
  roots: Roots,
): Promise<Arrangement> {
  const inside = (await foldersOf(folders[0])).find(({ name }) => name === train)!;
  if ((await foldersOf(inside)).length > 0)
    throw new StillhouseError('data.several-sets', { folders: list(folders.map(({ file }) => file)), inner: train });
  const roles = inner.map((name) => ({ name, role: splitName(name)?.role }));
  const val = roles.find(({ role }) => role === 'val') ?? roles.find(({ role }) => role === 'test');
  const all = (name: string): string => `${root.file ? `${root.file}/` : ''}*/${name}`;
  roots.notes.add('data.read-inside', { train: all(train), val: val ? all(val.name) : '–' });
  const others = roles.filter(({ name }) => name !== train && name !== val?.name);
  if (others.length > 0) roots.notes.add('data.left-out', { folders: list(others.map(({ name }) => all(name))) });
  return {
    ...{ root, train: await insideClasses(root, train), isSplit: true },
    val: val ? await insideClasses(root, val.name) : null,
    valRole: val?.role ?? null,
  };
}

async function withTrain(
  root: Branch,
  top: readonly Branch[],
  named: readonly Named[],
  trains: readonly Named[],
  roots: Roots,
): Promise<Arrangement> {
  const [train, other] = trains;
  const vals = await valsAmong(named);
  if (other && other.name.exact === train.name.exact && (other.name.rest === '') === (train.name.rest === ''))
    throw new StillhouseError('data.several-train', {
      folders: list(trains.map(({ branch }) => branch.file)),
      first: splitsReading(train.branch.file, vals[0]?.branch.file ?? null),
      second: splitsReading(other.branch.file, vals[0]?.branch.file ?? null),
    });
  const others = top.filter((one) => !one.isArchive && !named.some(({ branch }) => branch === one));
  const split = await splitOf(train.branch, null, roots);
  if (vals.length === 0 && (await mayBeClass(split, others))) {
    // A folder of images among such: a class of railways.
    if (split.classes.length === 0) {
      roots.notes.add('data.read-as-class', { folder: train.branch.file });
      return asClasses(root, top);
    }
    throw new StillhouseError('data.train-or-class', {
      ...{ folder: train.branch.file, others: list(others.map(({ file }) => file)) },
      ...{ first: splitsReading(train.branch.file, null), second: 'classes' },
    });
  }
  const [val] = vals;
  const valSplit = val ? await splitOf(val.branch, split.classes, roots) : null;
  if (valSplit) compareSplits(train, split, val, valSplit);
  tell({ train, val, vals, others, trains }, roots);
  return { root, train: split, val: valSplit, valRole: val?.name.role ?? null, isSplit: true };
}

/** Where others beside train hold images and none is a split, train may be one of them. */
async function mayBeClass({ classes }: Split, others: readonly Branch[]): Promise<boolean> {
  for (const other of others) {
    if ((await other.loose()).length > 0) return true;
    if (classes.length > 0 && (await other.images()).length > 0) return true;
  }
  return false;
}

/** Splits to validate with: those named for it first, test last; class folders before flat images. */
async function valsAmong(named: readonly Named[]): Promise<Named[]> {
  const full = await withContent(named.filter(({ name }) => name.role !== 'train'));
  const withClasses = await Promise.all(full.map(async ({ branch }) => (await foldersOf(branch)).length > 0));
  const rank = (one: Named): number => (one.name.role === 'test' ? 2 : 0) + (withClasses[full.indexOf(one)] ? 0 : 1);
  return [...full].sort((a, b) => rank(a) - rank(b));
}

/**
 * The class folders of a split, also where they lie in one folder of it, as in `seg_train/seg_train`.
 * @param known classes of train; null for train itself.
 */
async function splitOf(branch: Branch, known: readonly Branch[] | null, roots: Roots): Promise<Split> {
  const names = new Set(known?.map(({ name }) => name));
  let inner = branch;
  let classes = await foldersOf(branch);
  while (classes.length === 1 && !names.has(classes[0].name) && (await inner.loose()).length === 0) {
    const inside = await foldersOf(classes[0]);
    const goes = known ? inside.some(({ name }) => names.has(name)) : inside.length > 1;
    if (!goes || (await classes[0].loose()).length > 0) break;
    inner = classes[0];
    classes = inside;
  }
  if (inner !== branch) roots.notes.add('data.read-wrapped', { folder: inner.file });
  return { branch: inner, classes };
}

/** Names that only resemble those of splits are not enough where the classes differ. */
function compareSplits(train: Named, split: Split, val: Named, valSplit: Split): void {
  const names = new Set(split.classes.map(({ name }) => name));
  const isPlain = train.name.exact && val.name.exact;
  const shares = valSplit.classes.some(({ name }) => names.has(name)) || valSplit.classes.length === 0;
  if (isPlain || (shares && split.classes.length > 0) || (split.classes.length === 0 && train.name.rest === '')) return;
  throw new StillhouseError('data.names-unclear', {
    ...{ train: train.branch.file, val: val.branch.file },
    ...{ first: splitsReading(train.branch.file, val.branch.file), second: 'classes' },
  });
}

interface Taken {
  train: Named;
  val: Named | undefined;
  vals: readonly Named[];
  others: readonly Branch[];
  trains: readonly Named[];
}

/** Says what was taken for what. */
function tell({ train, val, vals, others, trains }: Taken, { notes }: Roots): void {
  const [trainFile, valFile] = [train.branch.file, val?.branch.file ?? ''];
  const isPlain = train.name.exact && (!val || val.name.exact);
  if (!isPlain) notes.add('data.read-names', { train: trainFile, val: valFile || '–', instead: 'classes' });
  const left = [...vals.slice(1), ...trains.slice(1)].map(({ branch }) => branch.file);
  if (left.length > 0) notes.add('data.left-out', { folders: list(left) });
  if (others.length > 0) notes.add('data.beside', { folders: list(others.map(({ file }) => file)) });
}

/** Names that are shown; the others are only counted. */
const SHOWN = 5;

/** Joins some of the names with commas. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown}, … (${names.length})` : shown;
}
