import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEIT_NAMES } from '../../../src-main/model/deit-names.ts';
import { createModel, listModels, modelNamed, preparationOf, suggestedModels } from '../../../src-main/model/zoo.ts';

/** How timm prepares images for the default weights of each network (tests/parity/make-preset-fixture.py). */
interface Fixture {
  presets: Record<
    string,
    { inputSize: number; cropRatio: number; interpolation: string; mean: number[]; std: number[] }
  >;
}
const path = new URL('../../parity/presets.json', import.meta.url);
const { presets } = JSON.parse(readFileSync(path, 'utf8')) as Fixture;

it('holds every network of the zoo', () => {
  const names = listModels().map(({ name }) => name);
  expect(Object.keys(presets).sort()).toEqual(names.sort());
});

it.each(Object.entries(presets))('prepares images for %s as timm does', (name, timm) => {
  const { cropRatio, timmCropRatio, ...ours } = preparationOf(name);
  const { inputSize, interpolation, mean, std } = timm;
  expect(ours).toEqual({ inputSize, interpolation, mean, std });
  expect(timmCropRatio ?? cropRatio).toBe(timm.cropRatio);
  // Only DeiT's own networks have another ratio here, that of its code.
  expect(timmCropRatio === null).toBe(!/^deit_/.test(name));
  if (timmCropRatio !== null) expect(cropRatio).toBe(0.875);
});

it('knows the names of DeiT’s code, and says which of them are here', () => {
  expect(DEIT_NAMES).toHaveLength(20);
  expect(modelNamed('deit_small_patch16_LS')).toBe('deit3_small_patch16_224');
  expect(modelNamed('deit_large_patch16_LS', 384)).toBe('deit3_large_patch16_384');
  expect(modelNamed('vit_tiny_patch16_224.augreg_in21k_ft_in1k')).toBe('vit_tiny_patch16_224');
  expect(suggestedModels('deit_huge_patch14_LS')).toEqual(['deit3_huge_patch14_224']);
  const build = (name: string) => () => createModel(name, { classes: 2, inputSize: 224 });
  expect(build('deit_base_patch16_LS')).toThrow(/deit3_base_patch16_224, deit3_base_patch16_384/);
  expect(build('deit_base_patch16_36x1')).toThrow(/deit_base_patch16_36x1 of DeiT is not here/);
  for (const name of DEIT_NAMES) {
    const ours = modelNamed(name);
    if (ours) expect(build(ours)).not.toThrow();
  }
});
