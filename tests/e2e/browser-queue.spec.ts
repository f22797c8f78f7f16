import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test } from './fixtures.ts';
import { Workbench, lastState, newestRun } from './workbench.ts';

const SMALL = { width: 1280, height: 800 };
const LARGE = { width: 1920, height: 1080 };

/** Epochs of the waiting runs, in the order that lies on the disk. */
function waiting(home: string): number[] {
  const { entries } = JSON.parse(readFileSync(join(home, 'queue/queue.json'), 'utf8')) as {
    entries: { recipe: { epochs: number } | null }[];
  };
  return entries.map(({ recipe }) => recipe?.epochs ?? 0);
}

test('runs wait, are moved, removed and taken back, and begin when there is room', async ({ app, home }) => {
  const bench = new Workbench(app);
  const { page } = bench;
  await bench.startLong(makeTinyData(join(home, 'images')));
  const first = newestRun(home);
  const dialog = page.getByRole('dialog', { name: 'Queue' });
  const rows = dialog.getByRole('listitem');

  await test.step('a start beside a run asks what to do', async () => {
    await bench.go('Recipe');
    await bench.set('Epochs', '2');
    await page.getByRole('button', { name: 'Start training' }).click();
    const asked = page.getByRole('dialog', { name: 'Another run is training' });
    await expect(asked.getByRole('button')).toHaveText(['Close', 'Cancel', 'Start anyway', 'Add to queue']);
    await asked.getByRole('button', { name: 'Cancel' }).click();
    await expect(asked).toHaveCount(0);
    await page.getByRole('button', { name: 'Start training' }).click();
    await asked.getByRole('button', { name: 'Add to queue' }).click();
    await expect(page.getByText('Added to the queue: place 1.')).toBeVisible();
    for (const epochs of ['3', '4']) {
      await bench.set('Epochs', epochs);
      await bench.main.getByRole('button', { name: 'Add to queue' }).click();
      await expect(page.getByText(`Added to the queue: place ${Number(epochs) - 1}.`)).toBeVisible();
    }
    expect(waiting(home)).toEqual([2, 3, 4]);
  });

  await bench.look('queue-recipe', SMALL);
  await test.step('they are moved by keys and by drag, which is told', async () => {
    await page.getByRole('button', { name: '3 waiting' }).click();
    await expect(rows).toHaveCount(3);
    await expect(rows.first()).toContainText('images · 2 epochs');
    for (const size of [SMALL, LARGE]) await bench.look('queue', size);
    await rows.first().focus();
    await page.keyboard.press('Alt+ArrowDown');
    await expect.poll(() => waiting(home)).toEqual([3, 2, 4]);
    await expect(dialog.getByText(/: place 2 of 3\.$/)).toHaveCount(1);
    // The focus stays with the run.
    await expect(rows.nth(1)).toBeFocused();
    await rows.nth(2).dragTo(rows.nth(0));
    await expect.poll(() => waiting(home)).toEqual([4, 3, 2]);
    await expect(rows.first()).toContainText('4 epochs');
  });

  await test.step('one is removed and taken back', async () => {
    await rows.nth(1).getByRole('button', { name: /^Remove from the queue/ }).click(); // prettier-ignore
    await expect.poll(() => waiting(home)).toEqual([4, 2]);
    await dialog.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => waiting(home)).toEqual([4, 3, 2]);
    await expect(dialog.getByRole('button', { name: 'Undo' })).toHaveCount(0);
    for (const at of [0, 0]) await rows.nth(at).getByRole('button', { name: /^Remove/ }).click(); // prettier-ignore
    await expect.poll(() => waiting(home)).toEqual([2]);
    await page.keyboard.press('Escape');
  });

  await test.step('a run that a person stops makes the queue wait; it is queued to be resumed', async () => {
    await bench.go('Train');
    await bench.main.getByRole('button', { name: 'Stop' }).click();
    await bench.reaches('Stopped');
    await bench.main.getByRole('button', { name: 'Queue resume' }).click();
    await expect(bench.main.getByRole('button', { name: 'In the queue' })).toBeDisabled();
    await page.getByRole('button', { name: '2 waiting, queue paused' }).click();
    await expect(dialog).toContainText('was stopped by a person');
    await expect(rows.nth(1)).toContainText(/^2Resume /);
    await page.emulateMedia({ colorScheme: 'dark' });
    await bench.look('queue-held', SMALL);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(newestRun(home)).toBe(first);
  });

  await test.step('continued, the next begins and ends, then the one that is resumed', async () => {
    await dialog.getByRole('button', { name: 'Continue queue' }).click();
    await expect.poll(() => newestRun(home)).not.toBe(first);
    await expect.poll(() => lastState(newestRun(home))).toBe('finished');
    await expect.poll(() => lastState(first)).toBe('running');
    await expect(dialog).toContainText('No run waits.');
  });
});
