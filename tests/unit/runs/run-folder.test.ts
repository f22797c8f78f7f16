import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WITHOUT_AUGMENTATION } from '../../../src-main/protocol/recipe.ts';
import {
  changeRecipe,
  createRun,
  findRun,
  keepPrecision,
  newRunId,
  openRun,
  runFolders,
} from '../../../src-main/runs/run-folder.ts';
import { CLASSES, newRun, recipe, temporaryFolder } from './state.ts';

const code = (name: string) => expect.objectContaining({ code: name }) as Error;

function damage(run: string, change: (content: Record<string, unknown>) => unknown): void {
  const content = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(run, 'run.json'), JSON.stringify(change(content)));
}

const without = (record: object, keys: readonly string[]) =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

describe('a run folder', () => {
  it('is opened as it was made', () => {
    const parent = temporaryFolder();
    const [before, run, after] = [Date.now(), newRun(join(parent, 'deep/er/run'), { lr: 0.123 }), Date.now()];
    const opened = openRun(run);
    expect(opened).toMatchObject({ format: 1, id: 'run', dataPath: '/data', classes: CLASSES });
    expect(opened.recipe).toEqual(recipe({ lr: 0.123 }));
    expect(opened.created).toBeGreaterThanOrEqual(before);
    expect(opened.created).toBeLessThanOrEqual(after);
    expect(readdirSync(run).sort()).toEqual(['checkpoints', 'run.json']);
  });

  it('of an older version was trained without the augmentation that it does not name', () => {
    const run = newRun(undefined, { mixup: 0.5 });
    damage(run, ({ recipe, ...content }) => ({ ...content, recipe: without(recipe as object, ['aa', 'cutmix', 'reprob', 'colorJitter', 'repeatedAug']) })); // prettier-ignore
    expect(openRun(run).recipe).toEqual(recipe({ ...WITHOUT_AUGMENTATION, mixup: 0.5 }));
    damage(run, ({ recipe, ...content }) => ({ ...content, recipe: without(recipe as object, Object.keys(WITHOUT_AUGMENTATION)) })); // prettier-ignore
    expect(openRun(run).recipe).toEqual(recipe(WITHOUT_AUGMENTATION));
  });

  it('keeps what precision auto meant, and says when it means another', () => {
    const run = newRun();
    const said = ['bfloat16', 'bfloat16', 'float32', 'float32'].map((precision) => keepPrecision(run, precision));
    expect(said).toEqual([null, null, 'bfloat16', null]);
    changeRecipe(run, recipe({ lr: 0.5 }));
    expect(openRun(run)).toMatchObject({ precision: 'float32', recipe: { lr: 0.5 } });
  });

  it('is not made over another run, but in a folder that holds something else', () => {
    const run = newRun();
    expect(() => newRun(run)).toThrow(code('run.exists'));
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    newRun(folder);
    expect(openRun(folder).id).toBe('run');
  });

  it('cannot be made where a file is', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    expect(() => newRun(join(folder, 'file'))).toThrow(code('disk.denied'));
  });

  it.each<[string, string, (content: Record<string, unknown>) => unknown]>([
    ['a later format', 'run.damaged', (content) => ({ ...content, format: 2 })],
    ['no object', 'run.damaged', () => null],
    ['no classes', 'run.damaged', (content) => ({ ...content, classes: [1] })],
    ['no recipe', 'run.damaged', (content) => ({ ...content, recipe: 'x' })],
    ['no id', 'run.damaged', (content) => ({ ...content, id: undefined })],
    ['no time', 'run.damaged', (content) => ({ ...content, created: 'today' })],
    ['an unknown setting', 'recipe.unknown-key', (content) => ({ ...content, recipe: { speed: 1 } })],
  ])('with %s is told to be %s', (_, expected, change) => {
    const run = newRun();
    damage(run, change);
    expect(() => openRun(run)).toThrow(code(expected));
  });

  it('without run.json is no run, with half of one it is damaged', () => {
    expect(() => openRun(temporaryFolder())).toThrow(code('run.missing'));
    const run = newRun();
    writeFileSync(join(run, 'run.json'), readFileSync(join(run, 'run.json')).subarray(0, 100));
    expect(() => openRun(run)).toThrow(code('run.damaged'));
  });
});

describe('the folders of runs', () => {
  it('are those that hold one, whole or broken, and nothing else', () => {
    const parent = temporaryFolder();
    const [one, two, broken] = ['one', 'two', 'broken'].map((name) => newRun(join(parent, name)));
    damage(broken, () => []);
    mkdirSync(join(parent, 'foreign'));
    newRun(join(parent, '.hidden'));
    writeFileSync(join(parent, 'file'), '');
    expect(runFolders(parent)).toEqual([broken, one, two]);
    expect(findRun(one)).toEqual({ path: one, run: openRun(one), error: null });
    expect(findRun(broken)).toMatchObject({ run: null, error: { code: 'run.damaged' } });
  });

  it('are none where there is no folder', () => {
    expect(runFolders('/nowhere')).toEqual([]);
  });
});

it('gives each run an id of its own that a call accepts', () => {
  const parent = temporaryFolder();
  const now = new Date('2025-01-31T15:45:12Z');
  const id = newRunId(parent, recipe({ model: 'odd/../näme' }), now);
  expect(id).toBe('20250131-154512-odd_.._n_me');
  newRun(join(parent, id));
  expect(newRunId(parent, recipe({ model: 'odd/../näme' }), now)).toBe(`${id}-2`);
  expect(newRunId(parent, recipe({ model: 'x'.repeat(500) }))).toMatch(/^[\w.-]{1,128}$/);
});

it('keeps every setting of the recipe in plain JSON', () => {
  const folder = temporaryFolder();
  const about = { id: 'a', version: '1', engine: 'e', dataPath: '/ü' };
  const made = createRun(join(folder, 'r'), { ...about, recipe: recipe(), classes: ['a\n', '猫'] });
  expect(JSON.parse(readFileSync(join(folder, 'r/run.json'), 'utf8'))).toEqual(made);
});
