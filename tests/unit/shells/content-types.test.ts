import { expect, test } from 'vitest';
import { IMAGE } from '../../../src-main/data/layout/image-name.ts';
import { IMAGE_TYPES } from '../../../src-main/protocol/content-types.ts';

test('every name of an image that a browser can show has its type', () => {
  expect(Object.keys(IMAGE_TYPES).filter((ending) => !IMAGE.test(`a${ending}`))).toEqual([]);
  // The endings of JPEG as Pillow and the registries of file types list them.
  for (const ending of ['.jpg', '.jpeg', '.jpe', '.jfif']) expect(IMAGE_TYPES[ending]).toBe('image/jpeg');
});
