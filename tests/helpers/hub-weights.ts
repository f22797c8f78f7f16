import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { createModel } from '../../src-main/model/zoo.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/hub/', import.meta.url));
const GAINS = new Map([
  ['head.weight', 3],
  ['classifier.weight', 4],
]);

/** The weights that `make-hub.py` makes by the same rule. */
function valuesOf(name: string, shape: readonly number[]): Float32Array {
  const [last] = name.split('.').slice(-1);
  const fan = Math.sqrt(shapeSize(shape.slice(1)));
  const made = (unit: number): number => {
    if (last === 'running_var') return 1 + 0.5 * unit;
    if (last === 'weight' && shape.length === 1) return 1 + 0.2 * unit;
    if (shape.length === 1 || last === 'cls_token' || last === 'pos_embed') return 0.1 * unit;
    return (unit * (GAINS.get(name) ?? 2.41)) / fan;
  };
  const seed = hashOf(name);
  return Float32Array.from({ length: shapeSize(shape) }, (_, at) => made(mixed(at, seed) / 2 ** 31 - 1));
}

/** FNV-1a. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function mixed(place: number, seed: number): number {
  let x = (Math.imul(place, 2654435761) + seed) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

/** Makes a folder of the hub as timm saves it, of a network of four classes. @returns it. */
export function makeHub(folder: string, model: string): string {
  mkdirSync(folder, { recursive: true });
  const { specs } = createModel(model, { classes: 4, inputSize: 224 });
  const arrays = specs.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const, values: () => valuesOf(name, shape) })); // prettier-ignore
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([...writeSafetensors(arrays, { format: 'pt' })]));
  copyFileSync(join(FIXTURES, model, 'config.json'), join(folder, 'config.json'));
  return folder;
}

/** Copies the images of `make-hub.py`, whose classes are called 0, 1, 2 and 10. @returns their folder. */
export function copyHubImages(folder: string): string {
  cpSync(join(FIXTURES, 'images'), folder, { recursive: true });
  return folder;
}
