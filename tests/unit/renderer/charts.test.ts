import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { StillhouseError, toPlainError } from '../../../src-main/protocol/errors.ts';
import type { StateRow, StepRow } from '../../../src-main/protocol/events.ts';
import { chartCsv, PART_ROWS } from '../../../src-renderer/components/charts/chart-csv.ts';
import { marksNear, placeMarks } from '../../../src-renderer/components/charts/marks.ts';
import { stacked, type Series } from '../../../src-renderer/components/charts/series.ts';
import { dashesOf, RUN_COLORS } from '../../../src-renderer/stores/run-colors.ts';
import { RunHistory } from '../../../src-renderer/history/run-history.ts';
import { charts as enCharts } from '../../../src-renderer/i18n/charts.en.ts';
import { charts as zhCharts } from '../../../src-renderer/i18n/charts.zh-CN.ts';
import { CHART_IDS, TrainCharts } from '../../../src-renderer/views/train-charts.ts';
import { blobOf } from '../../../src-renderer/components/parts/save-text.ts';
import { START, epochRows } from '../../helpers/scripted-service.ts';

const state = (now: StateRow['state'], error: StateRow['error'] = null): StateRow => {
  return { type: 'state', time: START, state: now, error };
};
const filled = (...rows: Parameters<RunHistory['append']>[0][]): RunHistory => {
  const history = new RunHistory();
  rows.forEach((row) => history.append(row));
  return history;
};
const same = (key: string): string => key;

describe('marks of a run', () => {
  test('tell where it was resumed, also when it went back', () => {
    const [first, second] = [epochRows(0, false, 4), epochRows(1, false, 4)];
    const history = filled(...first, ...second, state('stopped'), state('starting'), state('running'), second[0]);
    expect(history.marks.map(({ kind, step }) => [kind, step])).toEqual([['resume', 120]]);
  });

  test('stand at the step that was not finite, after the last row', () => {
    const error = toPlainError(new StillhouseError('run.non-finite', { loss: 'NaN', step: 130, lr: 1, file: '' }));
    const { marks } = filled(...epochRows(0, false, 4), state('failed', error));
    expect(marks.map(({ kind, step }) => [kind, step])).toEqual([
      ['nonFinite', 130],
      ['end', 130],
    ]);
  });

  test('are one glyph where they lie on each other, and are all told there', () => {
    const marks = [10, 10.1, 60].map((x) => ({ x, kind: 'checkpoint' as const, color: 'ink', text: `at ${x}` }));
    const xs = { range: { min: 0, max: 100 }, size: 100, log: false };
    expect(placeMarks(marks, xs).map(({ pixel }) => pixel)).toEqual([10, 60]);
    expect(marksNear(marks, xs, 11).map(({ text }) => text)).toEqual(['at 10', 'at 10.1']);
  });
});

test('a value that is not finite is a gap, smoothed or not', () => {
  const rows = epochRows(0, false, 5).filter((row): row is StepRow => row.type === 'step');
  const history = filled(...rows.map((row, index) => (index === 2 ? { ...row, loss: Infinity } : row)));
  const run = { id: 'a', history, color: 'run-1' };
  for (const weight of [null, 0.6]) {
    const [loss] = new TrainCharts().build([run], 'step', weight, same);
    for (const { y } of loss.series.filter(({ kind }) => kind === 'loss'))
      expect(Array.from(y, Number.isNaN)).toEqual([false, false, true, false, false]);
  }
  expect(history.marks.map(({ kind, step }) => [kind, step])).toEqual([['nonFinite', rows[2].step]]);
});

test('several runs are drawn in their own colours, the stack of one alone', () => {
  const runs = ['a', 'b'].map((id, index) => ({ id, history: filled(...epochRows(0, true, 4)), color: `run-${index + 1}` })); // prettier-ignore
  const charts = new TrainCharts().build(runs, 'epoch', null, same);
  const colors = charts[0].series.map(({ run, color }) => `${run} ${color}`);
  expect(new Set(colors)).toEqual(new Set(['a run-1', 'b run-2']));
  expect(charts.find(({ id }) => id === 'epochTime')!.series.every(({ run }) => run === undefined)).toBe(true);
  const [head, ...lines] = chartCsv({ heading: 'Loss', unit: '', series: charts[0].series }, 'Epoch', {
    min: 0,
    max: 1,
  });
  expect(head).toBe('run,series,Epoch,Loss\r\n');
  expect(lines.join('')).toMatch(/^a,charts\.total,0\.25,[\d.]+\r\n/);
  expect(lines.join('')).toContain('b,charts.validation,1,');
});

