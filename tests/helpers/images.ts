import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng } from '../../src-main/data/decode/png.ts';

/** Classes that differ in colour and stripes, so that a small network learns them soon. */
const CLASSES = { amber: [220, 160, 40], blue: [40, 70, 220], crimson: [200, 30, 60] } as const;

/**
 * A data set in `folder`: train/<class>/ and val/<class>/ of three classes with `train` and `val` PNG images each,
 * of `side` pixels; always the same.
 */
export function makeDataset(folder: string, options: { train: number; val: number; side: number }): string {
  Object.entries(CLASSES).forEach(([name, colour], label) => {
    for (const split of ['train', 'val'] as const) {
      const path = join(folder, split, name);
      mkdirSync(path, { recursive: true });
      for (let index = 0; index < options[split]; index++) {
        const data = imageOf(colour, label, index + (split === 'val' ? 1000 : 0), options.side);
        const pixels = { width: options.side, height: options.side, data };
        writeFileSync(join(path, `${String(index).padStart(3, '0')}.png`), encodePng(pixels));
      }
    }
  });
  return folder;
}

function imageOf(colour: readonly number[], label: number, seed: number, side: number): Uint8Array {
  const pixels = new Uint8Array(side * side * 3);
  let state = (seed + 1) * 2654435761 + label;
  for (let at = 0; at < side * side; at++) {
    const stripe = Math.floor(at / side / (2 + label)) % 2 === 0 ? 1 : 0.6;
    for (let channel = 0; channel < 3; channel++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      pixels[at * 3 + channel] = Math.min(255, colour[channel] * stripe + (state >>> 27));
    }
  }
  return pixels;
}
