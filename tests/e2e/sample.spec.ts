import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('the sample data are one click away, and train', async ({ app }) => {
  const bench = new Workbench(app);
  await bench.go('Data');
  await bench.main.getByRole('button', { name: /(Build|Use) sample data/ }).click();
  await expect(bench.main.getByRole('heading', { name: /^\d+ classes$/ })).toBeVisible({ timeout: 4 * 60_000 });
  const heading = await bench.main.getByRole('heading', { name: /^\d+ classes$/ }).innerText();
  expect(parseInt(heading)).toBeGreaterThanOrEqual(6);
  const picture = bench.main.getByRole('option').first().locator('img');
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(64);

  await bench.go('Recipe');
  await bench.choose('Distillation', 'none');
  await bench.set('Input size', '32');
  await bench.start();
  await bench.reaches('Running');
  await bench.advances(5);
  await bench.main.getByRole('button', { name: 'Stop' }).click();
  await bench.reaches('Stopped');
});
