import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('a study is made of the recipe, refused, trained by the queue, edited and reported', async ({
  app,
  home,
  page,
}) => {
  const bench = new Workbench(app);
  const { main } = bench;
  await bench.openData(makeTinyData(join(home, 'images')));
  await main.getByRole('heading', { name: /classes$/ }).waitFor();
  await bench.go('Recipe');
  await bench.narrowRecipe(1);

  await test.step('what a kind needs is said', async () => {
    await bench.go('Studies');
    await expect(main).toContainText('No study yet.');
    await main.getByLabel('Kind').selectOption('which-distillation');
    await main.getByRole('button', { name: 'Make a study' }).click();
    await expect(main.getByRole('alert')).toContainText('needs a teacher');
  });

  await test.step('it is made, and shows its trainings and their cost', async () => {
    await main.getByLabel('Kind').selectOption('how-long');
    await main.getByLabel('Lengths in epochs').fill('1\n2');
    await main.getByLabel('Seeds').fill('1');
    await main.getByRole('button', { name: 'Make a study' }).click();
    await expect(main.getByRole('rowheader', { name: '2 epochs' })).toBeVisible();
    await expect(main).toContainText('Still to do: 2 trainings');
  });

  await test.step('the queue trains it, and its results come', async () => {
    await main.getByRole('button', { name: 'Start', exact: true }).click();
    await expect(main.getByRole('status')).toContainText('Done · 2 of 2 finished');
    await expect(main.getByRole('heading', { name: 'Results' })).toBeVisible();
    // McNemar's test, once both are evaluated.
    await expect(
      main
        .getByRole('row', { name: /^2 epochs/ })
        .last()
        .getByRole('cell')
        .last(),
    ).toHaveText(/^\d\.\d{4}$/);
    await expect(main).toContainText('Fewer than three seeds');
  });

  await test.step('it is edited as text, what is wrong is said, and what is finished stays', async () => {
    await main.getByRole('button', { name: 'Edit as text' }).click();
    const text = main.getByRole('textbox', { name: 'The study as YAML' });
    const before = await text.inputValue();
    await text.fill(before.replace('epochs: 2', 'epoch: 2'));
    await main.getByRole('button', { name: 'Save' }).click();
    await expect(main.getByRole('alert')).toContainText('epoch');
    await text.fill(before.replace('name: how-long', 'name: Length'));
    await main.getByRole('button', { name: 'Save' }).click();
    await expect(main.getByRole('heading', { name: 'Length' })).toBeVisible();
    await expect(main.getByRole('status')).toContainText('Done · 2 of 2 finished');
    for (const size of [
      { width: 1280, height: 800 },
      { width: 1920, height: 1080 },
    ])
      await bench.look('studies', size);
    expect(await accessibilityFaults(page)).toEqual([]);
    await main.getByRole('button', { name: 'Edit as text' }).click();
  });

  await test.step('its report opens from the disk in both languages, and has no accessibility fault', async () => {
    const path = await bench.report();
    expect(readFileSync(path, 'utf8')).not.toContain('<script');
    const report = await page.context().newPage();
    await report.goto(`file://${path}`);
    await expect(report.getByRole('heading', { level: 1 })).toHaveText('Study: Length');
    expect(await accessibilityFaults(report)).toEqual([]);
    await report.getByRole('link', { name: '简体中文' }).click();
    await expect(report.getByRole('heading', { level: 1 })).toHaveText('研究：Length');
    await report.close();
  });

  await test.step('a cell leads to its run', async () => {
    await main.getByTitle('Open the run of 2 epochs, seed 0').click();
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Train');
    await bench.reaches('Finished');
  });

  await test.step('the run has a report too, by keyboard into a folder, sound in both themes and languages', async () => {
    await main.getByRole('button', { name: 'Report…' }).focus();
    await page.keyboard.press('Enter');
    const sheet = page.getByRole('dialog', { name: /^Report of / });
    await sheet.getByLabel('Format').press('M');
    await expect(sheet.getByLabel('Format')).toHaveValue('md');
    await sheet.getByLabel('Folder').fill(join(home, 'reports'));
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await expect(sheet.getByRole('status')).toContainText(/reports.*-report\.md$/);
    await page.keyboard.press('Escape');
    await expect(sheet).toBeHidden();
    const path = await bench.report();
    for (const colorScheme of ['light', 'dark'] as const) {
      const report = await page.context().newPage();
      await report.emulateMedia({ colorScheme });
      await report.goto(`file://${path}`);
      await expect(report.getByRole('heading', { level: 1 })).toHaveText(/^Run: /);
      expect(await accessibilityFaults(report)).toEqual([]);
      await report.getByRole('link', { name: '简体中文' }).click();
      await expect(report.getByRole('heading', { level: 1 })).toHaveText(/^运行：/);
      expect(await accessibilityFaults(report)).toEqual([]);
      await report.close();
    }
  });
});
