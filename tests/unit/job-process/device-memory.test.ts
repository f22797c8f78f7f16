import { expect, it } from 'vitest';
import { outOfDeviceMemory } from '../../../src-main/job-process/accelerator/device-memory.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { testPjrtEngine } from '../../helpers/pjrt-engine.ts';
import { deit, recipe } from '../../helpers/tiny-steps.ts';

const full = new StillhouseError('device.out-of-memory', { reason: 'RESOURCE_EXHAUSTED: Out of memory' });
const trained = { recipe: recipe({ batchSize: 16, inputSize: 16 }), student: deit(), teacher: null };

/** What a training is told on a device of some memory. */
async function told(memory: number | null) {
  const engine = await testPjrtEngine();
  const { message, params } = await outOfDeviceMemory(
    full,
    { ...engine, device: { ...engine.device, memory } },
    trained,
  );
  return { message, params, reason: params.reason as { params: { says?: { code: string; params: object } } } };
}

it('names the largest batch that fits by the figures of the compiler', async () => {
  const little = 600_000;
  const { reason, params, message } = await told(little);
  expect(reason.params.says).toMatchObject({ code: 'device.memory-batch' });
  const { batch } = reason.params.says!.params as { batch: number };
  expect(batch).toBeGreaterThan(0);
  expect(batch).toBeLessThan(16);
  expect(params.settings).toBe(`--recompute, or --batch-size ${batch}`);
  expect(message).toContain(`of 600.0 kB, and ${batch} images fit`);
});

it('says where the step would fit, and asks for half of it', async () => {
  const { reason, params } = await told(2 ** 40);
  expect(reason.params.says).toMatchObject({ code: 'device.memory-shared' });
  expect(params.settings).toBe('--recompute, or --batch-size 8');
});

it('asks for half the batch where nothing tells what the device has', async () => {
  expect((await told(null)).params.settings).toBe('--recompute, or --batch-size 8');
});
