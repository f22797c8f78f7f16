import { expect, test } from 'vitest';

/** What `left-alone.ts` adds to every comparison of the tests. */

test('arrays of the same bytes are equal, of whatever buffer they are a part', () => {
  const whole = Uint8Array.of(9, 1, 2, 3, 4);
  expect(whole.subarray(1)).toEqual(Uint8Array.of(1, 2, 3, 4));
  expect({ images: [new Uint8Array(new SharedArrayBuffer(4))] }).toEqual({ images: [new Uint8Array(4)] });
  expect(Float32Array.of(NaN, 1)).toEqual(Float32Array.of(NaN, 1));
});

test('others are not, be it by a byte, their length, their type or the sign of 0', () => {
  expect(Uint8Array.of(1, 2)).not.toEqual(Uint8Array.of(1, 3));
  expect(Uint8Array.of(1, 2)).not.toEqual(Uint8Array.of(1, 2, 0));
  expect(Int32Array.of(0)).not.toEqual(Float32Array.of(0));
  expect(Float32Array.of(0)).not.toEqual(Float32Array.of(-0));
  expect(() => expect([Buffer.from('ab')]).toEqual([Buffer.from('ac')])).toThrow('97');
});
