import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RunSummary } from '../../../src-main/protocol/data-types.ts';
import type { EpochRow } from '../../../src-main/protocol/events.ts';
import { STUDY_FORMATS, parseStudy, type StudyReport, type StudyTables } from '../../../src-main/protocol/study.ts';
import type { KeptAnswers } from '../../../src-main/runs/evaluation-file.ts';
import { RunIndex, cellsOf } from '../../../src-main/service/studies/cells.ts';
import { renderStudy } from '../../../src-main/service/studies/report/render.ts';
import { studyCost } from '../../../src-main/service/studies/study-cost.ts';
import { checkRecipe } from '../../../src-main/service/recipe/recipe-check.ts';
import { readStudyFile, writeStudyText } from '../../../src-main/service/studies/study-text.ts';
import { disagreementOf, rowsOf, type Trained } from '../../../src-main/service/studies/tables.ts';
import { makeStudy } from '../../../src-main/service/studies/templates.ts';

const base = { model: 'deit_tiny_patch16_224', teacherPath: '/t.safetensors', dataPath: '/data', epochs: 30 };
const spec = parseStudy({
  ...{ name: 'two', base, seeds: [0, 1] },
  variants: [
    { name: 'none', changes: { distillationType: 'none' } },
    { name: 'hard <b>', changes: { distillationType: 'hard' } },
  ],
});

describe('the trainings of a study', () => {
  const tuned = parseStudy({ ...spec, then: [{ name: 'at 384', changes: { inputSize: 384, epochs: 2 } }] });

  it('are one for each variant, seed and stage, whole seeds first', () => {
    const cells = cellsOf(tuned);
    expect(cells.map(({ seed, variant, stage }) => `${seed} ${variant} ${stage}`.trim())).toEqual([
      ...['0 none', '0 none at 384', '0 hard <b>', '0 hard <b> at 384'],
      ...['1 none', '1 none at 384', '1 hard <b>', '1 hard <b> at 384'],
    ]);
    expect(cells[1]).toMatchObject({ parent: cells[0], recipe: { inputSize: 384, epochs: 2, seed: 0 } });
  });

  it('keep their runs when names change, and lose them when a setting or what they start from does', () => {
    const [own, stage] = cellsOf(tuned);
    const kept = [
      { recipe: own.recipe, parent: null, run: 'a' },
      { recipe: stage.recipe, parent: 'a', run: 'b' },
    ] as ConstructorParameters<typeof RunIndex>[0];
    const found = (of: typeof tuned): (string | undefined)[] => cellsOf(of).slice(0, 2).map((cell) => new RunIndex(kept).of(cell)); // prettier-ignore
    expect(found(tuned)).toEqual(['a', 'b']);
    const [first, second] = tuned.variants;
    expect(found({ ...tuned, variants: [{ ...first, name: 'renamed' }, second] })).toEqual(['a', 'b']);
    // A default that is written out is the same setting.
    expect(found({ ...tuned, base: { ...base, smoothing: 0.1 } })).toEqual(['a', 'b']);
    expect(found({ ...tuned, base: { ...base, smoothing: 0.2 } })).toEqual([undefined, undefined]);
    expect(new RunIndex([kept[1]]).of(stage)).toBeUndefined();
  });
});

