import { describe, expect, it } from 'vitest';
import { FIELDS, flagOf } from '../../../src-main/protocol/recipe.ts';
import { deitNotes, deitOptions } from '../../../src-main/shells/cli/deit-options.ts';
import {
  describeOptions,
  integerValue,
  parseArguments,
  recipeOptions,
  recipeValues,
  type Option,
} from '../../../src-main/shells/cli/options.ts';

const read = (...argv: string[]) => recipeValues(parseArguments(argv, recipeOptions()));

describe('recipe flags', () => {
  it('are the names of DeiT, with dashes or underscores, apart or joined by =', () => {
    expect(
      read('--data-path', '/d', '--output_dir', '/o', '--teacher_model=regnety_160', '--batch-size', '8', '--lr=1e-3'),
    ).toEqual({ dataPath: '/d', outputDir: '/o', teacherModel: 'regnety_160', batchSize: 8, lr: 1e-3 });
  });

  it('exist for every setting', () => {
    const flags = recipeOptions().map((option) => option.flag);
    expect(flags).toEqual([...FIELDS.map((field) => flagOf(field.key)), 'opt-betas']);
  });

  it("are accepted as DeiT's commands have them", () => {
    expect(
      read('--ThreeAugment', '--src', '--no-repeated-aug', '--aa', '', '--cutmix-minmax', '0.2', '0.8', '--mixup', '0'),
    ).toEqual({ threeAugment: true, src: true, repeatedAug: false, aa: '', cutmixMinmax: '0.2 0.8', mixup: 0 });
    expect(read('--cutmix-minmax=0.2,0.8')).toEqual({ cutmixMinmax: '0.2,0.8' });
    expect(
      read('--opt', 'fusedlamb', '--opt-betas', '0.8', '0.95', '--dr', '0.97', '--lr-noise', '0.4', '0.9'),
    ).toEqual({ opt: 'lamb', optBeta1: 0.8, optBeta2: 0.95, decayRate: 0.97, lrNoise: '0.4 0.9' });
    expect(read('--opt-betas=0.8,0.95', '--opt-beta1', '0.7')).toEqual({ optBeta1: 0.7, optBeta2: 0.95 });
    expect(() => read('--opt-betas', '0.8')).toThrow(expect.objectContaining({ code: 'argument.invalid' }));
    expect(() => read('--opt-betas', '0.8', '2')).toThrow(expect.objectContaining({ code: 'argument.invalid' }));
  });

  it('turn switches on and off', () => {
    expect(read('--unscale-lr')).toEqual({ unscaleLr: true });
    expect(read('--unscale_lr', '--no-unscale-lr')).toEqual({ unscaleLr: false });
  });

  it.each([
    [['--epochs', 'many'], '--epochs'],
    [['--epochs', '1.5'], '--epochs'],
    [['--epochs', ''], '--epochs'],
    [['--lr', '-1'], '--lr'],
    [['--distillation-type', 'firm'], '--distillation-type'],
    [['--unscale-lr=yes'], '--unscale-lr'],
    [['--model'], '--model'],
  ])('refuse %j', (argv, name) => {
    expect(() => read(...argv)).toThrow(
      expect.objectContaining({ code: 'argument.invalid', params: expect.objectContaining({ name }) }),
    );
  });

  it('suggest the flag that was meant', () => {
    expect(() => read('--epcohs', '3')).toThrow('Did you mean --epochs?');
    expect(() => read('--mixture', '0.8')).toThrow(expect.objectContaining({ code: 'argument.unknown' }));
  });
});

describe('parseArguments', () => {
  const options: Option[] = [
    { flag: 'port', value: 'N', help: 'Port.', required: true },
    { flag: 'json', value: null, help: 'JSON.' },
  ];

  it('keeps words and whatever follows --', () => {
    const parsed = parseArguments(['a', '--port', '80', '--', '--json'], options);
    expect(parsed.words).toEqual(['a', '--json']);
    expect(integerValue(parsed, 'port', 0, 65535)).toBe(80);
    expect(() => integerValue(parsed, 'port', 100, 200)).toThrow('a whole number from 100 to 200');
  });

  it('misses what is required', () => {
    expect(() => parseArguments([], options)).toThrow('--port: expected N, got nothing.');
  });

  it('takes the last of two values', () => {
    expect(parseArguments(['--port', '1', '--port=2'], options).values.get('port')).toBe('2');
  });
});

describe('describeOptions', () => {
  it('aligns and wraps', () => {
    const text = describeOptions([{ flag: 'a-flag', value: 'FILE', help: 'word '.repeat(20).trim() }], 80);
    expect(text.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect(text.split('\n').length).toBe(3);
    expect(text).toMatch(/^ {2}--a-flag FILE {19}word word/);
  });
});

describe("DeiT's options that are no setting", () => {
  const typed = (...argv: string[]) => parseArguments(argv, [...recipeOptions(), ...deitOptions()]);

  it('are read with a word on why they change nothing', () => {
    const parsed = typed('--pin-mem', '--dist_url', 'env://', '--data-set', 'IMNET', '--num_workers', '4');
    expect(recipeValues(parsed)).toEqual({ numWorkers: 4 });
    expect(deitNotes(parsed).map((note) => note.split(' ')[0])).toEqual(['--data-set', '--pin-mem', '--dist_url']);
    expect(deitNotes(typed('--no-pin-mem'))).toEqual([]);
  });

  it.each([
    ['--data-set', 'INAT'],
    ['--world_size', '16'],
    ['--start_epoch', '3'],
  ])('are refused where %s %s would change what is trained', (flag, value) => {
    expect(() => deitNotes(typed(flag, value))).toThrow(
      expect.objectContaining({
        code: 'argument.unknown',
        params: expect.objectContaining({ name: `${flag} ${value}` }),
      }),
    );
  });
});
