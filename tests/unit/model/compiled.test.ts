import { shapeSize } from '../../../src-main/base/shape-size.ts';
import { beforeAll, expect, test } from 'vitest';
import { createModel } from '../../../src-main/model/zoo.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION } from '../../../src-main/protocol/recipe.ts';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { compile } from '../../../src-main/engines/tensorflow/compile.ts';
import { interpret } from '../../../src-main/engines/tensorflow/interpret.ts';
import { updateScalars } from '../../../src-main/train/update.ts';
import { recordTrainStep } from '../../../src-main/train/step.ts';
import { PREFIX, trainable } from '../../../src-main/train/variables.ts';
import { relativeError, testEngine } from '../../helpers/engine.ts';
import { hashed, parameterValues, uniform } from '../../helpers/generated.ts';

const [BATCH, SIDE, CLASSES] = [2, 64, 10];

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

test.each(['tf_efficientnet_lite0', 'regnety_002'])('%s trains compiled as it does op by op', async (name) => {
  const student = createModel(name, { classes: CLASSES, inputSize: SIDE, dropPath: 0.2, drop: 0.2 });
  const state = engine.newState();
  for (const spec of student.specs) state.set(PREFIX.model + spec.name, spec.shape, parameterValues(spec));
  for (const { name, shape } of trainable(student)) {
    for (const prefix of [PREFIX.mean, PREFIX.square])
      state.set(prefix + name, shape, new Float32Array(shapeSize(shape)));
  }
  const recipe = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION };
  const program = recordTrainStep(engine, { student, teacher: null, recipe, batchSize: BATCH });
  const scalars = Object.entries(updateScalars(recipe, 1e-3, 1));
  const inputs = {
    images: Uint8Array.from(hashed('images', BATCH * SIDE * SIDE * 3), (bits) => bits >>> 24),
    labels: Int32Array.of(3, 7),
    noise: uniform('noise', shapeSize(student.noise!.shape(BATCH))),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, Float32Array.of(value)])),
  };
  const expected = interpret(engine.tensorflow, program, state, inputs);
  const compiled = compile(engine.tensorflow, program, state);
  const got = await compiled.run(inputs);

  expect(relativeError(got.loss as Float32Array, expected.outputs.loss as Float32Array)).toBeLessThan(1e-4);
  for (const { name } of student.specs.filter((spec) => spec.buffer)) {
    const wanted = expected.assigns[PREFIX.model + name] as Float32Array;
    expect(relativeError(state.read(PREFIX.model + name), wanted), name).toBeLessThan(1e-4);
  }
  compiled.dispose();
  state.dispose();
});
