import { readFileSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { newestRun, Workbench } from './workbench.ts';

const SIZES = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
];

test('an export proves what it is, and one that is damaged is found out', async ({ app, home, page }) => {
  const bench = new Workbench(app);
  const row = (name: RegExp) => bench.main.getByRole('row', { name });
  const report = bench.main.getByRole('region', { name: 'Check of the export' });
  await bench.openData(makeTinyData(join(home, 'images')));
  await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
  await bench.startTiny(1);
  await bench.reaches('Finished');
  await bench.go('Export');

  await test.step('what is written is read again and compared', async () => {
    await bench.main.getByRole('button', { name: 'Export', exact: true }).click();
    await expect(report.getByText('The export is what its checkpoint is')).toBeVisible();
    await expect(report.getByText('0 at most, 0 in the mean')).toBeVisible();
    await expect(report.getByText('100.00 %').first()).toBeVisible();
    await expect(report.getByText(/^18 images of .*images · 0 unreadable$/)).toBeVisible();
    await expect(report.getByRole('table', { name: 'Time of a forward pass' }).getByRole('row')).toHaveCount(3);
    await expect(row(/safetensors/).getByText('checked', { exact: true })).toBeVisible();
  });

  await test.step('how to load it is told for this very file', async () => {
    const [file] = readdirSync(join(newestRun(home), 'exports')).filter((name) => name.endsWith('.safetensors'));
    const use = bench.main.getByRole('region', { name: 'How to load it' });
    await expect(use.locator('pre')).toContainText(join(newestRun(home), 'exports', file));
    await use.getByText('Stillhouse', { exact: true }).click();
    await expect(use.locator('pre')).toContainText('npx stillhouse inspect');
    await use.getByText('timm', { exact: true }).click();
  });

  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    for (const size of SIZES) await bench.look(`export-${theme}`, size);
    expect(await accessibilityFaults(page), theme).toEqual([]);
  }

  await test.step('without a check it is listed as not checked, and checked when asked', async () => {
    await bench.main.getByRole('checkbox', { name: /^PyTorch .pth/ }).check();
    await bench.main.getByRole('checkbox', { name: /^safetensors/ }).uncheck();
    await bench.main.getByLabel('Check what was written').uncheck();
    await bench.main.getByRole('button', { name: 'Export', exact: true }).click();
    await expect(row(/\.pth/).getByText('not checked')).toBeVisible();
    await row(/\.pth/)
      .getByRole('button', { name: /^Check/ })
      .click();
    await expect(row(/\.pth/).getByText('checked', { exact: true })).toBeVisible();
  });

  await test.step('a page opens from the disk, offline, and classifies an image', async () => {
    await bench.main.getByRole('checkbox', { name: /^PyTorch .pth/ }).uncheck();
    await bench.main.getByRole('checkbox', { name: /^Demo page/ }).check();
    await bench.main.getByRole('button', { name: 'Export', exact: true }).click();
    await expect(row(/demo\.html/)).toBeVisible();
    const folder = join(newestRun(home), 'exports');
    const name = readdirSync(folder).find((one) => one.endsWith('-demo.html'))!;
    const demo = await page.context().newPage();
    await demo.goto(pathToFileURL(join(folder, name)).href);
    await expect(demo.getByText('Nothing leaves this computer.')).toBeVisible();
    const [kind] = readdirSync(join(home, 'images', 'val')).sort();
    const [image] = readdirSync(join(home, 'images', 'val', kind));
    await demo.locator('#file').setInputFiles(join(home, 'images', 'val', kind, image));
    await expect(demo.locator('#classes li')).toHaveCount(3);
    await expect(demo.locator('figure')).toHaveCount(3);
    const percents = await demo.locator('#classes span').allTextContents();
    expect(percents.reduce((sum, text) => sum + parseFloat(text), 0)).toBeCloseTo(100, 0);
    await demo.close();
  });

  await test.step('a file that was cut off since is unreadable, and fails', async () => {
    const folder = join(newestRun(home), 'exports');
    const file = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.safetensors'))!,
    );
    truncateSync(file, readFileSync(file).length / 2);
    await row(/safetensors/)
      .getByRole('button', { name: /^Check/ })
      .click();
    await expect(report.getByText('The export failed the check')).toBeVisible();
    await expect(report.getByRole('alert')).toContainText('safetensors');
    await expect(row(/safetensors/).getByText('failed')).toBeVisible();
    await bench.look('export-failed', SIZES[0]);
  });

  await test.step('it is deleted after a question, and comes back from the trash', async () => {
    await row(/safetensors/)
      .getByRole('button', { name: /^Delete export/ })
      .click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete export' }).click();
    await expect(row(/safetensors/)).toHaveCount(0);
    await bench.go('Checkpoints');
    await bench.main.getByRole('button', { name: 'Trash (1)' }).click();
    await page.getByRole('dialog', { name: 'Trash' }).getByRole('button', { name: /^Restore/ }).click(); // prettier-ignore
    await expect(page.getByText('The trash is empty.')).toBeVisible();
    await page.keyboard.press('Escape');
    await bench.go('Export');
    await expect(row(/safetensors/).getByText('failed')).toBeVisible();
  });

  await test.step('deleted again, it stays so in a new window', async () => {
    await row(/safetensors/)
      .getByRole('button', { name: /^Delete export/ })
      .click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete export' }).click();
    await expect(row(/safetensors/)).toHaveCount(0);
    await page.reload();
    await bench.go('Export');
    await expect(row(/\.pth/).getByText('checked', { exact: true })).toBeVisible();
    await row(/\.pth/).getByRole('rowheader').getByRole('button').click();
    await expect(report.getByText('The export is what its checkpoint is')).toBeVisible();
  });
});
