import { describe, expect, it } from 'vitest';
import { readJsonLists } from '../../../src-main/formats/json-lists.ts';

/** What is read of a text that comes in chunks of `size` bytes. */
async function read(text: string | Buffer, size = 7, wanted = ['images', 'annotations']): Promise<[string, unknown][]> {
  const bytes = Buffer.from(text as string);
  const chunks = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
  };
  const found: [string, unknown][] = [];
  for await (const { list, value } of readJsonLists(chunks(), new Set(wanted))) found.push([list, value]);
  return found;
}

const WHOLE = {
  info: { images: [{ no: 1 }], text: '[{"images": [' },
  first: 'images',
  images: [{ id: 1, name: 'a "quoted\\" {[]} ü 蔷薇' }, { id: 2, inner: { deep: [{ a: {} }, []] } }, {}],
  licenses: [{ id: 'no' }],
  empty: [],
  annotations: [{ 'image\u0041': 1 }],
  last: null,
};

describe('readJsonLists', () => {
  it.each([1, 2, 3, 5, 64, 1 << 20])('reads the objects of lists as JSON.parse does, in chunks of %i', async (size) => {
    const expected = [...WHOLE.images.map((one) => ['images', one]), ...WHOLE.annotations.map((one) => ['annotations', one])]; // prettier-ignore
    for (const text of [JSON.stringify(WHOLE), JSON.stringify(WHOLE, null, 3), `\ufeff ${JSON.stringify(WHOLE)}\n`])
      expect(await read(text, size)).toEqual(expected);
  });

  it('knows a key that is written with escapes', async () => {
    expect(await read('{"im\\u0061ges": [{"id": 1}]}')).toEqual([['images', { id: 1 }]]);
  });

  it.each([
    ['', 'file.not-json'],
    ['[]', 'file.not-json'],
    ['<html></html>', 'file.not-json'],
    ['{"images": [{"id": 1}', 'json.cut'],
    ['{"images": [{"id": 1', 'json.cut'],
    ['{"images', 'json.cut'],
    ['{"images": [{id: 1}]}', 'file.not-json'],
    ['{"images": []}}', 'file.not-json'],
    ['{"images": []} {"images": []}', 'file.not-json'],
  ])('refuses %s', async (text, code) => {
    await expect(read(text)).rejects.toMatchObject({ reason: { code } });
  });

  it('refuses an entry that would fill the memory', async () => {
    await expect(read(`{"images": [{"a": "${'x'.repeat(3 << 20)}"}]}`, 1 << 16)).rejects.toMatchObject({
      reason: { code: 'json.element' },
    });
  });
});
