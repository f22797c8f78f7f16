import { join } from 'node:path';
import type { Locator } from 'playwright/test';
import { openHistory } from '../../src-main/runs/history.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { epochRow, newRun, stepRow } from '../unit/runs/state.ts';
import { expect, test, type App } from './fixtures.ts';
import { Workbench, type View } from './workbench.ts';

const VIEWS: View[] = ['Data', 'Recipe', 'Train', 'Checkpoints', 'Evaluate', 'Export', 'Engine', 'Weights', 'Studies'];
const LOOKS = [
  { forcedColors: 'active', colorScheme: 'light', contrast: null },
  { forcedColors: 'active', colorScheme: 'dark', contrast: null },
  { forcedColors: null, colorScheme: 'light', contrast: 'more' },
  { forcedColors: null, colorScheme: 'dark', contrast: 'more' },
] as const;

/** Two runs that ended early, drawn over each other. */
async function openRuns(launch: () => Promise<App>, home: string): Promise<Workbench> {
  for (const [at, id] of ['one', 'two'].entries()) {
    const history = openHistory(newRun(join(home, 'runs', id)));
    const steps = Array.from({ length: 20 }, (_, step) => ({ ...stepRow(step + 1), loss: (2 + at) / (1 + step) }));
    history.append([...steps, epochRow(0), epochRow(1)]);
    history.close();
  }
  const app = await launch();
  const bench = new Workbench(app);
  await bench.openData(makeTinyData(join(home, 'images')));
  await bench.go('Train');
  await bench.main.getByRole('button', { name: 'Compare with' }).click();
  await app.page.getByRole('menuitemcheckbox').first().click();
  await app.page.keyboard.press('Escape');
  return bench;
}

/** How an element looks, with a little around it, where its ring is. */
async function seen(element: Locator): Promise<Buffer> {
  await element.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await element.boundingBox())!;
  const clip = { x: x - 5, y: y - 5, width: width + 10, height: height + 10 };
  const png = (await element.page().screenshot({ clip, animations: 'disabled', caret: 'hide' })).toString('base64');
  return Buffer.from(await element.page().evaluate(pixelsOf, png), 'latin1');
}

/** Runs in the page: the pixels of an image, a character of each of their four numbers. */
async function pixelsOf(base64: string): Promise<string> {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext('2d')!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let text = '';
  for (let row = 0; row < data.length; row += 4096) text += String.fromCharCode(...data.subarray(row, row + 4096));
  return text;
}

/** How many pixels differ as much as WCAG asks of marks: by 3:1 of contrast. */
function differing(one: Buffer, other: Buffer): number {
  let count = 0;
  for (let at = 0; at < one.length; at += 4) {
    const [a, b] = [luminance(one, at), luminance(other, at)];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) >= 3) count++;
  }
  return count;
}

/** The light of each value of a channel, as sRGB has it. */
const LIGHT = Array.from({ length: 256 }, (_, value) => {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
});

function luminance(pixels: Buffer, at: number): number {
  return 0.2126 * LIGHT[pixels[at]] + 0.7152 * LIGHT[pixels[at + 1]] + 0.0722 * LIGHT[pixels[at + 2]];
}

/** Pixels that are not as the first is. */
function marks(pixels: Buffer): number {
  return differing(pixels, Buffer.alloc(pixels.length, pixels.subarray(0, 4)));
}

