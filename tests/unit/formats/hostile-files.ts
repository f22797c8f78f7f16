import { deflateRawSync } from 'node:zlib';
import { writeZip } from '../../../src-main/formats/zip-writer.ts';

/** Files that attack a reader, each with the code and words of the error that shows what it proves. */
export interface HostileFile {
  name: string;
  bytes: Uint8Array;
  code: 'weights.hostile' | 'weights.format';
  says: RegExp;
}

/** What the gadgets would do: a file of this name would appear. */
export const TOUCHED = '/tmp/stillhouse-test-was-executed';

const text = (value: string) => Buffer.from(value, 'latin1');
const codes = (...bytes: number[]) => Buffer.from(bytes);
const join = (...parts: (Buffer | string)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? text(part) : part)));
const short = (value: string) => join(codes(0x8c, value.length), value);
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const uint64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};

const SHELL = `touch ${TOUCHED}`;

/** Pickles that make Python run something, by the operation that does it; [refused name, pickle]. */
const GADGETS: Record<string, [string, Buffer]> = {
  'os.system by REDUCE': ['os.system', join(`cos\nsystem\n(S'${SHELL}'\ntR.`)],
  'posix.system as Python writes it': [
    'posix.system',
    join(codes(0x80, 2), 'cposix\nsystem\n', `q\0X`, uint32(SHELL.length), SHELL, codes(0x85), 'R.'),
  ],
  'builtins.eval by STACK_GLOBAL': [
    'builtins.eval',
    join(codes(0x80, 4), short('builtins'), short('eval'), codes(0x93), short('1+1'), codes(0x85), 'R.'),
  ],
  'builtins.exec inside a state dict': [
    'builtins.exec',
    join(codes(0x80, 2), '}(', short('model'), 'cbuiltins\nexec\n', short('pass'), codes(0x85), 'Ru.'),
  ],
  'subprocess.Popen by NEWOBJ': [
    'subprocess.Popen',
    join(codes(0x80, 2), 'csubprocess\nPopen\n', short(SHELL), codes(0x85, 0x81), '.'),
  ],
  'subprocess.Popen by NEWOBJ_EX': [
    'subprocess.Popen',
    join(codes(0x80, 4), short('subprocess'), short('Popen'), codes(0x93), ')}', codes(0x92), '.'),
  ],
  'os.system by INST': ['os.system', join(`(S'${SHELL}'\nios\nsystem\n.`)],
  'os.system by OBJ': ['os.system', join(`(cos\nsystem\nS'${SHELL}'\no.`)],
  'a nested load': [
    'torch.storage._load_from_bytes',
    join(codes(0x80, 2), 'ctorch.storage\n_load_from_bytes\n', 'C\x01x', codes(0x85), 'R.'),
  ],
  'torch.hub': ['torch.hub.load', join('ctorch.hub\nload\n(tR.')],
  'getattr on an allowed name': ['builtins.getattr', join('cbuiltins\ngetattr\n(ctorch\nFloatStorage\nVread\ntR.')],
  'an allowed prefix': ['torch._utils.exec', join('ctorch._utils\nexec\n(tR.')],
  'a dotted way out of an allowed module': [
    'collections.OrderedDict.fromkeys.__globals__',
    join(codes(0x80, 4), short('collections'), short('OrderedDict.fromkeys.__globals__'), codes(0x93), '.'),
  ],
  __proto__: ['__proto__.toString', join('c__proto__\ntoString\n)R.')],
};

