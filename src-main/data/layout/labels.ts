import { reasonOf, StillhouseError, toPlainError, type ErrorCode, type ErrorParams } from '../../protocol/errors.ts';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readMatlabStructs } from '../../formats/matlab.ts';
import { IMAGE } from './image-name.ts';
import { readColumns, withoutBoxes, type LabelRow } from './label-columns.ts';
import { numbering, type Numbering } from './label-numbers.ts';
import { parseTable } from './label-table.ts';
import { compareCodePoints, composed } from '../../base/name-order.ts';
import { readableText } from '../../base/text.ts';
import type { Reading } from '../../protocol/data-reading.ts';
import { splitName, type SplitRole } from './split-names.ts';
import { readTar } from './tar.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';

/**
 * Which class each image of a flat validation folder has, from the lists that data sets come with:
 *
 * - `LOC_val_solution.csv`, `val.txt`, `val_annotations.txt` and their like: file and label in each line, the label a
 *   class or its number among the sorted classes;
 * - a list of labels alone, one a line, for the images in the order of their names;
 * - `ILSVRC2012_validation_ground_truth.txt`: numbers of ImageNet's own, which the devkit's `meta.mat` or
 *   `map_clsloc.txt` explains; the devkit as a folder or still packed.
 */

/** A text beside the images. */
interface List {
  path: string;
  bytes(): Promise<Buffer>;
}

const GROUND_TRUTH = /^ILSVRC20\d\d_(clsloc_)?validation_ground_truth\.txt$/i;
const EXPLAINED = /^(meta(_clsloc)?\.mat|map_clsloc\.txt)$/i;
const KAGGLE = /^LOC_val_solution\.csv$/i;
const NAMED = [
  KAGGLE,
  /^(val|valid|validation|test)_annotations\.txt$/i,
  /^(?!\.)(imagenet_?20\d\d_)?(ILSVRC20\d\d_)?(val|valid|validation|test)?_?(synset)?_?(labels?|map|list)?\.(txt|csv|tsv)$/i,
] as const;
const DEVKIT = /^(ILSVRC20\d\d_)?devkit/i;
/** Bytes of a list: 50,000 lines of ImageNet's largest take 4 MB. */
const LARGEST_LIST = 64 * 2 ** 20;

/** The request to the lists. */
export interface LabelRequest {
  /** Folders to look in; the first is the data folder. */
  folders: readonly string[];
  /** The images, relative to the data folder. */
  files: readonly string[];
  /** Sorted; null where the labels themselves are the classes. */
  classes: readonly string[] | null;
  role: SplitRole;
  reading: Reading;
  /** Images that a list was used for already: what names them there names no other. */
  taken: { source: string; files: readonly string[] } | null;
}

/** Labels by file, without the images that the list does not name, or whose class there is not. */
export interface FoundLabels {
  source: string;
  labels: Map<string, string>;
  /** Labels that are no class, with the number of their images. */
  unknown: Record<string, number>;
  /** The note on the list once it is used. */
  note: { code: ErrorCode; params: ErrorParams };
  /** Names of lists beside it that name no image here, or cannot be read. */
  unused: string[];
}

type Labelled = Omit<FoundLabels, 'source' | 'unused'>;

/**
 * Looks for a list that names the classes of flat images, in the folders given, their devkits, and for ImageNet's own
 * names in the three folders above.
 * @returns null when there is none.
 * @throws StillhouseError `data.label-list`, `data.list-*`: a list that cannot be used, or two that differ.
 */
export async function findLabels(request: LabelRequest): Promise<FoundLabels | null> {
  const { folders, files, reading, role } = request;
  const lists = await listsIn(folders);
  const truth = lists.find(({ path }) => GROUND_TRUTH.test(basename(path)));
  if (truth && request.classes && reading.list === null)
    return explained(truth, lists, files, request.classes).catch(asListError(truth));
  const others = lists.filter(({ path }) => !GROUND_TRUTH.test(basename(path)) && !EXPLAINED.test(basename(path)));
  const rank = ({ path }: List): number => {
    const at = NAMED.findIndex((pattern) => pattern.test(basename(path)));
    return at < 0 ? NAMED.length : at;
  };
  const wanted = others.filter(({ path }) => (reading.list ? basename(path) === reading.list : fitsRole(path, role)));
  if (reading.list && wanted.length === 0)
    throw new StillhouseError('data.no-such-list', { list: reading.list, path: folders[0] });
  return firstUsable(
    wanted.sort((a, b) => rank(a) - rank(b)),
    request,
  );
}

