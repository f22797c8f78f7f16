import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../src-main/protocol/data-types.ts';
import { defaultRecipe } from '../../../src-main/protocol/recipe.ts';
import { csvText } from '../../../src-main/protocol/csv.ts';
import { compareRuns, toMarkdown } from '../../../src-renderer/components/checkpoints/compare-runs.ts';
import { runMatches, sortRuns } from '../../../src-renderer/composables/run-filter.ts';

function run(id: string, changes: Partial<RunSummary> = {}): RunSummary {
  return {
    ...{ id, path: `/runs/${id}`, created: 1, model: 'deit_tiny', teacher: '', dataPath: '/data/sample' },
    ...{ state: 'finished', error: null, epoch: 2, epochs: 2, seconds: 10, imagesPerSecond: null, bytes: 5 },
    ...{ bestAcc1: null, lastAcc1: null, emaAcc1: null, bestAcc5: null, lastAcc5: null, emaAcc5: null },
    ...{ bestLoss: null, lastLoss: null, emaLoss: null, pinned: false, tags: [], note: '' },
    ...{ outside: false, readOnly: false, step: null, stepsPerEpoch: null },
    ...changes,
  };
}

describe('the filter of runs', () => {
  const one = run('a', { tags: ['Ablation'], note: 'warm-up too long', bestAcc1: 61.5, pinned: true });
  it.each([
    ['', true],
    ['tiny sample', true],
    ['tiny base', false],
    ['state:finished tag:abl', true],
    ['state:failed', false],
    ['-state:failed', true],
    ['-tag:ablation', false],
    ['note:"up too"', true],
    ['acc1:>61', true],
    ['acc1:>=61.5 acc1:<62 acc1:61.5', true],
    ['acc1:>x', false],
    ['acc5:<100', false],
    ['is:pinned -is:outside', true],
    ['is:nonsense', false],
    ['data:SAMPLE', true],
  ])('%j says %s', (filter, expected) => {
    expect(runMatches(one, filter)).toBe(expected);
  });

  it('sorts by any column, runs without a value last either way', () => {
    const runs = [run('a', { bestAcc1: 50 }), run('b'), run('c', { bestAcc1: 70 })];
    const ids = (down: boolean) => sortRuns(runs, 'bestAcc1', down).map(({ id }) => id);
    expect([ids(true), ids(false)]).toEqual([
      ['c', 'a', 'b'],
      ['a', 'c', 'b'],
    ]);
  });
});

describe('a comparison of runs', () => {
  it('has the settings that differ, and the metrics that there are', () => {
    const recipe = defaultRecipe();
    const lines = compareRuns([
      { summary: run('a', { bestAcc1: 50 }), recipe },
      { summary: run('b'), recipe: { ...recipe, lr: 0.1, outputDir: '/x' } },
    ]);
    expect(lines.filter(({ kind }) => kind === 'setting')).toEqual([{ kind: 'setting', key: 'lr', values: [recipe.lr, 0.1] }]); // prettier-ignore
    expect(lines.find(({ key }) => key === 'bestAcc1')?.values).toEqual([50, null]);
    expect(lines.some(({ key }) => key === 'emaLoss')).toBe(false);
  });

  it('goes to spreadsheets and Markdown', () => {
    const cells = [
      ['setting', 'a|b'],
      ['note', 'x, "y"'],
      ['ema', null],
    ];
    expect(csvText(cells)).toBe('setting,a|b\r\nnote,"x, ""y"""\r\nema,\r\n');
    expect(toMarkdown(cells)).toBe('| setting | a\\|b |\n| --- | --- |\n| note | x, "y" |\n| ema |  |\n');
  });
});
