import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'oxfmt';
import { describe, expect, test, vi } from 'vitest';
import { whyNotMultiplied } from '../../../src-main/base/processor.ts';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { DEIT_FLAGS, SUBMITIT_FLAGS } from '../../../src-main/protocol/deit-flags.ts';
import type { Preset } from '../../../src-main/protocol/preset-types.ts';
import { PRESET_GROUPS, presetCommand, PRESETS } from '../../../src-main/protocol/presets.ts';
import {
  defaultRecipe,
  fieldOf,
  FIELDS,
  flagOf,
  isUsed,
  parseRecipe,
  parseSavedRecipe,
  totalEpochs,
  type Field,
  type Recipe,
  type RecipeKey,
} from '../../../src-main/protocol/recipe.ts';
import { sayReason } from '../../../src-main/protocol/reasons.ts';
import { checkRecipe } from '../../../src-main/service/recipe/recipe-check.ts';
import { describeDefault } from '../../../src-renderer/i18n/fields.ts';
import en from '../../../src-renderer/i18n/en.ts';
import deitDefaults from '../../fixtures/deit-main-options.json' with { type: 'json' };
import submititDefaults from '../../fixtures/deit-submitit-options.json' with { type: 'json' };

/** The recipe's table and presets: what they promise, and that `docs/recipe.md` says the same. */

const noData = {
  // However full the disk of this machine is.
  freeBytes: () => Promise.resolve(Infinity),
  dataset: () => Promise.reject(new StillhouseError('data.no-folder', { path: '' })),
  runsFolder: tmpdir(),
};

test('an old run, which does not name a later setting, has it off', () => {
  const old = parseSavedRecipe({ model: 'deit_tiny_patch16_224', epochs: 3 });
  const off = { opt: 'adamw', sched: 'cosine', schedOnUpdates: false, clipGrad: 0, layerDecay: 1, lrNoise: '' };
  expect(old).toMatchObject({ ...off, modelEma: false, bceLoss: false, attnOnly: false, trainMode: true, mixup: 0 });
  expect(totalEpochs(old)).toBe(3);
});

test('every field has a flag of its own and a default that passes', () => {
  expect(new Set(FIELDS.map(({ key }) => flagOf(key))).size).toBe(FIELDS.length);
  expect(parseRecipe(Object.fromEntries(FIELDS.map((field) => [field.key, field.default])))).toEqual(parseRecipe({}));
});

test('a setting counts or not by settings that exist, whose values they can have, and by no other', () => {
  for (const field of FIELDS) {
    const named = [...new Set((field.usedWhen ?? []).flatMap((clause) => Object.keys(clause)))];
    const values = named.map((key) => {
      const of = fieldOf(key);
      if (!of) throw new Error(`${field.key} counts by ${key}, which is no setting`);
      const states = field.usedWhen!.flatMap((clause) => (clause[key] ? [clause[key]] : []));
      for (const state of states)
        if (typeof state === 'string') expect(of.type, key).not.toBe('choice');
        else expect(of.type === 'choice' ? of.choices : [], key).toEqual(expect.arrayContaining([...state]));
      if (of.type === 'choice') return of.choices;
      return of.type === 'boolean'
        ? [true, false]
        : of.type === 'integer' || of.type === 'number'
          ? [0, 1]
          : ['', ' x'];
    });
    const recipes = values.reduce<Record<string, unknown>[]>(
      (all, some, index) => all.flatMap((recipe) => some.map((value) => ({ ...recipe, [named[index]]: value }))),
      [{ ...defaultRecipe() }],
    );
    const used = new Set(recipes.map((recipe) => isUsed(field, recipe as Recipe)));
    expect(used, field.key).toEqual(new Set(named.length > 0 ? [true, false] : [true]));
  }
});

