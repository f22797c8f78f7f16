import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError, toPlainError } from '../../src-main/protocol/errors.ts';
import { saveCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { writeBadStep } from '../../src-main/runs/bad-step.ts';
import { openHistory } from '../../src-main/runs/history.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { sealFolder } from '../helpers/sealed-folder.ts';
import { epochRow, facts, newRun, recipe, stateOf, stepRow } from '../unit/runs/state.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

async function trained(folder: string, lr: number, acc1: number): Promise<void> {
  const run = newRun(folder, { lr });
  for (const step of [10, 20]) await saveCheckpoint(run, facts({ step }), stateOf(step));
  const history = openHistory(run);
  history.append([stepRow(10), epochRow(0, acc1), stepRow(20), epochRow(1, acc1 - 5)]);
  history.close();
}

test('runs are filtered, noted, compared, deleted and taken back', async ({ launch, home }) => {
  await trained(join(home, 'runs/one'), 0.001, 61);
  await trained(join(home, 'runs/two'), 0.002, 72);
  const bench = new Workbench(await launch());
  await bench.go('Checkpoints');
  const rows = bench.main.getByRole('row').filter({ hasText: 'deit_tiny_patch16_224' });
  await expect(rows).toHaveCount(2);

  await test.step('a tag is found by the filter', async () => {
    await bench.main.getByRole('button', { name: /^Acc@1 last/ }).click();
    await rows.first().click();
    await expect(bench.main.getByRole('heading', { name: 'two' })).toBeVisible();
    await bench.main.getByLabel('Tags', { exact: true }).fill('ablation');
    await bench.main.getByRole('button', { name: 'Save', exact: true }).click();
    await expect(rows.filter({ hasText: 'ablation' })).toHaveCount(1);
    await bench.main.getByLabel('Filter', { exact: true }).fill('-tag:ablation acc1:>60');
    await expect(rows).toHaveCount(1);
    await bench.main.getByLabel('Filter', { exact: true }).fill('');
  });

  await test.step('one goes on from a path that is typed', async () => {
    const from = bench.main.getByLabel('Resume from');
    await from.fill(join(home, 'runs/none'));
    await bench.page.keyboard.press('Enter');
    await expect(bench.main.getByRole('alert')).toContainText('runs/none');
    await from.fill(join(home, 'runs/one/checkpoints/any.safetensors'));
    await bench.page.keyboard.press('Enter');
    await bench.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  });

  await test.step('two are compared', async () => {
    await bench.main.getByRole('checkbox', { name: 'Select all' }).check();
    await bench.main.getByRole('button', { name: 'Compare 2' }).click();
    const dialog = bench.page.getByRole('dialog', { name: 'Compare runs' });
    await expect(dialog.getByRole('row', { name: /0\.002 0\.001/ })).toBeVisible();
    await expect(dialog.getByRole('row', { name: /72 61/ })).toBeVisible();
    await bench.page.keyboard.press('Escape');
  });

  await test.step('a run and a checkpoint go to the trash and come back', async () => {
    const files = bench.main.getByRole('row').filter({ hasText: '.safetensors' });
    await expect(files).toHaveCount(2);
    await files.last().getByRole('button', { name: /Delete/ }).click(); // prettier-ignore
    await bench.page.getByRole('button', { name: 'Delete checkpoint' }).click();
    await expect(files).toHaveCount(1);
    await bench.main.getByRole('button', { name: 'Delete run…' }).click();
    await bench.page.getByRole('button', { name: 'Move to trash' }).click();
    await expect(rows).toHaveCount(1);
    await bench.main.getByRole('button', { name: /^Trash/ }).click();
    const trash = bench.page.getByRole('dialog', { name: 'Trash' });
    await trash.getByRole('row', { name: /two/ }).getByRole('button', { name: /Restore/ }).click(); // prettier-ignore
    await expect(rows).toHaveCount(2);
    await trash.getByRole('button', { name: /^Empty trash/ }).click();
    await bench.page.getByRole('button', { name: 'Remove for good' }).click();
    await expect(trash.getByText('The trash is empty.')).toBeVisible();
  });
});

test('menus lie over the page, and take mouse and keyboard', async ({ launch, home }) => {
  await trained(join(home, 'runs/one'), 0.001, 61);
  await trained(join(home, 'runs/two'), 0.002, 72);
  const bench = new Workbench(await launch());
  const { main, page } = bench;
  const picker = page.getByRole('banner').getByRole('button', { name: /^Run/ });
  const [title, one] = [main.getByRole('heading', { level: 1 }), page.getByRole('menuitemradio', { name: 'one' })];
  await bench.go('Train');
  await picker.click();
  await one.click();
  await expect(title).toContainText('one');
  await expect(one).toBeHidden();
  await picker.press('Enter');
  await expect(one).toHaveAttribute('data-state', 'checked');
  await page.keyboard.press('t');
  await page.keyboard.press('Enter');
  await expect(title).toContainText('two');

  await main.getByRole('button', { name: 'Compare with' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'one' }).click();
  await page.keyboard.press('Escape');
  const legend = main.getByRole('figure', { name: 'Loss', exact: true }).getByRole('list', { name: 'Runs' });
  await expect(legend.getByRole('button')).toHaveCount(2);
  await main.getByRole('button', { name: 'Save numbers' }).click();
  const items = page.getByRole('menuitem');
  await expect(items.first()).toBeVisible();
  for (const item of await items.all()) await item.hover();
  await page.keyboard.press('Escape');
  await expect(items).toHaveCount(0);
});

test('a loss that is not finite shows the batch that made it', async ({ launch, home }) => {
  const data = makeTinyData(join(home, 'images'));
  const classes = ['amber', 'blue', 'clay'];
  const run = newRun(join(home, 'runs/diverged'));
  const position = { epoch: 0, batch: 6, step: 6, lossSum: 1 };
  const losses = { loss: NaN, lossClass: NaN, lossDistillation: 3 };
  const files = Array.from({ length: 12 }, (_, at) => `train/${classes[at % 3]}/${classes[at % 3]}-${at}.png`);
  const batch = { files, images: new Uint8Array(), noise: null, labels: Int32Array.from(files, (_, at) => at % 3) };
  writeBadStep(run, { position, batch, lr: 0.01, losses }, recipe({ dataPath: data }), classes, { checkpoint: null, spoilt: ['head.weight'] }); // prettier-ignore
  const history = openHistory(run);
  const error = toPlainError(new StillhouseError('run.overflow', { loss: 'NaN', step: 7, name: 'head.weight' }));
  history.append([stepRow(6), { type: 'state', time: 1e12 + 7, state: 'failed', error }]);
  history.close();
  const bench = new Workbench(await launch());
  await bench.go('Train');
  await bench.main.getByRole('button', { name: 'See the batch' }).click();
  const dialog = bench.page.getByRole('dialog', { name: 'The batch of step 7' });
  await expect(dialog.getByText('was spoilt already: head.weight')).toBeVisible();
  const images = dialog.getByRole('option');
  await expect(images).toHaveCount(12);
  await images.nth(4).click();
  await expect(dialog.getByText(files[4], { exact: true })).toBeVisible();
  await expect
    .poll(() => images.locator('img').evaluateAll((all: HTMLImageElement[]) => all.map((one) => one.naturalWidth > 0)))
    .toEqual(files.map(() => true));
  await bench.look('batch', { width: 1280, height: 800 });
  expect(await accessibilityFaults(bench.page)).toEqual([]);
  await bench.page.keyboard.press('Escape');

  rmSync(join(run, 'non-finite.json'));
  await bench.main.getByRole('button', { name: 'See the batch' }).click();
  await expect(bench.page.getByText(/does not tell which batch it was: the file is gone/)).toBeVisible();
});

test('a run that can only be read offers nothing that writes into it, and says why', async ({ launch, home }) => {
  const folder = join(home, 'runs/sealed');
  await trained(folder, 0.001, 61);
  const release = sealFolder(folder);
  try {
    const bench = new Workbench(await launch());
    const { main, page } = bench;
    const why = 'This run can only be read: nothing can be written into its folder.';
    await bench.go('Checkpoints');
    await expect(main.getByText('read-only', { exact: true })).toBeVisible();
    await expect(main.getByText(why)).toBeVisible();
    const files = main.getByRole('row').filter({ hasText: '.safetensors' });
    await expect(files).toHaveCount(2);
    for (const name of [/^Pin/, /^Resume/, /^Delete/])
      await expect(files.first().getByRole('button', { name })).toBeDisabled();
    await expect(files.first().getByRole('button', { name: /^Fine-tune/ })).toBeEnabled();
    for (const name of ['Save', 'Delete run…']) await expect(main.getByRole('button', { name })).toBeDisabled();
    await expect(main.getByRole('button', { name: 'Pin sealed' })).toBeDisabled();

    await bench.go('Train');
    await expect(main.getByText(why)).toBeVisible();
    // Also in what it says of its end.
    for (const name of [/^Resume/, 'Queue resume', /^Delete/])
      for (const button of await main.getByRole('button', { name }).all()) await expect(button).toBeDisabled();
    await page.keyboard.press('Alt+r');
    await expect(page.getByText(`Resume run: ${why}`)).toBeVisible();

    await bench.go('Evaluate');
    await expect(main.getByRole('button', { name: 'Evaluate', exact: true })).toBeDisabled();
    await bench.go('Export');
    await expect(main.getByRole('button', { name: 'Export', exact: true })).toBeDisabled();
    await main.getByLabel('Write to').fill(join(home, 'elsewhere.safetensors'));
    await expect(main.getByRole('button', { name: 'Export', exact: true })).toBeEnabled();
  } finally {
    release();
  }
});
