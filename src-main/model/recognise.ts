import type { NamedArray } from '../formats/named-array.ts';
import { layoutsOf, type Tensors } from './key-names.ts';
import type { Model } from './model.ts';
import { BATCH_COUNTER, gridsOf, HEAD } from './weights.ts';
import { createModel, inputSizes } from './zoo.ts';

/** Which network a weight file belongs to, from the names and shapes in it alone. */

/** Facts that follow from the arrays alone. */
export interface Recognised {
  /** Whose names the file uses: `timm`, `Hugging Face`, … */
  layout: string;
  /** Networks that take these weights as they are, the likeliest first; some differ in nothing but their images. */
  models: string[];
  /** Where none does: the one that comes nearest, and how many of its arrays are missing, of another shape or too many. */
  nearest: { model: string; differences: number } | null;
  /** Classes that the head tells apart; null without a head. */
  classes: number | null;
  /** Side of the square images that the position embedding is for; null where there is none. */
  inputSize: number | null;
  /** Whether there is a distillation token. */
  distilled: boolean;
}

/** Files with more arrays than any network has are not compared with each. */
const MAX_ARRAYS = 5000;
/** A network of which less than this share fits is no likeness. */
const LIKE = 0.8;

/** Recognises the network whose arrays have these names and shapes; null where no known network is like it. */
export function recognise(tensors: Tensors): Recognised | null {
  if (tensors.size === 0 || tensors.size > MAX_ARRAYS) return null;
  const layouts = layoutsOf(tensors);
  const compared = networks().flatMap((model) => layouts.map((layout) => compare(model, layout)));
  const best = compared.reduce((least, one) => (one.differences < least.differences ? one : least));
  const { layout, model, inputSize, differences } = best;
  if (differences > (1 - LIKE) * model.specs.length) return null;
  const fitting = compared.filter((one) => one.differences === 0 && one.layout === layout);
  const foreign = ({ model, inputSize }: Compared) => Number(inputSize !== null && inputSize !== model.inputSize);
  const models = fitting.sort((a, b) => foreign(a) - foreign(b)).map(({ model }) => model.name);
  return {
    layout: layout.layout,
    models,
    nearest: models.length > 0 ? null : { model: model.name, differences },
    classes: headRows(layout.tensors),
    inputSize,
    distilled: layout.tensors.has('dist_token'),
  };
}

let known: Model[] = [];

// Every network at its own input size; how many classes it has does not matter here.
function networks(): Model[] {
  if (known.length === 0)
    known = [...inputSizes()].map(([name, inputSize]) => createModel(name, { classes: 1, inputSize }));
  return known;
}

type Layout = ReturnType<typeof layoutsOf>[number];

interface Compared {
  model: Model;
  layout: Layout;
  /** Side of the images that the positions in the file are for; null without any, or where they make no square. */
  inputSize: number | null;
  differences: number;
}

function compare(model: Model, layout: Layout): Compared {
  const positions = layout.tensors.get('pos_embed');
  const grids = positions ? gridsOf(model, positions.shape) : null;
  const inputSize = grids && grids.from[0] * grids.patch;
  return { model, layout, inputSize, differences: differencesOf(model, layout.tensors) };
}

// Missing, misshapen and unexpected arrays. A head may be missing, and positions may be for any image.
function differencesOf({ specs }: Model, tensors: Tensors): number {
  let [differences, used] = [0, 0];
  for (const { name, shape } of specs) {
    const array = tensors.get(name);
    if (array) used++;
    const optional = HEAD.test(name) || name.endsWith(BATCH_COUNTER);
    if (array ? !alike(name, array.shape, shape) : !optional) differences++;
  }
  return differences + tensors.size - used;
}

function alike(name: string, got: number[], wanted: number[]): boolean {
  if (got.length !== wanted.length) return false;
  const from = name === 'pos_embed' ? 2 : HEAD.test(name) ? 1 : 0;
  return got.every((side, axis) => axis < from || side === wanted[axis]);
}

function headRows(tensors: Tensors): number | null {
  const isHead = ([name, { shape }]: [string, NamedArray]) =>
    HEAD.test(name) && name.endsWith('.weight') && shape.length === 2;
  const head = [...tensors].find(isHead);
  const rows = head?.[1].shape[0] ?? 0;
  return rows > 0 ? rows : null;
}
