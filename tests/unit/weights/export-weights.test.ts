import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { shapeSize } from '../../../src-main/base/shape-size.ts';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { exportWeightFile } from '../../../src-main/weights/export-weights.ts';
import { withWeights } from '../../../src-main/weights/weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-export-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A student full of 1 and a teacher full of 2 in one file, as self-distillation leaves them. */
function twoNetworks(): string {
  const { specs } = createModel('deit_tiny_patch16_224', { classes: 3, inputSize: 32 });
  const arrays = ['student', 'teacher'].flatMap((part, place) =>
    specs.map(({ name, shape }) => {
      const values = () => new Float32Array(shapeSize(shape)).fill(place + 1);
      return { name: `${part}.${name}`, shape, dtype: 'F32' as const, values };
    }),
  );
  const path = join(folder, 'two.safetensors');
  writeFileSync(path, Buffer.concat([...writeSafetensors(arrays, {})]));
  return path;
}

it('a file of another program is exported by its entry, with the network and the names that were given', async () => {
  const path = twoNetworks();
  const classNames = join(folder, 'names.txt');
  writeFileSync(classNames, 'cat\ndog\nowl\n');
  const wish = { format: 'safetensors', output: join(folder, 'out.safetensors'), settings: {} } as const;
  await expect(exportWeightFile(path, wish)).rejects.toMatchObject({ code: 'weights.prefixes' });
  const asked = { ...wish, entry: 'teacher', settings: { model: 'vit_tiny_patch16_224' }, classNames };
  const { path: written, notes } = await exportWeightFile(path, asked);
  expect(notes.map(({ code }) => code)).toEqual(['weights.left-out', 'weights.taken']);
  await withWeights(written, ({ tensors, classes, metadata }) => {
    expect(classes).toEqual(['cat', 'dog', 'owl']);
    expect(metadata).toMatchObject({ architecture: 'vit_tiny_patch16_224', mean: '[0.5,0.5,0.5]', crop_pct: '0.9' });
    expect([...tensors.get('head.bias')!.toFloat32()]).toEqual([2, 2, 2]);
  });
  writeFileSync(classNames, 'cat\ndog\n');
  await expect(exportWeightFile(path, asked)).rejects.toMatchObject({ code: 'weights.names-count' });
});
