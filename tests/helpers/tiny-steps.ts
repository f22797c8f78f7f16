import type { Engine, State } from '../../src-main/engines/engine.ts';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import { transformer } from '../../src-main/model/deit.ts';
import { efficientNet } from '../../src-main/model/efficientnet.ts';
import type { Model, ModelOptions, Network } from '../../src-main/model/model.ts';
import { regNet } from '../../src-main/model/regnet.ts';
import { resNet } from '../../src-main/model/resnet.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { createTrainStep, type TrainStepParts } from '../../src-main/train/step.ts';
import type { StepBatch } from '../../src-main/train/step-types.ts';
import { noiseRows } from '../../src-main/train/submodels.ts';
import { updateVariables } from '../../src-main/train/update.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { hashed, parameterValues, uniform } from './generated.ts';

/** Training steps of tiny networks, of any recipe, on any engine. */

export const BATCH = 4;
const CLASSES = 10;

/** A network with what a model of the zoo knows of itself. */
function model(make: (options: ModelOptions) => Network, options: Partial<ModelOptions>, distilled = false): Model {
  const { inputSize = 16 } = options;
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize, cropRatio: 0.875, distilled };
  const network = make({ classes: CLASSES, inputSize, dropPath: 0.2, ...options });
  return { ...network, ...facts, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/** A DeiT of two narrow blocks. */
export const deit = (options: Partial<ModelOptions> = {}): Model => {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true as const };
  return model((all) => transformer(shape, all), options, true);
};

// The smallest of their kind, on images with a few places left for the last batch norm.
const SIDE = { inputSize: 64 };
export const efficient = (): Model =>
  model((all) => efficientNet({ width: 0.25, depth: 0.25, stages: 3, tensorflow: true }, all), {
    inputSize: 32,
    drop: 0.2,
  });
export const residual = (): Model =>
  model((all) => resNet({ stages: [1, 1, 0, 0], bottleneck: true }, all), {
    inputSize: 32,
  });
export const regular = (): Model =>
  model((all) => regNet({ depth: 4, initial: 16, slope: 12, multiplier: 2, group: 8, squeeze: true }, all), SIDE);

export const recipe = (changes: Partial<Recipe>): Recipe => ({
  ...defaultRecipe(),
  ...WITHOUT_AUGMENTATION,
  ...changes,
});

export interface Setting {
  student: Model;
  recipe: Recipe;
  teacher?: Model | 'outside';
  precision?: Precision;
}

export function fill(engine: Engine, { student, recipe, teacher }: Setting): State {
  const state = engine.newState();
  for (const [name, { shape }] of Object.entries(updateVariables(student, recipe))) {
    state.set(name, shape, new Float32Array(shapeSize(shape)));
  }
  const put = (prefix: string, model: Model): void => {
    for (const spec of model.specs) state.set(prefix + spec.name, spec.shape, parameterValues(spec));
  };
  put(PREFIX.model, student);
  if (recipe.modelEma) put(PREFIX.ema, student);
  if (teacher && teacher !== 'outside') put(PREFIX.teacher, teacher);
  return state;
}

export function batchOf({ student, recipe, teacher }: Setting, step: number): StepBatch {
  const side = student.inputSize;
  const rows = noiseRows(student, recipe);
  const at = (name: string) => `${name} ${step}`;
  const box = { left: 2, top: 3, width: 8, height: 6 };
  return {
    images: Uint8Array.from(hashed(at('images'), BATCH * side * side * 3), (bits) => bits >>> 24),
    labels: Int32Array.from(hashed(at('labels'), BATCH), (bits) => bits % CLASSES),
    noise: rows > 0 ? uniform(at('noise'), rows * BATCH) : null,
    ...(teacher === 'outside' && { teacherAnswers: answersOf(recipe, at('teacher')) }),
    ...(recipe.reprob > 0 && { erase: Array.from({ length: BATCH }, (_, image) => (image % 2 ? [box] : [])) }),
    ...((recipe.mixup > 0 || recipe.cutmix > 0) && {
      mix: Array.from({ length: BATCH }, (_, image) => ({ lambda: 0.3 + 0.1 * image, box: image % 3 ? box : null })),
    }),
  };
}

function answersOf({ distillationType }: Recipe, name: string): Float32Array | Int32Array {
  if (distillationType === 'soft') return uniform(name, BATCH * CLASSES);
  return Int32Array.from(hashed(name, BATCH), (bits) => bits % CLASSES);
}

/** What a few steps make of a setting: losses, and every variable. @param look sees the state at their end */
export async function steps(engine: Engine, setting: Setting, count: number, look?: (state: State) => Promise<void>) {
  const state = fill(engine, setting);
  const { student, recipe, teacher = null, precision } = setting;
  const parts: TrainStepParts = { student, recipe, batchSize: BATCH, precision, teacher: asTeacher(teacher) };
  const step = await createTrainStep(engine, state, parts);
  const losses: number[] = [];
  for (let at = 1; at <= count; at++) {
    const { loss, lossClass, lossDistillation } = await step.run(batchOf(setting, at), { lr: 1e-3, step: at });
    losses.push(loss, lossClass, lossDistillation ?? 0);
  }
  const values = new Map(state.names().map((name) => [name, state.read(name)]));
  await look?.(state);
  step.dispose();
  state.dispose();
  return { losses: Float32Array.from(losses), values };
}

function asTeacher(teacher: Model | 'outside' | null): TrainStepParts['teacher'] {
  if (teacher === null || teacher === 'outside') return teacher;
  return { ...teacher, cropRatio: 1, interpolation: 'bicubic', columns: null };
}

/** Root of the mean square of differences, relative to that of what is expected. */
export function distance(pairs: readonly (readonly [Float32Array, Float32Array])[]): number {
  let [off, all] = [0, 0];
  for (const [got, want] of pairs) {
    got.forEach((value, at) => ((off += (value - want[at]) ** 2), (all += want[at] ** 2)));
  }
  return Math.sqrt(off / (all || 1));
}
