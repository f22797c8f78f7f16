import { describe, expect, test } from 'vitest';
import { PRESETS } from '../../../src-main/protocol/presets.ts';
import { defaultRecipe, FIELDS, parseRecipe } from '../../../src-main/protocol/recipe.ts';
import { readRecipe, writeRecipe } from '../../../src-main/service/recipe/recipe-text.ts';

describe('a recipe as a file', () => {
  test.each(['yaml', 'json'] as const)('comes back from %s as it was, whole or by what differs', (format) => {
    for (const { values } of PRESETS) {
      const recipe = parseRecipe({ ...values, dataPath: "/data/it's: a #1", cutmixMinmax: '0.2 0.8', aa: '' });
      for (const all of [true, false]) {
        const read = readRecipe(writeRecipe(recipe, format, all));
        expect(read.problems).toEqual([]);
        expect({ ...defaultRecipe(), ...read.values }).toEqual(recipe);
      }
    }
  });

  test('says in YAML what each setting is', () => {
    const text = writeRecipe(parseRecipe({ epochs: 3, modelEma: true }), 'yaml');
    expect(text).toMatchInlineSnapshot(`
      "# A recipe of Stillhouse: stillhouse train --recipe FILE. Settings that are not named have their defaults.

      # schedule
      epochs: 3 # epochs. Passes over the training images; also the length of the cosine. Default: 300.

      # optimizer
      model_ema: true # Keep a moving average of the model and score it beside the model. (DeiT keeps one by default, and never scores it.) Default: false.
      "
    `);
    expect(writeRecipe(parseRecipe({}), 'yaml', true).match(/^\w+:/gm)).toHaveLength(FIELDS.length);
  });

  test("takes DeiT's spellings, none, lists, presets and timm's notation of numbers", () => {
    const text = `preset: deit-base
batch-size: 64
teacher_model: regnety_160
distillationType: hard
ThreeAugment: true
opt_betas: [0.8, 0.95]
clip_grad: null
cutmix_minmax: [0.2, 0.8]
lr: 5e-4
pin_mem: true
`;
    const { values, problems, unused } = readRecipe(text);
    expect(problems).toEqual([]);
    expect(unused).toEqual([expect.objectContaining({ line: 10, key: 'pin_mem' })]);
    expect(values).toMatchObject({ model: 'deit_base_patch16_224', epochs: 300, batchSize: 64, threeAugment: true });
    expect(values).toMatchObject({ optBeta1: 0.8, optBeta2: 0.95, clipGrad: 0, cutmixMinmax: '0.2 0.8', lr: 5e-4 });
  });

  test("reads the arguments that DeiT prints, and a run's own file", () => {
    const printed =
      "Namespace(aa='rand-m9-mstd0.5-inc1', batch_size=128, clip_grad=None, lr=0.0005, opt_betas=None, output_dir='', pin_mem=True)";
    expect(readRecipe(printed)).toMatchObject({
      values: { aa: 'rand-m9-mstd0.5-inc1', batchSize: 128, clipGrad: 0, lr: 5e-4, outputDir: '' },
      problems: [],
      unused: [expect.objectContaining({ key: 'pin_mem' })],
    });
    expect(readRecipe('{"format": 1,\n\t"recipe": {"epochs": 9}}')).toMatchObject({
      values: { epochs: 9 },
      problems: [],
    });
  });

  test("takes DeiT's data set and category for one reading of the folder, in any order", () => {
    const reading = (text: string): unknown => readRecipe(text).values.dataReading;
    expect(reading("Namespace(data_set='IMNET', inat_category='name')")).toBe('set=IMNET');
    expect(reading('inat_category: family\ndata_set: INAT19')).toBe('set=INAT19,category=family');
    expect(reading('data_set: FLOWERS\ndata_reading: train=trnid+valid,val=tstid')).toBe(
      'set=FLOWERS,train=trnid+valid,val=tstid',
    );
    expect(readRecipe('epochs: 1\ndata_set: MNIST').problems).toMatchObject([
      { line: 2, error: { code: 'recipe.invalid', params: { key: 'dataReading' } } },
    ]);
  });

  test('names what is wrong by its line', () => {
    const text =
      'epochs: many\nlr: 5e-4\nlearning_rte: 1\nbatch_size: 2.5\nsched: linear\nmixup: {a: 1}\npreset: none\n';
    const { values, problems } = readRecipe(text);
    expect(values).toEqual({ lr: 5e-4 });
    expect(problems.map(({ line, error }) => [line, error.code, error.params.key ?? error.params.name])).toEqual([
      [1, 'recipe.invalid', 'epochs'],
      [3, 'recipe.unknown-key', 'learning_rte'],
      [4, 'recipe.invalid', 'batchSize'],
      [5, 'recipe.invalid', 'sched'],
      [6, 'recipe.invalid', 'mixup'],
      [7, 'argument.invalid', 'preset'],
    ]);
  });

  test.each([
    ['epochs: 3\nlr: [1, 2\n', 2],
    ['epochs: 3\nepochs: 4\n', 2],
    ['just words', 1],
    ['', 1],
  ])('%j is refused at line %i', (text, line) => {
    const { values, problems } = readRecipe(text);
    expect(values).toEqual({});
    expect(problems[0].error.code).toBe('recipe.syntax');
    expect(problems[0].line).toBeGreaterThanOrEqual(line);
  });

  test('does not follow aliases into a bomb, nor tags', () => {
    expect(readRecipe('a: &a [x, x]\nepochs: *a\n').problems.map(({ line }) => line)).toEqual([1, 2]);
    expect(readRecipe('epochs: !!js/function "x"\n').values).toEqual({});
  });
});
