import { readFile, stat } from 'node:fs/promises';
import table from '../../../resources/classes/imagenet.json';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';

/**
 * Files that tell what an evaluation may count as right: ReaL's labels of ImageNet's validation images (Beyer et al.,
 * arXiv 2006.07159), and which class stands behind a number.
 */

/** Bytes of such a file: ReaL's takes 0.6 MB. */
const LARGEST = 64 * 2 ** 20;

/** Lists the synsets of ImageNet-1k in their order. */
export function imagenetSynsets(): string[] {
  return table.classes.map((line) => line.split('|')[0]);
}

/** Names that ImageNet's validation images came with; the number counts from 1. */
const NUMBERED = /ILSVRC2012_val_(\d{8})\.\w+$/i;

/**
 * Reads `real.json`: for each validation image, in the order of their numbers, the classes that people saw in it, as
 * places in ImageNet's order. An image in which they saw none has an empty list.
 * @returns for each of `files` the labels that count as right, places in `classes`.
 * @throws StillhouseError `evaluation.real` when the file is not of that form, or none of the images is in it;
 * `file.missing`, `file.unreadable`.
 */
export async function readRealLabels(
  path: string,
  files: readonly string[],
  classes: readonly string[],
): Promise<Map<string, ReadonlySet<number>>> {
  const wrong = (why: Reason) => new StillhouseError('evaluation.real', { path, reason: why });
  const lists = await readJson(path, wrong);
  if (!Array.isArray(lists)) throw wrong(reason('labels.no-list'));
  const synsets = imagenetSynsets();
  const places = new Map(classes.map((name, place) => [name, place]));
  if (!synsets.some((synset) => places.has(synset))) throw wrong(reason('labels.other-classes'));
  const found = new Map<string, ReadonlySet<number>>();
  for (const file of files) {
    const number = Number(NUMBERED.exec(file)?.[1] ?? 0);
    if (number === 0) continue;
    if (number > lists.length) throw wrong(reason('labels.too-few-lists', { lists: lists.length, number }));
    const numbers = listOf(lists[number - 1], number, synsets.length, wrong);
    found.set(file, new Set(numbers.map((index) => places.get(synsets[index]) ?? -1)));
  }
  if (found.size === 0) throw wrong(reason('labels.no-names'));
  return found;
}

function listOf(value: unknown, number: number, classes: number, wrong: (why: Reason) => Error): number[] {
  const isClass = (index: unknown): index is number =>
    typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < classes;
  if (Array.isArray(value) && value.every(isClass)) return value;
  const got = JSON.stringify(value)?.slice(0, 40) ?? 'nothing';
  throw wrong(reason('labels.number', { number, got, last: classes - 1 }));
}

/**
 * Reads which class stands behind a number: `{"0": ["n01440764", "tench"], …}` as Keras has it,
 * `[{"cid": 0, "wnid": "n01440764"}, …]` as ImageNet-V2 has it, or a plain list of names.
 * @returns names by number.
 * @throws StillhouseError `evaluation.class-index`, `file.missing`, `file.unreadable`.
 */
export async function readClassIndex(path: string): Promise<string[]> {
  const wrong = (why: Reason) => new StillhouseError('evaluation.class-index', { path, reason: why });
  const value = await readJson(path, wrong);
  if (typeof value !== 'object' || value === null) throw wrong(reason('labels.no-object'));
  const pairs = Object.entries(value).map(([key, entry]) => pairOf(key, entry, wrong));
  const names: string[] = [];
  for (const [number, name] of pairs) {
    if (names[number] !== undefined) throw wrong(reason('labels.twice', { number }));
    names[number] = name;
  }
  if (names.length !== pairs.length || pairs.length === 0) throw wrong(reason('labels.gap'));
  return names;
}

function pairOf(key: string, entry: unknown, wrong: (why: Reason) => Error): [number, string] {
  const { cid = key, wnid } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  const name: unknown = typeof entry === 'string' ? entry : Array.isArray(entry) ? entry[0] : wnid;
  const number = Number(cid);
  if (typeof name !== 'string' || !Number.isInteger(number) || number < 0 || number > 1e6)
    throw wrong(reason('labels.entry', { key: key.slice(0, 20) }));
  return [number, name];
}

async function readJson(path: string, wrong: (why: Reason) => Error): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LARGEST) throw wrong(reason('file.over-64-mib'));
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new StillhouseError('file.missing', { path }, { cause: error });
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(reason('file.not-json'));
  }
}