/** Pickles that are malformed or would take time or memory without end. */
const MALFORMED: Record<string, [RegExp, Buffer]> = {
  'ends before its stop': [/ends early|operation 0x4/, join(codes(0x80, 2), '}')],
  'takes from an empty stack': [/empty stack/, join(codes(0x80, 2), '.')],
  'pops a mark as a value': [/takes a mark/, join('(', codes(0x85), '.')],
  'ends a list that did not begin': [/mark that is not there/, join('t.')],
  'recalls what it never stored': [/did not remember/, join('h\x07.')],
  'a newer protocol': [/protocol 77/, join(codes(0x80, 2), codes(0x80, 77), '.')],
  'the extension registry': [/operation 0x82/, join(codes(0x80, 2, 0x82, 1), '.')],
  'an out-of-band buffer': [/operation 0x97/, join(codes(0x80, 5, 0x97), '.')],
  'a text of 2^63 bytes': [/ends early or is too long/, join(codes(0x80, 4, 0x8d), uint64(2n ** 63n), 'x.')],
  'bytes of 4 GB': [/ends early or is too long/, join(codes(0x80, 4), 'B', uint32(0xfffffff0), 'x.')],
  'a number of 2 GB': [/number of 2147483647 bytes/, join(codes(0x80, 2, 0x8b), uint32(0x7fffffff), '.')],
  'a call of a plain value': [/cannot be called/, join(codes(0x80, 2), 'K\x01)R.')],
  'a call of a storage class': [/calls torch.FloatStorage/, join('ctorch\nFloatStorage\n)R.')],
  'a call without a tuple': [/without a tuple/, join('ccollections\nOrderedDict\nNR.')],
  'state for a number': [/state of what has none/, join('K\x01}b.')],
  'a key without its value': [/without its value/, join('}(K\x01u.')],
  'items for a list': [/no dict/, join('](K\x01K\x02u.')],
  'an append to a number': [/no list/, join('K\x01K\x02a.')],
  'a persistent id that is no storage': [/refers to no storage/, join(codes(0x80, 2), 'K\x01Q.')],
  'a text line without end': [/line of over 4096 bytes/, join('I', '1'.repeat(5000))],
  'a million marks': [/too many objects/, Buffer.alloc(1_100_000, '(')],
  'a million containers': [/too many containers/, Buffer.alloc(1_100_000, '}')],
  'five million steps': [/more than 4000000 operations/, join(codes(0x80, 2), Buffer.from('N0'.repeat(2_500_000)))],
};

const storage = (key: string, count: Buffer | string = 'K\x04', type = 'FloatStorage') =>
  join('(', short('storage'), `ctorch\n${type}\n`, short(key), short('cpu'), count, 'tQ');

const tensor = (from: Buffer, offset = 'K\x00', size = '(K\x02K\x02t', stride = '(K\x02K\x01t') =>
  join('ctorch._utils\n_rebuild_tensor_v2\n(', from, offset, size, stride, codes(0x89), 'NtR');

const stateDict = (value: Buffer) => join(codes(0x80, 2), '}(', short('a'), value, 'u.');

/** State dicts of one tensor whose view, storage or type is not what it may be; storage 0 has 16 bytes. */
const TENSORS: Record<string, [RegExp, Buffer]> = {
  'a storage that is missing': [/storage 7 is missing|not the one it uses/, tensor(storage('7'))],
  'a storage named like a path': [/malformed storage/, tensor(storage('../../etc/passwd'))],
  'a storage of another size': [
    /storage 0 has 16 bytes, expected 20|storage 0 has 4 elements, expected 5/,
    tensor(storage('0', 'K\x05')),
  ],
  'a storage of 2^62 elements': [
    /storage 0 has (16 bytes|4 elements)|has no size/,
    tensor(storage('0', join(codes(0x8a, 8), uint64(2n ** 62n)))),
  ],
  'a storage of -1 elements': [/has no size/, tensor(storage('0', 'J\xff\xff\xff\xff'))],
  'complex numbers': [
    /unsupported kind, torch.ComplexFloatStorage/,
    tensor(storage('0', 'K\x02', 'ComplexFloatStorage')),
  ],
  'a view beyond its storage': [/outside its storage of 4/, tensor(storage('0'), 'K\x01')],
  'a stride beyond its storage': [
    /outside its storage of 4/,
    tensor(storage('0'), 'K\x00', '(K\x02K\x02t', '(K\x03K\x01t'),
  ],
  'a negative stride': [/no size/, tensor(storage('0'), 'K\x03', '(K\x02t', '(J\xff\xff\xff\xfft')],
  'a negative offset': [/no size/, tensor(storage('0'), 'J\xff\xff\xff\xff')],
  'an expansion to 2^40 elements': [
    /claims 1099511627776 elements/,
    tensor(storage('0'), 'K\x00', `(J\0\0\x10\0J\0\0\x10\0t`, '(K\x00K\x00t'),
  ],
  'an overflowing shape': [
    /claims Infinity elements/,
    tensor(storage('0'), 'K\x00', `(${'J\0\0\0\x40'.repeat(3)}t`, '(K\x00K\x00K\x00t'),
  ],
  'a shape that is text': [/no size/, tensor(storage('0'), 'K\x00', 'X\x02\0\0\0ab')],
  'more strides than sides': [/1 sides and 2 strides/, tensor(storage('0'), 'K\x00', '(K\x02t')],
  'a storage that is a number': [/no storage/, tensor(text('K\x01'))],
  'an object prototype name': [/does not hold a state dict|not the one it uses/, join('cconstructor\nconstructor\n)R')],
  'no tensors': [/does not hold a state dict|not the one it uses/, text('K\x01')],
};

