import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { openHistory } from '../../src-main/runs/history.ts';
import { epochRow, facts, newRun, stateOf, stepRow } from '../unit/runs/state.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { expect, test as base } from './fixtures.ts';
import { overflow } from './workbench.ts';

/**
 * Every view in both themes and languages, against the images beside this file. After a wanted change:
 * `npm run build && npx playwright test -c tests/e2e/playwright.config.ts --project=chromium browser-look --update-snapshots`,
 * and look at what it drew.
 */
const VIEWS = ['data', 'recipe', 'train', 'checkpoints', 'evaluate', 'export', 'engine', 'weights', 'studies'] as const;
const LOOKS = [
  ['light', 'en'],
  ['dark', 'en'],
  ['light', 'zh-CN'],
  ['dark', 'zh-CN'],
] as const;
/** Widths of words in the typefaces that the images were drawn with. */
const TYPEFACES = '166.0 195.8';
const MOMENT = Date.UTC(2026, 10, 20, 9, 30);

/** The same paths and times on every machine, and a newcomer's empty cache. */
const test = base.extend<object>({
  home: async ({}, use) => {
    const home = join(tmpdir(), 'stillhouse-look');
    const own = { STILLHOUSE_CACHE: join(home, 'cache'), TORCH_HOME: home, HF_HUB_CACHE: home, TZ: 'UTC' };
    const before = Object.fromEntries(Object.keys(own).map((name) => [name, process.env[name]]));
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home);
    Object.assign(process.env, own);
    await use(home);
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(home, { recursive: true, force: true });
  },
});

async function trained(folder: string, lr: number, best: number): Promise<void> {
  const { now } = Date;
  Date.now = () => MOMENT;
  try {
    const run = newRun(folder, { lr });
    for (const step of [10, 20]) await saveCheckpoint(run, facts({ step }), stateOf(step));
    const history = openHistory(run);
    for (let step = 1; step <= 50; step++) {
      const loss = 0.4 + 1.6 * Math.exp(-step / 15) + 0.1 * Math.sin(step * 2.4);
      history.append([{ ...stepRow(step), loss, lossClass: loss * 1.1, lossDistillation: loss * 0.9, lr: (lr * (51 - step)) / 50 }]); // prettier-ignore
      if (step % 10 === 0) history.append([epochRow(step / 10 - 1, best - 40 / step)]);
    }
    history.append([{ type: 'state', time: MOMENT, state: 'finished', error: null }]);
    history.close();
  } finally {
    Date.now = now;
  }
}

/** Runs in the page. */
function widths(): string {
  const pen = document.createElement('canvas').getContext('2d')!;
  return [
    getComputedStyle(document.body).fontFamily,
    getComputedStyle(document.documentElement).getPropertyValue('--mono'),
  ]
    .map((family) => {
      pen.font = `16px ${family}`;
      return pen.measureText('Stillhouse 蒸馏 0.123').width.toFixed(1);
    })
    .join(' ');
}

test('each view looks as it did', async ({ home, launch }) => {
  await trained(join(home, 'runs/first'), 0.001, 61);
  await trained(join(home, 'runs/second'), 0.002, 72);
  const data = makeTinyData(join(home, 'images'));
  const { page } = await launch();
  await page.getByRole('main').getByLabel('Folder', { exact: true }).fill(data);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(page.getByRole('heading', { name: '3 classes' })).toBeVisible();
  const typefaces = await page.evaluate(widths);
  const same = typefaces === TYPEFACES;
  const description = `Other typefaces than those of the images (${typefaces}): the views are not compared.`;
  if (!same) test.info().annotations.push({ type: 'typefaces', description });
  for (const [theme, language] of LOOKS) {
    await page.getByRole('banner').getByRole('combobox').first().selectOption(theme);
    await page.getByRole('banner').getByRole('combobox').last().selectOption(language);
    for (const view of VIEWS) {
      await page.getByRole('navigation').locator(`a[href="#/${view}"]`).click();
      await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
      await page.mouse.move(0, 0);
      expect(await page.evaluate(overflow)).toEqual([]);
      if (!same) continue;
      // What is of this machine (free space, processor, driver) says so; the images of the data are noise.
      await expect(page).toHaveScreenshot(`${view}-${theme}-${language}.png`, {
        mask: [page.locator('.of-machine, main img')],
        maskColor: '#808080',
        maxDiffPixelRatio: 0.001,
      });
    }
  }
});
