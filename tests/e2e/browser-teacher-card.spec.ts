import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { copyTeacher, EXPECTED } from '../helpers/teachers.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test("a teacher's card is edited in the window", async ({ app, home, page }) => {
  const bench = new Workbench(app);
  const place = join(home, 'teachers');
  mkdirSync(place);
  const teacher = copyTeacher('plain.onnx', place, 'teacher.onnx');
  const file = `${teacher}.card.json`;
  await bench.openData(makeTinyData(join(home, 'images'), { classes: EXPECTED.classes, train: 4, val: 2 }));
  await bench.main.getByRole('heading', { name: '4 classes' }).waitFor();
  await bench.go('Recipe');
  await bench.choose('Teacher weights', ':file');
  const picker = page.getByRole('dialog');
  await picker.getByRole('textbox', { name: 'Path' }).fill(place);
  await picker.getByRole('textbox', { name: 'Path' }).press('Enter');
  await picker.getByRole('option', { name: 'teacher.onnx' }).click();
  await picker.getByRole('button', { name: 'Choose this file' }).click();
  await bench.main.getByRole('button', { name: 'Edit card…' }).click();

  const form = page.getByRole('dialog', { name: 'Card of the teacher' });
  const field = (name: string) => form.getByRole('textbox', { name });
  await test.step('what is wrong is said beside its field, and nothing is written', async () => {
    await field('Crop ratio').fill('1.5');
    await field('Mean of R, G, B').fill('0.5 0.5');
    await form.getByRole('button', { name: 'Save card' }).click();
    await expect(form.getByRole('alert')).toHaveText(['Three numbers from -1000 to 1000.', 'A number from 0.1 to 1.']);
    expect(await accessibilityFaults(page)).toEqual([]);
  });
  await test.step('what does not fit the teacher is refused by the service', async () => {
    await field('Crop ratio').fill('0.9');
    await field('Mean of R, G, B').fill('0.5 0.5 0.5');
    await field('Classes').fill('only\ntwo');
    await form.getByRole('button', { name: 'Save card' }).click();
    await expect(form.getByRole('alert')).toContainText('classes');
  });
  await test.step('the card is written and taken', async () => {
    await field('Classes').fill(EXPECTED.classes.join('\n'));
    await form.getByRole('combobox', { name: 'Output' }).selectOption('probabilities');
    await form.getByRole('button', { name: 'Save card' }).press('Enter');
    await expect(form).toBeHidden();
    await expect(bench.main.getByText('crop 0.9')).toContainText('mean 0.5 0.5 0.5');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      ...{ mean: [0.5, 0.5, 0.5], cropRatio: 0.9, output: 'probabilities', classes: EXPECTED.classes },
    });
  });
  await test.step('an emptied field is told by the file again', async () => {
    await bench.main.getByRole('button', { name: 'Edit card…' }).click();
    await expect(field('Crop ratio')).toHaveValue('0.9');
    await field('Crop ratio').fill('');
    await form.getByRole('button', { name: 'Save card' }).click();
    await expect(form).toBeHidden();
    expect(readFileSync(file, 'utf8')).not.toContain('cropRatio');
    await bench.main.getByRole('button', { name: 'Edit card…' }).click();
  });
});
