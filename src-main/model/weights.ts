import type { NamedArray } from '../formats/named-array.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { toTimmNames, type Tensors } from './key-names.ts';
import type { Model, ParamSpec } from './model.ts';
import { resizePositions } from './positions.ts';

/** Fits what a weight file holds to what a model wants: names, shapes, position embedding, head. */

export interface FitOptions {
  /** The file, for errors. */
  path: string;
  /** Allow heads of another number of classes, or none: they are left out, for the caller to draw. */
  newHead: boolean;
}

/** How the file differed from the model. Lists hold parameter names. */
export interface FitReport {
  /** Whose names the file used: `timm`, `Hugging Face`, … */
  layout: string;
  /** Heads that were left out of `params`. */
  renewed: string[];
  /** Position embeddings that were resized to the model's grid. */
  resized: string[];
}

/** Parts that depend on the classes, in every family. */
const HEAD = /^(head|head_dist|head\.fc|fc|classifier)\.(weight|bias)$/;

/**
 * The model's parameters from a weight file, row-major float32 by timm's names. Without `newHead` they are complete.
 * @throws StillhouseError `weights.keys` listing what does not fit; `weights.format` for values that are not finite.
 */
export function fitWeights(
  model: Pick<Model, 'name' | 'specs' | 'inputSize'>,
  tensors: Tensors,
  { path, newHead }: FitOptions,
): { params: Record<string, Float32Array>; report: FitReport } {
  const specs = new Map(model.specs.map((spec) => [spec.name, spec]));
  const named = toTimmNames(tensors, new Set(specs.keys()));
  const fits = model.specs.map((spec) => [spec, fitOf(spec, named.tensors.get(spec.name), model, newHead)] as const);
  const names = (wanted: Fit) => fits.filter(([, fit]) => fit === wanted).map(([{ name }]) => name);
  const unexpected = [...named.tensors.keys()].filter((name) => !specs.has(name) && !name.endsWith(COUNTER));
  const [missing, misshapen] = [names('missing'), names('misshapen')];
  if (missing.length + misshapen.length + unexpected.length > 0) {
    const shapes = misshapen.map((name) => shapesOf(specs.get(name)!, named.tensors.get(name)!));
    const params = { missing: some(missing), unexpected: some(unexpected), misshapen: some(shapes) };
    throw new StillhouseError('weights.keys', { path, model: model.name, ...params });
  }
  const params: Record<string, Float32Array> = {};
  for (const [spec, fit] of fits)
    if (fit !== 'renewed') params[spec.name] = valuesOf(spec, fit, named.tensors.get(spec.name), model, path);
  return { params, report: { layout: named.layout, renewed: names('renewed'), resized: names('resized') } };
}

type Fit = 'exact' | 'resized' | 'renewed' | 'absent' | 'missing' | 'misshapen';

const COUNTER = '.num_batches_tracked';

function fitOf(spec: ParamSpec, array: NamedArray | undefined, model: Geometry, newHead: boolean): Fit {
  const head = newHead && HEAD.test(spec.name);
  // Files from before torch 0.4.1 have no batch counters, and nothing depends on them.
  if (!array) return head ? 'renewed' : spec.name.endsWith(COUNTER) ? 'absent' : 'missing';
  if (array.shape.join() === spec.shape.join()) return 'exact';
  if (head && array.shape.slice(1).join() === spec.shape.slice(1).join()) return 'renewed';
  return spec.name === 'pos_embed' && gridsOf(spec, array, model) ? 'resized' : 'misshapen';
}

type Geometry = Pick<Model, 'specs' | 'inputSize'>;

// The sides of the two grids of patches, and how many tokens come before them; null when it cannot be a square grid.
function gridsOf(spec: ParamSpec, array: NamedArray, { specs, inputSize }: Geometry) {
  const patch = specs.find(({ name }) => name === 'patch_embed.proj.weight')?.shape.at(-1);
  const [one, tokens, dim] = array.shape;
  if (!patch || array.shape.length !== 3 || one !== 1 || dim !== spec.shape[2]) return null;
  const to = Math.floor(inputSize / patch);
  const extra = spec.shape[1] - to * to;
  const from = Math.sqrt(tokens - extra);
  return Number.isInteger(from) && from > 0 && tokens <= 1 << 20 ? { extra, from, to, dim } : null;
}

function valuesOf(spec: ParamSpec, fit: Fit, array: NamedArray | undefined, model: Geometry, path: string) {
  if (!array) return new Float32Array(spec.shape.reduce((product, side) => product * side, 1));
  const values = array.toFloat32();
  if (!allFinite(values)) {
    const reason = `${spec.name} holds values that are not finite`;
    throw new StillhouseError('weights.format', { path, reason });
  }
  const grids = fit === 'resized' ? gridsOf(spec, array, model) : null;
  if (!grids) return values;
  const { extra, from, to, dim } = grids;
  return resizePositions(values, extra, dim, [from, from], [to, to]);
}

// The difference is 0 for finite numbers and NaN for others; a test of each would take ten times as long.
function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i];
  return sum === 0;
}

function shapesOf({ name, shape }: ParamSpec, array: NamedArray): string {
  return `${name} [${array.shape.join(', ')}] for [${shape.join(', ')}]`;
}

// The first few and how many more: a wrong file can have thousands.
function some(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const clipped = names.slice(0, 3).map((name) => (name.length > 120 ? `${name.slice(0, 120)}…` : name));
  return clipped.join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');
}
