import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { openWeightFile, type WeightFile } from '../../../src-main/formats/weight-file.ts';

const folder = fileURLToPath(new URL('../../fixtures/formats/', import.meta.url));

interface Expected {
  dtype: string;
  shape: number[];
  values: number[];
}
const expected = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8')) as Record<string, Record<string, Expected>>;

function open(name: string, options?: { entry?: string }): WeightFile {
  return openWeightFile(bytesSource(readFileSync(folder + name)), name, options);
}

function contents({ tensors }: WeightFile): Record<string, Expected> {
  return Object.fromEntries(
    [...tensors].map(([name, array]) => {
      const { dtype, shape } = array;
      return [name, { dtype, shape, values: [...array.toFloat32()] }];
    }),
  );
}

/** What torch said, in float32. */
function asFloat32(arrays: Record<string, Expected>): Record<string, Expected> {
  const round = (array: Expected): Expected => ({ ...array, values: array.values.map(Math.fround) });
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, round(array)]));
}

describe('files written by torch and safetensors', () => {
  it.each([
    ['zip.pth', 'torch-zip', 'every dtype, views, shared and expanded storage'],
    ['legacy.pth', 'torch-legacy', 'the same in the older format'],
    ['deit-zip.pth', 'torch-zip', "a checkpoint of DeiT's main.py"],
    ['deit-legacy.pth', 'torch-legacy', 'the same in the older format'],
    ['plain.safetensors', 'safetensors', 'every dtype'],
  ])('reads %s (%s: %s)', (name, kind) => {
    const file = open(name);
    expect(file.kind).toBe(kind);
    expect(contents(file)).toEqual(asFloat32(expected[name]));
  });

  it('gives elements as their own bytes too, row-major', () => {
    const { tensors } = open('zip.pth');
    const transposed = tensors.get('half.transposed')!;
    expect(new Uint16Array(transposed.data.slice().buffer)).toEqual(
      Uint16Array.of(0, 0x4200, 0x3c00, 0x4400, 0x4000, 0x4500), // 0 3 1 4 2 5
    );
  });

  it.each(['deit-zip.pth', 'deit-legacy.pth'])('offers the state dicts of %s by name', (name) => {
    expect(open(name).entries).toEqual(['model', 'model_ema']);
    expect(open(name).entry).toBe('model');
    expect(contents(open(name, { entry: 'model_ema' }))).toEqual(asFloat32(expected['deit-ema']));
    expect(() => open(name, { entry: 'teacher' })).toThrow(/asked for: teacher.*model, model_ema/);
  });

  it('passes over what is inert beside a state dict, and refuses a whole pickled model with advice', () => {
    expect(contents(open('inert.pth'))).toEqual(asFloat32(expected['inert.pth']));
    expect(open('inert.pth').metadata).toMatchObject({
      trained_model: 'vit_tiny_patch16_224',
      trained_crop_pct: '0.9',
    });
    expect(() => open('module.pth')).toThrow(expect.objectContaining({ code: 'weights.module' }) as Error);
    expect(() => open('module.pth')).toThrow(/torch\.nn\.modules\.container\.Sequential.*model\.state_dict\(\)/);
  });

  it('prefers a state_dict to nothing and reads metadata of safetensors', () => {
    expect(open('parallel.pth').entry).toBe('state_dict');
    expect(open('plain.safetensors').metadata).toEqual({ format: 'pt', note: 'quote " and é' });
  });

  it('reads nothing of the arrays before they are asked for', () => {
    const bytes = readFileSync(folder + 'zip.pth');
    const reads: number[] = [];
    const source = { size: bytes.length, read: (at: number, n: number) => (reads.push(n), bytes.subarray(at, at + n)) };
    const { tensors } = openWeightFile(source, 'zip.pth');
    const before = reads.length;
    tensors.get('whole')!.toFloat32();
    expect(reads.slice(before)).toEqual([96]);
    tensors.get('column')!.toFloat32();
    expect(reads.slice(before + 1)).toEqual([(12 + 1) * 4]);
  });
});
