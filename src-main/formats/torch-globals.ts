import { StillhouseError } from '../protocol/errors.ts';
import type { Dtype } from './named-array.ts';
import { PickleDict, PickleGlobal, PickleRecord, PickleTuple } from './pickle.ts';
import { badFormat } from './source.ts';
import { makeTensor, TorchTensor } from './torch-tensor.ts';

/**
 * Every global that a torch file may name, with its inert stand-in. To allow another: a line in one of the tables
 * below; it must build data and do nothing else. Everything else is refused by name, nothing is ever imported or run.
 */

const STORAGES: Record<string, Dtype> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const DTYPES: Record<string, Dtype> = {
  float64: 'F64',
  double: 'F64',
  float32: 'F32',
  float: 'F32',
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  long: 'I64',
  int32: 'I32',
  int: 'I32',
  int16: 'I16',
  short: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
};

/** Kept as records: what training scripts put beside the weights. */
const RECORDS = new Set([
  'argparse.Namespace',
  'copy_reg._reconstructor',
  'copyreg._reconstructor',
  '__builtin__.object',
  'builtins.object',
  '__builtin__.set',
  'builtins.set',
  '__builtin__.frozenset',
  'builtins.frozenset',
  '__builtin__.complex',
  'builtins.complex',
  '__builtin__.bytearray',
  'builtins.bytearray',
  'collections.Counter',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
  'pathlib._local.PosixPath',
  'torch.device',
  'torch.serialization._get_layout',
  '_codecs.encode',
  ...['numpy.core', 'numpy._core'].flatMap((core) => [`${core}.multiarray.scalar`, `${core}.multiarray._reconstruct`]),
  'numpy.dtype',
  'numpy.ndarray',
]);

/** The element type of a storage class or a dtype by its full name; undefined when it is none. */
export function dtypeOfGlobal(name: string): Dtype | undefined {
  const [, storage] = /^torch\.(?:cuda\.)?(\w+Storage)$/.exec(name) ?? [];
  const [, dtype] = /^torch\.([a-z]+\d*)$/.exec(name) ?? [];
  if (storage && Object.hasOwn(STORAGES, storage)) return STORAGES[storage];
  return dtype && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
}

/** Whether a global is the storage of bytes without a type. */
export function isUntypedStorage(name: string): boolean {
  return name === 'torch.storage.UntypedStorage' || name === 'torch.UntypedStorage';
}

/**
 * The stand-in of a global.
 * @throws StillhouseError `weights.hostile` naming what is not on the list; `weights.format` for torch's own kinds of
 * tensor that are not supported.
 */
export function torchGlobal(name: string, path: string): PickleGlobal {
  if (dtypeOfGlobal(name) || isUntypedStorage(name)) return new PickleGlobal(name);
  if (RECORDS.has(name)) return new PickleGlobal(name, (args) => new PickleRecord(name, args));
  const builder = Object.hasOwn(BUILDERS, name) ? BUILDERS[name] : undefined;
  if (builder) return new PickleGlobal(name, (args) => builder(args, path));
  if (
    /^torch(\.cuda)?\.\w+Storage$|^torch\._utils\._rebuild_\w+$|^torch\.q?u?int\d+$|^torch\.\w*(complex|float8)\w*$/.test(
      name,
    )
  )
    throw badFormat(path, `it holds tensors of an unsupported kind, ${clip(name)}`);
  throw new StillhouseError('weights.hostile', { path, name: clip(name) });
}

type Builder = (args: readonly unknown[], path: string) => unknown;

const BUILDERS: Record<string, Builder> = {
  'torch._utils._rebuild_tensor': ([storage, ...view], path) => makeTensor(storage, null, view, path),
  'torch._utils._rebuild_tensor_v2': ([storage, ...view], path) => makeTensor(storage, null, view, path),
  'torch._utils._rebuild_tensor_v3': ([storage, offset, size, stride, , , dtype], path) =>
    makeTensor(storage, typeOf(dtype, path), [offset, size, stride], path),
  'torch._utils._rebuild_parameter': ([tensor], path) => parameter(tensor, path),
  'torch._utils._rebuild_parameter_with_state': ([tensor], path) => parameter(tensor, path),
  'torch.Size': ([sides]) => sides,
  'collections.OrderedDict': ([pairs], path) => orderedDict(pairs, path),
};

function typeOf(dtype: unknown, path: string): Dtype {
  const type = dtype instanceof PickleGlobal ? dtypeOfGlobal(dtype.name) : undefined;
  if (!type) throw badFormat(path, 'a tensor in it has no type');
  return type;
}

function parameter(tensor: unknown, path: string): TorchTensor {
  if (!(tensor instanceof TorchTensor)) throw badFormat(path, 'a parameter in it is no tensor');
  return tensor;
}

function orderedDict(pairs: unknown, path: string): PickleDict {
  const dict = new PickleDict();
  if (pairs === undefined) return dict;
  if (!Array.isArray(pairs)) throw badFormat(path, 'a dict in it is not made of pairs');
  for (const pair of pairs as unknown[]) {
    const items: readonly unknown[] = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : [];
    if (items.length !== 2) throw badFormat(path, 'a dict in it is not made of pairs');
    dict.items.set(items[0], items[1]);
  }
  return dict;
}

// Names come from the file: an error must not carry megabytes of them.
function clip(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
