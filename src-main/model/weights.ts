import type { NamedArray } from '../formats/named-array.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { DIST_TOKEN, withTokensOf } from './distillation-token.ts';
import { toTimmNames, type Tensors } from './key-names.ts';
import type { Model, ParamSpec } from './model.ts';
import { resizePositions, type Grid } from './positions.ts';

/** Fits what a weight file holds to what a model wants: names, shapes, position embedding, head. */

export interface FitOptions {
  /** The file, for errors. */
  path: string;
  /**
   * Allow what fine-tuning changes: heads of another number of classes, or none, are left out, for the caller to draw;
   * and so is a distillation token that only the model has. One that only the file has is not read.
   */
  newHead: boolean;
  /** Patches down and across that the file's position embedding is for, where they make no square. */
  grid?: Grid;
}

/** Says how the file differed from the model. Lists hold parameter names. */
export interface FitReport {
  /** Whose names the file used: `timm`, `Hugging Face`, … */
  layout: string;
  /** Heads and tokens that were left out of `params`. */
  renewed: string[];
  /** Position embeddings that were resized to the model's grid. */
  resized: string[];
  /** Names in the file that belong to a distillation token, which the model has not. */
  left: string[];
  /** The patches of the file and of the model, where these differ. */
  grids: { from: Grid; to: Grid } | null;
}

/** Parts that depend on the classes, in every family. */
export const HEAD = /^(head|head_dist|head\.fc|fc|classifier)\.(weight|bias)$/;

type Named = Pick<Model, 'name'> & Geometry;

/**
 * Takes the parameters of a model from a weight file, row-major float32 by timm's names. Without `newHead` they are
 * complete.
 * @throws StillhouseError `weights.keys` listing what does not fit; `weights.format` for values that are not finite.
 */
export function fitWeights(
  model: Named,
  tensors: Tensors,
  options: FitOptions,
): { params: Record<string, Float32Array>; report: FitReport } {
  const { fits, report } = planFit(model, tensors, options);
  const params: Record<string, Float32Array> = {};
  for (const { spec, fit, array } of fits)
    if (fit !== 'renewed') params[spec.name] = valuesOf(spec, fit, array, model, options);
  return { params, report };
}

/**
 * Takes the parameters that {@link fitWeights} takes, one after the other: whoever copies each needs memory for one.
 * @throws StillhouseError as that does, for what does not fit before anything is taken.
 */
export function* fitEach(
  model: Named,
  tensors: Tensors,
  options: Omit<FitOptions, 'newHead'>,
): Generator<{ spec: ParamSpec; values: Float32Array }> {
  const whole = { ...options, newHead: false };
  for (const { spec, fit, array } of planFit(model, tensors, whole).fits)
    yield { spec, values: valuesOf(spec, fit, array, model, whole) };
}

/** Lists how each parameter of a model gets its values. */
interface Plan {
  fits: { spec: ParamSpec; fit: Fit; array: NamedArray | undefined }[];
  report: FitReport;
}

/**
 * Plans what {@link fitWeights} does, by names and shapes alone: no value is read.
 * @throws StillhouseError `weights.keys` listing what does not fit.
 */
export function planFit(model: Named, tensors: Tensors, options: FitOptions): Plan {
  const { path, newHead, grid } = options;
  const specs = new Map(model.specs.map((spec) => [spec.name, spec]));
  const given = toTimmNames(tensors, new Set(specs.keys()));
  const named = { ...given, ...(newHead ? withTokensOf(specs, given.tensors) : { left: [] }) };
  const fits = model.specs.map((spec) => {
    const array = named.tensors.get(spec.name);
    return { spec, fit: fitOf(spec, array, model, options), array };
  });
  const names = (wanted: Fit) => fits.filter(({ fit }) => fit === wanted).map(({ spec }) => spec.name);
  const unexpected = [...named.tensors.keys()].filter((name) => !specs.has(name) && !name.endsWith(BATCH_COUNTER));
  const [missing, misshapen] = [names('missing'), names('misshapen')];
  if (missing.length + misshapen.length + unexpected.length > 0) {
    const shapes = misshapen.map((name) => shapesOf(specs.get(name)!, named.tensors.get(name)!));
    const params = { missing: some(missing), unexpected: some(unexpected), misshapen: some(shapes) };
    throw new StillhouseError('weights.keys', { path, model: model.name, ...params });
  }
  const resized = names('resized');
  const grids = resized.length > 0 ? gridsOf(model, named.tensors.get(resized[0])!.shape, grid) : null;
  const { layout, left } = named;
  return { fits, report: { layout, renewed: names('renewed'), resized, left, grids } };
}

