import { describe, expect, it, test } from 'vitest';
import { fromFloat32, toFloat32, type ArrayToWrite } from '../../../src-main/formats/named-array.ts';
import { readSafetensors, safetensorsBytes, writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { bytesSource } from '../../../src-main/formats/source.ts';

function write(arrays: ArrayToWrite[], metadata: Record<string, string> = {}): Buffer {
  return Buffer.concat([...writeSafetensors(arrays, metadata)]);
}

function file(header: string, data = 0): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]);
}

const read = (bytes: Uint8Array) => readSafetensors(bytesSource(bytes), 'x.safetensors');
const entry = (begin: number, end: number, shape = [(end - begin) / 4]) =>
  JSON.stringify({ dtype: 'F32', shape, data_offsets: [begin, end] });

describe('writing', () => {
  it('gives exactly these bytes', () => {
    const bytes = write([{ name: 'a', shape: [2], dtype: 'F32', values: Float32Array.of(1, -2) }], { k: 'v' });
    expect(bytes.subarray(8).toString('latin1')).toBe(
      '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '.padEnd(80) +
        '\x00\x00\x80\x3f\x00\x00\x00\xc0',
    );
    expect(bytes.readBigUInt64LE(0)).toBe(80n);
  });

  it('is read back the same, counters as I64, and as long as foretold', () => {
    const arrays: ArrayToWrite[] = [
      { name: 'ünïcode "quoted"', shape: [3, 1], dtype: 'F32', values: () => Float32Array.of(1e-40, NaN, -0) },
      { name: 'steps', shape: [], dtype: 'I64', values: Float32Array.of(16777216) },
      { name: 'none', shape: [0, 7], dtype: 'F32', values: new Float32Array() },
    ];
    const metadata = { classes: '["猫","\\u0000"]', __proto__: 'x' };
    const bytes = write(arrays, metadata);
    expect(bytes.length).toBe(safetensorsBytes(arrays, metadata));
    expect(bytes.readUInt32LE(0) % 8).toBe(0);
    const { tensors, metadata: back } = read(bytes);
    expect(back).toEqual(metadata);
    expect([...tensors].map(([name, { shape, dtype }]) => [name, shape, dtype])).toEqual(
      arrays.map(({ name, shape, dtype }) => [name, shape, dtype]),
    );
    expect(tensors.get('ünïcode "quoted"')!.toFloat32()).toEqual(Float32Array.of(1e-40, NaN, -0));
    expect(tensors.get('steps')!.toFloat32()).toEqual(Float32Array.of(16777216));
  });

  it('refuses values that are not as many as the shape says', () => {
    expect(() => write([{ name: 'a', shape: [3], dtype: 'F32', values: Float32Array.of(1) }])).toThrow(
      'encodeArray: a [3] expected 3, got 1',
    );
  });
});

