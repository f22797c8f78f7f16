import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWeightFile } from '../../src-main/formats/weight-file.ts';
import { openFile } from '../../src-main/runs/file-source.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test } from './fixtures.ts';
import { LONG, Workbench, newestRun, type View } from './workbench.ts';

const VIEWS: View[] = ['Data', 'Recipe', 'Train', 'Checkpoints', 'Evaluate', 'Export', 'Engine', 'Weights', 'Studies'];
const SIZES = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
];

// The longest test: its file begins first in each shell, so that no core waits for it in the end.
test('from a folder of images to a distilled, exported model', async ({ app, home, shell }) => {
  const bench = new Workbench(app);
  const data = makeTinyData(join(home, 'images'));
  writeFileSync(join(data, 'train', 'blue', 'no-image.jpg'), 'text');

  await test.step('the engine is there, and verifies', async () => {
    await bench.go('Engine');
    const cpu = bench.main.getByRole('region', { name: 'CPU', exact: true });
    await cpu.getByRole('button', { name: 'Verify' }).click();
    await expect(cpu.getByText('ready', { exact: true })).toBeVisible();
  });

  await test.step('the page says whether a GPU computes', async () => {
    const gpu = bench.main.getByRole('region', { name: 'GPU' });
    await gpu.getByRole('button', { name: 'Look again' }).click();
    await expect(gpu.getByRole('button', { name: 'Look again' })).toBeEnabled();
    await expect(gpu.getByText(/^No GPU computes$|^cuda:\d+ computes$/)).toBeVisible();
  });

  await test.step('the data are counted, shown and checked', async () => {
    await bench.openData(data);
    await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();
    await expect(bench.main.getByRole('row', { name: /blue 17 6/ })).toBeVisible();
    const image = bench.main.getByRole('option', { name: /amber-0\.png/ }).locator('img');
    await expect.poll(() => image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(32);
    await bench.main.getByRole('button', { name: 'Check all images' }).click();
    await expect(bench.main.getByRole('button', { name: 'Unreadable left out 1' })).toBeVisible();
    await expect(bench.main.getByRole('row', { name: /train\/blue\/no-image\.jpg/ })).toBeVisible();
  });

  await test.step('a teacher is trained', async () => {
    await bench.go('Recipe');
    await bench.main.getByText('Train a teacher', { exact: true }).first().click();
    await bench.tinyRecipe(1);
    await bench.start();
    await bench.reaches('Finished');
  });

  await test.step('a student is distilled from it, live', async () => {
    await bench.go('Recipe');
    await bench.main.getByText('Distil a student', { exact: true }).first().click();
    await bench.narrowRecipe(LONG, { distillation_type: 'hard' });
    await bench.choose('Teacher weights', { index: 1 });
    await bench.start();
    await bench.reaches('Running');
    const chart = bench.main.getByRole('img', { name: /^Loss/ });
    await bench.advances(0);
    const before = await chart.screenshot();
    await bench.advances(await bench.steps());
    expect(before.equals(await chart.screenshot())).toBe(false);
    await expect.poll(() => bench.fact('Images/s')).toMatch(/^[\d.,]+$/);
    await expect.poll(() => bench.fact('Last Acc@1')).toMatch(/%/);
  });

  await test.step('training goes on while no window is open', async () => {
    const steps = await bench.steps();
    await app.reopen();
    await bench.go('Train');
    await bench.reaches('Running');
    await bench.advances(steps);
  });

  await test.step('it stops, the window closes, comes back, and it resumes', async () => {
    await bench.main.getByRole('button', { name: 'Stop' }).click();
    await bench.reaches('Stopped');
    const steps = await bench.steps();
    if (shell === 'browser') await app.reopen();
    else await bench.page.reload();
    await bench.go('Train');
    await bench.reaches('Stopped');
    await expect.poll(() => bench.steps()).toBe(steps);
    await bench.main.getByRole('button', { name: 'Resume', exact: true }).click();
    await bench.reaches('Running');
    await bench.advances(steps);
    await bench.main.getByRole('button', { name: 'Stop' }).click();
    await bench.reaches('Stopped');
  });

  await test.step('checkpoints are listed, and one is deleted', async () => {
    await bench.go('Checkpoints');
    const rows = bench.main.getByRole('row').filter({ hasText: '.safetensors' });
    await expect(rows.first()).toBeVisible();
    const count = await rows.count();
    expect(count).toBeGreaterThan(1);
    const file = (await rows.last().getByRole('cell').nth(6).innerText()).trim();
    await rows
      .last()
      .getByRole('button', { name: /Delete/ })
      .click();
    await bench.page.getByRole('button', { name: 'Delete checkpoint' }).click();
    await expect(rows).toHaveCount(count - 1);
    expect(existsSync(join(newestRun(home), 'checkpoints', file))).toBe(false);
  });

  await test.step('it is exported in both formats', async () => {
    await bench.go('Export');
    await bench.main.getByText('PyTorch .pth', { exact: true }).click();
    await bench.main.getByRole('button', { name: 'Export', exact: true }).click();
    for (const name of [/\.safetensors /, /\.pth /]) await expect(bench.main.getByRole('row', { name })).toBeVisible();
    const folder = join(newestRun(home), 'exports');
    // The check of each lies beside it.
    const files = readdirSync(folder)
      .filter((name) => !name.endsWith('.json'))
      .sort();
    expect(files.map((name) => name.split('.').pop())).toEqual(['pth', 'safetensors']);
    for (const name of files) expect(headOf(join(folder, name))).toEqual([3, 32]);
  });

  await test.step('it looks well in both themes and sizes', async () => {
    for (const theme of ['light', 'dark'] as const) {
      await bench.page.getByRole('combobox', { name: 'Theme' }).selectOption(theme);
      for (const view of VIEWS) {
        await bench.go(view);
        for (const size of SIZES) await bench.look(`${shell}-${view.toLowerCase()}-${theme}`, size);
      }
    }
  });
});

/** Shape of the distillation head in a weight file that our own reader opens. */
function headOf(path: string): readonly number[] | undefined {
  const source = openFile(path);
  try {
    return openWeightFile(source, path).tensors.get('head_dist.weight')?.shape;
  } finally {
    source.close();
  }
}