test('the time of an epoch is that of its rows, with the checkpoint that it ends with', () => {
  const rows = epochRows(0, false, 4).map((row) => (row.type === 'epoch' ? { ...row, evaluationSeconds: 3 } : row));
  const { step } = rows[rows.length - 1] as StepRow;
  const history = filled(...rows, { type: 'checkpoint', time: START, file: '', epoch: 0, step, bytes: 1, seconds: 2 });
  const [{ series }] = new TrainCharts().build([{ id: 'a', history, color: '' }], 'step', null, same).slice(-1);
  const parts = Object.fromEntries(series.map(({ kind, y }) => [kind, y[0]]));
  expect(parts).toMatchObject({ evaluation: 3, checkpoint: 2 });
  expect(parts['step']).toBeCloseTo(history.times.step, 6);
});

test('a stack stands on what is shown below it', () => {
  const part = (id: string, ...y: number[]): Series => {
    const look = { label: id, color: 'ink', dash: [], width: 0, fill: true };
    return { id, kind: id, ...look, x: Float64Array.of(1, 2), y: Float64Array.from(y) };
  };
  const tops = stacked([part('low', 1, 2), part('high', 10, NaN)]);
  expect(tops.map(({ id, y }) => [id, ...y])).toEqual([
    ['high', 11, 2],
    ['low', 1, 2],
  ]);
});

describe('the colours of runs', () => {
  test('repeat with another dash each time, which joins those of the kinds of line', () => {
    const colors = Array.from({ length: 21 }, (_, index) => RUN_COLORS[index % RUN_COLORS.length]);
    const dashes = dashesOf(colors);
    expect(new Set(colors.map((color, index) => `${color} ${dashes[index].join(' ')}`)).size).toBe(21);
    expect(dashes.slice(0, 10).flat()).toEqual([]);
    const runs = colors.map((color, index) => ({ id: `r${index}`, history: filled(...epochRows(0, true, 4)), color, dash: dashes[index] })); // prettier-ignore
    const [{ series }] = new TrainCharts().build(runs, 'step', 0.5, (key) => key);
    const looks = series.filter(({ faint }) => !faint).map(({ color, dash }) => `${color} ${dash.join(' ')}`);
    expect(new Set(looks).size).toBe(looks.length);
    expect(looks.length).toBeGreaterThan(21);
  });

  const tokens = readFileSync(
    fileURLToPath(new URL('../../../src-renderer/styles/tokens.css', import.meta.url)),
    'utf8',
  );
  const blocks = tokens.split(/^:root/m).filter((block) => block.includes('--run-1:'));

  test('are told apart by readers with any of the three kinds of colour blindness', () => {
    expect(blocks).toHaveLength(2);
    for (const block of blocks) {
      const colors = RUN_COLORS.map((name) => linear(new RegExp(`--${name}: (#\\w+)`).exec(block)![1]));
      for (const seen of Object.values(SEEN_BY))
        for (const [index, one] of colors.entries())
          for (const other of colors.slice(0, index))
            expect(distance(multiply(seen, one), multiply(seen, other))).toBeGreaterThan(0.085);
    }
  });
});

type Triple = readonly number[];
/** Machado, Oliveira and Fernandes 2009, full severity. */
const SEEN_BY: Record<string, readonly Triple[]> = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], // prettier-ignore
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]], // prettier-ignore
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]], // prettier-ignore
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]], // prettier-ignore
};
const LMS = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]; // prettier-ignore
const LAB = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]]; // prettier-ignore

const multiply = (matrix: readonly Triple[], vector: Triple): number[] =>
  matrix.map((row) => row.reduce((sum, value, at) => sum + value * vector[at], 0));
const linear = (hex: string): number[] =>
  [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
/** In OKLab. */
function distance(one: Triple, other: Triple): number {
  const [a, b] = [one, other].map((color) => {
    const inside = color.map((value) => Math.min(1, Math.max(0, value)));
    return multiply(LAB, multiply(LMS, inside).map(Math.cbrt));
  });
  return Math.hypot(...a.map((value, at) => value - b[at]));
}

test('a long file comes in small parts, and others have their turn between them', async () => {
  const x = Float64Array.from({ length: 300_000 }, (_, index) => index + 1);
  const line = { id: 'a', kind: 'a', label: 'A', color: 'ink', dash: [], width: 1, x, y: x.map(Math.sqrt) };
  const parts = [...chartCsv({ heading: 'Loss', unit: '', series: [line] }, 'Step', { min: 1, max: 300_000 })];
  expect(parts.length).toBe(1 + 300_000 / PART_ROWS);
  expect(parts[1].split('\r\n').slice(0, 4)).toEqual(['A,1,1', 'A,2,1.414214', 'A,3,1.732051', 'A,4,2']);
  let [turns, over] = [0, false];
  const others = (): void => {
    turns++;
    if (!over) setTimeout(others);
  };
  others();
  const blob = await blobOf(parts);
  over = true;
  expect(turns).toBeGreaterThan(5);
  expect(await blob.text()).toBe(parts.join(''));
});

test('every chart has a title and a unit in both languages', () => {
  for (const words of [enCharts, zhCharts] as unknown as Record<string, unknown>[])
    for (const id of CHART_IDS)
      expect(words[id], id).toMatchObject({ title: expect.stringMatching(/./), unit: expect.any(String) });
});
