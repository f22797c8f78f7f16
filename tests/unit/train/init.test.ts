import { describe, expect, it } from 'vitest';
import { initialValue, initialValues, normalQuantile } from '../../../src-main/train/init.ts';

/** Evenly spread draws: sample statistics then follow the distribution closely. */
const even = (_name: string, count: number): Float64Array =>
  Float64Array.from({ length: count }, (_, index) => (index + 0.5) / count);

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const std = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / values.length);

describe('normalQuantile', () => {
  it.each([
    [1e-9, -5.9978070150076865],
    [1e-4, -3.71901648545568],
    [0.01, -2.3263478740408408],
    [0.07, -1.4757910281791702],
    [0.3, -0.5244005127080407],
    [0.5, 0],
    [0.8, 0.8416212335729144],
    [0.9999, 3.7190164854557084],
  ])('inverts the normal distribution at %d', (p, z) => {
    expect(normalQuantile(p)).toBeCloseTo(z, 12);
  });
});

describe('initialValues', () => {
  it('draws each kind with its spread', () => {
    const value = (init: Parameters<typeof initialValue>[0]['init']): Float32Array =>
      initialValue({ name: 'w', shape: [40, 50], init, buffer: false }, even);
    expect(std(value({ kind: 'truncatedNormal', std: 0.02 }))).toBeCloseTo(0.02, 4);
    expect(std(value({ kind: 'normal', std: 0.01 }))).toBeCloseTo(0.01, 4);
    const uniform = value({ kind: 'uniform', bound: 1 / Math.sqrt(768) });
    expect(Math.max(...uniform)).toBeLessThan(0.03609);
    expect(std(uniform)).toBeCloseTo(0.03608 / Math.sqrt(3), 4);
    expect(value({ kind: 'constant', value: 0.5 }).every((x) => x === 0.5)).toBe(true);
    expect(value({ kind: 'ones' }).every((x) => x === 1)).toBe(true);
    expect(value({ kind: 'zeros' })).toEqual(new Float32Array(2000));
  });

  it('cuts a truncated normal at two, not at two deviations, and survives a draw of nought', () => {
    const wide = { name: 'w', shape: [1000], init: { kind: 'truncatedNormal', std: 1.5 }, buffer: false } as const;
    const values = initialValue({ ...wide, shape: [1000] }, even);
    expect(Math.max(...values)).toBe(2);
    const narrow = { ...wide, shape: [1], init: { kind: 'truncatedNormal', std: 0.02 } } as const;
    const zero = initialValue({ ...narrow, shape: [1] }, () => Float64Array.of(0));
    expect(Math.abs(zero[0])).toBeLessThan(0.2);
  });

  it('gives every parameter its own stream, whatever comes before it', () => {
    const streams: string[] = [];
    const spec = (name: string) => ({ name, shape: [2], init: { kind: 'normal', std: 1 } as const, buffer: false });
    const values = initialValues([spec('a'), spec('b')], (name, count) => {
      streams.push(name);
      return even(name, count);
    });
    expect(streams).toEqual(['a', 'b']);
    expect(Object.keys(values)).toEqual(['a', 'b']);
  });
});
