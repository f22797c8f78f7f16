import { readFileSync } from 'node:fs';
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

/** Every option of DeiT's main.py, or of its run_with_submitit.py, with its default. */
function deit(program: 'main' | 'submitit'): Record<string, string> {
  const file = new URL(`../../fixtures/deit-${program}-options.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
}

const read = (...argv: string[]) => recipeValues(parseArguments(argv, recipeOptions()));

describe('recipe flags', () => {
  it('are the names of DeiT, with dashes or underscores, apart or joined by =', () => {
    expect(
      read('--data-path', '/d', '--output_dir', '/o', '--teacher_model=regnety_160', '--batch-size', '8', '--lr=1e-3'),
    ).toEqual({ dataPath: '/d', outputDir: '/o', teacherModel: 'regnety_160', batchSize: 8, lr: 1e-3 });
  });

  it('exist for every setting', () => {
    const flags = recipeOptions().map((option) => option.flag);
    expect(flags).toEqual([...FIELDS.map((field) => flagOf(field.key)), 'opt-betas', 'data-set', 'inat-category']);
  });

  it("are accepted as DeiT's commands have them", () => {
    expect(
      read('--ThreeAugment', '--src', '--no-repeated-aug', '--aa', '', '--cutmix-minmax', '0.2', '0.8', '--mixup', '0'),
    ).toEqual({ threeAugment: true, src: true, repeatedAug: false, aa: '', cutmixMinmax: '0.2 0.8', mixup: 0 });
    expect(read('--cutmix-minmax=0.2,0.8')).toEqual({ cutmixMinmax: '0.2,0.8' });
    expect(
      read('--opt', 'fusedlamb', '--opt-betas', '0.8', '0.95', '--dr', '0.97', '--lr-noise', '0.4', '0.9'),
    ).toEqual({ opt: 'lamb', optBeta1: 0.8, optBeta2: 0.95, decayRate: 0.97, lrNoise: '0.4 0.9' });
    expect(() => read('--opt-betas=0.8,0.95', '--opt-beta1', '0.7')).toThrow(
      'expected one of --opt-beta1 and --opt-betas',
    );
    expect(() => read('--opt-betas', '0.8')).toThrow(expect.objectContaining({ code: 'argument.invalid' }));
    expect(() => read('--opt-betas', '0.8', '2')).toThrow(expect.objectContaining({ code: 'argument.invalid' }));
  });

  it.each([
    [['--data-set', 'CIFAR'], 'set=CIFAR100'],
    [['--data-set=CIFAR10', '--inat-category', 'name'], 'set=CIFAR10'],
    [['--data-set', 'IMNET', '--inat-category', 'name'], 'set=IMNET'],
    [['--data_set', 'INAT19', '--inat_category', 'family'], 'set=INAT19,category=family'],
    [['--inat-category', 'name'], 'category=name'],
    [
      ['--data-set', 'FLOWERS', '--data-reading', 'train=trnid+valid,val=tstid'],
      'set=FLOWERS,train=trnid+valid,val=tstid',
    ],
  ])("take DeiT's %j as one reading of the folder", (argv, dataReading) => {
    expect(read(...argv)).toEqual({ dataReading });
  });

  it.each([
    [['--data-set', 'MNIST'], 'argument.invalid'],
    [['--inat-category', 'size'], 'argument.invalid'],
    [['--data-set', 'CIFAR', '--data-reading', 'set=CIFAR10'], 'argument.invalid'],
    [['--data-reading', 'set=MNIST', '--data-set', 'CIFAR'], 'recipe.invalid'],
  ])('refuse %j as a data set', (argv, code) => {
    expect(() => read(...argv)).toThrow(expect.objectContaining({ code }));
  });

  it('turn switches on and off', () => {
    expect(read('--unscale-lr')).toEqual({ unscaleLr: true });
    expect(read('--unscale_lr', '--no-unscale-lr')).toEqual({ unscaleLr: false });
  });

  it.each([
    [['--epochs', 'many'], '--epochs'],
    [['--epochs', '1.5'], '--epochs'],
    [['--epochs', '0x10'], '--epochs'],
    [['--lr', '1e-3x'], '--lr'],
    [['--lr', 'Infinity'], '--lr'],
    [['--data-path', '--epochs', '3'], '--data-path'],
    [['--opt', 'constructor'], '--opt'],
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
    expect(() => read('-epochs', '3')).toThrow('-epochs is not known here. Did you mean --epochs?');
    expect(() => read('--no-repeatedaug')).toThrow('Did you mean --no-repeated-aug?');
    expect(() => read('-x')).toThrow('-x is not known here');
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

  it('takes the last of two values, and says so', () => {
    const { values, notes } = parseArguments(['--port', '1', '--port=2', '--json', '--no-json'], options);
    expect(values.get('port')).toBe('2');
    expect(notes).toEqual([
      '--port 1 is overruled by the later --port 2.',
      '--json is overruled by the later --no-json.',
    ]);
    expect(parseArguments(['--port', '1', '--port=1'], options).notes).toEqual([]);
  });

  it('refuses what changes nothing, and what contradicts', () => {
    const checks: Option[] = [
      { flag: 'check', value: null, help: '' },
      { flag: 'strict', value: null, help: '', needs: ['check'] },
      { flag: 'only', value: null, help: '', excludes: ['check'] },
    ];
    expect(() => parseArguments(['--strict'], checks)).toThrow('--strict: expected --check beside it, got nothing');
    expect(() => parseArguments(['--strict', '--check', '--only'], checks)).toThrow(
      'one of --only and --check, got both',
    );
    expect(parseArguments(['--strict', '--check'], checks).values.get('strict')).toBe(true);
  });

  it('takes numbers as they are written, negative ones and powers too', () => {
    const many: Option[] = [{ flag: 'mean', value: 'R G B', numbers: true, help: '' }];
    expect(parseArguments(['--mean', '-0.5', '1e-3', '.5', 'word'], many)).toMatchObject({ words: ['word'] });
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

  it.each(['main', 'submitit'] as const)('of %s are all accepted, each with its default', (program) => {
    const refused = Object.entries(deit(program)).filter(([flag, value]) => {
      // An empty default is what DeiT makes of no option.
      if (value === '' || flag === 'eval') return false;
      const words = value === 'on' || value === 'off' ? [`--${flag}`] : [`--${flag}`, ...value.split(' ')];
      const negated = value === 'on' || value === 'off' ? [`--no-${flag}`] : [];
      return [words, negated].some((argv) => {
        deitNotes(typed(...argv));
        return !recipeValues(typed(...argv));
      });
    });
    expect(refused).toEqual([]);
  });

  it('are read with a word on why they change nothing', () => {
    const parsed = typed('--pin-mem', '--dist-eval', '--num_workers', '4');
    expect(recipeValues(parsed)).toEqual({ numWorkers: 4 });
    expect(deitNotes(parsed).map((note) => note.split(' ')[0])).toEqual(['--dist-eval', '--pin-mem']);
    expect(deitNotes(typed('--no-pin-mem'))).toEqual([]);
  });

  it('of a command for a cluster say what its steps come to on one machine', () => {
    const parsed = typed(...'--batch-size 32 --use_volta32 --nodes 2 --timeout 60 --comment now'.split(' '));
    const [steps, ...others] = deitNotes(parsed).reverse();
    expect(steps).toMatch(/steps of 512 images.*has 32.*--batch-size 512 --micro-batch 32$/);
    expect(others.map((note) => note.split(' ')[0])).toEqual(['--comment', '--use_volta32', '--timeout', '--nodes']);
    expect(deitNotes(typed('--nodes', '1', '--ngpus', '1'))).toHaveLength(2);
    expect(deitNotes(typed('--use_volta32')).at(-1)).toMatch(/steps of 1024 images/);
    expect(() => deitNotes(typed('--nodes', 'two'))).toThrow('--nodes: expected');
  });

  it('name the folder of the run by --job_dir, which has no number of a job', () => {
    expect(recipeValues(typed('--job_dir', '/run'))).toEqual({ outputDir: '/run' });
    expect(() => deitNotes(typed('--job_dir', '/runs/%j'))).toThrow('--job_dir: expected a folder without %j');
  });

  it.each([['--start_epoch', '3']])('are refused where %s %s would change what is trained', (flag, value) => {
    expect(() => deitNotes(typed(flag, value))).toThrow(
      expect.objectContaining({
        code: 'argument.unknown',
        params: expect.objectContaining({ name: `${flag} ${value}` }),
      }),
    );
  });
});
