import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ArrayToWrite } from '../../../src-main/formats/named-array.ts';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { torchFileBytes, writeTorchFile, type TorchFileOptions } from '../../../src-main/formats/torch-writer.ts';
import { openWeightFile } from '../../../src-main/formats/weight-file.ts';
import { readZip } from '../../../src-main/formats/zip.ts';

const ARRAYS: ArrayToWrite[] = [
  { name: 'head.weight', shape: [2, 3], dtype: 'F32', values: Float32Array.of(0, 1, -2, 0.5, 1e-40, 3e38) },
  { name: 'bn.num_batches_tracked', shape: [], dtype: 'I64', values: () => Float32Array.of(300) },
  { name: 'nothing', shape: [0, 4], dtype: 'F32', values: new Float32Array() },
  { name: 'größe', shape: [300, 1, 2], dtype: 'F32', values: () => Float32Array.from({ length: 600 }, (_, i) => i) },
];
const METADATA = { classes: ['a', '猫'], mean: [0.485, -0, 255, 256, -1, 2 ** 40], name: 'x', on: true, none: null };

const write = (options: TorchFileOptions = {}) => Buffer.concat([...writeTorchFile(ARRAYS, options)]);
const open = (bytes: Uint8Array) => openWeightFile(bytesSource(bytes), 'x.pth');

describe('a written torch file', () => {
  it.each<[string, TorchFileOptions, string]>([
    ['bare', {}, ''],
    ['bare with metadata', { metadata: METADATA }, ''],
    ['as the entry model', { metadata: METADATA, wrap: 'model' }, 'model'],
    ['in zip64 form', { zip64: true }, ''],
  ])('%s is read back the same', (_, options, entry) => {
    const file = open(write(options));
    expect(file).toMatchObject({ kind: 'torch-zip', entry, entries: [entry] });
    const contents = [...file.tensors].map(([name, array]) => [name, array.shape, array.dtype, array.toFloat32()]);
    expect(contents).toEqual(
      ARRAYS.map(({ name, shape, dtype, values }) => [
        name,
        shape,
        dtype,
        typeof values === 'function' ? values() : values,
      ]),
    );
    if (options.metadata)
      expect(file.metadata).toEqual({
        classes: '["a","猫"]',
        mean: '[0.485,0,255,256,-1,1099511627776]',
        name: 'x',
        on: 'true',
      });
  });

  it('holds the average of a model beside it', () => {
    const average = ARRAYS.map((array) => ({ ...array, values: new Float32Array(array.shape.reduce((a, b) => a * b, 1)).fill(7) })); // prettier-ignore
    const bytes = write({ metadata: METADATA, wrap: 'model', average });
    expect(bytes.length).toBe(torchFileBytes(ARRAYS, { metadata: METADATA, wrap: 'model', average }));
    const file = open(bytes);
    expect(file).toMatchObject({ entry: 'model', entries: ['model', 'model_ema'] });
    expect([...file.tensors.get('head.weight')!.toFloat32()]).toEqual([...(ARRAYS[0].values as Float32Array)]);
    const other = openWeightFile(bytesSource(bytes), 'x.pth', { entry: 'model_ema' }).tensors;
    expect([...other.keys()]).toEqual(ARRAYS.map(({ name }) => name));
    expect([...other.get('head.weight')!.toFloat32()]).toEqual([7, 7, 7, 7, 7, 7]);
  });

  it('is as long as foretold', () => {
    for (const options of [{}, { metadata: METADATA }, { wrap: 'model' as const }])
      expect(torchFileBytes(ARRAYS, options)).toBe(write(options).length);
  });

  it('has each content at a multiple of 64, where torch can map it', () => {
    const bytes = write();
    const starts: number[] = [];
    const source = {
      size: bytes.length,
      read: (at: number, n: number) => (starts.push(at), bytes.subarray(at, at + n)),
    };
    const entries = [...readZip(source, 'x.pth').values()];
    expect(entries.map(({ name }) => name)).toEqual([
      'archive/data.pkl',
      'archive/byteorder',
      ...ARRAYS.map((_, i) => `archive/data/${i}`),
      'archive/version',
    ]);
    starts.length = 0;
    for (const entry of entries) entry.read(0, entry.size);
    expect(starts.filter((start) => start % 64 !== 0)).toEqual([]);
  });

  // torch 2.15 loads the files of these hashes with weights_only=True and finds every value in them.
  it.each<[string, TorchFileOptions, string]>([
    ['bare', { metadata: METADATA }, 'b2377e605e710add3aad5b5766bd59626f68428e6aa777e8371a1a138d6d56f6'],
    [
      'wrapped',
      { metadata: METADATA, wrap: 'model' },
      '7807cec10e8db538a52aeb2d6ab7a3ae5bb275ad7d5833c6165f927bd5c163f2',
    ],
    ['zip64', { zip64: true }, '8f2745ede69cd43e2f08c89acbd9ee4315a8498fa47b5971e92e036f933d4955'],
  ])('%s is, byte for byte, one that torch has loaded', (_, options, sha256) => {
    expect(createHash('sha256').update(write(options)).digest('hex')).toBe(sha256);
  });

  it('is refused for values that are not as many as the shape says', () => {
    const wrong: ArrayToWrite = { name: 'a', shape: [2], dtype: 'F32', values: new Float32Array(3) };
    expect(() => [...writeTorchFile([wrong])]).toThrow('encodeArray: a [2] expected 2, got 3');
    expect(() => [...writeTorchFile([{ ...wrong, dtype: 'F16' }])]).toThrow('expected F32 or I64, got F16');
  });
});
