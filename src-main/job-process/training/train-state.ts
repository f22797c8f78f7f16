import { Random } from '../../data/random.ts';
import type { NamedArray } from '../../formats/named-array.ts';
import type { Model, ParamSpec } from '../../model/model.ts';
import { fitEach, fitWeights, type FitReport } from '../../model/weights.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { initialValues, type Uniforms } from '../../train/init.ts';
import { optimizerVariables } from '../../train/update.ts';
import { PREFIX, variablesOf } from '../../train/variables.ts';
import type { TensorSpec } from '../../trace/program.ts';
import type { State } from '../../engines/engine.ts';
import { contradiction } from '../../weights/network.ts';
import { withWeights, type Weights } from '../../weights/weights.ts';

/**
 * Fills the variables of a training: the student's parameters, what the optimizer keeps of them, their average, and
 * the frozen teacher's parameters.
 */

/** Draws the parameters from the seed. Variables of the optimizer start at zero, and the average as the model. */
export function startFresh(state: State, student: Model, recipe: Recipe): void {
  setParams(state, PREFIX.model, student.specs, initialValues(student.specs, uniformsOf(recipe.seed)));
  for (const [name, { shape }] of Object.entries(optimizerVariables(student, recipe)))
    state.set(name, shape, new Float32Array(shape.reduce((product, side) => product * side, 1)));
  startAverage(state, student, recipe);
}

/** The average of a model begins as the model. */
function startAverage(state: State, { specs }: Model, { modelEma }: Recipe): void {
  if (!modelEma) return;
  for (const { name, shape } of specs) state.set(PREFIX.ema + name, shape, state.read(PREFIX.model + name));
}

/**
 * Loads parameters from a weight file; those of a head for other classes are drawn from the seed instead.
 * @returns notes of what was taken.
 * @throws StillhouseError `weights.*`, `file.missing`.
 */
export async function startPretrained(
  state: State,
  student: Model,
  path: string,
  recipe: Recipe,
): Promise<PlainError[]> {
  startFresh(state, student, recipe);
  const take = (weights: Weights): PlainError[] => {
    const { params, report } = fitWeights(student, weights.tensors, { path, newHead: true });
    const given = student.specs.filter(({ name }) => name in params);
    setParams(state, PREFIX.model, given, params);
    return [startNote(weights.path, student, report), ...weights.notes, ...contradiction(weights, student.name)];
  };
  const notes = await withWeights(path, take, { entry: recipe.finetuneEntry });
  startAverage(state, student, recipe);
  return notes;
}

function startNote(path: string, { specs }: Model, { layout, renewed, resized, left, grids }: FitReport): PlainError {
  const names = (list: readonly string[]): string => list.join(', ') || 'none';
  const grid = grids ? ` ${grids.from.join('×')} → ${grids.to.join('×')}` : '';
  const lists = { resized: names(resized) + grid, renewed: names(renewed), left: names(left) };
  const taken = specs.length - renewed.length;
  return toPlainError(new StillhouseError('run.pretrained', { path, layout, taken, all: specs.length, ...lists }));
}

/**
 * Restores everything exactly from a checkpoint. An average that it lacks begins as its model.
 * @throws StillhouseError `weights.keys` when it belongs to another model, `run.optimizer-changed` when it was written
 * by another optimizer.
 */
export function startResumed(
  state: State,
  student: Model,
  checkpoint: { path: string; tensors: ReadonlyMap<string, NamedArray> },
  recipe: Recipe,
): void {
  const { path, tensors } = checkpoint;
  const lacking = (specs: Record<string, TensorSpec>) => Object.entries(specs).filter(([name]) => !tensors.has(name));
  const params = variablesOf(PREFIX.model, student.specs);
  const kept = optimizerVariables(student, recipe);
  const average = recipe.modelEma ? variablesOf(PREFIX.ema, student.specs) : {};
  const misshapen = Object.entries({ ...params, ...kept, ...average }).filter(([name, spec]) => misfits(tensors.get(name), spec)); // prettier-ignore
  const [missing, unkept] = [lacking(params), lacking(kept)];
  if (missing.length + misshapen.length > 0) {
    const lists = { missing: some(missing), unexpected: some([]), misshapen: some(misshapen) };
    throw new StillhouseError('weights.keys', { path, model: student.name, ...lists });
  }
  if (unkept.length > 0)
    throw new StillhouseError('run.optimizer-changed', { path, opt: recipe.opt, missing: some(unkept) });
  const averages = lacking(average).length === 0;
  for (const [name, { shape }] of Object.entries({ ...params, ...kept, ...(averages && average) }))
    state.set(name, shape, tensors.get(name)!.toFloat32());
  if (!averages) startAverage(state, student, recipe);
  for (const [name, tensor] of tensors) if (name.startsWith(PREFIX.scaler)) state.set(name, [], tensor.toFloat32());
}

/**
 * Loads a network that only answers: a teacher, or one to evaluate.
 * @throws StillhouseError `weights.*`, `file.missing`.
 */
export async function loadFrozen(
  state: State,
  prefix: string,
  model: Model,
  { path, entry }: { path: string; entry?: string },
): Promise<void> {
  await withWeights(path, (weights) => copyParams(state, prefix, model, weights), { entry });
}

/**
 * Copies the parameters of a network from its file into the variables `prefix` + name.
 * @throws StillhouseError `weights.keys`, `weights.format`.
 */
export function copyParams(
  state: State,
  prefix: string,
  model: Model,
  { path, tensors }: Pick<Weights, 'path' | 'tensors'>,
): void {
  for (const { spec, values } of fitEach(model, tensors, { path })) state.set(prefix + spec.name, spec.shape, values);
}

function misfits(tensor: NamedArray | undefined, { shape }: TensorSpec): boolean {
  return tensor !== undefined && tensor.shape.join() !== shape.join();
}

function some(entries: readonly (readonly [string, TensorSpec])[]): string {
  const names = entries.map(([name]) => name);
  if (names.length === 0) return 'none';
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}

/** Creates or overwrites the variables `prefix` + name of `specs`. */
export function setParams(
  state: State,
  prefix: string,
  specs: readonly ParamSpec[],
  params: Record<string, Float32Array>,
): void {
  for (const { name, shape } of specs) state.set(prefix + name, shape, params[name]);
}

/** Draws for initial values: a stream a name, by the seed. */
export function uniformsOf(seed: number): Uniforms {
  return (name, count) => {
    const random = new Random(seed, 'initial', 0, hashOf(name));
    const draws = new Float64Array(count);
    for (let index = 0; index < count; index++) draws[index] = (random.word() + 0.5) / 2 ** 32;
    return draws;
  };
}

// FNV-1a.
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