test.each<[RecipeKey, Partial<Recipe>, boolean]>([
  ['mixupSwitchProb', { mixup: 1, cutmix: 0, cutmixMinmax: '0.2 0.8' }, true],
  ['mixupSwitchProb', { mixup: 1, cutmix: 0, cutmixMinmax: ' ' }, false],
  ['mixupSwitchProb', { mixup: 0, cutmix: 1 }, false],
  ['mixupProb', { mixup: 0, cutmix: 1 }, true],
  ['colorJitter', { aa: 'original', threeAugment: true }, true],
  ['colorJitter', { aa: 'original' }, false],
  ['remode', { reprob: 0.5, threeAugment: true }, false],
  ['scaleMin', { threeAugment: true, src: true }, false],
  ['scaleMin', { src: true }, true],
])('%s beside %j', (key, given, used) => expect(isUsed(fieldOf(key)!, { ...defaultRecipe(), ...given })).toBe(used));

describe('a preset', () => {
  test.each(PRESETS.map((preset) => [preset.id, preset] as const))('%s lacks nothing but the data, the teacher and weights', async (_, preset) => {
    const { check } = await checkRecipe({ ...preset.values }, noData);
    expect(check.problems).toEqual([]);
    const expected = ['data.no-folder', ...(preset.needs?.includes('teacherPath') ? ['teacher.missing'] : [])];
    expect(check.errors.map(({ code }) => code)).toEqual(expected);
    expect(check.parameters).toBeGreaterThan(1e6);
  }); // prettier-ignore

  test('whose checkpoints find no room says so', async () => {
    const { values } = PRESETS.find(({ id }) => id === 'deit3-huge')!;
    const { check } = await checkRecipe({ ...values }, { ...noData, freeBytes: () => Promise.resolve(1e9) });
    expect(check.errors).toContainEqual(expect.objectContaining({ code: 'disk.reserve' }));
  });

  test('has an id of its own, and no settings that are the person’s', () => {
    expect(new Set(PRESETS.map(({ id }) => id)).size).toBe(PRESETS.length);
    for (const { values } of PRESETS)
      for (const key of ['dataPath', 'teacherPath', 'finetune', 'outputDir']) expect(values).not.toHaveProperty(key);
  });
});

describe('recipe check', () => {
  test.each([
    [{ cosub: true, distillationType: 'hard' }, 'cosub', 'off for distillation'],
    [{ twoClassTokens: true, distillationType: 'hard' }, 'twoClassTokens', 'off for distillation'],
    [{ twoClassTokens: true, model: 'deit_tiny_patch16_224' }, 'twoClassTokens', 'off for a network with one class token'], // prettier-ignore
    [{ twoClassTokens: true, cosub: true }, 'twoClassTokens', 'off without train mode, and with co-trained submodels'],
    [{ bceLoss: true, smoothing: 0.1 }, 'smoothing', '0 with binary cross-entropy'],
    [{ sched: 'plateau', schedOnUpdates: true }, 'schedOnUpdates', 'off for plateau'],
    [{ model: 'resnet18', attnOnly: true }, 'attnOnly', 'off for a network without attention'],
    [
      { model: 'deit_tiny_distilled_patch16_224', trainMode: false, distillationType: 'hard' },
      'trainMode',
      'on for distillation',
    ],
    [{ lrNoise: '0.9 0.4' }, 'lrNoise', 'one share from 0 to 1, or two of which the second is greater, like 0.4 0.9'],
  ])('%j: %s is expected to be %s', async (given, key, expected) => {
    const { check } = await checkRecipe(given, noData);
    expect(check.problems.map((one) => [one.key, sayReason(one.expected)])).toEqual([[key, expected]]);
  });

  test('refuses a precision that the processor does not take, and leaves it to a GPU', async () => {
    vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
    const found = async (precision: string, gpu = false) => {
      const mayUseGpu = () => Promise.resolve(gpu);
      return (await checkRecipe({ precision }, { ...noData, mayUseGpu })).check.problems;
    };
    const refused = { key: 'precision', expected: whyNotMultiplied('bfloat16'), got: '"bfloat16"' };
    expect(await found('bfloat16')).toEqual([refused]);
    for (const precision of ['auto', 'float32']) expect(await found(precision)).toEqual([]);
    expect(await found('bfloat16', true)).toEqual([]);
    vi.unstubAllEnvs();
  });

  test('knows weights of another network by their names, and takes those of other classes and sizes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-recipe-'));
    const weights = (model: string, classes: number): string => {
      const path = join(folder, `${model}.safetensors`);
      const values = (shape: number[]) => new Float32Array(shape.reduce((product, side) => product * side, 1));
      const { specs } = createModel(model, { classes, inputSize: 224 });
      const arrays = specs.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const, values: values(shape) }));
      writeFileSync(path, Buffer.concat([...writeSafetensors(arrays, {})]));
      return path;
    };
    const found = async (finetune: string) => {
      const { check } = await checkRecipe({ model: 'deit_tiny_patch16_224', inputSize: 96, finetune }, noData);
      return check.errors.map(({ code }) => code);
    };
    expect(await found(weights('deit_tiny_distilled_patch16_224', 3))).toEqual(['data.no-folder']);
    expect(await found(weights('regnety_002', 3))).toEqual(['data.no-folder', 'weights.keys']);
    rmSync(folder, { recursive: true });
  });

  test('foresees the size of a checkpoint', async () => {
    const bytes = async (given: object) =>
      (await checkRecipe({ model: 'deit_tiny_patch16_224', ...given }, noData)).check;
    const { parameters, checkpointBytes } = await bytes({});
    expect(checkpointBytes).toBe(3 * 4 * parameters);
    expect((await bytes({ modelEma: true })).checkpointBytes).toBe(4 * 4 * parameters);
    expect((await bytes({ opt: 'sgd' })).checkpointBytes).toBe(2 * 4 * parameters);
    const frozen = await bytes({ attnOnly: true });
    expect(frozen.parameters).toBeLessThan(parameters / 2);
    expect(frozen.checkpointBytes).toBe(4 * (parameters + 2 * frozen.parameters));
  });
});

