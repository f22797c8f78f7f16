import type { NamedArray } from './named-array.ts';
import { PickleDict } from './pickle.ts';
import { looksLikeSafetensors, readSafetensors, type Safetensors } from './safetensors.ts';
import { badFormat, type ByteSource } from './source.ts';
import { looksLikePickle, readTorchLegacy, readTorchZip } from './torch-file.ts';
import { TorchTensor, toNamedArray } from './torch-tensor.ts';
import { looksLikeZip } from './zip.ts';

/** A weight file of any kind, opened: nothing of its arrays is read before it is asked for. */
export interface WeightFile {
  kind: 'safetensors' | 'torch-zip' | 'torch-legacy';
  /** The state dicts that the file holds, '' for one that is the whole file. */
  entries: string[];
  /** The one of `entries` that `tensors` is. */
  entry: string;
  /** Texts beside the arrays; of a torch file those that `torch-writer.ts` puts there, lists as JSON. */
  metadata: Record<string, string>;
  tensors: Map<string, NamedArray>;
}

/** Which entry of a torch file is taken when none is asked for: the first of these that is there. */
const PREFERRED = ['model', 'state_dict', ''];

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
      throw badFormat(path, 'it is neither a safetensors file nor one of torch');
  }
}

function kindOf(source: ByteSource): WeightFile['kind'] | null {
  if (looksLikeZip(source)) return 'torch-zip';
  // The brace of one may be inside the other; a header length has zeros above its low bytes, a pickle has not.
  const braced = looksLikeSafetensors(source);
  if (braced && source.read(4, 4).every((byte) => byte === 0)) return 'safetensors';
  if (looksLikePickle(source)) return 'torch-legacy';
  return braced ? 'safetensors' : null;
}

function torchFile(kind: WeightFile['kind'], saved: unknown, path: string, wanted?: string): WeightFile {
  const dicts = stateDicts(saved);
  const entries = [...dicts.keys()];
  const fallback = entries.length === 1 ? entries[0] : undefined;
  const entry = wanted ?? PREFERRED.find((name) => dicts.has(name)) ?? fallback;
  const dict = entry === undefined ? undefined : dicts.get(entry);
  if (entry === undefined || !dict) {
    const wish = wanted === undefined ? 'a state dict' : `a state dict named ${wanted}`;
    const names = entries.map((name) => name || 'the whole file').join(', ') || 'none';
    throw badFormat(path, `it does not hold ${wish} (state dicts: ${names.slice(0, 500)})`);
  }
  return { kind, entries, entry, metadata: metadataOf(saved, dict), tensors: namedTensors(dict, path) };
}

// The saved object if tensors are in it, and each dict directly in it that holds tensors.
function stateDicts(saved: unknown): Map<string, PickleDict> {
  const found = new Map<string, PickleDict>();
  if (!(saved instanceof PickleDict)) return found;
  if (holdsTensors(saved)) found.set('', saved);
  for (const [name, value] of saved.items)
    if (typeof name === 'string' && value instanceof PickleDict && holdsTensors(value)) found.set(name, value);
  return found;
}

function holdsTensors(dict: PickleDict): boolean {
  for (const value of dict.items.values()) if (value instanceof TorchTensor) return true;
  return false;
}

function safetensorsFile({ metadata, tensors }: Safetensors): WeightFile {
  return { kind: 'safetensors', entries: [''], entry: '', metadata, tensors: withoutWrapper(tensors) };
}

function namedTensors(dict: PickleDict, path: string): Map<string, NamedArray> {
  const tensors = [...dict.items].filter((item): item is [unknown, TorchTensor] => item[1] instanceof TorchTensor);
  return withoutWrapper(
    new Map(
      tensors.map(([name, tensor]) => {
        if (typeof name !== 'string' || name === '') throw badFormat(path, 'a tensor in it has no name');
        return [name, toNamedArray(tensor)];
      }),
    ),
  );
}

const WRAPPERS = ['module.', '_orig_mod.'];

// DataParallel and torch.compile put a word of their own before every name, one before the other where both are used.
function withoutWrapper(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  const names = [...tensors.keys()];
  const wrapper = WRAPPERS.find((word) => names.length > 0 && names.every((name) => name.startsWith(word)));
  if (!wrapper) return tensors;
  return withoutWrapper(new Map([...tensors].map(([name, array]) => [name.slice(wrapper.length), array])));
}

function metadataOf(saved: unknown, dict: PickleDict): Record<string, string> {
  const holders = [saved instanceof PickleDict ? saved : null, dict.attributes];
  const metadata = holders.map((holder) => holder instanceof PickleDict && holder.items.get('metadata'));
  const texts = metadata.flatMap((items) => (items instanceof PickleDict ? [...items.items] : []));
  return Object.fromEntries(texts.flatMap(([key, value]) => (typeof key === 'string' ? toText(key, value) : [])));
}

function toText(key: string, value: unknown): [string, string][] {
  if (typeof value === 'string') return [[key, value]];
  const plain = (item: unknown) => ['string', 'number', 'boolean'].includes(typeof item);
  return plain(value) || (Array.isArray(value) && value.every(plain)) ? [[key, JSON.stringify(value)]] : [];
}
