import { describe, expect, it } from 'vitest';
import type { ArrayToWrite } from '../../../src-main/formats/named-array.ts';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { divideShards, joinShards, readShardIndex, shardIndexText } from '../../../src-main/formats/shards.ts';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { openWeightFile, type WeightFile } from '../../../src-main/formats/weight-file.ts';

const array = (name: string, count: number): ArrayToWrite => {
  return { name, shape: [count], dtype: 'F32', values: new Float32Array(count).fill(count) };
};
const ARRAYS = [array('a', 10), array('b', 20), array('c', 30), array('d', 5)];

const read = (text: string) => readShardIndex(bytesSource(Buffer.from(text)), 'x.index.json');
const mapping = (map: unknown) => JSON.stringify({ metadata: {}, weight_map: map });

function opener(files: Record<string, ArrayToWrite[]>): (file: string) => WeightFile {
  return (file) => {
    const bytes = Buffer.concat([...writeSafetensors(files[file], { format: 'pt' })]);
    return openWeightFile(bytesSource(bytes), file);
  };
}

describe('shards', () => {
  it('divide arrays in order, an array larger than the limit alone', () => {
    const names = (limit: number) =>
      divideShards(ARRAYS, 'model.safetensors', limit).map(({ file, arrays }) => [file, ...arrays.map((a) => a.name)]);
    expect(names(260)).toEqual([['model.safetensors', 'a', 'b', 'c', 'd']]);
    expect(names(120)).toEqual([
      ['model-00001-of-00003.safetensors', 'a', 'b'],
      ['model-00002-of-00003.safetensors', 'c'],
      ['model-00003-of-00003.safetensors', 'd'],
    ]);
    expect(names(50).map(([, ...held]) => held)).toEqual([['a'], ['b'], ['c'], ['d']]);
  });

  it('are one file again by their index', () => {
    const shards = divideShards(ARRAYS, 'model.safetensors', 120);
    const index = read(shardIndexText(shards));
    const files = Object.fromEntries(shards.map(({ file, arrays }) => [file, arrays]));
    const { kind, tensors, metadata } = joinShards(index, opener(files), 'x');
    expect([kind, metadata]).toEqual(['safetensors', { format: 'pt' }]);
    expect([...tensors].map(([name, { shape }]) => [name, ...shape])).toEqual([['a', 10], ['b', 20], ['c', 30], ['d', 5]]); // prettier-ignore
    expect(tensors.get('c')!.toFloat32()).toEqual(new Float32Array(30).fill(30));
    expect(JSON.parse(shardIndexText(shards))).toMatchObject({ metadata: { total_size: 260 } });
  });

  it.each<[string, Record<string, ArrayToWrite[]>, RegExp]>([
    ['lacks what the index says', { s: [array('a', 1)] }, /s lacks b, which the index says it holds/],
    [
      'holds what the index does not say',
      { s: [array('a', 1), array('b', 1), array('hidden', 1)] },
      /s holds hidden, which the index does not say/,
    ],
  ])('are refused when one %s', (_, files, says) => {
    expect(() => joinShards(read(mapping({ a: 's', b: 's' })), opener(files), 'x')).toThrow(says);
  });
});

describe('a hostile index', () => {
  it.each<[string, string, RegExp]>([
    ['no JSON', '{"weight_map":', /is not JSON/],
    ['bytes that are no text', '\u00ff\u00fe', /is not JSON|no weight_map/],
    ['no map', '{}', /no weight_map/],
    ['a list for a map', '{"weight_map":["a"]}', /no weight_map/],
    ['null', 'null', /no weight_map/],
    ['nothing in it', mapping({}), /names no weights/],
    [
      'a way out of the folder',
      mapping({ a: '../../etc/passwd' }),
      /"..\/..\/etc\/passwd", which is no file beside it/,
    ],
    ['an absolute path', mapping({ a: '/etc/passwd' }), /no file beside it/],
    ['a path of Windows', mapping({ a: 'C:\\weights' }), /no file beside it/],
    ['the folder itself', mapping({ a: '..' }), /no file beside it/],
    ['a number for a file', mapping({ a: 1 }), /names 1, which is no file/],
    ['a name with a zero byte', mapping({ a: 'x\0.bin' }), /no file beside it/],
    ['a name of a megabyte', mapping({ a: 'x'.repeat(1 << 20) }), /no file beside it/],
    ['brackets without end', `{"weight_map":${'['.repeat(15_000_000)}`, /nested deeper/],
    ['brackets in texts are none', mapping({ a: '[[[[[[[[\\"[[[[' }), /no file beside it/],
    [
      'too many files',
      mapping(Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`a${i}`, `f${i}`]))),
      /more than 10000 files/,
    ],
  ])('with %s is refused', (_, text, says) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'weights.format' }));
    expect(() => read(text)).toThrow(says);
  });

  it('of more than 16 MB is refused unread', () => {
    const source = { size: 17 << 20, read: () => expect.unreachable('was read') };
    expect(() => readShardIndex(source, 'x')).toThrow(/more than 16777216/);
  });

  it('cannot name a tensor __proto__ into being', () => {
    const index = read('{"weight_map":{"__proto__":"s"}}');
    expect([...index]).toEqual([['s', ['__proto__']]]);
  });
});
