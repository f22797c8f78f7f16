import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { withWeights } from '../../../src-main/weights/weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-weights-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(names: string[]): string {
  const arrays = names.map((name) => ({ name, shape: [1], dtype: 'F32' as const, values: Float32Array.of(1) }));
  const path = join(folder, 'some.safetensors');
  writeFileSync(path, Buffer.concat([...writeSafetensors(arrays, {})]));
  return path;
}

describe('of a checkpoint, only the model is taken', () => {
  it.each([
    ['AdamW or LAMB', ['exp_avg.w', 'exp_avg_sq.w']],
    ['SGD', ['momentum_buffer.w']],
    ['SGD without momentum', []],
    ['SGD in float16, with an average', ['momentum_buffer.w', 'ema.w', 'scaler.scale']],
  ])('%s', async (_, beside) => {
    const names = await withWeights(fileOf(['model.w', ...beside]), ({ tensors }) => [...tensors.keys()]);
    expect(names).toEqual(['w']);
  });

  it('of another file, everything is', async () => {
    const names = await withWeights(fileOf(['model.w', 'w']), ({ tensors }) => [...tensors.keys()]);
    expect(names.sort()).toEqual(['model.w', 'w']);
  });
});
