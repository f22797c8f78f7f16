import { readFile, stat } from 'node:fs/promises';
import table from '../../../resources/classes/imagenet.json';
import { StillhouseError } from '../../protocol/errors.ts';

/**
 * Files that tell what an evaluation may count as right: ReaL's labels of ImageNet's validation images (Beyer et al.,
 * arXiv 2006.07159), and which class stands behind a number.
 */

/** Bytes of such a file: ReaL's takes 0.6 MB. */
const LARGEST = 64 * 2 ** 20;

/** The synsets of ImageNet-1k in their order. */
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
  const wrong = (reason: string) => new StillhouseError('evaluation.real', { path, reason });
  const lists = await readJson(path, wrong);
  if (!Array.isArray(lists)) throw wrong('expected a list of lists, got something else');
  const synsets = imagenetSynsets();
  const places = new Map(classes.map((name, place) => [name, place]));
  if (!synsets.some((synset) => places.has(synset))) throw wrong('the classes of the data are not those of ImageNet');
  const found = new Map<string, ReadonlySet<number>>();
  for (const file of files) {
    const number = Number(NUMBERED.exec(file)?.[1] ?? 0);
    if (number === 0) continue;
    if (number > lists.length) throw wrong(`it has ${lists.length} lists, and there is image ${number}`);
    const numbers = listOf(lists[number - 1], number, synsets.length, wrong);
    found.set(file, new Set(numbers.map((index) => places.get(synsets[index]) ?? -1)));
  }
  if (found.size === 0) throw wrong('no image is named as ImageNet’s are, ILSVRC2012_val_00000001.JPEG');
  return found;
}

function listOf(value: unknown, number: number, classes: number, wrong: (reason: string) => Error): number[] {
  const isClass = (index: unknown): index is number =>
    typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < classes;
  if (Array.isArray(value) && value.every(isClass)) return value;
  const got = JSON.stringify(value)?.slice(0, 40) ?? 'nothing';
  throw wrong(`list ${number} holds ${got}, expected whole numbers from 0 to ${classes - 1}`);
}

/**
 * Reads which class stands behind a number: `{"0": ["n01440764", "tench"], …}` as Keras has it,
 * `[{"cid": 0, "wnid": "n01440764"}, …]` as ImageNet-V2 has it, or a plain list of names.
 * @returns names by number.
 * @throws StillhouseError `evaluation.class-index`, `file.missing`, `file.unreadable`.
 */
export async function readClassIndex(path: string): Promise<string[]> {
  const wrong = (reason: string) => new StillhouseError('evaluation.class-index', { path, reason });
  const value = await readJson(path, wrong);
  if (typeof value !== 'object' || value === null) throw wrong('expected an object or a list, got something else');
  const pairs = Object.entries(value).map(([key, entry]) => pairOf(key, entry, wrong));
  const names: string[] = [];
  for (const [number, name] of pairs) {
    if (names[number] !== undefined) throw wrong(`number ${number} is there twice`);
    names[number] = name;
  }
  if (names.length !== pairs.length || pairs.length === 0) throw wrong('its numbers do not count from 0 without a gap');
  return names;
}

function pairOf(key: string, entry: unknown, wrong: (reason: string) => Error): [number, string] {
  const { cid = key, wnid } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  const name: unknown = typeof entry === 'string' ? entry : Array.isArray(entry) ? entry[0] : wnid;
  const number = Number(cid);
  if (typeof name !== 'string' || !Number.isInteger(number) || number < 0 || number > 1e6)
    throw wrong(`entry ${key.slice(0, 20)} names no number and class`);
  return [number, name];
}

async function readJson(path: string, wrong: (reason: string) => Error): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LARGEST) throw wrong('it is larger than 64 MiB');
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new StillhouseError('file.missing', { path }, { cause: error });
    throw new StillhouseError('file.unreadable', { path, reason: (error as Error).message }, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('it is not JSON');
  }
}
