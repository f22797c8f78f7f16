import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { engineFolder } from '../../src-main/runs/places.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { servePublished, TINY, type TinyPublished } from '../helpers/tiny-published.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test as base } from './fixtures.ts';
import { Workbench } from './workbench.ts';

const NAME = `${TINY}.tiny`;

/** A server of this machine in place of the authors', and a cache with the engine and nothing else. */
const test = base.extend<{ tiny: TinyPublished }>({
  cache: async ({ home }, use) => {
    const cache = join(home, 'cache');
    mkdirSync(join(cache, 'engine'), { recursive: true });
    symlinkSync(engineFolder(), join(cache, 'engine', 'cpu-2.21.0'));
    await use(cache);
  },
  tiny: [
    async ({ home }, use) => {
      const table = join(home, 'table.json');
      const tiny = await servePublished(table);
      const own = { STILLHOUSE_WEIGHTS_TABLE: table, TORCH_HOME: join(home, 'torch'), HF_HUB_CACHE: join(home, 'hub') };
      const before = Object.fromEntries(Object.keys(own).map((name) => [name, process.env[name]]));
      Object.assign(process.env, own);
      await use(tiny);
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await tiny.server.close();
    },
    { auto: true },
  ],
});

test('weights are fetched, gone on with, tried, taught by, started from and freed', async ({ tiny, launch, home }) => {
  const app = await launch();
  const bench = new Workbench(app);
  const { main, page } = bench;
  const data = makeTinyData(join(home, 'images'));
  await bench.openData(data);
  await main.getByRole('heading', { name: '3 classes' }).waitFor();
  await bench.go('Weights');
  const line = main.getByRole('row', { name: new RegExp(`^${NAME}`) });
  const panel = main.getByRole('region', { name: NAME });

  await test.step('listed', async () => {
    await expect(main.getByRole('row', { name: /^deit_base_patch16_224/ })).toContainText('81.8');
    for (const size of [
      { width: 1920, height: 1080 },
      { width: 1280, height: 800 },
    ])
      await bench.look('weights', size);
  });

  await test.step('searched and chosen by the keyboard', async () => {
    await page.keyboard.press('Alt+W');
    await page.keyboard.type('tiny deit');
    await expect(line).toBeVisible();
    await expect(main.getByRole('status')).toContainText('files');
    await page.keyboard.press('Escape');
    await main.getByLabel('Search').fill(NAME);
    await main.getByRole('region', { name: 'Weights', exact: true }).focus();
    await page.keyboard.press('End');
    await expect(panel).toBeVisible();
    await expect(panel).toContainText('top-1 12.5 %');
  });

  await test.step('cancelled while they arrive, and gone on with', async () => {
    tiny.server.manners.set(tiny.path, [{ stallAt: 60_000 }]);
    await page.keyboard.press('Enter');
    await expect(panel.getByRole('progressbar')).toBeVisible();
    await expect(line).toContainText('%');
    expect(await accessibilityFaults(page)).toEqual([]);
    await bench.look('weights-fetching', { width: 1280, height: 800 });
    await panel.getByRole('button', { name: 'Cancel' }).click();
    await expect(line).toContainText(/kB of ≈ \d+ kB/);
    await line.getByRole('button', { name: `Continue fetching ${NAME}` }).click();
    await expect(line).toContainText('fetched');
    expect(tiny.server.asked.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    await expect(panel).toContainText('met');
  });

  await test.step('a failure says what to do', async () => {
    await main.getByLabel('Address').fill(`${tiny.server.url}/no-such.pth`);
    await page.keyboard.press('Enter');
    await expect(main.getByRole('alert')).toContainText('there is no such file');
    await main.getByLabel('Address').fill('ftp://example.invalid/a.pth');
    await page.keyboard.press('Enter');
    await expect(main.getByRole('alert')).toContainText('hf_hub:owner/name');
  });

  await test.step('a photo is tried on them', async () => {
    await panel.getByRole('button', { name: 'Try a photo' }).click();
    await expect(main.getByText(`Asks ${NAME}`)).toBeVisible();
    await main.getByLabel('Choose image…').last().setInputFiles(join(data, 'val/blue/blue-0.png'));
    await expect(main.getByRole('region', { name: 'Decision' }).getByRole('listitem')).toHaveCount(5);
    await expect(main.getByText(TINY).last()).toBeVisible();
    await expect(main.getByRole('alert')).toHaveCount(0);
  });

  await test.step('a teacher of the recipe', async () => {
    await bench.go('Weights');
    await page.keyboard.press('Alt+H');
    await expect(main.getByRole('heading', { level: 1 })).toContainText('Recipe');
    await expect(main.getByRole('combobox', { name: /^Teacher weights/ })).toHaveValue(
      /test_deit_patch16_32-\w+\.safetensors$/,
    );
  });

  await test.step('a teacher by an address, and by the published name', async () => {
    const teacher = main.getByRole('combobox', { name: /^Teacher weights/ });
    for (const way of ['An address…', `Published: ${NAME}`]) {
      await teacher.selectOption('');
      await expect(teacher).toHaveValue('');
      await teacher.selectOption({ label: way });
      if (way.startsWith('An')) {
        await main.getByRole('textbox', { name: 'Address of the teacher' }).fill(tiny.address);
        await page.keyboard.press('Enter');
      }
      await expect(teacher).toHaveValue(/test_deit_patch16_32-\w+\.safetensors$/);
    }
  });

  await test.step('where a recipe starts, and an address that a recipe begins with', async () => {
    await bench.go('Weights');
    await panel.getByRole('button', { name: 'Start from' }).click();
    const start = main.getByRole('textbox', { name: /^Start from weights/ });
    await expect(start).toHaveValue(/test_deit_patch16_32-\w+\.safetensors$/);
    await start.fill(`${tiny.server.url}/mine.pth`);
    tiny.server.files.set('/mine.pth', tiny.bytes);
    const row = main.locator('.line', { has: page.getByRole('textbox', { name: /^Start from weights/ }) });
    await row.getByRole('button', { name: 'Fetch' }).click();
    await expect(start).toHaveValue(/mine\.pth$/);
    await expect(start).not.toHaveValue(/^http/);
  });

  await test.step('evaluated by their name, and freed', async () => {
    await bench.go('Weights');
    await panel.getByRole('button', { name: 'Evaluate' }).click();
    await expect(main.getByRole('textbox', { name: 'Weights' })).toHaveValue(/test_deit_patch16_32-\w+\.safetensors$/);
    await bench.go('Weights');
    await panel.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expect(panel).toContainText('not here');
  });
});
