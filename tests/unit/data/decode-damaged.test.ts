import { expect, it } from 'vitest';
import { engineDecode, engineDecodeNow } from '../../../src-main/job-process/images/engine-decode.ts';
import { decodeOutcome, imageFiles } from '../../helpers/damaged-images.ts';
import { testEngine } from '../../helpers/engine.ts';
import { mutate, numbers } from '../formats/mutations.ts';

const COUNT = 600;

it('damaged images of every sort are decoded or refused with a reason, by the engine too', async () => {
  const [files, draw] = [imageFiles(), numbers(1)];
  const engine = await testEngine();
  const [decode, now] = [engineDecode(engine.tensorflow), engineDecodeNow(engine.tensorflow)];
  const counts = { pixels: 0, refused: 0, large: 0 };
  for (let turn = 0; turn < COUNT; turn++) counts[await decodeOutcome(mutate(files, draw), decode, now)]++;
  expect(counts.pixels + counts.refused + counts.large).toBe(COUNT);
  expect(Math.min(counts.pixels, counts.refused)).toBeGreaterThan(50);
});
