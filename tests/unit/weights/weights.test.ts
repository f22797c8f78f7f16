import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { withWeights, type WeightsWish } from '../../../src-main/weights/weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-weights-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Values = Record<string, number[]>;

const valuesIn = (path: string, wish: WeightsWish): Promise<Values> =>
  withWeights(
    path,
    ({ tensors }) => Object.fromEntries([...tensors].map(([name, array]) => [name, [...array.toFloat32()]])),
    wish,
  );

function fileOf(names: string[], valueOf: (name: string) => number = () => 1): string {
  const arrays = names.map((name) => {
    return { name, shape: [1], dtype: 'F32' as const, values: Float32Array.of(valueOf(name)) };
  });
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

  it.each([
    ['ema', 2],
    ['model', 1],
  ])('its part %s is taken where that is asked for', async (entry, value) => {
    const path = fileOf(['model.w', 'ema.w', 'exp_avg.w'], (name) => (name === 'ema.w' ? 2 : 1));
    expect(await valuesIn(path, { entry })).toEqual({ w: [value] });
    await expect(valuesIn(path, { entry: 'other' })).rejects.toMatchObject({ code: 'weights.entry' });
  });
});

/** What torch and timm wrote (`make-wrapped.py`), by the names of the bare network. */
describe('of files of torch and timm', () => {
  const fixtures = fileURLToPath(new URL('../../fixtures/formats/', import.meta.url));
  const expected = JSON.parse(readFileSync(join(fixtures, 'wrapped.json'), 'utf8')) as Record<string, Values>;

  it.each([
    ['timm-ema.pth', {}, 'timm-ema.pth', ['weights.entry-taken']],
    ['timm-ema.pth', { average: true }, 'average', []],
    ['timm-ema.pth', { entry: 'state_dict_ema' }, 'average', []],
    ['averaged.pth', {}, 'timm-ema.pth', ['weights.left-out']],
    ['compiled.pth', {}, 'timm-ema.pth', ['weights.left-out']],
  ])('%s with %j is %s, with notes %j', async (file, wish, which, notes) => {
    const path = join(fixtures, file);
    expect(await valuesIn(path, wish)).toEqual(expected[which]);
    expect(await withWeights(path, (read) => read.notes.map(({ code }) => code), wish)).toEqual(notes);
  });

  it('averaged.pth names what was left out', async () => {
    const [note] = await withWeights(join(fixtures, 'averaged.pth'), ({ notes }) => notes);
    expect(note.params).toMatchObject({ prefix: 'module.', count: 1, examples: 'n_averaged' });
  });
});
