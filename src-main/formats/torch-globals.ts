import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import type { Dtype } from './named-array.ts';
import { PickleDict, PickleGlobal, PickleRecord, PickleTuple } from './pickle.ts';
import { badFormat } from './source.ts';
import { makeTensor, TorchTensor } from './torch-tensor.ts';

/**
 * Maps each global that a torch file names to an inert stand-in. Nothing is ever imported or run, so a class of
 * somebody's own project is a record of its name and is passed over. What could only be there to act, a function of
 * Python's own library or one of torch that loads or runs things, is refused by name, since other programs run it.
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

/** Of Python's library, numpy and torch, what builds data and does nothing else: kept as records. */
const RECORDS = new Set([
  'argparse.Namespace',
  'types.SimpleNamespace',
  'functools.partial',
  'decimal.Decimal',
  'fractions.Fraction',
  'uuid.UUID',
  'enum.Enum',
  'enum.IntEnum',
  ...['date', 'datetime', 'time', 'timedelta', 'timezone'].map((name) => `datetime.${name}`),
  ...['__builtin__', 'builtins'].flatMap(
    (module) =>
    ['int', 'float', 'str', 'bool', 'list', 'tuple', 'dict', 'bytes', 'slice', 'range', 'xrange', 'type', 'long', 'unicode'].map((name) => `${module}.${name}`), // prettier-ignore
  ),
  'collections.deque',
  'copyreg.__newobj__',
  'copy_reg.__newobj__',
  'zoneinfo.ZoneInfo._unpickle',
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
  ...['pathlib', 'pathlib._local'].flatMap(
    (module) =>
    ['Path', 'PosixPath', 'PurePath', 'PurePosixPath', 'PureWindowsPath', 'WindowsPath'].map((name) => `${module}.${name}`), // prettier-ignore
  ),
  'torch.device',
  'torch.torch_version.TorchVersion',
  'torch.Generator',
  'torch.nn.parameter.UninitializedParameter',
  'torch.serialization._get_layout',
  '_codecs.encode',
  ...['numpy.core', 'numpy._core'].flatMap((core) => [`${core}.multiarray.scalar`, `${core}.multiarray._reconstruct`]),
  'numpy.dtype',
  'numpy.ndarray',
]);

/** Finds the element type of a storage class or a dtype by its full name; undefined for any other name. */
export function dtypeOfGlobal(name: string): Dtype | undefined {
  const [, storage] = /^torch\.(?:cuda\.)?(\w+Storage)$/.exec(name) ?? [];
  const [, dtype] = /^torch\.([a-z]+\d*)$/.exec(name) ?? [];
  if (storage && Object.hasOwn(STORAGES, storage)) return STORAGES[storage];
  return dtype && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
}

/** Tells whether a global is the storage class of bytes without a type. */
export function isUntypedStorage(name: string): boolean {
  return name === 'torch.storage.UntypedStorage' || name === 'torch.UntypedStorage';
}