describe('reading', () => {
  it.each<[string, Buffer, RegExp]>([
    ['shorter than a header length', Buffer.from('abc'), /header length ends beyond/],
    ['a header longer than the file', file(`{"a":${entry(0, 4)}}`).subarray(0, 20), /claims 54 bytes, the file has 12/],
    ['a header of 2^63 bytes', Buffer.from('00000000000000807b7d', 'hex'), /claims Infinity bytes/],
    ['a header over 100 MB', Buffer.from('00e1f50600000000' + '7b7d', 'hex'), /claims 116777216 bytes, more than/],
    ['a header that is no object', file('[]'), /does not start with \{/],
    ['a header cut short', file('{"a":{"dtype":"F32","sha'), /expected ", got its end/],
    ['text after the header', file('{} x'), /goes on after its end/],
    ['the same name twice', file(`{"a":${entry(0, 4)},"a":${entry(4, 8)}}`, 8), /names a twice/],
    ['the same metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /names __metadata__ twice/],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), /expected ", got "1"/],
    ['an overlap', file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12), /b starts at byte 4, expected 8/],
    ['a gap', file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12), /b starts at byte 8, expected 4/],
    ['a hidden tail', file(`{"a":${entry(0, 4)}}`, 8), /4 bytes after its arrays belong to none/],
    ['data cut short', file(`{"a":${entry(0, 8)}}`, 7), /need 8 bytes, the file has 7/],
    ['an end before its begin', file(`{"a":${entry(8, 4, [1])}}`, 8), /ends before it begins/],
    ['a shape that is not its size', file(`{"a":${entry(0, 8, [3])}}`, 8), /spans 8 bytes, its type and shape need 12/],
    ['an overflowing shape', file(`{"a":${entry(0, 0, [4294967296, 4294967296])}}`), /need Infinity/],
    ['a number beyond 2^53', file(`{"a":${entry(0, 4).replace('[1]', '[9223372036854775808]')}}`, 4), /beyond 2\^53/],
    ['a negative side', file(`{"a":${entry(0, 4).replace('[1]', '[-1]')}}`, 4), /expected a whole number/],
    ['a fraction', file(`{"a":${entry(0, 4).replace('[1]', '[1.0]')}}`, 4), /expected \], got "\."/],
    ['an unknown type', file(`{"a":${entry(0, 4).replace('F32', 'F99')}}`, 4), /unsupported type F99/],
    ['an unknown field', file(`{"a":${entry(0, 4).replace('shape', 'shapes')}}`, 4), /unexpected or repeated shapes/],
    ['a missing field', file('{"a":{"dtype":"F32","shape":[]}}'), /lacks its dtype, shape or two data_offsets/],
    ['three offsets', file(`{"a":${entry(0, 4).replace('0,4', '0,4,4')}}`, 4), /lacks its dtype/],
    ['a rank of 17', file(`{"a":${entry(0, 4, Array<number>(17).fill(1))}}`, 4), /rank 17/],
    [
      'text that is not UTF-8',
      Buffer.from(file('{"a?":{}}').toString('latin1').replace('?', '\xff'), 'latin1'),
      /malformed text/,
    ],
    ['a control character in a name', file('{"a\n":{}}'), /malformed text/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'weights.format' }));
  });

  it('takes megabytes of brackets in bounded time', () => {
    expect(() => read(file(`{"a":${'['.repeat(20_000_000)}`))).toThrow(/at byte 5: expected \{/);
    expect(() => read(file(`{${' '.repeat(20_000_000)}"`))).toThrow(/its end/);
  });

  it('reads a file without arrays', () => {
    expect(read(file('{}')).tensors.size).toBe(0);
  });
});

test('the half nearest to a float32 is the one that reads back, and of two as near the even one', () => {
  const halves = Uint16Array.from({ length: 0x7c01 }, (_, bits) => bits);
  const values = toFloat32('F16', new Uint8Array(halves.buffer));
  const narrowed = (given: Float32Array) => new Uint16Array(fromFloat32('F16', given).slice().buffer);
  expect(narrowed(values)).toEqual(halves);
  expect(narrowed(values.map((value) => -value))).toEqual(halves.map((bits) => bits | 0x8000));
  // Every middle between two finite neighbours, and the float32 at either side of it.
  const last = 0x7bff;
  const middles = values.slice(0, last).map((value, bits) => (value + values[bits + 1]) / 2);
  const neighbour = (by: number) => {
    const moved = new Int32Array(middles.slice().buffer).map((bits) => bits + by);
    return narrowed(new Float32Array(moved.buffer));
  };
  expect(neighbour(0)).toEqual(halves.slice(0, last).map((bits) => bits + (bits % 2)));
  expect(neighbour(-1)).toEqual(halves.slice(0, last));
  expect(neighbour(1)).toEqual(halves.slice(1, last + 1));
  expect(narrowed(Float32Array.of(65519.9, 65520, 1e9, NaN, -Infinity, 1e-9))).toEqual(
    Uint16Array.of(0x7bff, 0x7c00, 0x7c00, 0x7e00, 0xfc00, 0),
  );
});