it('costs a teacher’s time once where trainings keep and share its answers', async () => {
  const shared = parseStudy({
    ...{ name: 'shared', base: { ...base, teacherPath: import.meta.filename, teachOnce: true }, seeds: [0, 1] },
    variants: [
      { name: 'none', changes: { distillationType: 'none', teachOnce: false } },
      { name: 'hard', changes: { distillationType: 'hard' } },
      { name: 'longer', changes: { distillationType: 'hard', epochs: 60 } },
      { name: 'soft', changes: { distillationType: 'soft' } },
      { name: 'other images', changes: { distillationType: 'hard', hflip: 0 } },
    ],
  });
  const cells = cellsOf(shared);
  const forecast = {
    imagesPerSecond: 1,
    secondsPerEpoch: 1,
    evaluationSeconds: 0,
    batchSize: 1,
    processes: 1,
    run: null,
    time: 0,
  };
  const parts = {
    check: async (given: object) => {
      const { check, ...more } = await checkRecipe({ ...given, teacherPath: '', distillationType: 'none' }, { dataset: () => Promise.reject(new Error('none')), runsFolder: '' }); // prettier-ignore
      return { ...more, check: { ...check, problems: [], errors: [] } };
    },
    time: ({ epochs = 0, distillationType }: { epochs?: number; distillationType?: string }) =>
      Promise.resolve({ ...forecast, seconds: 10 * epochs, teacherSeconds: distillationType === 'none' ? null : 4 * epochs }), // prettier-ignore
  };
  const all = await studyCost(cells, () => false, parts);
  // Of each seed: 'longer' finds the half that 'hard' has asked for; the other forms and images are their own.
  expect(all).toMatchObject({ trainings: 10, shared: 2 * 120, seconds: 2 * (4 * 300 + 600) - 240 });
  const later = await studyCost(cells, ({ variant }) => variant === 'longer', parts);
  expect(later).toMatchObject({ shared: 2 * 120, seconds: 2 * 1200 - 240 });
});

describe('a study from a person', () => {
  const refused = (change: object) => () => parseStudy({ ...spec, ...change });
  it('is refused where it is none', () => {
    expect(refused({ variants: [] })).toThrow(/study\.variants/);
    expect(refused({ seeds: [1, 1] })).toThrow(/each only once/);
    expect(refused({ base: { seed: 3 } })).toThrow(/base\.seed/);
    expect(refused({ base: { epoch: 3 } })).toThrow(/unknown setting: epoch/);
    expect(refused({ base: { epochs: -1 } })).toThrow(/epochs/);
    expect(refused({ variants: [{ name: 'a', changes: {} }, { name: 'a', changes: {} }] })).toThrow(/each only once/); // prettier-ignore
    expect(refused({ then: [{ name: 'a', changes: { finetune: 'x' } }] })).toThrow(/finetune/);
  });

  it('goes to a file and back, with paths from the file’s folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-study-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'study.yaml');
    const tuned = { ...spec, then: [{ name: 'at 384', changes: { inputSize: 384 } }] };
    writeFileSync(path, writeStudyText(tuned));
    expect(readStudyFile(path)).toEqual(tuned);
    writeFileSync(
      path,
      'name: a\nbase: { data-path: images }\nseeds: [0]\nvariants:\n  - { name: one, changes: {} }\n',
    );
    expect(readStudyFile(path).base).toEqual({ dataPath: join(folder, 'images') });
    writeFileSync(path, 'name: a\nbase: { data-pth: images }\nseeds: [0]\nvariants: [{ name: one, changes: {} }]\n');
    expect(() => readStudyFile(path)).toThrow(/base: .*data-pth/);
    writeFileSync(path, '[1, 2');
    expect(() => readStudyFile(path)).toThrow(/no recipe/);
  });
});

it.each(['which-distillation', 'tokens', 'six-epochs'])('of the results can be run again: %s', (name) => {
  const study = readStudyFile(join(import.meta.dirname, '../../../docs/studies', `${name}.yaml`));
  expect(study.seeds).toEqual([0, 1, 2]);
  expect(new Set(cellsOf(study).map(({ recipe }) => JSON.stringify(recipe))).size).toBe(3 * study.variants.length);
});

