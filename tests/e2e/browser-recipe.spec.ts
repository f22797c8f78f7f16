import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('a recipe is searched, compared, foreseen, and goes to a file and back', async ({ app, home }) => {
  const bench = new Workbench(app);
  const { page, main } = bench;
  await bench.openData(makeTinyData(join(home, 'images')));
  await main.getByRole('heading', { name: /classes$/ }).waitFor();
  await bench.go('Recipe');
  await bench.choose('Distillation', 'none');
  await bench.tinyRecipe(20);

  await test.step('what differs from the preset is counted and can be taken back', async () => {
    await expect(main.getByRole('checkbox', { name: 'Changed (4)' })).toBeVisible();
    await main.getByRole('checkbox', { name: 'Changed (4)' }).check();
    await expect(main.getByRole('textbox', { name: /^Learning rate/ })).toHaveCount(0);
    await main.getByRole('button', { name: 'Epochs: back to the default' }).click();
    await expect(main.getByRole('checkbox', { name: 'Changed (3)' })).toBeVisible();
    await main.getByRole('checkbox', { name: 'Changed (3)' }).uncheck();
    await expect(main.getByRole('textbox', { name: /^Epochs/ })).toHaveValue('12');
  });

  await test.step('search finds by name and by flag', async () => {
    await main.getByRole('searchbox').fill('warmup_lr');
    await expect(main.getByRole('textbox', { name: /^Warm-up rate/ })).toBeVisible();
    await expect(main.getByRole('textbox', { name: /^Epochs/ })).toHaveCount(0);
    await main.getByRole('searchbox').fill('');
  });

  await test.step('the rate is drawn, and hours are told from measured steps', async () => {
    await expect(main.getByRole('img', { name: /^Learning rate over 12 epochs: at most 5e-4/ })).toBeVisible();
    await main.getByRole('button', { name: 'Measure a few steps' }).click();
    await expect(main.getByText(/^From a few steps measured at/)).toBeVisible();
    await expect(main.getByText('The whole run', { exact: true })).toBeVisible();
  });

  await test.step('a batch is shown as the training makes it', async () => {
    await main.getByRole('button', { name: 'Show a batch' }).click();
    await expect(main.getByRole('img', { name: /\.png$/ }).first()).toBeVisible();
  });

  await test.step('what is seldom meant is said, and can be started anyway', async () => {
    await main.getByText('Full', { exact: true }).click();
    await bench.set('Warm-up$', '30');
    await expect(main.getByText(/^Warm-up takes 30 of 12 epochs/)).toBeVisible();
    await expect(main.getByRole('button', { name: 'Start anyway' })).toBeEnabled();
  });

  await test.step('a file with faults is refused by line, and its rest can be taken', async () => {
    const buffer = Buffer.from('epochs: many\nlr: 1e-3\nlearning_rte: 1\nwarmup_epochs: 3\n');
    await page.setInputFiles('input[type=file]', { name: 'recipe.yaml', mimeType: 'text/yaml', buffer });
    await expect(main.getByText(/^Line 1: epochs: expected a whole number/)).toBeVisible();
    await expect(main.getByText(/^Line 3: The recipe has an unknown setting: learning_rte/)).toBeVisible();
    await main.getByRole('button', { name: 'Take the rest' }).click();
    await expect(main.getByRole('textbox', { name: 'Warm-up', exact: true })).toHaveValue('3');
  });

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    main.getByRole('button', { name: 'Save as YAML' }).click(),
  ]);
  const file = join(home, 'recipe.yaml');
  await download.saveAs(file);
  expect(readFileSync(file, 'utf8')).toMatch(/^warmup_epochs: 3 # epochs\. /m);
});

test('recent folders are kept, greyed where they are gone, and forgotten', async ({ app, home }) => {
  const bench = new Workbench(app);
  const first = makeTinyData(join(home, 'first'));
  await bench.openData(first);
  await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
  await bench.openData(makeTinyData(join(home, 'second')));
  await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
  const recent = bench.main.getByRole('list', { name: 'Recent folders' });
  await expect(recent.getByRole('button', { name: /first$/ }).first()).toBeEnabled();
  mkdirSync(join(home, 'away'));
  renameSync(first, join(home, 'away', 'first'));
  expect(existsSync(first)).toBe(false);
  await bench.page.reload();
  await bench.go('Data');
  await expect(bench.main.getByTitle(`${first} (not there now)`)).toBeDisabled();
  await bench.main.getByRole('button', { name: `Forget ${first}` }).click();
  await expect(recent).toHaveCount(0);

  await bench.main.locator('.view').dispatchEvent('drop', {
    dataTransfer: await bench.page.evaluateHandle(() => new DataTransfer()),
  });
  await expect(bench.main.getByText(/^A browser does not tell where/)).toBeVisible();
  expect(await accessibilityFaults(bench.page)).toEqual([]);
});
