import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

test('without Slurm a recipe becomes a script, which the list of jobs keeps until it is forgotten', async ({
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

  await test.step('the form says that no Slurm answers, and its script follows what is typed', async () => {
    const where = main.getByRole('radiogroup', { name: 'Where' });
    await where.getByText('Slurm', { exact: true }).click();
    await expect(main).toContainText('No Slurm answers here');
    const script = main.getByRole('region', { name: 'The script', exact: true });
    await expect(script).toContainText('#SBATCH --time=2800');
    await main.getByLabel('Further options').fill('--account=abc');
    await main.getByLabel('Comment').fill('mine');
    const limit = main.getByLabel('Time limit (minutes)');
    await limit.fill('60');
    // Its answer draws the form anew, in which the limit is typed but not yet handed over.
    await expect(script).toContainText('#SBATCH --account=abc');
    await expect(limit).toHaveValue('60');
    await main.getByLabel('Comment').focus();
    await expect(script).toContainText('#SBATCH --time=60');
    await expect(main.getByRole('button', { name: 'Start training' })).toHaveCount(0);
    await bench.look('slurm-form', { width: 1280, height: 800 });
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  await test.step('what sbatch would read otherwise is refused', async () => {
    await main.getByLabel('Further options').fill('--time=3');
    await main.getByLabel('Comment').focus();
    await expect(main.getByRole('alert').filter({ hasText: '--sbatch' })).toBeVisible();
    await main.getByLabel('Further options').fill('');
    await main.getByLabel('Comment').focus();
    await expect(main.getByRole('alert').filter({ hasText: '--sbatch' })).toHaveCount(0);
  });

  await test.step('it is written, listed and forgotten', async () => {
    await main.getByRole('button', { name: 'Write the script' }).click();
    await expect(page.getByText(/^Written, not submitted: /)).toBeVisible();
    const jobs = main.getByRole('table').first();
    await expect(jobs.getByRole('cell', { name: 'Written' })).toBeVisible();
    await bench.look('slurm-jobs', { width: 1280, height: 800 });
    expect(await accessibilityFaults(page)).toEqual([]);
    await jobs.getByRole('button', { name: 'Forget' }).click();
    await expect(main.getByText('Jobs of Slurm')).toHaveCount(0);
  });
});
