import { shapeSize } from '../base/shape-size.ts';
import type { ArrayToWrite, NamedArray } from './named-array.ts';
import { DTYPE_BYTES } from './named-array.ts';
import { badFormat, readChecked, type ByteSource } from './source.ts';
import type { WeightFile } from './weight-file.ts';
import { reason } from '../protocol/reasons.ts';

/**
 * Weights in several files beside an index, as Hugging Face writes them: `model.safetensors.index.json` or
 * `pytorch_model.bin.index.json`, whose `weight_map` says which file holds which array.
 */

const MAX_INDEX = 16 << 20;
const MAX_DEPTH = 4;
const MAX_FILES = 10_000;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** The names of the arrays in each file, by the file's name in the folder of the index. */
export type ShardIndex = ReadonlyMap<string, readonly string[]>;

/**
 * Reads an index. Files are named without a folder.
 * @throws StillhouseError `weights.format`
 */
export function readShardIndex(source: ByteSource, path: string): ShardIndex {
  if (source.size > MAX_INDEX) throw badFormat(path, reason('shards.large', { bytes: source.size, most: MAX_INDEX }));
  const bytes = readChecked(source, 0, source.size, path, reason('part.index'));
  if (depthOf(bytes) > MAX_DEPTH) throw badFormat(path, reason('shards.deep'));
  const files = new Map<string, string[]>();
  for (const [name, file] of Object.entries(weightMap(bytes, path))) {
    if (!isPlainName(file)) throw badFormat(path, reason('shards.no-file', { file: clip(JSON.stringify(file)) }));
    const names = files.get(file) ?? [];
    files.set(file, names);
    names.push(name);
    if (files.size > MAX_FILES) throw badFormat(path, reason('shards.files', { most: MAX_FILES }));
  }
  if (files.size === 0) throw badFormat(path, reason('shards.none'));
  return files;
}

// Braces and brackets inside one another, outside of texts: parsing millions of them would take gigabytes.
function depthOf(bytes: Uint8Array): number {
  let [depth, most, inText] = [0, 0, false];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) inText = !inText;
    else if (inText) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === 0x7b || byte === 0x5b) most = Math.max(most, ++depth);
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return most;
}

function weightMap(bytes: Uint8Array, path: string): object {
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw badFormat(path, reason('file.not-json'), error);
  }
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : null;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw badFormat(path, reason('shards.no-map'));
  return map;
}

function isPlainName(file: unknown): file is string {
  return typeof file === 'string' && /^[^/\\\0:]{1,255}$/.test(file) && file !== '.' && file !== '..';
}

/**
 * Joins the arrays of all shards into one file. `open` opens a shard by its name.
 * @throws StillhouseError `weights.format` where index and shards disagree, and what `open` throws.
 */
export function joinShards(index: ShardIndex, open: (file: string) => WeightFile, path: string): WeightFile {
  const tensors = new Map<string, NamedArray>();
  let first: WeightFile | null = null;
  for (const [file, names] of index) {
    const shard = open(file);
    first ??= shard;
    const missing = names.find((name) => !shard.tensors.has(name));
    if (missing !== undefined) throw badFormat(path, reason('shards.lacks', { file, name: clip(missing) }));
    if (shard.tensors.size > names.length) {
      const known = new Set(names);
      const surplus = [...shard.tensors.keys()].find((name) => !known.has(name)) ?? '';
      throw badFormat(path, reason('shards.surplus', { file, name: clip(surplus) }));
    }
    for (const name of names) tensors.set(name, shard.tensors.get(name)!);
  }
  return { ...first!, tensors };
}

/** A part of the arrays, and the file it goes to. */
export interface Shard {
  file: string;
  arrays: ArrayToWrite[];
}

/**
 * Divides arrays, in order, over files of at most `limit` bytes of elements each; one array alone may be more. What
 * fits into one file stays `name`.
 */
export function divideShards(arrays: readonly ArrayToWrite[], name: string, limit: number): Shard[] {
  const parts: ArrayToWrite[][] = [[]];
  let held = 0;
  for (const array of arrays) {
    const bytes = shapeSize(array.shape) * DTYPE_BYTES[array.dtype];
    if (held > 0 && held + bytes > limit) {
      parts.push([]);
      held = 0;
    }
    parts[parts.length - 1].push(array);
    held += bytes;
  }
  if (parts.length === 1) return [{ file: name, arrays: parts[0] }];
  const [stem, ending] = splitName(name);
  const number = (value: number) => String(value).padStart(5, '0');
  return parts.map((arrays, i) => ({ file: `${stem}-${number(i + 1)}-of-${number(parts.length)}${ending}`, arrays }));
}

function splitName(name: string): [string, string] {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
}

/** Writes the index of shards, as Hugging Face does. */
export function shardIndexText(shards: readonly Shard[]): string {
  const all = shards.flatMap(({ arrays }) => arrays);
  const total_size = all.reduce((sum, { shape, dtype }) => sum + shapeSize(shape) * DTYPE_BYTES[dtype], 0);
  const pairs = shards.flatMap(({ file, arrays }) => arrays.map(({ name }) => [name, file] as const));
  return `${JSON.stringify({ metadata: { total_size }, weight_map: Object.fromEntries(pairs) }, null, 2)}\n`;
}

// Names come from the file: an error must not carry megabytes of them.
function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
