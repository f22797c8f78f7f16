import { rmSync } from 'node:fs';
import type { Page } from 'playwright/test';
import { makeManyImages } from '../helpers/many-images.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

/**
 * The image grid of a data set that is taller than a browser lays out. `STILLHOUSE_TEST_IMAGES` says how many
 * images (docs/data.md has the figures of 1,300,000); with the few of the usual test the grid is one wide column.
 */
const COUNT = Number(process.env.STILLHOUSE_TEST_IMAGES ?? 200_000);
const CLASSES = COUNT >= 1_000_000 ? 1000 : 50;
/** Milliseconds of one task that a person does not feel as a stall: held where the figures are made, on an idle machine. */
const STALL = process.env.STILLHOUSE_TEST_IMAGES === undefined ? Infinity : 200;

// The bar is pulled here; Playwright's Chromium has none otherwise.
test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, ignoreDefaultArgs: ['--hide-scrollbars'] });
  },
});

interface Watched {
  tasks: number[];
  nodes: number;
}
declare global {
  interface Window {
    watched: Watched;
  }
}

/** Notes long tasks, and the most elements that the grid ever had. Runs in the page. */
function watchGrid(): void {
  const watched: Watched = (window.watched = { tasks: [], nodes: 0 });
  new PerformanceObserver((list) =>
    list.getEntries().forEach(({ duration }) => watched.tasks.push(Math.round(duration))),
  ).observe({ entryTypes: ['longtask'] });
  const grid = document.querySelector('[role=listbox]')!;
  const count = (): number => (watched.nodes = Math.max(watched.nodes, grid.querySelectorAll('*').length));
  new MutationObserver(count).observe(grid, { childList: true, subtree: true });
}

/** Keeps a figure in the report of the tests, test-results/e2e.json. */
function note(description: string): void {
  test.info().annotations.push({ type: 'figure', description });
}

async function told(page: Page, what: string): Promise<void> {
  const { tasks, nodes } = await page.evaluate(() => {
    const now = { ...window.watched };
    Object.assign(window.watched, { tasks: [], nodes: 0 });
    return now;
  });
  const longest = Math.max(0, ...tasks);
  note(`${what}: ${tasks.length} tasks over 50 ms, the longest ${longest} ms; at most ${nodes} elements`);
  expect(longest, what).toBeLessThan(STALL);
  expect(nodes, what).toBeLessThan(1500);
}

test('a grid of very many images draws few elements and shows the last one', async ({ app, page }) => {
  const folder = makeManyImages(COUNT, CLASSES);
  try {
    const bench = new Workbench(app);
    await bench.openData(folder);
    const grid = bench.main.getByRole('listbox', { name: 'Images' });
    const drawn = grid.locator('img').first();
    await expect(drawn).toBeVisible();
    await page.evaluate(watchGrid);
    if (COUNT < 1_000_000) await grid.evaluate((element: HTMLElement) => (element.style.width = '190px'));
    const box = (await grid.boundingBox())!;
    const option = (index: number) => page.locator(`#image-${index}`);
    const seen = (index: number) =>
      expect
        .poll(() =>
          option(index)
            .locator('img')
            .evaluate((image: HTMLImageElement) => image.naturalWidth),
        )
        .toBe(96);

    await test.step('by the wheel', async () => {
      await page.mouse.move(box.x + 50, box.y + 100);
      const place = () => grid.getByRole('option').first().getAttribute('aria-posinset').then(Number);
      const before = await place();
      for (let turn = 0; turn < 40; turn++) await page.mouse.wheel(0, 240);
      await expect.poll(place).toBeGreaterThan(before + 30);
      await told(page, 'by the wheel');
    });

    await test.step('by the scrollbar to the end', async () => {
      const x =
        box.x + (await grid.evaluate((element: HTMLElement) => (element.clientWidth + element.offsetWidth) / 2));
      const bottom = box.y + box.height;
      await page.mouse.move(x, box.y + 6);
      await page.mouse.down();
      for (let turn = 1; turn <= 30; turn++) await page.mouse.move(x, box.y + 6 + ((box.height + 40) * turn) / 30);
      await page.mouse.up();
      await expect(option(COUNT - 1)).toHaveAttribute('aria-label', /: train\/c.*\.png$/);
      await expect(option(COUNT - 1)).toBeInViewport();
      await seen(COUNT - 1);
      const last = (await option(COUNT - 1).boundingBox())!;
      expect(bottom - last.y - last.height).toBeLessThan(8);
      await told(page, 'by the scrollbar');
    });

    await test.step('by keys', async () => {
      await grid.focus();
      await page.keyboard.press('Home');
      await seen(0);
      for (let turn = 0; turn < 20; turn++) await page.keyboard.press('PageDown');
      await page.keyboard.press('End');
      await expect(option(COUNT - 1)).toHaveAttribute('aria-selected', 'true');
      await seen(COUNT - 1);
      for (let turn = 0; turn < 10; turn++) await page.keyboard.press('ArrowUp');
      const active = await grid.getAttribute('aria-activedescendant');
      await expect(page.locator(`#${active}`)).toBeInViewport({ ratio: 0.9 });
      await told(page, 'by keys');
    });

    await test.step('of one class, and of all again', async () => {
      await bench.main.getByRole('button', { name: 'c0007' }).click();
      await expect(option(0)).toHaveAttribute('aria-label', /^c0007/);
      await seen(0);
      await bench.main.getByRole('button', { name: 'All classes' }).click();
      await expect(option(0)).toHaveAttribute('aria-label', /^c0000/);
      await expect(grid.getByText('Cannot be read')).toHaveCount(0);
      await told(page, 'between classes');
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