/**
 * Returns the stand-in of a global.
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
    throw badFormat(path, reason('torch.kind', { name: clip(name) }));
  if (acts(name)) throw new StillhouseError('weights.hostile', { path, name: clip(name) });
  return new PickleGlobal(name, (args) => new PickleRecord(clip(name), args));
}

/** Top-level modules that act: Python's own, and those that load, build or run other code. */
const ACTING = new Set(
  (
    '__builtin__ __main__.__builtins__ _codecs _io _operator _pickle _posixsubprocess _socket _sitebuiltins _thread _winapi abc aiohttp ' +
    'antigravity argparse array ast asyncio asyncore atexit base64 bdb builtins bz2 cgi cloudpickle cmd code codecs codeop ' +
    'collections commands compileall concurrent configparser contextlib copy copy_reg copyreg cProfile csv ctypes ' +
    'curses datetime dbm decimal dill distutils doctest email ensurepip enum faulthandler fcntl filecmp fileinput fnmatch ' +
    'fractions ftplib functools gc getpass glob grp gzip heapq hmac html http httpx idlelib imaplib imp importlib inspect io ' +
    'ipaddress itertools joblib json lib2to3 linecache locale logging lzma mailbox marshal mimetypes mmap modulefinder msvcrt ' +
    'multiprocessing netrc nntplib nt ntpath numpy operator os pandas paramiko pathlib pdb pickle pickletools pip pipes pkg_resources pkgutil ' +
    'platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc queue random re readline ' +
    'reprlib requests resource rlcompleter runpy sched secrets select selectors setuptools shelve shlex shutil signal site ' +
    'smtpd smtplib socket socketserver sqlite3 ssl stat string subprocess symtable sys sysconfig syslog tabnanny tarfile ' +
    'telnetlib tempfile termios test textwrap threading time timeit tkinter torch trace traceback tracemalloc tty turtle types ' +
    'typing unittest urllib urllib2 urllib3 uuid venv warnings wave weakref webbrowser winreg wsgiref xml xmlrpc yaml zipapp zipfile ' +
    'zipimport zlib zoneinfo'
  ).split(' '),
);
/** Parts of a pickled model or optimizer: classes of torch, and functions of numbers alone. */
const TORCH_PARTS =
  /^torch\.((nn\.(modules|parameter|parallel)|optim)\.([a-z_]\w*\.)*[A-Z]\w*|(_C\._nn|nn\.functional)\.[a-z]\w*)$/;

function acts(name: string): boolean {
  if (TORCH_PARTS.test(name)) return false;
  return ACTING.has(name.split('.')[0]) || /__\w+__/.test(name.replace(/^__main__\./, ''));
}

type Builder = (args: readonly unknown[], path: string) => unknown;

const BUILDERS: Record<string, Builder> = {
  'torch._utils._rebuild_tensor': ([storage, ...view], path) => makeTensor(storage, null, view, path),
  'torch._utils._rebuild_tensor_v2': ([storage, ...view], path) => makeTensor(storage, null, view, path),
  'torch._utils._rebuild_tensor_v3': ([storage, offset, size, stride, , , dtype], path) =>
    makeTensor(storage, typeOf(dtype, path), [offset, size, stride], path),
  'torch._utils._rebuild_parameter': ([tensor], path) => parameter(tensor, path),
  'torch._utils._rebuild_parameter_with_state': ([tensor], path) => parameter(tensor, path),
  'torch._tensor._rebuild_from_type_v2': ([build, , args], path) => rebuilt(build, args, path),
  'torch.Size': ([sides]) => sides,
  'collections.OrderedDict': ([pairs], path) => orderedDict(pairs, path),
  'collections.defaultdict': () => new PickleDict(),
};

function typeOf(dtype: unknown, path: string): Dtype {
  const type = dtype instanceof PickleGlobal ? dtypeOfGlobal(dtype.name) : undefined;
  if (!type) throw badFormat(path, reason('torch.no-type'));
  return type;
}

function parameter(tensor: unknown, path: string): TorchTensor {
  if (!(tensor instanceof TorchTensor)) throw badFormat(path, reason('torch.parameter'));
  return tensor;
}

// A tensor with attributes of its own, or of a subclass.
function rebuilt(build: unknown, args: unknown, path: string): unknown {
  if (!(build instanceof PickleGlobal) || !build.call || !(args instanceof PickleTuple))
    throw badFormat(path, reason('torch.build'));
  return build.call(args.items);
}

function orderedDict(pairs: unknown, path: string): PickleDict {
  const dict = new PickleDict();
  if (pairs === undefined) return dict;
  if (!Array.isArray(pairs)) throw badFormat(path, reason('torch.pairs'));
  for (const pair of pairs as unknown[]) {
    const items: readonly unknown[] = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : [];
    if (items.length !== 2) throw badFormat(path, reason('torch.pairs'));
    dict.items.set(items[0], items[1]);
  }
  return dict;
}

// Names come from the file: an error must not carry megabytes of them.
function clip(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