/** A list for another split is none for this one, nor is what Kaggle wants to be sent. */
function fitsRole(path: string, role: SplitRole): boolean {
  const name = basename(path).replace(/\.\w+$/, '');
  if (/submission/i.test(name)) return false;
  const of = splitName(name)?.role ?? role;
  return (of === 'train') === (role === 'train');
}

async function firstUsable(lists: readonly List[], request: LabelRequest): Promise<FoundLabels | null> {
  const usable: FoundLabels[] = [];
  const unused: string[] = [];
  let fault: Error | null = null;
  for (const list of lists) {
    try {
      const found = labelsOf(await textOf(list), list.path, request);
      if (found) usable.push({ ...found, source: list.path, unused });
      else if (isTable(list.path)) unused.push(basename(list.path));
    } catch (error) {
      // A text that is no table (a README) need not be one.
      if (!isTable(list.path) && !(await namesImages(list, request))) continue;
      fault ??= listError(list, error);
      unused.push(`${basename(list.path)} (${toPlainError(error).message})`);
    }
  }
  const [first, ...others] = usable;
  const other = others.find(({ labels }) => [...labels].some(([file, label]) => (first.labels.get(file) ?? label) !== label)); // prettier-ignore
  if (other) {
    const [a, b] = [basename(first.source), basename(other.source)];
    throw new StillhouseError('data.lists-differ', { a, b, first: `list=${a}`, second: `list=${b}` });
  }
  if (!first && fault) throw fault;
  return first ?? null;
}

/** Whether a text names images here, whatever its other letters are. */
async function namesImages(list: List, request: LabelRequest): Promise<boolean> {
  try {
    return labelsOf((await list.bytes()).toString('latin1'), list.path, request) !== null;
  } catch {
    return false;
  }
}

/** Whether a list must be one by its name; any other text may be. */
function isTable(path: string): boolean {
  return /\.[ct]sv$/i.test(path) || NAMED.some((pattern) => pattern.test(basename(path)));
}

function asListError(list: List): (error: unknown) => never {
  return (error) => {
    throw listError(list, error);
  };
}

/** Names the list in what went wrong with it, where that does not name it itself. */
function listError({ path }: List, cause: unknown): StillhouseError {
  if (cause instanceof StillhouseError) return cause;
  return new StillhouseError(
    'data.label-list',
    { reason: reason('file.within', { file: path, why: reasonOf(cause) }) },
    { cause },
  );
}

async function listsIn(folders: readonly string[]): Promise<List[]> {
  const found = (await Promise.all(folders.map(listsOf))).flat();
  let above = dirname(folders[0]);
  for (let level = 0; level < 3 && above !== dirname(above); level++) {
    const lists = await listsOf(above);
    found.push(
      ...lists.filter(({ path }) => [GROUND_TRUTH, EXPLAINED, KAGGLE].some((own) => own.test(basename(path)))),
    );
    above = dirname(above);
  }
  return found;
}

async function listsOf(folder: string): Promise<List[]> {
  const names = await readdir(folder).catch(() => []);
  const inside = await Promise.all(
    names.filter((name) => DEVKIT.test(name)).map((name) => devkitLists(join(folder, name))),
  );
  const wanted = names.filter((name) => isList(name));
  return [
    ...wanted.map((name) => ({ path: join(folder, name), bytes: () => readSmall(join(folder, name)) })),
    ...inside.flat(),
  ];
}

function isList(name: string): boolean {
  return GROUND_TRUTH.test(name) || EXPLAINED.test(name) || /^(?!\.).*\.(txt|csv|tsv)$/i.test(name);
}

