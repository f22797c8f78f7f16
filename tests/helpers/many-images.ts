import { linkSync, mkdirSync, mkdtempSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng } from '../../src-main/data/decode/png.ts';

/**
 * A data set of very many images: one file for each class, and links to it under every other name. It lies in memory
 * where the machine has a place for it.
 * @returns the folder, which the caller removes.
 */
export function makeManyImages(count: number, classes: number): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'stillhouse-many-'));
  const each = Math.ceil(count / classes);
  for (let label = 0; label < classes; label++) {
    const name = `c${String(label).padStart(4, '0')}`;
    const place = join(folder, 'train', name);
    mkdirSync(place, { recursive: true });
    const first = join(place, `${name}-${number(0)}.png`);
    writeFileSync(first, encodePng({ width: 96, height: 96, data: colours(label) }));
    const own = Math.min(each, count - label * each);
    for (let at = 1; at < own; at++) linkSync(first, join(place, `${name}-${number(at)}.png`));
    if (label > 0) continue;
    mkdirSync(join(folder, 'val', name), { recursive: true });
    linkSync(first, join(folder, 'val', name, 'seen.png'));
  }
  return folder;
}

const number = (at: number): string => String(at).padStart(7, '0');

/** An image of its own for each class: stripes in two colours. */
function colours(label: number): Uint8Array {
  const data = new Uint8Array(96 * 96 * 3);
  for (let at = 0; at < data.length; at++) {
    const stripe = Math.floor(at / 3 / (4 + (label % 7))) % 2;
    data[at] = stripe ? (label * 37 + (at % 3) * 80) % 256 : 230 - (at % 3) * (label % 60);
  }
  return data;
}
