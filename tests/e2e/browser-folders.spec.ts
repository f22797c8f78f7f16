import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test, type App } from './fixtures.ts';
import { Workbench } from './workbench.ts';

/** Opens data whose splits have these names. */
async function openSplits(app: App, home: string, [train, val]: [string, string]): Promise<Workbench> {
  const bench = new Workbench(app);
  const data = makeTinyData(join(home, 'named'));
  renameSync(join(data, 'train'), join(data, train));
  renameSync(join(data, 'val'), join(data, val));
  await bench.openData(data);
  return bench;
}

test('folders that are not there, or hold no classes, are told with what to do', async ({ app, home }) => {
  const bench = new Workbench(app);
  await bench.openData(join(home, 'nowhere'));
  await expect(bench.main.getByText(`There is no folder at ${join(home, 'nowhere')}.`)).toBeVisible();
  await expect(bench.main.getByText(/Choose a folder that holds/).first()).toBeVisible();
  await bench.openData(home);
  await expect(bench.main.getByText(/holds no class folders with images/)).toBeVisible();
  await bench.go('Recipe');
  await expect(bench.page.getByRole('button', { name: 'Start training' })).toBeDisabled();
});

test('a folder with two readings is read as a person chooses, by the keyboard', async ({ app, home }) => {
  const bench = await openSplits(app, home, ['left', 'right']);
  await expect(bench.main.getByText(/they may be splits, or classes/)).toBeVisible();
  const choices = bench.main.getByRole('group', { name: 'How the folder is to be read' });
  await choices.getByRole('button', { name: 'Read left as train, right as val' }).press('Enter');
  await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();
  await expect(choices.getByText('Read as you chose: left as train, right as val.')).toBeVisible();
  await expect(choices.getByRole('button', { name: 'Read by its contents' })).toBeFocused();
  await bench.page.keyboard.press('Enter');
  await choices.getByRole('button', { name: 'Read as classes' }).click();
  await expect(bench.main.getByRole('heading', { name: '2 classes' })).toBeVisible();
});

test('how a folder was read is noted beside its counts, with the other reading', async ({ app, home }) => {
  const bench = await openSplits(app, home, ['Training', 'Testing']);
  const notes = bench.main.getByRole('list', { name: 'How the folder was read' });
  await expect(notes.getByText(/Training is read as the training images and Testing/)).toBeVisible();
  await notes.getByRole('button', { name: 'Read as classes' }).click();
  await expect(bench.main.getByRole('heading', { name: '2 classes' })).toBeVisible();
  await expect(bench.main.getByText('Read as you chose: as classes.')).toBeVisible();
});