describe('templates', () => {
  it('make the tables of the paper', () => {
    const distillation = makeStudy('which-distillation', { base });
    expect(distillation.variants.map(({ name }) => name)).toEqual(['none', 'soft', 'hard', 'hard with token']);
    expect(distillation.variants[3].changes['model']).toBe('deit_tiny_distilled_patch16_224');
    const tokens = makeStudy('tokens', { base });
    expect(tokens.variants.map(({ changes }) => [changes['model'], changes['distillationType'], changes['twoClassTokens']])).toEqual([
      ['deit_tiny_distilled_patch16_224', 'none', true],
      ['deit_tiny_distilled_patch16_224', 'hard', undefined],
    ]); // prettier-ignore
    expect(distillation.seeds).toEqual([0, 1, 2]);
    const teachers = makeStudy('which-teacher', { base, teachers: ['resnet50=/r.pth', '/r.onnx'], finetuneSize: 384 });
    expect(teachers.variants).toEqual([
      { name: 'resnet50', changes: { teacherModel: 'resnet50', teacherPath: '/r.pth' } },
      { name: 'r.onnx', changes: { teacherPath: '/r.onnx' } },
    ]);
    expect(teachers.then[0].changes).toMatchObject({ inputSize: 384, epochs: 30, lr: 5e-6, minLr: 5e-6 });
    const ablation = makeStudy('ablation', { base: { ...base, reprob: 0 } });
    expect(ablation.variants.map(({ name }) => name)).not.toContain('no random erasing');
    expect(ablation.variants[0]).toEqual({ name: 'the recipe', changes: {} });
    const grid = makeStudy('grid', { base, grid: { lr: [1e-3, 2e-3], drop: [0, 0.1] } });
    expect(grid.variants.map(({ name }) => name)).toEqual(['lr 0.001, drop 0', 'lr 0.001, drop 0.1', 'lr 0.002, drop 0', 'lr 0.002, drop 0.1']); // prettier-ignore
    expect(makeStudy('learning-rate', { base: { ...base, lr: 1e-3 } }).variants).toHaveLength(5);
    const lengths = makeStudy('how-long', { base, epochs: [300, 500] });
    expect(lengths.variants.map(({ changes }) => changes['epochs'])).toEqual([300, 500]);
    const transfer = makeStudy('transfer', { base: { ...base, finetune: '/w.pth' }, data: ['/a/cars', '/b/cars'] });
    expect(transfer.variants.map(({ name }) => name)).toEqual(['cars', 'cars (2)']);
  });

  it('say what they need', () => {
    expect(() => makeStudy('which-teacher', { base })).toThrow(/two teachers/);
    expect(() => makeStudy('which-distillation', { base: { model: 'deit_tiny_patch16_224' } })).toThrow(/a teacher/);
    expect(() => makeStudy('which-distillation', { base: { ...base, model: 'resnet50' } })).toThrow(/resnet50/);
    expect(() => makeStudy('transfer', { base, data: ['/a'] })).toThrow(/weights to start from/);
    expect(() => makeStudy('grid', { base, grid: { lr: [1] } })).toThrow(/two values/);
    expect(() => makeStudy('grid', { base, grid: { lrr: [1, 2] } })).toThrow(/lrr/);
  });
});

/** One trained cell whose network decides `decided` on six images of two classes. */
function trained(seed: number, variant: string, acc1: number, decided: readonly number[] | null): Trained {
  const cell = cellsOf(spec).find((one) => one.seed === seed && one.variant === variant)!;
  const score = { loss: 1, acc1, acc5: 100 };
  const last = {
    type: 'epoch',
    test: score,
    classHead: score,
    distillationHead: null,
    agreement: null,
    parameters: 5e6,
  };
  const head = (top: readonly number[]) => ({ top: Int32Array.from(top), probability: new Float32Array(6), loss: new Float32Array(6), rank: new Int32Array(6) }); // prettier-ignore
  const answers: KeptAnswers | null = decided && {
    ...{ files: ['a', 'b', 'c', 'd', 'e', 'f'], labels: Int32Array.of(0, 0, 0, 1, 1, 1), kept: 1, classes: ['x', 'y'] },
    heads: new Map([['test', head(decided)], ['teacher', head([0, 0, 0, 1, 1, 0])]]), // prettier-ignore
  };
  return {
    cell,
    run: { state: 'finished' } as RunSummary,
    last: last as EpochRow,
    seconds: 60,
    answers,
    tokenCosine: variant === 'none' ? null : [0.06, 0.5 + seed / 10, 0.93],
    throughput: null,
  };
}

