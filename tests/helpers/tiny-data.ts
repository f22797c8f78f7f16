import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng } from '../../src-main/data/decode/png.ts';

export interface TinyData {
  classes?: string[];
  /** Images of each class. */
  train?: number;
  val?: number;
  /** Side in pixels. */
  size?: number;
}

/**
 * Makes a data set that a network can learn in a few steps: each class has a colour of its own, with noise.
 * @returns the folder.
 */
export function makeTinyData(folder: string, options: TinyData = {}): string {
  const { classes = ['amber', 'blue', 'clay'], train = 16, val = 6, size = 32 } = options;
  classes.forEach((name, label) => {
    for (const [split, count] of [['train', train] as const, ['val', val] as const]) {
      const place = join(folder, split, name);
      mkdirSync(place, { recursive: true });
      for (let index = 0; index < count; index++) {
        const data = noisyColour(size, label, index + (split === 'val' ? 1000 : 0));
        writeFileSync(join(place, `${name}-${index}.png`), encodePng({ width: size, height: size, data }));
      }
    }
  });
  return folder;
}

function noisyColour(size: number, label: number, seed: number): Uint8Array {
  let state = seed * 7919 + label + 1;
  const data = new Uint8Array(size * size * 3);
  for (let at = 0; at < data.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[at] = (at % 3 === label % 3 ? 190 : 50) + (state >>> 26);
  }
  return data;
}