test('what is focused, chosen, switched and measured can be seen in every look', async ({ launch, home }) => {
  const bench = await openRuns(launch, home);
  const { main, page } = bench;
  for (const look of LOOKS) {
    const name = `${look.forcedColors ? 'forced colours' : 'more contrast'}, ${look.colorScheme}`;
    await page.emulateMedia(look);

    await test.step(`a switch: ${name}`, async () => {
      const box = main.getByRole('checkbox', { name: 'log x' });
      const off = await seen(box);
      await box.check();
      await page.mouse.move(0, 0);
      expect(differing(off, await seen(box))).toBeGreaterThan(8);
      await box.uncheck();
    });

    await test.step(`a slider, and where it stands: ${name}`, async () => {
      const slider = main.getByRole('slider');
      const [before, value] = [await seen(slider), await slider.inputValue()];
      expect(marks(before)).toBeGreaterThan(200);
      await slider.press('Home');
      expect(differing(before, await seen(slider))).toBeGreaterThan(80);
      await slider.fill(value);
    });

    await test.step(`a meter, and where it stands: ${name}`, async () => {
      const meter = main.getByRole('progressbar').first();
      const part = await seen(meter);
      const before = await meter.evaluate((element: HTMLProgressElement) => {
        const { value } = element;
        element.value = 1;
        return value;
      });
      expect(differing(part, await seen(meter))).toBeGreaterThan(200);
      await meter.evaluate((element: HTMLProgressElement, value) => (element.value = value), before);
    });

    await test.step(`the focus: ${name}`, async () => {
      for (const one of [
        main.getByRole('button', { name: 'Save numbers' }),
        main.getByRole('radio', { name: 'Epoch' }).locator('..'),
        page.getByRole('navigation').getByRole('link', { name: /^Data/ }),
      ]) {
        const plain = await seen(one);
        const target = (await one.locator('input').count()) ? one.locator('input') : one;
        await page.keyboard.press('Tab');
        await target.focus();
        expect(differing(plain, await seen(one))).toBeGreaterThan(60);
        await target.evaluate((element: HTMLElement) => element.blur());
      }
    });

    await test.step(`what is chosen: ${name}`, async () => {
      const link = page.getByRole('navigation').getByRole('link', { name: /^Export/ });
      const before = await seen(link);
      await bench.go('Export');
      await page.mouse.move(0, 0);
      await link.evaluate((element: HTMLElement) => element.blur());
      expect(differing(before, await seen(link))).toBeGreaterThan(60);
      await bench.go('Train');
    });

    await test.step(`the runs of a chart, and which is hidden: ${name}`, async () => {
      const legend = main.getByRole('figure', { name: 'Loss', exact: true }).getByRole('list', { name: 'Runs' });
      const swatches = legend.locator('.swatch');
      const colors = await swatches.evaluateAll((all) =>
        all.map((one) => getComputedStyle(one.firstElementChild!).stroke),
      );
      expect(new Set(colors).size).toBe(2);
      for (const one of await swatches.all()) expect(marks(await seen(one))).toBeGreaterThan(40);
      const button = legend.getByRole('button').first();
      const shown = await seen(button);
      await button.click();
      await page.mouse.move(0, 0);
      await expect(button).toHaveAttribute('aria-pressed', 'false');
      expect(differing(shown, await seen(button))).toBeGreaterThan(30);
      await button.click();
    });
    await bench.look(`contrast-${look.forcedColors ?? look.contrast}-${look.colorScheme}`, {
      width: 1280,
      height: 800,
    });
  }
});

test('nothing moves where less motion is asked for', async ({ launch, home }) => {
  const bench = await openRuns(launch, home);
  const { page } = bench;
  const moving = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const view of VIEWS) {
      await bench.go(view);
      found.push(...(await page.evaluate(movingParts)));
    }
    return found;
  };
  await page.evaluate(() => {
    const [sheet] = [...document.styleSheets];
    sheet.insertRule('nav a { transition: color 1s }', 0);
  });
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  expect((await moving()).length).toBeGreaterThan(0);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  expect(await moving()).toEqual([]);
});

/** Runs in the page: what has an animation or a transition. */
function movingParts(): string[] {
  return [...document.querySelectorAll('*')]
    .filter((element) => {
      const { animationName, transitionDuration } = getComputedStyle(element);
      return animationName !== 'none' || /[1-9]/.test(transitionDuration);
    })
    .map(({ tagName, className }) => `${tagName}.${String(className)}`);
}