/** ImageNet's devkit, unpacked or as `.tar.gz`. */
async function devkitLists(path: string): Promise<List[]> {
  if (/\.(tar\.gz|tgz)$/i.test(path)) return packedLists(path);
  const data = join(path, 'data');
  const names = await readdir(data).catch(() => []);
  return names
    .filter((name) => GROUND_TRUTH.test(name) || EXPLAINED.test(name))
    .map((name) => ({ path: join(data, name), bytes: () => readSmall(join(data, name)) }));
}

async function packedLists(path: string): Promise<List[]> {
  const lists: List[] = [];
  const wanted = (name: string): boolean => GROUND_TRUTH.test(basename(name)) || EXPLAINED.test(basename(name));
  try {
    const unpacked = pipeline(createReadStream(path), createGunzip(), () => undefined);
    for await (const { name, data } of readTar(unpacked, wanted))
      lists.push({ path: `${path}/${name}`, bytes: () => Promise.resolve(data) });
  } catch {
    return [];
  }
  return lists;
}

async function readSmall(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > LARGEST_LIST) throw new ReasonError(reason('file.list-over-64-mib'));
  return readFile(path);
}

async function textOf(list: List): Promise<string> {
  return readableText(await list.bytes());
}

/** Labels of the images, or null when the list names none of them. */
function labelsOf(written: string, path: string, request: LabelRequest): Labelled | null {
  const { files, reading, taken } = request;
  const text = composed(written);
  const classes = request.classes?.map(composed) ?? null;
  const list = basename(path);
  const index = new ImageIndex(files, taken?.source === path ? taken.files : [], list);
  const facts = { name: list, isImage: (cell: string) => index.has(cell), classes: classes && new Set(classes) };
  const found = readColumns(parseTable(text, list), facts);
  if (!found) return null;
  const isAlone = found.rows.every(({ file }) => file === null);
  if (isAlone && (!classes || !isLabels(found.rows, classes))) return null;
  if (isAlone && found.rows.length !== files.length) {
    // The names of the classes, one a line, label nothing.
    if (found.rows.length === classes?.length && found.rows.every(({ label }) => facts.classes?.has(label)))
      return null;
    throw new StillhouseError('data.list-length', { list, lines: found.rows.length, images: files.length });
  }
  const rows = found.rows.map((row) =>
    classes?.includes(row.label) ? row : { ...row, label: withoutBoxes(row.label) },
  );
  const labelled = isAlone ? inOrder(rows, files) : byFile(rows, index, list);
  const counted = classes ? numbering(list, rows, classes, reading.labels) : null;
  return collect(labelled, request.classes, counted, { list, total: files.length, ...found.columns });
}

function isLabels(rows: readonly LabelRow[], classes: readonly string[]): boolean {
  const known = new Set(classes);
  return rows.every(({ label }) => known.has(label) || /^\d+$/.test(label));
}

function inOrder(rows: readonly LabelRow[], files: readonly string[]): Map<string, string> {
  const sorted = [...files].sort((a, b) => compareCodePoints(basename(a), basename(b)));
  return new Map(sorted.map((file, at) => [file, rows[at].label]));
}

/** @throws StillhouseError `data.list-twice` for an image with two classes. */
function byFile(rows: readonly LabelRow[], index: ImageIndex, list: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { file: cell, label, line } of rows) {
    const file = index.file(cell ?? '', line);
    if (file === null) continue;
    if ((labels.get(file) ?? label) !== label) throw new StillhouseError('data.list-twice', { list, line, file });
    if (label === '') throw new StillhouseError('data.list-line', { list, line, reason: reason('list.no-label') });
    labels.set(file, label);
  }
  return labels;
}

function collect(
  labelled: ReadonlyMap<string, string>,
  classes: readonly string[] | null,
  counted: Numbering | null,
  of: { list: string; total: number; file: string; label: string },
): Labelled | null {
  const labels = new Map<string, string>();
  const unknown: Record<string, number> = {};
  for (const [file, label] of labelled) {
    const number = counted?.of(label);
    if (!classes || !counted) labels.set(file, label);
    else if (number === undefined) unknown[label] = (unknown[label] ?? 0) + 1;
    else labels.set(file, classes[number]);
  }
  if (labels.size === 0) return null;
  const params = { ...of, count: labels.size };
  const from = counted?.from ?? null;
  if (of.file === '') return { labels, unknown, note: { code: from === null ? 'data.read-lines' : 'data.read-numbered-lines', params: { ...params, from: from ?? 0 } } }; // prettier-ignore
  if (from === null) return { labels, unknown, note: { code: 'data.read-list', params } };
  return { labels, unknown, note: { code: 'data.read-numbered-list', params: { ...params, from } } };
}

