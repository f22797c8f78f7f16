import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { createModel } from '../../src-main/model/zoo.ts';
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
    await expect(bench.main.getByText(/^18 images of /)).toBeVisible();
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
    await tile.scrollIntoViewIfNeeded();
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
    await expect(bench.main.getByRole('img', { name: 'What the network sees' })).toBeVisible();
    await expect(bench.main.getByRole('region', { name: 'Decision' }).getByRole('listitem')).toHaveCount(3);
    await bench.main.getByText('Class token', { exact: true }).click();
  });

  for (const tab of ['Try a photo', 'Evaluations']) {
    await bench.main.getByText(tab, { exact: true }).click();
    expect(await accessibilityFaults(page), tab).toEqual([]);
  }
});

/** Weights of a network that two of the list may be, without names of classes. */
function namelessWeights(path: string): string {
  const { specs } = createModel('deit_tiny_patch16_224', { classes: 3, inputSize: 32 });
  const arrays = specs.map(({ name, shape }) => {
    const values = () => Float32Array.from({ length: shapeSize(shape) }, (_, at) => Math.sin(at));
    return { name, shape, dtype: 'F32' as const, values };
  });
  writeFileSync(path, Buffer.concat([...writeSafetensors(arrays, {})]));
  return path;
}

test('a file that two networks fit is taken as a person says, and what was taken is shown', async ({ app, home }) => {
  const bench = new Workbench(app);
  await bench.go('Evaluate');
  await bench.main.getByLabel('Weights', { exact: true }).fill(namelessWeights(join(home, 'plain.safetensors')));
  await bench.main.getByLabel('Folder', { exact: true }).fill(makeTinyData(join(home, 'images')));
  await bench.main.getByRole('button', { name: 'Evaluate', exact: true }).click();
  await expect(bench.main.getByText(/which answer differently/)).toBeVisible();
  const ways = bench.main.getByRole('group', { name: 'What the file may be taken for' });
  await ways.getByRole('button', { name: 'Take vit_tiny_patch16_224' }).click();
  const notes = bench.main.getByRole('list', { name: 'What was taken' });
  await expect(notes.getByText(/is taken for vit_tiny_patch16_224: as it was asked for/)).toBeVisible();
  await expect(notes.getByText(/in their order by code point, as torchvision has it: amber, blue, clay/)).toBeVisible();
  await expect(bench.main.getByLabel('Network', { exact: true })).toHaveValue('vit_tiny_patch16_224');
  const names = join(home, 'names.txt');
  writeFileSync(names, 'clay\nblue\namber\n');
  await bench.main.getByLabel('Class names', { exact: true }).fill(names);
  await bench.main.getByRole('button', { name: 'Evaluate', exact: true }).click();
  await expect(notes.getByText(/by the names that were given/)).toBeVisible();
  expect(await accessibilityFaults(bench.page)).toEqual([]);
});
