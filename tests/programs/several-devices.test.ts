import { beforeAll, describe, expect, test } from 'vitest';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { PjrtState } from '../../src-main/engines/pjrt/state.ts';
import { createEvalStep } from '../../src-main/train/step.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { relativeError } from '../helpers/engine.ts';
import { testPjrtEngine } from '../helpers/pjrt-engine.ts';
import { BATCH, batchOf, deit, distance, fill, recipe, regular, steps, type Setting } from '../helpers/tiny-steps.ts';

/** Devices that share each batch learn what one learns from the whole of it. */

let [one, two, four]: Engine[] = [];
beforeAll(async () => {
  [one, two, four] = [await testPjrtEngine(1), await testPjrtEngine(2), await testPjrtEngine(4)];
});

/** Every variable has the same bits on every device. */
async function expectEqual(state: State): Promise<void> {
  if (!(state instanceof PjrtState)) throw new TypeError('no state of devices');
  for (const name of state.names()) {
    const [buffers] = await state.buffers([name]);
    const [first, ...others] = buffers.map((buffer) => buffer.readNow(new Float32Array(shapeSize(state.shape(name)))));
    expect(others.length).toBeGreaterThan(0);
    for (const other of others) expect(Buffer.from(other.buffer).equals(Buffer.from(first.buffer)), name).toBe(true);
  }
}

const SETTINGS: [string, number, () => Setting][] = [
  [
    'a DeiT that is clipped, mixed, erased and taught',
    20,
    () => {
      const mixed = { mixup: 0.8, cutmix: 1, reprob: 0.5, remode: 'pixel', smoothing: 0.1 } as const;
      const rest = { opt: 'sgd', clipGrad: 1, modelEma: true, distillationType: 'soft' } as const;
      return { student: deit({ drop: 0.1 }), recipe: recipe({ ...mixed, ...rest }), teacher: 'outside' };
    },
  ],
  ['a DeiT whose batch comes in parts', 20, () => ({ student: deit(), recipe: recipe({ opt: 'sgd', microBatch: 2 }) })],
  ['a network with batch norm', 2, () => ({ student: regular(), recipe: recipe({ opt: 'sgd' }) })],
];

describe('two devices train', () => {
  test.each(SETTINGS)('%s as one does', async (_, count, setting) => {
    const whole = await steps(one, setting(), count);
    const shared = await steps(two, setting(), count, expectEqual);
    expect(relativeError(shared.losses, whole.losses)).toBeLessThan(1e-5);
    const pairs = [...whole.values].map(([name, values]) => [shared.values.get(name)!, values] as const);
    expect(distance(pairs)).toBeLessThan(1e-5);
  });
});

test('four devices train a DeiT as one does', async () => {
  const setting: Setting = { student: deit(), recipe: recipe({ opt: 'sgd' }) };
  const whole = await steps(one, setting, 20);
  const shared = await steps(four, setting, 20, expectEqual);
  expect(relativeError(shared.losses, whole.losses)).toBeLessThan(1e-5);
  const pairs = [...whole.values].map(([name, values]) => [shared.values.get(name)!, values] as const);
  expect(distance(pairs)).toBeLessThan(1e-5);
});

test.each([BATCH, BATCH - 1])('two devices answer a batch of %i as one does', async (batchSize) => {
  const model = deit();
  const { images } = batchOf({ student: model, recipe: recipe({}) }, 1);
  const answers = [one, two].map(async (engine) => {
    const state = fill(engine, { student: model, recipe: recipe({}) });
    const step = await createEvalStep(engine, state, { model, prefix: PREFIX.model, batchSize });
    const { head } = await step.run(images.subarray(0, (images.length / BATCH) * batchSize));
    step.dispose();
    state.dispose();
    return head;
  });
  const [want, got] = await Promise.all(answers);
  expect(relativeError(got, want)).toBeLessThan(1e-6);
});
