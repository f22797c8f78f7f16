import { DTYPE_BYTES } from './named-array.ts';
import { PickleReader } from './pickle-reader.ts';
import { PickleDict, PickleGlobal, PickleTuple, unpickle, type PickleHost } from './pickle.ts';
import { badFormat, bytesSource, readChecked, uint64At, viewOf, type ByteSource } from './source.ts';
import { dtypeOfGlobal, isUntypedStorage, torchGlobal } from './torch-globals.ts';
import type { TorchStorage } from './torch-tensor.ts';
import { readZip, type ZipEntry } from './zip.ts';
import { reason } from '../protocol/reasons.ts';

/**
 * Files of torch.save: the zip format (a pickle beside one entry a storage) and the older one (pickles in a row, then
 * the storages). What comes out is the saved object as inert data; tensors are read when asked for.
 */

const MAX_PICKLE = 64 << 20;
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;

/** Tells whether the bytes start like a pickle; the older torch format is a series of pickles. */
export function looksLikePickle(source: ByteSource): boolean {
  if (source.size < 2) return false;
  const [first, second] = source.read(0, 2);
  return first === 0x80 ? second <= 5 : '(c]}lI'.includes(String.fromCharCode(first));
}

/** Reads the object in a file of torch's zip format. @throws StillhouseError `weights.format`, `weights.hostile` */
export function readTorchZip(source: ByteSource, path: string): unknown {
  const entries = readZip(source, path);
  const prefix = archivePrefix(entries, path);
  const order = entries.get(`${prefix}byteorder`);
  if (order && Buffer.from(order.read(0, order.size)).toString('latin1') !== 'little')
    throw badFormat(path, reason('torch.big-endian'));
  const pickle = entries.get(`${prefix}data.pkl`)!;
  if (pickle.size > MAX_PICKLE) throw badFormat(path, reason('torch.pickle', { bytes: pickle.size, most: MAX_PICKLE }));
  const bytes = pickle.read(0, pickle.size);
  const reader = new PickleReader(bytesSource(bytes), 0, MAX_PICKLE, path);
  return unpickle(reader, {
    global: (name) => torchGlobal(name, path),
    persistent: (id) => zipStorage(storageReference(id, path), entries, prefix, path),
  });
}

// The archive's folder is named for the file it was first saved as.
function archivePrefix(entries: Map<string, ZipEntry>, path: string): string {
  const pickles = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  if (pickles.length !== 1) throw badFormat(path, reason('torch.no-pickle'));
  const prefix = pickles[0].slice(0, -'data.pkl'.length);
  if (entries.has(`${prefix}constants.pkl`)) throw badFormat(path, reason('torch.script'));
  return prefix;
}

/** `start` is NaN until the place of the storage is known. */
type Placed = Reference & { start: number };
type Reference = Omit<TorchStorage, 'read'> & { width: number; view: unknown };

// ('storage', class, key, location, elements[, view])
function storageReference(id: unknown, path: string): Reference {
  const [kind, type, key, , count, view] = id instanceof PickleTuple ? id.items : [];
  const name = type instanceof PickleGlobal ? type.name : '';
  const dtype = dtypeOfGlobal(name) ?? null;
  if (kind !== 'storage' || (!dtype && !isUntypedStorage(name))) throw badFormat(path, reason('torch.no-storage'));
  if (typeof key !== 'string' || !/^[\w.-]{1,64}$/.test(key)) throw badFormat(path, reason('torch.storage'));
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
    throw badFormat(path, reason('torch.no-size', { key }));
  return { key, dtype, count, base: 0, width: dtype ? DTYPE_BYTES[dtype] : 1, view: view ?? null };
}

function zipStorage(reference: Reference, entries: Map<string, ZipEntry>, prefix: string, path: string): TorchStorage {
  const { key, dtype, count, width } = reference;
  const entry = entries.get(`${prefix}data/${key}`);
  if (!entry) throw badFormat(path, reason('torch.missing', { key }));
  if (entry.size !== count * width)
    throw badFormat(path, reason('torch.bytes', { key, bytes: entry.size, expected: count * width }));
  return { key, dtype, count, base: 0, read: (offset, length) => entry.read(offset, length) };
}

/** Reads the object in a file of torch's older format. @throws StillhouseError `weights.format`, `weights.hostile` */
export function readTorchLegacy(source: ByteSource, path: string): unknown {
  const reader = new PickleReader(source, 0, MAX_PICKLE, path);
  const references = new Map<string, Placed>();
  const plain = legacyHost(source, path, references);
  if (unpickle(reader, plain) !== LEGACY_MAGIC) throw badFormat(path, reason('torch.magic'));
  const version = unpickle(reader, plain);
  if (version !== LEGACY_VERSION)
    throw badFormat(path, reason('torch.protocol', { version: String(version), expected: LEGACY_VERSION }));
  const system = unpickle(reader, plain);
  if (system instanceof PickleDict && system.items.get('little_endian') === false)
    throw badFormat(path, reason('torch.big-endian'));
  const saved = unpickle(reader, plain);
  const keys = unpickle(reader, plain);
  placeStorages(source, reader.position, keys, references, path);
  return saved;
}

function legacyHost(source: ByteSource, path: string, references: Map<string, Placed>): PickleHost {
  return {
    global: (name) => torchGlobal(name, path),
    persistent: (id) => {
      const reference = storageReference(id, path);
      const known = references.get(reference.key) ?? { ...reference, start: NaN };
      if (known.dtype !== reference.dtype || known.count !== reference.count)
        throw badFormat(path, reason('torch.two-ways', { key: reference.key }));
      references.set(reference.key, known);
      // Where the storages are is only known when the pickles have been read.
      const read = (offset: number, length: number) =>
        readChecked(source, known.start + offset, length, path, reason('part.storage', { key: known.key }));
      const { key, dtype } = reference;
      return { key, dtype, ...legacyView(reference, path), read } satisfies TorchStorage;
    },
  };
}

// (key of the view, first element, elements), or nothing for a whole storage
function legacyView({ key, count, view }: Reference, path: string): { base: number; count: number } {
  if (view === null) return { base: 0, count };
  const [, base, size] = view instanceof PickleTuple ? view.items : [];
  const inside = typeof base === 'number' && typeof size === 'number' && base >= 0 && size >= 0 && base + size <= count;
  if (!inside || !Number.isSafeInteger(base) || !Number.isSafeInteger(size))
    throw badFormat(path, reason('torch.view', { key }));
  return { base, count: size };
}

function placeStorages(
  source: ByteSource,
  position: number,
  keys: unknown,
  references: Map<string, Placed>,
  path: string,
): void {
  if (!Array.isArray(keys)) throw badFormat(path, reason('torch.no-list'));
  let at = position;
  for (const key of keys as unknown[]) {
    const reference = typeof key === 'string' ? references.get(key) : undefined;
    if (!reference || !Number.isNaN(reference.start)) throw badFormat(path, reason('torch.other-list'));
    const count = uint64At(viewOf(readChecked(source, at, 8, path, reason('part.storage', { key: reference.key }))), 0);
    const bytes = reference.count * reference.width;
    if (count !== reference.count)
      throw badFormat(path, reason('torch.elements', { key: reference.key, count, expected: reference.count }));
    if (!(at + 8 + bytes <= source.size)) throw badFormat(path, reason('torch.cut', { key: reference.key }));
    reference.start = at + 8;
    at += 8 + bytes;
  }
  const missing = [...references.values()].find((reference) => Number.isNaN(reference.start));
  if (missing) throw badFormat(path, reason('torch.missing', { key: missing.key }));
}
