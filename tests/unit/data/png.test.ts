import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodePng, encodePng, onBackground } from '../../../src-main/data/decode/png.ts';
import { Random } from '../../../src-main/data/random.ts';

const random = new Random(0, 'augment', 0, 0);
const image = { width: 13, height: 7, data: Uint8Array.from({ length: 273 }, () => random.integer(256)) };

describe('encodePng', () => {
  it('writes what is read back the same', () => {
    const { width, height, data } = decodePng(encodePng(image));
    expect({ width, height, data: data.filter((_, at) => at % 4 !== 3) }).toEqual(image);
    expect(data.filter((_, at) => at % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
  });
});

describe('decodePng', () => {
  it('refuses damage at every byte without hanging', () => {
    const bytes = encodePng(image);
    for (let at = 0; at < bytes.length - 12; at++) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = damaged[at] ^ 0x55;
      expect(() => decodePng(damaged)).toThrow();
    }
    for (let length = 0; length < bytes.length - 12; length++)
      expect(() => decodePng(bytes.subarray(0, length))).toThrow();
  });

  it('names what it does not read', () => {
    const deep = readFileSync(new URL('../../fixtures/images/deep.png', import.meta.url));
    expect(() => decodePng(deep)).toThrow('colour type 2 with 16 bits');
  });
});

describe('onBackground', () => {
  it('lets the background through by what is missing of alpha', () => {
    const data = Uint8Array.from(
      [
        [100, 0, 0, 255],
        [100, 0, 0, 0],
        [100, 0, 0, 51],
      ].flat(),
    );
    const { data: laid } = onBackground({ width: 3, height: 1, data }, [200, 240, 10]);
    expect([...laid]).toEqual([100, 0, 0, 200, 240, 10, 180, 192, 8]);
  });
});