describe("DeiT's programs", () => {
  test('has every option here, with its default or a word on what differs', () => {
    expect(DEIT_FLAGS.map(({ flag }) => flag)).toEqual(Object.keys(deitDefaults));
    for (const { flag, default: initial, keys, differs } of DEIT_FLAGS) {
      expect(initial, flag).toBe(deitDefaults[flag as keyof typeof deitDefaults]);
      if (differs) continue;
      const [key] = keys;
      const field = FIELDS.find((known) => known.key === key)!;
      const own = typeof field.default === 'boolean' ? (field.default ? 'on' : 'off') : field.default;
      expect(typeof own === 'number' ? Number(initial) : initial, flag).toBe(own);
      expect(flagOf(key), flag).toBe(flag === 'ThreeAugment' ? 'three-augment' : flag.replaceAll('_', '-'));
    }
  });

  test('have what run_with_submitit.py adds too', () => {
    expect(Object.fromEntries(SUBMITIT_FLAGS.map((flag) => [flag.flag, flag.default]))).toEqual(submititDefaults);
    for (const { flag, differs } of SUBMITIT_FLAGS) expect(differs, flag).toBeTruthy();
  });
});

// The document.

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '\\<') || '–';
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function bounds(field: Field): string {
  if (field.type === 'integer' || field.type === 'number') return `${field.min} to ${field.max}`;
  return field.type === 'choice' ? field.choices.join(', ') : field.type === 'boolean' ? 'on, off' : field.type;
}

/** When a field counts, as a sentence; '' where it always does. */
function usedText({ usedWhen }: Field): string {
  if (!usedWhen) return '';
  const entry = ([key, state]: [string, 'on' | 'off' | readonly string[]]): string => {
    const flag = `\`--${flagOf(key as RecipeKey)}\``;
    return typeof state === 'string'
      ? `${state === 'on' ? 'with' : 'without'} ${flag}`
      : `with ${flag} ${state.join(' or ')}`;
  };
  return ` Counts only ${usedWhen.map((clause) => Object.entries(clause).map(entry).join(' or ')).join(', and ')}.`;
}

