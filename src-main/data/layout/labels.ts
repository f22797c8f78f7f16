import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readMatlabStructs } from '../../formats/matlab.ts';
import { compareCodePoints } from './order.ts';
import { readTar } from './tar.ts';

/**
 * Which class each image of a flat validation folder has, from the lists that data sets come with:
 *
 * - `LOC_val_solution.csv`, `val.txt`, `val_annotations.txt` and their like: file and label in each line, the label a
 *   class or its number among the sorted classes (from 0; from 1 where the highest is the count);
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

/** Labels by file, without the images that the list does not name, or whose class there is not. */
export interface FoundLabels {
  source: string;
  labels: Map<string, number>;
}

/**
 * Looks for a list that names the classes of flat images, in the folders given, their devkits, and for ImageNet's own
 * names in the three folders above.
 * @param files of the images, relative to the data folder.
 * @returns null when there is none.
 * @throws Error naming the list and saying why it cannot be used.
 */
export async function findLabels(
  folders: readonly string[],
  files: readonly string[],
  classes: readonly string[],
): Promise<FoundLabels | null> {
  const lists = await listsIn(folders);
  const ordered = NAMED.flatMap((pattern) => lists.filter(({ path }) => pattern.test(basename(path))));
  const truth = lists.find(({ path }) => GROUND_TRUTH.test(basename(path)));
  if (truth) return explained(truth, lists, files, classes);
  for (const list of new Set(ordered)) {
    const found = await tryTo(list, async () => labelsOf(rowsOf(await textOf(list)), files, classes));
    if (found) return found;
  }
  return null;
}

async function tryTo(list: List, work: () => Promise<Map<string, number> | null>): Promise<FoundLabels | null> {
  const labels = await work().catch((error: unknown) => {
    throw new Error(`${list.path}: ${(error as Error).message}`, { cause: error });
  });
  return labels && { source: list.path, labels };
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
  return GROUND_TRUTH.test(name) || EXPLAINED.test(name) || NAMED.some((pattern) => pattern.test(name));
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
  if (size > LARGEST_LIST) throw new Error('the list is larger than 64 MiB');
  return readFile(path);
}

async function textOf(list: List): Promise<string> {
  return (await list.bytes()).toString('utf8').replace(/^\ufeff/, '');
}

/** A line of a list; `file` is null where lines hold labels alone. */
interface Row {
  file: string | null;
  label: string;
}

function rowsOf(text: string): Row[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const separator = [/\t/, /,/].find((mark) => lines.length > 0 && mark.test(lines[0]));
  return lines.map((line) => {
    const trimmed = line.trim();
    if (separator) {
      const [file, label = ''] = trimmed.split(separator);
      // LOC_val_solution.csv: "n03995372 85 1 499 272", the class and where it is in the image.
      return { file: file.trim(), label: label.trim().split(/ \d+ \d+ \d+ \d+/)[0] };
    }
    const [, file = null, label] = /^(?:(.*\S)\s+)?(\S+)$/.exec(trimmed)!;
    return { file, label };
  });
}

/** Labels by file, or null when the rows are no list of these images. */
function labelsOf(
  rows: readonly Row[],
  files: readonly string[],
  classes: readonly string[],
): Map<string, number> | null {
  const number = numbering(rows, classes);
  if (rows.every(({ file }) => file === null)) {
    if (rows.length !== files.length) return null;
    const inOrder = [...files].sort((a, b) => compareCodePoints(basename(a), basename(b)));
    return collect(inOrder.map((file, at) => [file, number(rows[at].label)]));
  }
  const byStem = new Map(rows.map(({ file, label }) => [stemOf(file ?? ''), label]));
  const labels = collect(files.map((file) => [file, number(byStem.get(stemOf(file)))]));
  return labels.size > 0 ? labels : null;
}

function collect(pairs: readonly (readonly [string, number | undefined])[]): Map<string, number> {
  return new Map(pairs.filter((pair): pair is [string, number] => pair[1] !== undefined));
}

function stemOf(file: string): string {
  return basename(file.replaceAll('\\', '/')).replace(/\.\w{1,5}$/, '');
}

/** Turns labels as written into class numbers. */
function numbering(
  rows: readonly Row[],
  classes: readonly string[],
): (label: string | undefined) => number | undefined {
  const byName = new Map(classes.map((name, number) => [name, number]));
  const written = rows.map(({ label }) => label).filter((label) => /^\d+$/.test(label) && !byName.has(label));
  const highest = written.reduce((high, label) => Math.max(high, Number(label)), 0);
  const first = highest === classes.length && !written.some((label) => Number(label) === 0) ? 1 : 0;
  return (label) => {
    if (label === undefined) return undefined;
    const known = byName.get(label);
    if (known !== undefined || !/^\d+$/.test(label)) return known;
    const number = Number(label) - first;
    return number >= 0 && number < classes.length ? number : undefined;
  };
}

/** ImageNet's ground truth: a number of its own for each image, explained by the devkit. */
async function explained(
  truth: List,
  lists: readonly List[],
  files: readonly string[],
  classes: readonly string[],
): Promise<FoundLabels | null> {
  return tryTo(truth, async () => {
    const ids = (await textOf(truth)).trim().split(/\s+/).map(Number);
    const synsets = await synsetsById(lists);
    const number = new Map(classes.map((name, at) => [name, at]));
    const inOrder = [...files].sort((a, b) => compareCodePoints(basename(a), basename(b)));
    const numbered = inOrder.map((file) => Number(/_(\d{8})\.\w+$/.exec(file)?.[1]));
    const byName = numbered.every((value) => value >= 1 && value <= ids.length);
    if (!byName && ids.length !== files.length)
      throw new Error(`it has ${ids.length} lines for ${files.length} images`);
    return collect(
      inOrder.map((file, at) => [file, number.get(synsets.get(ids[byName ? numbered[at] - 1 : at]) ?? '')]),
    );
  });
}

/** Synsets by ImageNet's numbers. @throws Error when nothing explains them. */
async function synsetsById(lists: readonly List[]): Promise<Map<number, string>> {
  const list = lists.find(({ path }) => EXPLAINED.test(basename(path)));
  if (!list) throw new Error('its numbers need meta.mat or map_clsloc.txt of the devkit beside it');
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
