import { expect, it } from 'vitest';
import { readableBytes } from '../../../src-main/base/bytes.ts';

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [71_234_567, '71.2 MB'],
  [3.2e9, '3.2 GB'],
  [5e15, '5000.0 TB'],
])('%d bytes read %s', (bytes, text) => {
  expect(readableBytes(bytes)).toBe(text);
});