describe('the tables of a study', () => {
  const all = [
    trained(0, 'none', 50, [0, 0, 1, 0, 1, 0]),
    trained(0, 'hard <b>', 66.7, [0, 0, 0, 1, 0, 0]),
    trained(1, 'none', 51, null),
    trained(1, 'hard <b>', 55, null),
  ];

  it('pair by seed, and count images on which one alone is right', () => {
    const [control, hard] = rowsOf(spec, all);
    expect(control.versus).toBeNull();
    expect(control.test).toEqual({ mean: 50.5, std: Math.SQRT1_2, values: [50, 51] });
    expect(hard.versus!.difference.mean).toBeCloseTo(10.35, 10);
    expect(hard.versus!.interval!.from).toBeLessThan(0);
    expect(hard.versus!.mcnemar).toEqual([{ seed: 0, gained: 2, lost: 1, p: 1 }]);
    expect(hard.bySeed).toEqual([66.7, 55]);
  });

  it('show what failed, and compare nothing with it', () => {
    const failed: Trained = { ...all[1], run: { state: 'failed' } as RunSummary, last: null, answers: null };
    const [, hard] = rowsOf(spec, [all[0], failed]);
    expect(hard).toMatchObject({ finished: 0, broken: 1, test: null, versus: null, bySeed: [null, null] });
  });

  it('say who decides differently from whom', () => {
    const { names, percent } = disagreementOf(spec, all)!;
    expect(names).toEqual(['labels', 'teacher', 'none', 'hard <b>']);
    expect(percent[0][2]).toBe(50);
    expect(percent[2][3]).toBeCloseTo((100 * 3) / 6);
    expect(percent[1]).toEqual(percent.map((row) => row[1]));
  });

  it('come in every format, with nothing of a name read as markup', () => {
    const cells = cellsOf(spec).map(({ variant, stage, seed }) => ({ variant, stage, seed, run: 'r', state: 'finished', error: null, share: 1, acc1: 50, evaluated: true })); // prettier-ignore
    const report = {
      id: 'a',
      path: '/a',
      created: 0,
      spec,
      state: 'done',
      cells,
      error: null,
      job: null,
    } as StudyReport;
    const tables: StudyTables = { report, rows: rowsOf(spec, all), disagreement: disagreementOf(spec, all), images: 6, machine: '2 × A & B' }; // prettier-ignore
    const texts = new Map(STUDY_FORMATS.map((format) => [format, renderStudy(tables, format)]));
    expect(texts.get('html')).toContain('hard &#60;b&#62;');
    expect(texts.get('html')).not.toMatch(/<b>|<script/);
    expect(texts.get('html')).toContain('与 none 相比');
    expect(texts.get('md')).toContain('| hard \\<b\\> | +10.35 ± 8.98 |');
    expect(texts.get('md')).toContain('Fewer than three seeds');
    expect(texts.get('tex')).toContain('hard $<$b$>$');
    expect(texts.get('tex')).toContain('A \\& B');
    expect(texts.get('csv')!.split('\r\n')).toHaveLength(6);
    expect(texts.get('html')).not.toContain('Accuracy against speed');
    const found = { engine: 'TensorFlow', machine: 'M', model: 'm', inputSize: 32, time: 0, end: 'no-gain' } as const;
    const rates = [100, 2000.04];
    const rows = tables.rows.map((row, at) => ({ ...row, throughput: { ...found, batch: 2, imagesPerSecond: rates[at], tried: [{ batch: 1, imagesPerSecond: 50 }, { batch: 2, imagesPerSecond: rates[at] }] } })); // prettier-ignore
    const fast = { ...tables, rows };
    expect(renderStudy(fast, 'md')).toContain('| none | 50.0 | 100.0 | no faster |');
    expect(renderStudy(fast, 'md')).toContain('| Images/s | at batch |');
    expect(renderStudy(fast, 'csv')).toContain(',2000.04,2');
    expect(renderStudy(fast, 'html')).toContain('aria-label="Accuracy against speed"');
    expect(renderStudy(tables, 'md', 'zh')).toContain('| 方案 |');
    expect(texts.get('md')).toContain('| after block 1 | 0.550 |');
    expect(texts.get('md')).not.toContain('Table 3');
    const ofPaper = { ...tables, report: { ...report, spec: { ...spec, template: 'which-distillation' } } };
    expect(renderStudy(ofPaper, 'md')).toContain('| hard with token, both | 74.5 | 81.2 | 83.4 | 84.5 |');
  });
});