type Fit = 'exact' | 'resized' | 'renewed' | 'absent' | 'missing' | 'misshapen';

/** The end of the names of batch counters, which files from before torch 0.4.1 lack. */
export const BATCH_COUNTER = '.num_batches_tracked';

function fitOf(spec: ParamSpec, array: NamedArray | undefined, model: Geometry, { newHead, grid }: FitOptions): Fit {
  const head = newHead && (HEAD.test(spec.name) || (spec.name === DIST_TOKEN && !array));
  // Nothing depends on batch counters.
  if (!array) return head ? 'renewed' : spec.name.endsWith(BATCH_COUNTER) ? 'absent' : 'missing';
  const grids = spec.name === 'pos_embed' ? gridsOf(model, array.shape, grid) : null;
  if (grids && grids.from.join() !== grids.to.join() && (grid || array.shape[1] !== spec.shape[1])) return 'resized';
  if (array.shape.join() === spec.shape.join()) return 'exact';
  return head && array.shape.slice(1).join() === spec.shape.slice(1).join() ? 'renewed' : 'misshapen';
}

/** Dtypes that a parameter may be held in: whole numbers belong to another, quantised, network. */
const FLOATS: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

type Geometry = Pick<Model, 'specs' | 'inputSize' | 'inputWidth'>;

/**
 * Compares position embeddings of a shape with those of a model: both grids of patches, the tokens before them, and the
 * side of a patch. Without `grid` the patches of the shape make a square.
 * @returns null where they do not, and where there can be no such embedding.
 */
export function gridsOf({ specs, inputSize, inputWidth = inputSize }: Geometry, shape: number[], grid?: Grid) {
  const find = (name: string) => specs.find((spec) => spec.name === name)?.shape;
  const [patch, wanted] = [find('patch_embed.proj.weight')?.at(-1), find('pos_embed')];
  const [one, tokens, dim] = shape;
  if (!patch || !wanted || shape.length !== 3 || one !== 1 || dim !== wanted[2] || tokens > 1 << 20) return null;
  const to: Grid = [Math.floor(inputSize / patch), Math.floor(inputWidth / patch)];
  const extra = wanted[1] - to[0] * to[1];
  const side = Math.sqrt(tokens - extra);
  const from: Grid = grid ?? [side, side];
  const fits = from.every((side) => Number.isInteger(side) && side > 0) && from[0] * from[1] === tokens - extra;
  return fits ? { patch, extra, dim, from, to } : null;
}

function valuesOf(
  spec: ParamSpec,
  fit: Fit,
  array: NamedArray | undefined,
  model: Geometry,
  { path, grid }: FitOptions,
): Float32Array {
  if (!array) return new Float32Array(spec.shape.reduce((product, side) => product * side, 1));
  if (!spec.integer && !FLOATS.has(array.dtype)) {
    const why = reason('weights.dtype', { name: spec.name, dtype: array.dtype });
    throw new StillhouseError('weights.format', { path, reason: why });
  }
  const values = array.toFloat32();
  if (!allFinite(values)) {
    const why = reason('weights.not-finite', { name: spec.name });
    throw new StillhouseError('weights.format', { path, reason: why });
  }
  const grids = fit === 'resized' ? gridsOf(model, array.shape, grid) : null;
  return grids ? resizePositions(values, grids.extra, grids.dim, grids.from, grids.to) : values;
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
