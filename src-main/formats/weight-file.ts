import type { NamedArray } from './named-array.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { EXPORT_FORMATS, type WeightKind } from '../protocol/export-formats.ts';
import { PickleDict, PickleRecord, PickleTuple } from './pickle.ts';
import { looksLikeSafetensors, readSafetensors, type Safetensors } from './safetensors.ts';
import { badFormat, type ByteSource } from './source.ts';
import { looksLikePickle, readTorchLegacy, readTorchZip } from './torch-file.ts';
import { TorchTensor, toNamedArray } from './torch-tensor.ts';
import { looksLikeZip } from './zip.ts';
import { reason } from '../protocol/reasons.ts';

/** A weight file of any kind, opened: nothing of its arrays is read before it is asked for. */
export interface WeightFile {
  kind: WeightKind;
  /** The state dicts that the file holds, '' for one that is the whole file. */
  entries: string[];
  /** The one of `entries` that `tensors` is. */
  entry: string;
  /** Texts beside the arrays; of a torch file those that `torch-writer.ts` puts there, lists as JSON. */
  metadata: Record<string, string>;
  tensors: Map<string, NamedArray>;
}

const FORMATS = Object.values(EXPORT_FORMATS)
  .filter(({ kinds }) => Object.keys(kinds).length > 0)
  .map(({ name }) => name)
  .join(', ');

/** Which entry of a torch file is taken when none is asked for: the first of these that is there. */
const PREFERRED = ['model', 'state_dict', 'model_state_dict', 'net', 'network', ''];

/**
 * Opens a weight file, deciding by its content what it is. `entry` names the state dict to take from a torch file
 * that holds several (`model`, `model_ema`, …). The source must stay open while arrays are read.
 * @param path for errors only.
 * @throws StillhouseError `weights.format`, `weights.hostile`
 */
export function openWeightFile(source: ByteSource, path: string, options: { entry?: string } = {}): WeightFile {
  switch (kindOf(source)) {
    case 'safetensors':
      return safetensorsFile(readSafetensors(source, path));
    case 'torch-zip':
      return torchFile('torch-zip', readTorchZip(source, path), path, options.entry);
    case 'torch-legacy':
      return torchFile('torch-legacy', readTorchLegacy(source, path), path, options.entry);
    case null:
      throw badFormat(path, reason('weights.neither', { formats: FORMATS }));
  }
}

function kindOf(source: ByteSource): WeightKind | null {
  if (looksLikeZip(source)) return 'torch-zip';
  // The brace of one may be inside the other; a header length has zeros above its low bytes, a pickle has not.
  const braced = looksLikeSafetensors(source);
  if (braced && source.read(4, 4).every((byte) => byte === 0)) return 'safetensors';
  if (looksLikePickle(source)) return 'torch-legacy';
  return braced ? 'safetensors' : null;
}

function torchFile(kind: WeightKind, saved: unknown, path: string, wanted?: string): WeightFile {
  const dicts = stateDicts(saved);
  const entries = [...dicts.keys()];
  const fallback = entries.length === 1 ? entries[0] : undefined;
  const entry = wanted ?? PREFERRED.find((name) => dicts.has(name)) ?? fallback;
  const dict = entry === undefined ? undefined : dicts.get(entry);
  if (entry === undefined || !dict) throw noEntry(saved, entries, path, wanted);
  return { kind, entries, entry, metadata: metadataOf(saved, dict), tensors: namedTensors(dict, path) };
}

function noEntry(saved: unknown, entries: readonly string[], path: string, wanted?: string): StillhouseError {
  const type = entries.length === 0 ? moduleIn(saved) : null;
  if (type) return new StillhouseError('weights.module', { path, type });
  if (entries.length === 0) return badFormat(path, reason('weights.no-state-dict'));
  const names = entries.map((name) => name || '""').join(', ');
  return new StillhouseError('weights.entry', { path, entry: wanted ?? '–', entries: names.slice(0, 500) });
}

