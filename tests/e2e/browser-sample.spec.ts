import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../../src-main/runs/places.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test } from './fixtures.ts';
import { Workbench, newestRun } from './workbench.ts';

test('the sample data are one click away, and train', async ({ app }) => {
  const bench = new Workbench(app);
  await bench.go('Data');
  await bench.main.getByRole('button', { name: /(Build|Use) sample data/ }).click();
  await expect(bench.main.getByRole('heading', { name: /^\d+ classes$/ })).toBeVisible();
  const heading = await bench.main.getByRole('heading', { name: /^\d+ classes$/ }).innerText();
  expect(parseInt(heading)).toBeGreaterThanOrEqual(6);
  const image = bench.main.getByRole('listbox').getByRole('option').first().locator('img');
  await expect.poll(() => image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(64);

  await bench.go('Recipe');
  await bench.choose('Distillation', 'none');
  await bench.set('Input size', '32');
  await bench.start();
  await bench.reaches('Running');
  await bench.advances(5);
  await bench.main.getByRole('button', { name: 'Stop' }).click();
  await bench.reaches('Stopped');
});

test.describe('with a small sample', () => {
  test.use({
    cache: async ({}, use) => {
      const cache = mkdtempSync(join(tmpdir(), 'stillhouse-cache-'));
      for (const part of ['engine', 'weights']) {
        mkdirSync(join(cacheFolder(), part), { recursive: true });
        symlinkSync(join(cacheFolder(), part), join(cache, part));
      }
      // The file that says that the sample is whole.
      writeFileSync(join(makeTinyData(join(cache, 'sample'), { train: 48 }), 'SOURCES.txt'), '');
      await use(cache);
      rmSync(cache, { recursive: true, force: true });
    },
  });

  test('the sample run goes on without its window', async ({ app, home }) => {
    const bench = new Workbench(app);
    const panel = () => bench.main.getByRole('region', { name: 'Try it with the sample' });
    const teacher = () => panel().getByRole('listitem').filter({ hasText: 'The teacher trains' });
    const runs = (): number =>
      readdirSync(join(home, 'runs')).filter((run) => existsSync(join(home, 'runs', run, 'run.json'))).length;
    await bench.go('Data');
    await panel()
      .getByRole('button', { name: /^Start the sample run/ })
      .click();
    await expect(teacher()).toHaveClass(/here/);

    await app.reopen();
    await bench.go('Data');
    await expect(teacher()).toHaveClass(/here/);
    await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();
    expect(runs()).toBe(1);
    const taught = newestRun(home);

    await app.page.close();
    await expect.poll(runs).toBe(2);
    const { recipe } = JSON.parse(readFileSync(join(newestRun(home), 'run.json'), 'utf8')) as {
      recipe: { model: string; teacherPath: string };
    };
    expect(recipe.model).toBe('deit_tiny_distilled_patch16_224');
    expect(recipe.teacherPath).toContain(join(taught, 'checkpoints'));

    await app.reopen();
    await bench.go('Data');
    await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();
    await expect(panel()).toBeHidden();
  });
});
