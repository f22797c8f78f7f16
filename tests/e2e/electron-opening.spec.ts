import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { createRun } from '../../src-main/runs/run-folder.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, startAgain, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('what a start is given is opened, by the first instance and by later ones', async ({ launch, home }) => {
  const data = makeTinyData(join(home, 'images'), { train: 2, val: 1 });
  const bench = new Workbench(await launch(data));
  const title = bench.main.getByRole('heading', { level: 1 });
  await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();

  const recipe = join(home, 'mine.yaml');
  writeFileSync(recipe, 'epochs: 17\n');
  await startAgain(home, recipe);
  await expect(title).toContainText('Recipe');
  await expect(bench.main.getByRole('textbox', { name: /^Epochs/ })).toHaveValue('17');

  const weights = join(home, 'weights.safetensors');
  writeFileSync(weights, '');
  await startAgain(home, weights);
  await expect(bench.main.getByRole('textbox', { name: 'Start from weights' })).toHaveValue(weights);
  await expect(bench.main.getByRole('combobox', { name: 'Preset' })).toHaveValue('fine-tune');

  const run = join(home, 'elsewhere', 'brought');
  createRun(run, {
    id: 'brought',
    version: '0',
    engine: '',
    dataPath: data,
    recipe: parseRecipe({}),
    classes: ['a', 'b'],
  });
  await startAgain(home, run);
  await expect(title).toContainText('Train');
  await expect(title).toContainText('brought');
});

test('what cannot be opened is told, and the view stays', async ({ app, page, home }) => {
  const bench = new Workbench(app);
  await bench.go('Evaluate');
  const missing = join(home, 'gone.yaml');
  await startAgain(home, missing);
  await expect(page.getByText(`There is no file at ${missing}.`)).toBeVisible();
  const notes = join(home, 'notes.txt');
  writeFileSync(notes, 'a');
  await startAgain(home, notes);
  await expect(page.getByText(`${notes} is nothing that can be opened here.`)).toBeVisible();
  await expect(bench.main.getByRole('heading', { level: 1 })).toContainText('Evaluate');

  // As macOS hands a folder over.
  const data = makeTinyData(join(home, 'images'), { train: 2, val: 1 });
  await app.electron!.evaluate(({ app: main }, path) => {
    (main as NodeJS.EventEmitter).emit('open-file', { preventDefault: () => undefined }, path);
  }, data);
  await expect(bench.main.getByRole('heading', { name: '3 classes' })).toBeVisible();
});
