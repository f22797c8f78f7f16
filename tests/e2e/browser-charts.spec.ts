import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError, toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { HistoryRow, RunState } from '../../src-main/protocol/events.ts';
import { openHistory } from '../../src-main/runs/history.ts';
import { epochRow, newRun, stepRow } from '../unit/runs/state.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test, type App } from './fixtures.ts';
import { Workbench } from './workbench.ts';

const START = 1e12;

/** Rows of whole epochs of ten steps, a second each; `loss` is that of step 0 and falls with them. */
function rowsOf(epochs: number, loss: number): HistoryRow[] {
  return Array.from({ length: epochs }, (_, epoch) => {
    const steps = Array.from({ length: 10 }, (_, index) => 10 * epoch + index + 1).map((step): HistoryRow => {
      const falling = loss * Math.exp(-step / 20);
      return { ...stepRow(step), loss: falling, lossClass: falling, time: START + 1000 * step };
    });
    const [time, step] = [START + 10_000 * (epoch + 1), 10 * (epoch + 1)];
    const file = `epoch-000${epoch + 1}.safetensors`;
    const saved: HistoryRow = { type: 'checkpoint', time, file, epoch, step, bytes: 1e6, seconds: 0.5 };
    return [...steps, { ...epochRow(epoch), time, evaluationSeconds: 2 }, saved];
  }).flat();
}
const at = (step: number, state: RunState, error: PlainError | null = null): HistoryRow => {
  return { type: 'state', time: START + 1000 * step, state, error };
};
const errorOf = (...of: ConstructorParameters<typeof StillhouseError>): PlainError =>
  toPlainError(new StillhouseError(...of));

function writeRun(folder: string, rows: readonly HistoryRow[]): void {
  const history = openHistory(newRun(folder));
  history.append(rows);
  history.close();
}

/** A run that was paused, stopped and resumed; one that is lower; and three that ended badly. */
function writeRuns(home: string): void {
  const [first, second] = [rowsOf(1, 4), rowsOf(3, 4).slice(12)];
  const note = { type: 'note', time: START + 5000, note: errorOf('data.no-val', { path: '/data' }) } as const;
  writeRun(join(home, 'runs/alpha'), [
    ...[at(0, 'starting'), at(0, 'running'), ...first.slice(0, 5), note, ...first.slice(5)],
    ...[at(10, 'pausing'), at(10, 'paused'), at(10, 'running'), at(10, 'stopped')],
    ...[at(10, 'starting'), at(10, 'running'), ...second, at(30, 'finished')],
  ]);
  writeRun(join(home, 'runs/beta'), [at(0, 'running'), ...rowsOf(4, 2), at(40, 'finished')]);
  const bad = errorOf('run.non-finite', { loss: 'NaN', step: 22, lr: 0.001, file: '/x/non-finite.json' });
  writeRun(join(home, 'runs/diverged'), [at(0, 'running'), ...rowsOf(2, 3), at(22, 'failed', bad)]);
  writeRun(join(home, 'runs/killed'), [at(0, 'running'), ...rowsOf(2, 3)]);
  const unsaved = errorOf('run.unsaved', { saved: 20, path: '/x' });
  writeRun(join(home, 'runs/full'), [at(0, 'running'), ...rowsOf(2, 3), at(20, 'stopped', unsaved)]);
}

class Charts extends Workbench {
  constructor(app: App) {
    super(app);
  }

  chart(name: string) {
    return this.main.getByRole('figure', { name, exact: true });
  }

  async open(run: string): Promise<void> {
    await this.page.getByRole('banner').getByRole('button', { name: /^Run/ }).click();
    await this.page.getByRole('menuitemradio', { name: run }).click();
    await expect(this.main.getByRole('heading', { level: 1 })).toContainText(run);
  }

  async compareWith(...runs: string[]): Promise<void> {
    await this.main.getByRole('button', { name: 'Compare with' }).click();
    for (const run of runs) await this.page.getByRole('menuitemcheckbox', { name: run }).click();
    await this.page.keyboard.press('Escape');
  }

  /** The values table of a chart, as rows of cells. */
  async table(name: string): Promise<string[][]> {
    const button = this.chart(name).getByRole('button', { name: `${name}: table of values` });
    await button.click();
    // The head of a run is there before its history.
    await expect(this.chart(name).getByRole('row').nth(1)).toBeVisible();
    const rows = await this.chart(name).getByRole('row').all();
    const cells = await Promise.all(rows.map((row) => row.locator('th,td').allInnerTexts()));
    await button.click();
    return cells;
  }