/** The class of a whole network that was pickled, alone or in a dict. */
function moduleIn(saved: unknown): string | null {
  const records = saved instanceof PickleDict ? [...saved.items.values()] : [saved];
  const isModule = (record: PickleRecord) => record.state instanceof PickleDict && record.state.items.has('_modules');
  const found = records.find((record) => record instanceof PickleRecord && isModule(record)) as
    | PickleRecord
    | undefined;
  return found?.type ?? null;
}

// The saved object if tensors are in it, and each dict directly in it that holds tensors.
function stateDicts(saved: unknown): Map<string, PickleDict> {
  const found = new Map<string, PickleDict>();
  if (!(saved instanceof PickleDict)) return found;
  for (const [name, value] of saved.items)
    if (typeof name === 'string' && value instanceof PickleDict && tensorsIn(value) > 0) found.set(name, value);
  // A random state or a score beside the dicts is no network.
  const most = Math.max(0, ...[...found.values()].map(tensorsIn));
  return tensorsIn(saved) > most ? new Map([['', saved], ...found]) : found;
}

function tensorsIn(dict: PickleDict): number {
  let count = 0;
  for (const value of dict.items.values()) if (value instanceof TorchTensor) count++;
  return count;
}

function safetensorsFile({ metadata, tensors }: Safetensors): WeightFile {
  return { kind: 'safetensors', entries: [''], entry: '', metadata, tensors };
}

function namedTensors(dict: PickleDict, path: string): Map<string, NamedArray> {
  const tensors = [...dict.items].filter((item): item is [unknown, TorchTensor] => item[1] instanceof TorchTensor);
  return new Map(
    tensors.map(([name, tensor]) => {
      if (typeof name !== 'string' || name === '') throw badFormat(path, reason('torch.no-name'));
      return [name, toNamedArray(tensor)];
    }),
  );
}

function metadataOf(saved: unknown, dict: PickleDict): Record<string, string> {
  const holders = [saved instanceof PickleDict ? saved : null, dict.attributes];
  const metadata = holders.map((holder) => holder instanceof PickleDict && holder.items.get('metadata'));
  const texts = metadata.flatMap((items) => (items instanceof PickleDict ? [...items.items] : []));
  const own = texts.flatMap(([key, value]) => (typeof key === 'string' ? toText(key, value) : []));
  return Object.fromEntries([...trainedWith(saved), ...own]);
}

/** Settings that the training scripts of timm and DeiT keep in `args`, by the words of a file's metadata. */
const ARGS: readonly (readonly [string, string])[] = [
  ['model', 'trained_model'],
  ['input_size', 'trained_input_size'],
  ['crop_pct', 'trained_crop_pct'],
  ['eval_crop_ratio', 'trained_crop_pct'],
  ['mean', 'trained_mean'],
  ['std', 'trained_std'],
  ['interpolation', 'trained_interpolation'],
];

function trainedWith(saved: unknown): [string, string][] {
  if (!(saved instanceof PickleDict)) return [];
  const args = saved.items.get('args');
  const values = args instanceof PickleRecord ? args.state : args;
  const of = (key: string): unknown => (values instanceof PickleDict ? values.items.get(key) : undefined);
  const found = ARGS.flatMap(([key, name]) => (of(key) === '' ? [] : toText(name, of(key))));
  const arch = saved.items.get('arch');
  return typeof arch === 'string' ? [['trained_model', arch], ...found] : found;
}

function toText(key: string, value: unknown): [string, string][] {
  if (typeof value === 'string') return [[key, value]];
  const plain = (item: unknown) => ['string', 'number', 'boolean'].includes(typeof item);
  const list = value instanceof PickleTuple ? value.items : value;
  return plain(list) || (Array.isArray(list) && list.every(plain)) ? [[key, JSON.stringify(list)]] : [];
}