/** An archive as torch writes it around a pickle, with storage 0 of 16 bytes. */
export function torchZip(pickle: Uint8Array, more: Record<string, Uint8Array> = {}): Buffer {
  const files = { 'a/data.pkl': pickle, 'a/byteorder': text('little'), 'a/data/0': Buffer.alloc(16), ...more };
  const contents = Object.entries(files).map(([name, bytes]) => ({ name, size: bytes.length, content: () => bytes }));
  return Buffer.concat([...writeZip(contents)]);
}

const MAGIC = join(codes(0x80, 2, 0x8a, 10), Buffer.from('6cfc9c46f9206aa85019', 'hex'), '.');
const VERSION = join(codes(0x80, 2), 'M\xe9\x03.');
const SYSTEM = join(codes(0x80, 2), '}', short('little_endian'), codes(0x88), 's.');

/** A file of the older format around a pickle, with the given storages behind it. */
export function torchLegacy(
  pickle: Buffer,
  keys = ['0'],
  storages: Buffer = join(uint64(4n), Buffer.alloc(16)),
): Buffer {
  const list = join(codes(0x80, 2), '](', ...keys.map(short), 'e.');
  return join(MAGIC, VERSION, SYSTEM, pickle, list, storages);
}

const VALID = stateDict(tensor(storage('0')));
const DIRECTORY = 0x02014b50;

// Changes fields of the first central directory record.
function patched(patch: (bytes: Buffer, at: number) => void, zip = torchZip(VALID)): Buffer {
  const bytes = Buffer.from(zip);
  let at = 0;
  while (bytes.readUInt32LE(at) !== DIRECTORY) at++;
  patch(bytes, at);
  return bytes;
}

// The storage, deflated, with a size of our choosing.
function deflated(content: Buffer, claimed: number, pickle = VALID): Buffer {
  const packed = deflateRawSync(content);
  const zip = torchZip(pickle, { 'a/data/0': packed });
  const bytes = Buffer.from(zip);
  for (let at = bytes.length - 22; at > 0; at--) {
    if (bytes.readUInt32LE(at) !== DIRECTORY || !bytes.toString('latin1', at + 46, at + 54).startsWith('a/data/0'))
      continue;
    bytes.writeUInt16LE(8, at + 10);
    bytes.writeUInt32LE(claimed, at + 24);
    return bytes;
  }
  throw new Error('no such entry');
}

/** An archive of `views` tensors of four numbers on one deflated storage of `size` bytes. */
export function inflatedViews(size: number, views: number): Buffer {
  const count = join('J', uint32(size / 4));
  const items = Array.from({ length: views }, (_, i) => join(short(`view${i}`), tensor(storage('0', count))));
  return deflated(Buffer.alloc(size), size, join(codes(0x80, 2), '}(', ...items, 'u.'));
}

const END_64 = join(uint32(0x07064b50), uint32(0), uint64(2n ** 63n), uint32(1));

