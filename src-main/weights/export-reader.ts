import { basename } from 'node:path';
import { countParameters, type Model } from '../model/model.ts';
import { fitWeights, type FitReport } from '../model/weights.ts';
import { createModel } from '../model/zoo.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import type { ReasonValue } from '../protocol/reasons.ts';
import type { Preprocessing } from '../protocol/export.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { metadataValues } from './foreign-model.ts';
import { chooseNetwork } from './network.ts';
import { headClasses, withWeights, type Weights, type WeightsWish } from './weights.ts';

/** A network made from a file alone, as a stranger would: its own words decide what it is. */
export interface ReadNetwork {
  model: Model;
  recipe: Recipe;
  params: Record<string, Float32Array>;
  classes: readonly string[] | null;
  /** As the file says; null where it does not. */
  preprocessing: Preprocessing | null;
  /** As it is taken. */
  prepared: Preprocessing;
  /** The patches that the file's positions are for and those of the network, where they were resized. */
  grids: FitReport['grids'];
}

/**
 * Reads a network out of any weight file.
 * @throws StillhouseError `file.missing`, `weights.*`, `recipe.invalid` for words that name no network.
 */
export function readNetwork(path: string, settings: Partial<Recipe>, wish: NetworkSize = {}): Promise<ReadNetwork> {
  return withWeights(path, (weights) => networkOf(weights, settings, wish), wish);
}

/** The part of a file to read, and the width of the images where they shall not be square. */
export interface NetworkSize extends WeightsWish {
  inputWidth?: number;
}

/** Makes the network of opened weights, its positions resized where another size of images is asked for. */
export function networkOf(
  weights: Weights,
  settings: Partial<Recipe>,
  { inputWidth }: NetworkSize,
): ReadNetwork & { notes: PlainError[] } {
  const { recipe, prepared: taken, notes } = chooseNetwork(weights, settings);
  const { inputSize, evalCropRatio: cropRatio } = recipe;
  // A file that is for images which are not square stays so where no other size is asked for.
  const width = inputWidth ?? (settings.inputSize === undefined ? weights.inputWidth : undefined);
  const size = { inputSize, ...(width !== undefined && width !== inputSize && { inputWidth: width }) };
  const model = createModel(recipe.model, { classes: headClasses(weights), ...size });
  const { params, report } = fitWeights(model, weights.tensors, { path: weights.path, newHead: false, grid: gridOf(weights, model) }); // prettier-ignore
  const prepared = { ...size, cropRatio, ...taken };
  const read = { model, recipe, params, classes: weights.classes, preprocessing: preprocessingOf(weights), prepared };
  return { ...read, grids: report.grids, notes };
}

/** The patches of a file whose images are not square. */
function gridOf({ inputWidth, preparation }: Weights, model: Model): [number, number] | undefined {
  const patch = patchOf(model);
  const { inputSize } = preparation;
  return patch && inputSize && inputWidth !== undefined ? [inputSize / patch, inputWidth / patch] : undefined;
}

function preprocessingOf(weights: Weights): Preprocessing | null {
  const { metadata, preparation, inputWidth } = weights;
  const { inputSize, cropRatio, interpolation, mean, std } = { ...preparation, ...metadataValues(metadata) };
  if (!inputSize || !cropRatio || !interpolation || !mean || !std) return null;
  return { inputSize, ...(inputWidth !== undefined && { inputWidth }), cropRatio, interpolation, mean, std };
}

/** Lists where the file says or holds something other than the checkpoint; empty where they agree. */
export function differencesOf(path: string, checkpoint: ReadNetwork, exported: ReadNetwork): PlainError[] {
  const words = wordDifferences(path, checkpoint, { ...exported, name: exported.model.name });
  return [...words, ...sizeProblem(path, exported), ...parameterProblem(basename(path), checkpoint, exported)];
}

/** An export holds the positions of the size it is for: others would be resized by whoever reads it. */
function sizeProblem(path: string, { grids, model }: ReadNetwork): PlainError[] {
  if (!grids) return [];
  const patch = patchOf(model) ?? 1;
  const [expected, got] = [grids.from, grids.to].map((grid) => grid.map((side) => side * patch).join(' × '));
  return [
    toPlainError(new StillhouseError('export.facts', { file: basename(path), what: 'inputSize', expected, got })),
  ];
}

/** The pixels across a patch; undefined for networks without positions. */
function patchOf({ specs }: Model): number | undefined {
  return specs.find(({ name }) => name === 'patch_embed.proj.weight')?.shape[2];
}

/** What a file says of its network. */
type Said = Pick<ReadNetwork, 'classes' | 'preprocessing'> & { name: string; model?: Model };

/** Lists where a file says something other than the checkpoint. */
export function wordDifferences(path: string, checkpoint: ReadNetwork, said: Said): PlainError[] {
  const file = basename(path);
  const wrong = (what: string, expected: ReasonValue, got: string): PlainError[] =>
    expected === got ? [] : [toPlainError(new StillhouseError('export.facts', { file, what, expected, got }))];
  const [ours, theirs] = [checkpoint.prepared, said.preprocessing];
  const preparation = (Object.keys(ours) as (keyof Preprocessing)[])
    .filter((key) => key !== 'cropRatio' || !theirs || edgeOf(ours) !== edgeOf(theirs))
    .flatMap((key) => wrong(key, String(ours[key]), String(theirs?.[key] ?? '–')));
  const names = (classes: readonly string[] | null): string => (classes ?? []).join(', ').slice(0, 200);
  return [
    ...(said.model && isSame(checkpoint.model, said.model) ? [] : wrong('model', checkpoint.model.name, said.name)),
    ...wrong('classes', names(checkpoint.classes), names(said.classes)),
    ...preparation,
  ];
}

/** The length that the shorter edge of an image is resized to: transformers keeps it in place of the ratio. */
function edgeOf({ inputSize, inputWidth = inputSize, cropRatio }: Preprocessing): number {
  return Math.trunc(Math.max(inputSize, inputWidth) / cropRatio);
}

/** Whether two networks compute the same: transformers knows a DeiT without distillation token as a ViT. */
function isSame(one: Model, other: Model): boolean {
  const facts = ({ specs, attentionHeads }: Model) => JSON.stringify([attentionHeads, specs.map(({ name, shape }) => [name, shape])]); // prettier-ignore
  return one.name === other.name || (one.attentionHeads !== undefined && facts(one) === facts(other));
}

function parameterProblem(file: string, { model, params }: ReadNetwork, exported: ReadNetwork): PlainError[] {
  const others = model.specs.filter(({ name }) => !sameBits(params[name], exported.params[name]));
  if (others.length === 0) return [];
  const [{ name }] = others;
  return [toPlainError(new StillhouseError('export.parameters', { file, count: others.length, name }))];
}

function sameBits(one: Float32Array, other: Float32Array | undefined): boolean {
  if (!other) return false;
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);
  return bytes(one).equals(bytes(other));
}

/** Tells whether both take the same images and answer with as many numbers. */
export function comparable({ model: one }: ReadNetwork, { model: other }: ReadNetwork): boolean {
  const shape = ({ inputSize, inputWidth = inputSize, classes, distilled }: Model) =>
    [inputSize, inputWidth, classes, distilled].join();
  return shape(one) === shape(other);
}

/** Describes a network for a report: its name, classes and count of parameters. */
export function networkSize({ model }: ReadNetwork): { model: string; classes: number; parameters: number } {
  return { model: model.name, classes: model.classes, parameters: countParameters(model.specs) };
}
