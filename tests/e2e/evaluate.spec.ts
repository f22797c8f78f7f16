import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('a checkpoint is evaluated, looked into, and tried on an image', async ({ app, home, page }) => {
  const bench = new Workbench(app);
  const data = makeTinyData(join(home, 'images'));
  await bench.openData(data);
  await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
  await bench.startTiny(1);
  await bench.reaches('Finished');

  await test.step('the report comes', async () => {
    await bench.go('Evaluate');
    await bench.main.getByRole('button', { name: 'Evaluate', exact: true }).click();
    await expect(bench.main.getByText(/^18 images of /)).toBeVisible({ timeout: 90_000 });
    await expect(
      bench.main.getByRole('region', { name: 'Heads' }).getByRole('row', { name: /^Decision/ }),
    ).toBeVisible();
    await expect(bench.main.getByRole('img', { name: /^ECE/ })).toBeVisible();
    await expect(bench.main.getByRole('row', { name: /^amber 6/ })).toBeVisible();
  });

  await test.step('a cell of the matrix shows its images, by the keyboard alone', async () => {
    const matrix = bench.main.getByRole('application', { name: /^Confusion matrix/ });
    await matrix.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('+');
    await expect(bench.main.getByText(/^blue taken for amber: \d+ of 6$/)).toBeVisible();
    await page.keyboard.press('Enter');
    await expect(bench.main.getByText('blue taken for amber', { exact: true })).toBeVisible();
    await bench.main.getByRole('button', { name: 'Clear choice' }).click();
  });

  await test.step('an image opens with what each head answered', async () => {
    await bench.main.getByText('All', { exact: true }).click();
    await expect(bench.main.getByText('18 of 18')).toBeVisible();
    const tile = bench.main.getByRole('button', { name: /clay-0\.png/ });
    await expect.poll(() => tile.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(32);
    await tile.click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('Class: clay')).toBeVisible();
    await expect(dialog.getByRole('region', { name: 'Decision' }).getByRole('listitem')).toHaveCount(3);
    await page.keyboard.press('Escape');
  });

  await test.step('a photo is answered by the newest checkpoint', async () => {
    await bench.main.getByText('Try a photo').click();
    await bench.main.locator('input[type=file]').setInputFiles(join(data, 'val', 'blue', 'blue-0.png'));
    await expect(bench.main.getByRole('img', { name: 'What the network sees' })).toBeVisible({ timeout: 60_000 });
    await expect(bench.main.getByRole('region', { name: 'Decision' }).getByRole('listitem')).toHaveCount(3);
    await bench.main.getByText('Class token', { exact: true }).click();
  });

  for (const tab of ['Try a photo', 'Evaluations']) {
    await bench.main.getByText(tab, { exact: true }).click();
    expect(await accessibilityFaults(page), tab).toEqual([]);
  }
});