const ARCHIVES: Record<string, [RegExp, Buffer]> = {
  'an archive cut short': [/cut short/, torchZip(VALID).subarray(0, -30)],
  'an archive cut at its first entry': [/cut short/, torchZip(VALID).subarray(0, 40)],
  'an archive without a pickle': [
    /holds no data.pkl/,
    Buffer.concat([...writeZip([{ name: 'a/b', size: 1, content: () => codes(1) }])]),
  ],
  'two pickles': [/holds no data.pkl/, torchZip(VALID, { 'b/data.pkl': VALID })],
  'a TorchScript program': [/TorchScript/, torchZip(VALID, { 'a/constants.pkl': VALID })],
  'a big-endian archive': [/big-endian/, torchZip(VALID, { 'a/byteorder': text('big') })],
  'a directory that points nowhere': [
    /not where it should be|ends beyond|runs into/,
    patched((bytes, at) => bytes.writeUInt32LE(0x7fffffff, at + 42)),
  ],
  'entries that overlap': [
    /called otherwise|runs into|two different sizes/,
    patched((bytes, at) => bytes.writeUInt32LE(100_000, at + 20)),
  ],
  'entries that share bytes': [
    /runs into what follows/,
    patched((bytes, at) => (bytes.writeUInt32LE(200, at + 20), bytes.writeUInt32LE(200, at + 24))),
  ],
  'a name that differs': [/called otherwise/, patched((bytes, at) => bytes.write('x', at + 46))],
  'an encrypted entry': [/encrypted/, patched((bytes, at) => bytes.writeUInt16LE(1, at + 8))],
  'an unknown compression': [/compression 99/, patched((bytes, at) => bytes.writeUInt16LE(99, at + 10))],
  'a directory of 65535 entries': [
    /claims 65535 entries/,
    patched((bytes) => bytes.writeUInt16LE(65535, bytes.length - 12)),
  ],
  'a directory beyond the file': [
    /lies beyond|ends beyond|malformed|not where/,
    patched((bytes) => bytes.writeUInt32LE(0xfffffff0, bytes.length - 6)),
  ],
  'a zip64 directory at 2^63': [
    /zip64 directory ends beyond/,
    join(torchZip(VALID).subarray(0, -22), END_64, torchZip(VALID).subarray(-22)),
  ],
  'a bomb that claims 4 GB': [/zip bomb/, deflated(Buffer.alloc(16), 0xfffffff0)],
  'a bomb that claims its 512 MB': [/zip bomb/, deflated(Buffer.alloc(1 << 20), 512 << 20)],
};

const legacyTensor = stateDict(tensor(storage('0')));
const LEGACY: Record<string, [RegExp, Buffer]> = {
  'a pickle that is no torch file': [/magic number/, join(codes(0x80, 2), 'K\x01.')],
  'an unknown version': [/protocol is 7, expected 1001/, join(MAGIC, codes(0x80, 2), 'K\x07.')],
  'a big-endian file': [
    /big-endian/,
    join(MAGIC, VERSION, codes(0x80, 2), '}', short('little_endian'), codes(0x89), 's.'),
  ],
  'storages cut short': [/cut short/, torchLegacy(legacyTensor).subarray(0, -1)],
  'a storage count of 2^63': [/has Infinity elements, expected 4/, torchLegacy(legacyTensor, ['0'], uint64(2n ** 63n))],
  'a storage that is not listed': [/storage 0 is missing/, torchLegacy(legacyTensor, [], Buffer.alloc(0))],
  'a storage listed twice': [
    /not the one it uses/,
    torchLegacy(legacyTensor, ['0', '0'], join(uint64(4n), Buffer.alloc(16), uint64(4n), Buffer.alloc(16))),
  ],
  'an unknown storage': [/not the one it uses/, torchLegacy(legacyTensor, ['1'])],
  'one storage described twice': [
    /described in two ways/,
    torchLegacy(
      join(
        codes(0x80, 2),
        '}(',
        short('a'),
        tensor(storage('0')),
        short('b'),
        tensor(storage('0', 'K\x02', 'DoubleStorage')),
        'u.',
      ),
    ),
  ],
};

/** Every attack, in each container that can carry it. */
export const HOSTILE: HostileFile[] = [
  ...Object.entries(GADGETS).flatMap(([name, [refused, pickle]]) =>
    carried(name, pickle, (bytes, how) => ({
      name: how,
      bytes,
      code: 'weights.hostile' as const,
      says: literally(`asks to run ${refused},`),
    })),
  ),
  ...Object.entries(MALFORMED).flatMap(([name, [says, pickle]]) =>
    carried(name, pickle, (bytes, how) => ({ name: how, bytes, code: 'weights.format' as const, says })).slice(1),
  ),
  ...Object.entries(TENSORS).flatMap(([name, [says, value]]) =>
    carried(name, stateDict(value), (bytes, how) => ({
      name: how,
      bytes,
      code: 'weights.format' as const,
      says,
    })).slice(1),
  ),
  ...Object.entries({ ...ARCHIVES, ...LEGACY }).map(([name, [says, bytes]]) => ({
    name,
    bytes,
    code: 'weights.format' as const,
    says,
  })),
];

function carried(name: string, pickle: Buffer, make: (bytes: Buffer, how: string) => HostileFile): HostileFile[] {
  return [
    make(pickle, `${name}, bare`),
    make(torchZip(pickle), `${name}, in a zip`),
    make(torchLegacy(pickle), `${name}, legacy`),
  ];
}

function literally(words: string): RegExp {
  return new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}
