import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('two processes train one run, which waits, trains and goes on with both', async ({ app, home, page }) => {
  const bench = new Workbench(app);
  const { main } = bench;
  await bench.openData(makeTinyData(join(home, 'images')));
  await main.getByRole('heading', { name: /classes$/ }).waitFor();
  await bench.go('Recipe');
  await bench.narrowRecipe(400);

  await test.step('the recipe says what each process gets, and the command that does the same', async () => {
    await main.getByRole('radiogroup', { name: 'Where' }).getByText('Here × N', { exact: true }).click();
    const count = main.getByLabel('Processes on this machine');
    await count.fill('3');
    await count.press('Tab');
    await expect(main.getByText('no multiple of 3')).toBeVisible();
    await count.fill('2');
    await count.press('Tab');
    await expect(main.getByText('4 for each')).toBeVisible();
    await expect(main).toContainText('--nproc 2');
    await bench.look('processes', { width: 1280, height: 800 });
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  await test.step('it trains as one run with a line for each process', async () => {
    await main.getByRole('button', { name: 'Start training' }).click();
    await bench.reaches('Running');
    const ranks = main.getByRole('region', { name: 'Trained by 2 processes' });
    await expect(ranks.getByRole('row')).toHaveCount(3);
    await bench.look('ranks', { width: 1280, height: 800 });
    await main.getByRole('button', { name: 'Stop', exact: true }).click();
    await bench.reaches('Stopped');
  });

  await test.step('the list of runs counts them, and resumed it has both again', async () => {
    await bench.go('Checkpoints');
    await expect(main.getByRole('rowheader', { name: /2 processes$/ })).toBeVisible();
    await bench.go('Train');
    await main.getByRole('button', { name: 'Resume', exact: true }).click();
    await bench.reaches('Running');
    await expect(main.getByRole('region', { name: 'Trained by 2 processes' })).toBeVisible();
    await main.getByRole('button', { name: 'Stop', exact: true }).click();
    await bench.reaches('Stopped');
  });
});
