import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SOURCE } from '../../../src-main/data/decode/kernel-bytes.ts';

it('runs kernels that were made from the source beside them (else: npm run kernels)', () => {
  const source = readFileSync(new URL('../../../src-main/data/decode/pixel-kernels.as', import.meta.url));
  expect(createHash('sha256').update(source).digest('hex')).toBe(SOURCE);
});