  async saved(click: () => Promise<void>): Promise<Buffer> {
    const [download] = await Promise.all([this.page.waitForEvent('download'), click()]);
    return readFileSync(await download.path());
  }

  async savedFrom(name: string, kind: 'CSV' | 'SVG' | 'PNG'): Promise<Buffer> {
    return this.saved(() =>
      this.chart(name)
        .getByRole('button', { name: `${name}: save as ${kind}` })
        .click(),
    );
  }
}

async function openCharts(launch: () => Promise<App>, home: string): Promise<Charts> {
  writeRuns(home);
  const bench = new Charts(await launch());
  await bench.go('Train');
  await bench.open('alpha');
  return bench;
}

test('runs are drawn over each other, read at the cursor, zoomed, hidden and saved', async ({ launch, home }) => {
  const bench = await openCharts(launch, home);
  await bench.compareWith('beta');
  const legend = bench.chart('Loss').getByRole('list', { name: 'Runs' });
  await expect(legend.getByRole('button')).toHaveCount(2);
  const plot = bench.chart('Loss').getByRole('group');

  await test.step('both are in the table, by step', async () => {
    const [head, ...rows] = await bench.table('Loss');
    expect(head).toEqual(expect.arrayContaining(['alpha · Train total', 'beta · Train total', 'Events']));
    expect(rows[0][0]).toBe('40');
    const column = head.indexOf('alpha · Train total');
    expect(rows.find(([step]) => step === '40')![column]).toBe('–');
    expect(rows.find(([step]) => step === '20')![column]).not.toBe('–');
  });

  await test.step('the cursor says the value of each run', async () => {
    const before = await legend.innerText();
    await plot.focus();
    for (const key of ['Shift+ArrowLeft', 'Shift+ArrowLeft']) await plot.press(key);
    await expect.poll(() => legend.innerText()).not.toBe(before);
    await plot.press('Escape');
    await expect.poll(() => legend.innerText()).toBe(before);
  });

  await test.step('zooming one zooms all, and files hold what is in sight', async () => {
    await plot.focus();
    for (let turn = 0; turn < 3; turn++) await plot.press('+');
    const csv = (await bench.savedFrom('Loss', 'CSV')).toString().trim().split('\r\n');
    expect(csv[0]).toBe('run,series,Step,Loss');
    const steps = csv.slice(1).map((line) => Number(line.split(',')[2]));
    expect(Math.min(...steps)).toBeGreaterThan(10);
    expect(Math.max(...steps)).toBeLessThan(35);
    expect(new Set(csv.slice(1).map((line) => line.split(',')[0]))).toEqual(new Set(['alpha', 'beta']));
    await plot.press('0');
    expect((await bench.savedFrom('Loss', 'CSV')).toString().split('\r\n').length).toBeGreaterThan(csv.length);
  });

  await test.step('images show title, axes, both runs and what happened', async () => {
    const svg = (await bench.savedFrom('Loss', 'SVG')).toString();
    for (const words of ['>Loss<', '>Step<', '>alpha · Train total<', '>beta · Train total<', 'Checkpoint: epoch-0001'])
      expect(svg).toContain(words);
    const png = await bench.savedFrom('Loss', 'PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1800, 960]);
    const colors = await bench.page.evaluate(colorsOf, png.toString('base64'));
    expect(colors.corner).toBe('#ffffff');
    for (const color of ['#1668c7', '#ad7400']) expect(colors.seen).toContain(color);
  });

  await test.step('a run is hidden in all charts, and its colour is kept', async () => {
    await legend.getByRole('button', { name: 'beta' }).click();
    for (const name of ['Loss', 'Learning rate'])
      expect((await bench.savedFrom(name, 'CSV')).toString()).not.toContain('beta');
    await legend.getByRole('button', { name: 'beta' }).click();
    await bench.main.getByLabel('Colour of beta').fill('#00aa00');
    await bench.page.reload();
    await expect(bench.main.getByLabel('Colour of beta')).toHaveValue('#00aa00');
    expect((await bench.savedFrom('Loss', 'SVG')).toString()).toContain('#00aa00');
  });

  await test.step('one file has all charts, one every step and epoch', async () => {
    const save = async (item: RegExp): Promise<string[]> => {
      await bench.main.getByRole('button', { name: 'Save numbers' }).click();
      const item_ = bench.page.getByRole('menuitem', { name: item });
      return (await bench.saved(() => item_.click())).toString().trim().split('\r\n');
    };
    const visible = await save(/what is in sight/);
    expect(visible[0]).toBe('chart,unit,run,series,Step,value');
    expect(visible.filter((line) => line.startsWith('Step time,ms,beta,Student,'))).toHaveLength(40);
    const whole = await save(/every step and epoch/);
    expect(whole[0]).toMatch(/^run,row,step,epoch,time,loss,.*,val\.agreement,val\.seconds$/);
    const [alpha, beta] = ['alpha,step,', 'beta,epoch,'].map((start) => whole.filter((one) => one.startsWith(start)));
    expect([alpha.length, beta.length]).toEqual([30, 4]);
    expect(new Set(whole.map((line) => line.split(',').length)).size).toBe(1);
    expect(Number(alpha[9].split(',')[5])).toBeCloseTo(4 * Math.exp(-0.5), 5);
  });
});

test('what happened to a run stands on its axis, and in the table', async ({ launch, home }) => {
  const bench = await openCharts(launch, home);
  const rows = await bench.table('Loss');
  const events = (step: string): string => rows.find((row) => row[0] === step)!.at(-1)!;
  expect(rows[0].at(-1)).toBe('Events');
  expect(events('5')).toContain('/data has no image to validate with.');
  for (const words of ['Checkpoint: epoch-0001.safetensors', 'Paused', 'Stopped', 'Resumed'])
    expect(events('10')).toContain(words);
  expect(events('30')).toContain('Finished');

  const plot = bench.chart('Loss').getByRole('group');
  await plot.focus();
  for (let turn = 0; turn < 40 && !(await plot.getByRole('status').isVisible()); turn++)
    await plot.press('Shift+ArrowLeft');
  await expect(plot.getByRole('status')).toContainText('Resumed');

  await bench.main.getByRole('checkbox', { name: 'Events' }).uncheck();
  expect((await bench.table('Loss'))[0]).not.toContain('Events');
  const times = await bench.table('Time of each epoch');
  expect(times[0]).toEqual(expect.arrayContaining(['Evaluation', 'Checkpoints']));
  expect(times[1][times[0].indexOf('Evaluation')]).toBe('2.00');
  expect(times[1][times[0].indexOf('Student')]).toBe('9.00');
});

test('each bad end is told, drawn, and has a next step', async ({ launch, home }) => {
  const bench = await openCharts(launch, home);
  const alert = bench.main.getByRole('alert');
  const events = async (): Promise<string> => (await bench.table('Loss')).map((row) => row.at(-1)).join('\n');

  await bench.open('diverged');
  await expect(alert).toContainText('The loss became NaN at step 22.');
  await expect(alert.getByRole('button', { name: 'Resume at half the learning rate' })).toBeVisible();
  expect(await events()).toMatch(/Values stopped being finite · Failed: The loss became NaN at step 22\./);

  await bench.open('killed');
  await expect(alert).toContainText('The training process ended unexpectedly');
  await expect(alert.getByRole('button', { name: 'Resume', exact: true })).toBeVisible();
  expect(await events()).toContain('Crashed');

  await bench.open('full');
  await expect(alert).toContainText('what it learned after step 20 is not saved');
  await alert.getByRole('link', { name: 'Free space…' }).click();
  await expect(bench.main.getByRole('heading', { level: 1 })).toContainText('Checkpoints');
});

test('charts of compared runs have no accessibility fault', async ({ launch, home }) => {
  const bench = await openCharts(launch, home);
  await bench.compareWith('beta', 'diverged', 'killed');
  for (const theme of ['light', 'dark']) {
    await bench.page.getByRole('banner').getByRole('combobox').first().selectOption(theme);
    for (const size of [{ width: 1280, height: 800 }, { width: 1920, height: 1080 }]) await bench.look(`charts-${theme}`, size); // prettier-ignore
    expect(await accessibilityFaults(bench.page), theme).toEqual([]);
  }
});

/** Runs in the page: colours of an image. */
async function colorsOf(base64: string): Promise<{ corner: string; seen: string[] }> {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d')!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const hex = (pixel: number): string =>
    '#' + [0, 1, 2].map((part) => data[4 * pixel + part].toString(16).padStart(2, '0')).join('');
  const seen = new Set<string>();
  for (let pixel = 0; pixel < data.length / 4; pixel++) seen.add(hex(pixel));
  return { corner: hex(0), seen: [...seen] };
}
