import { copyFileSync, cpSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pseudoRandom } from './engine.ts';

/** The small teachers that `tests/fixtures/teachers/make-*.py` made: one network of four classes at 24 pixels. */
const FOLDER = fileURLToPath(new URL('../fixtures/teachers', import.meta.url));

export const SIDE = 24;

/** What torch answers, and what it makes of images when it resizes them. */
export const EXPECTED = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as {
  classes: string[];
  logits: number[][];
  /** Logits of a student [3, 4], and torch's soft distillation of them from `logits` at temperature `tau`. */
  student: number[][];
  tau: number;
  soft: number;
  resized: Record<string, number[]>;
};

/** Path of one of them. */
export function teacherFixture(name: string): string {
  return join(FOLDER, name);
}

/** A copy that a test may change or put a card beside. */
export function copyTeacher(name: string, folder: string, as = basename(name)): string {
  const path = join(folder, as);
  if (name.endsWith('.onnx')) copyFileSync(teacherFixture(name), path);
  else cpSync(teacherFixture(name), path, { recursive: true });
  return path;
}

/** The three normalised images of the fixtures: [3, 3, 24, 24] as torch has them, or channels last. */
export function fixtureImages(layout: 'NCHW' | 'NHWC'): Float32Array {
  const values = pseudoRandom(3 * 3 * SIDE * SIDE, 5);
  if (layout === 'NCHW') return values;
  const area = SIDE * SIDE;
  return Float32Array.from(values, (_, index) => {
    const [image, place, channel] = [Math.floor(index / (3 * area)), Math.floor(index / 3) % area, index % 3];
    return values[(image * 3 + channel) * area + place];
  });
}
