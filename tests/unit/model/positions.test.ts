import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { resizePositions, type Grid } from '../../../src-main/model/positions.ts';

interface Case {
  extra: number;
  dim: number;
  from: Grid;
  to: Grid;
  values: number[];
  expected: number[];
}
const path = fileURLToPath(new URL('../../fixtures/formats/positions.json', import.meta.url));
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[];

it.each(cases)(
  'resizes $from to $to with $extra extra tokens as torch does',
  ({ extra, dim, from, to, values, expected }) => {
    const resized = resizePositions(Float32Array.from(values), extra, dim, from, to);
    expect(resized.length).toBe(expected.length);
    const errors = expected.map((value, i) => Math.abs(value - resized[i]));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  },
);
