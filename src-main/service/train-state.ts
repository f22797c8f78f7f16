import { Random } from '../data/random.ts';
import type { NamedArray } from '../formats/named-array.ts';
import type { Model, ParamSpec } from '../model/model.ts';
import { fitWeights } from '../model/weights.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { initialValues, type Uniforms } from '../train/init.ts';
import { PREFIX, trainable } from '../train/variables.ts';
import type { State } from '../trace/state.ts';
import { classCount, withWeights, type Weights } from './weights.ts';

/** Fills the variables of a training: the student's parameters and moments, the frozen teacher's parameters. */

/** Values drawn from the seed, moments zero. */
export function startFresh(state: State, student: Model, seed: number): void {
  setParams(state, PREFIX.model, student.specs, initialValues(student.specs, uniformsOf(seed)));
  for (const { name, shape } of momentsOf(student))
    state.set(name, shape, new Float32Array(shape.reduce((product, side) => product * side, 1)));
}

/** The optimizer's variables, in the order in which checkpoints have them. */
function momentsOf(student: Model): ParamSpec[] {
  const moments = (prefix: string) => trainable(student).map((spec) => ({ ...spec, name: prefix + spec.name }));
  return [...moments(PREFIX.mean), ...moments(PREFIX.square)];
}

/**
 * Values from a weight file, moments zero; what the file has for other classes is drawn from the seed instead.
 * @throws StillhouseError `weights.*`, `file.missing`.
 */
export async function startPretrained(state: State, student: Model, path: string, seed: number): Promise<void> {
  startFresh(state, student, seed);
  await withWeights(path, ({ tensors }) => {
    const { params } = fitWeights(student, tensors, { path, newHead: true });
    const given = student.specs.filter(({ name }) => name in params);
    setParams(state, PREFIX.model, given, params);
  });
}

/**
 * Parameters and moments exactly as a checkpoint has them.
 * @throws StillhouseError `weights.keys` when it belongs to another model.
 */
export function startResumed(
  state: State,
  student: Model,
  checkpoint: { path: string; tensors: ReadonlyMap<string, NamedArray> },
): void {
  const params = student.specs.map((spec) => ({ ...spec, name: PREFIX.model + spec.name }));
  const wanted = [...params, ...momentsOf(student)];
  const { path, tensors } = checkpoint;
  const missing = wanted.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  const misshapen = wanted.filter((spec) => misfits(tensors.get(spec.name), spec)).map(({ name }) => name);
  if (missing.length + misshapen.length > 0) {
    const lists = { missing: some(missing), unexpected: some([]), misshapen: some(misshapen) };
    throw new StillhouseError('weights.keys', { path, model: student.name, ...lists });
  }
  for (const { name, shape } of wanted) state.set(name, shape, tensors.get(name)!.toFloat32());
}

/**
 * A network that is only asked: a teacher, or one to evaluate.
 * @throws StillhouseError `teacher.classes`, `teacher.class-names` for a network of other classes, `weights.*`,
 * `file.missing`.
 */
export async function loadFrozen(
  state: State,
  prefix: string,
  model: Model,
  path: string,
  classes: readonly string[],
): Promise<void> {
  await withWeights(path, (weights) => {
    requireClasses(model.name, weights, classes);
    const { params } = fitWeights(model, weights.tensors, { path, newHead: false });
    setParams(state, prefix, model.specs, params);
  });
}

function requireClasses(teacher: string, weights: Weights, classes: readonly string[]): void {
  const teacherClasses = classCount(weights);
  if (teacherClasses !== classes.length)
    throw new StillhouseError('teacher.classes', { teacher, teacherClasses, dataClasses: classes.length });
  const number = weights.classes?.findIndex((name, label) => name !== classes[label]) ?? -1;
  if (number < 0) return;
  const [theirs, ours] = [weights.classes?.[number] ?? '', classes[number]];
  throw new StillhouseError('teacher.class-names', { teacher, number, theirs, ours });
}

function misfits(tensor: NamedArray | undefined, { shape }: ParamSpec): boolean {
  return tensor !== undefined && tensor.shape.join() !== shape.join();
}

function some(names: readonly string[]): string {
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
function uniformsOf(seed: number): Uniforms {
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