/** Images by the names that lists have for them: with or without folders, with or without the end. */
class ImageIndex {
  private readonly byName = new Map<string, string[]>();

  private readonly taken: ReadonlySet<string>;

  constructor(
    files: readonly string[],
    taken: readonly string[],
    private readonly list: string,
  ) {
    this.taken = new Set(taken);
    for (const file of [...files, ...taken]) {
      const name = composed(basename(file));
      const stem = name.replace(IMAGE, '');
      for (const key of stem === name ? [name] : [name, stem]) {
        const known = this.byName.get(key);
        if (known) known.push(file);
        else this.byName.set(key, [file]);
      }
    }
  }

  has(cell: string): boolean {
    return this.found(cell).length > 0;
  }

  /** @throws StillhouseError `data.list-ambiguous` where several images have that name. */
  file(cell: string, line: number): string | null {
    const [file, ...others] = this.found(cell);
    if (others.length > 0) throw new StillhouseError('data.list-ambiguous', { list: this.list, line, name: cell });
    return file ?? null;
  }

  private found(cell: string): string[] {
    const named = this.named(cell);
    return named.some((file) => this.taken.has(file)) ? [] : named;
  }

  private named(cell: string): string[] {
    const path = cell.replaceAll('\\', '/').replace(/^(\.?\/)+/, '');
    const name = basename(path);
    const known = this.byName.get(name) ?? this.byName.get(name.replace(/\.\w{1,5}$/, '')) ?? [];
    if (known.length < 2) return known;
    const whole = known.filter((file) =>
      [file, file.replace(IMAGE, '')].some((whole) => composed(`/${whole}`).endsWith(`/${path}`)),
    );
    return whole.length > 0 ? whole : known;
  }
}

/** ImageNet's ground truth: a number of its own for each image, explained by the devkit. */
async function explained(
  truth: List,
  lists: readonly List[],
  files: readonly string[],
  classes: readonly string[],
): Promise<FoundLabels> {
  const ids = (await textOf(truth)).trim().split(/\s+/).map(Number);
  const synsets = await synsetsById(lists);
  const known = new Set(classes);
  const sorted = [...files].sort((a, b) => compareCodePoints(basename(a), basename(b)));
  const numbered = sorted.map((file) => Number(/_(\d{8})\.\w+$/.exec(file)?.[1]));
  const byName = numbered.every((value) => value >= 1 && value <= ids.length);
  if (!byName && ids.length !== files.length)
    throw new ReasonError(reason('labels.lines', { lines: ids.length, files: files.length }));
  const pairs = sorted.map((file, at) => [file, synsets.get(ids[byName ? numbered[at] - 1 : at]) ?? ''] as const);
  const labels = new Map(pairs.filter(([, synset]) => known.has(synset)));
  const params = { list: basename(truth.path), count: labels.size, total: files.length };
  return { source: truth.path, labels, unknown: {}, note: { code: 'data.read-devkit', params }, unused: [] };
}

/** Synsets by ImageNet's numbers. @throws Error when nothing explains them. */
async function synsetsById(lists: readonly List[]): Promise<Map<number, string>> {
  const list = lists.find(({ path }) => EXPLAINED.test(basename(path)));
  if (!list) throw new ReasonError(reason('labels.devkit'));
  if (list.path.endsWith('.txt')) {
    const lines = (await textOf(list)).trim().split(/\r?\n/);
    return new Map(lines.map((line) => line.split(/\s+/)).map(([synset, id]) => [Number(id), synset]));
  }
  const synsets = readMatlabStructs(await list.bytes(), 'synsets');
  return new Map(
    synsets.map((row) => {
      const id = (row.ILSVRC2012_ID ?? row.ILSVRC2015_ID ?? row.ILSVRC2015_CLSLOC_ID) as number[] | null;
      return [id?.[0] ?? 0, String(row.WNID ?? '')];
    }),
  );
}