function fieldTables(): string {
  const groups = [...new Set(FIELDS.map(({ group }) => group))];
  const row = (field: Field) => {
    const { key, unit, paper, help } = field;
    const value = `${describeDefault(field, 'en')}${unit && field.default !== '' ? ` ${unit}` : ''}`;
    return [`\`--${flagOf(key)}\``, cell(value), cell(bounds(field)), cell(paper), cell(help) + usedText(field)];
  };
  return groups
    .map((group) => {
      const rows = FIELDS.filter((field) => field.group === group).map(row);
      return `### ${en.groups[group]}\n\n${table(['flag', 'default', 'values', 'paper', 'what it does'], rows)}`;
    })
    .join('\n\n');
}

function presetTables(): string {
  const names: Record<string, { name: string; about: string }> = en.presets;
  const row = (preset: Preset) => {
    const { top1, gpus, hours, settings, results } = preset.published ?? {};
    const cells = [top1 === undefined ? '' : `${top1} %`, gpus ? `${gpus}` : '', hours ?? ''];
    const { name, about } = names[preset.id];
    const source = [settings, results && `results: ${results}`].filter(Boolean).join('; ');
    return [`${name}: \`${presetCommand(preset)}\``, ...cells.map(cell), cell(source), cell(about)];
  };
  return PRESET_GROUPS.map((group) => {
    const presets = PRESETS.filter((preset) => preset.group === group);
    const head = ['preset', 'Acc@1', 'GPUs', 'hours', 'source', 'notes'];
    return `### ${en.presetWords.groups[group]}\n\n${table(head, presets.map(row))}`;
  }).join('\n\n');
}

const INTRODUCTION = `# The recipe

Every setting of a training is one field of one table, \`FIELDS\` in \`src-main/protocol/recipe.ts\`: the form, the
command line, the checks and this page follow from it. Names and meanings are those of DeiT's \`main.py\`, and of timm's
\`train.py\` where DeiT has none. A run that was saved before a setting existed is read as having it off.

Schedules by epoch are stepped as DeiT steps them: epoch _e_ runs at the schedule's value for _e_ − 1, and the first
two epochs both run at the warm-up rate. With \`--sched-on-updates\` the rate moves with each step, as in timm. A file
of settings, \`stillhouse train --recipe FILE\`, is YAML or JSON with the same names.

Optimizers, schedules and losses are compared with torch and timm in \`tests/parity/optim.test.ts\`: rates of whole runs
to 1e-9, five steps of each optimizer to 1e-6, and the losses of fifty steps of a small transformer to 1e-4.`;

const DEIT_INTRODUCTION = `## From DeiT's command line

Every option of DeiT's \`main.py\`, then what its \`run_with_submitit.py\` adds, and what it is here. \`stillhouse train\` takes all of them in DeiT's spelling, with
dashes or underscores; an option that changes nothing is said so, and one that would change what is trained is refused.`;

function deitTable(): string {
  const rows = [...DEIT_FLAGS, ...SUBMITIT_FLAGS].map(({ flag, default: initial, keys, differs = '' }) => {
    const here = keys.map((key) => {
      const field = FIELDS.find((known) => known.key === key)!;
      return `\`--${flagOf(key)}\`, ${describeDefault(field, 'en')}`;
    });
    return [`\`--${flag}\``, cell(initial), here.join('; ') || 'no setting', cell(differs)];
  });
  return table(["DeiT's option", 'its default', 'here', 'what differs on purpose'], rows);
}

const PRESETS_INTRODUCTION = `## Presets

Accuracies, GPUs and hours are those that the authors publish; none was measured here. What they do not say is left out.
Batch sizes are those of all their GPUs together: on fewer, \`--micro-batch\` computes the same batch in parts. DATA is a
folder of images, WEIGHTS what the training starts from, TEACHER the weights of its teacher.`;

test('docs/recipe.md says what the table and the presets say', async () => {
  const parts = [
    INTRODUCTION,
    '## Settings',
    fieldTables(),
    DEIT_INTRODUCTION,
    deitTable(),
    PRESETS_INTRODUCTION,
    presetTables(),
  ];
  const { code } = await format('recipe.md', parts.join('\n\n'), { printWidth: 120, singleQuote: true });
  await expect(code).toMatchFileSnapshot('../../../docs/recipe.md');
});
