import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openWeightFile } from '../../../src-main/formats/weight-file.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { saveCheckpoint, type StateTensor } from '../../../src-main/runs/checkpoint.ts';
import { exportCheckpoint, exportFile } from '../../../src-main/runs/export.ts';
import { openFile } from '../../../src-main/runs/file-source.ts';
import { CLASSES, facts, newRun, recipe, temporaryFolder } from './state.ts';
import { reason } from '../../../src-main/protocol/reasons.ts';

it('puts the moving average beside the model into a file of torch, and into no other; alone where asked', async () => {
  const name = 'tf_efficientnet_lite0';
  const { specs } = createModel(name, { classes: CLASSES.length, inputSize: 64 });
  const filled = (prefix: string, value: number) =>
    specs.map(({ name, shape }): StateTensor => {
      const count = shape.reduce((product, side) => product * side, 1);
      return [prefix + name, shape, () => new Float32Array(count).fill(value)];
    });
  const run = newRun();
  const about = { ...facts({ step: 30 }), recipe: recipe({ model: name, inputSize: 64, modelEma: true }) };
  const { file } = await saveCheckpoint(run, about, [...filled('model.', 1), ...filled('ema.', 2)]);
  const first = async (format: 'pth' | 'safetensors', entry?: string) => {
    const output = join(temporaryFolder(), `model.${format}`);
    await exportCheckpoint(run, { checkpoint: file, format, output });
    const source = openFile(output);
    const { entries, tensors } = openWeightFile(source, output, { entry });
    const names = [...tensors.keys()];
    const values = new Set(names.map((name) => tensors.get(name)!.toFloat32()[0]));
    source.close();
    expect(names).toEqual(specs.map(({ name }) => name));
    return { entries, values: [...values] };
  };
  expect(await first('pth')).toEqual({ entries: ['model', 'model_ema'], values: [1] });
  expect(await first('pth', 'model_ema')).toEqual({ entries: ['model', 'model_ema'], values: [2] });
  expect((await first('safetensors')).values).toEqual([1]);

  const output = join(temporaryFolder(), 'average.safetensors');
  await exportFile(join(run, 'checkpoints', file), 'safetensors', output, { average: true });
  const source = openFile(output);
  const values = [...openWeightFile(source, output).tensors.values()].map((array) => array.toFloat32()[0]);
  source.close();
  expect(new Set(values)).toEqual(new Set([2]));
  const { file: without } = await saveCheckpoint(run, { ...about, ...facts({ step: 40 }), recipe: about.recipe }, filled('model.', 1)); // prettier-ignore
  const refused = exportFile(join(run, 'checkpoints', without), 'safetensors', output, { average: true });
  await expect(refused).rejects.toMatchObject({ params: { reason: reason('weights.no-average') } });
});
