import { readFileSync } from 'node:fs';
import type { Page } from 'playwright/test';
import { ScriptedService } from '../helpers/scripted-service.ts';
import { FIRST_STEPS, feed, heap, serveScripted, stepRows } from '../helpers/window-feed.ts';
import { expect, test as base } from './fixtures.ts';

/**
 * What keeps the window quick, as counts: a chart is drawn once in a frame, and what is long is done in parts. How long
 * its tasks take is measured by `npm run bench -- window`.
 */
const test = base.extend<{ service: ScriptedService; open: () => Promise<Page> }>({
  service: async ({}, use) => use(new ScriptedService()),
  /** Opens the Train view of a service that the test plays. */
  open: async ({ service, chromium, viewport }, use) => {
    const served = await serveScripted(service);
    const context = await (await chromium()).newContext({ viewport });
    await use(async () => {
      const page = await context.newPage();
      await page.goto(served.url);
      await page.getByRole('navigation').getByRole('link', { name: 'Train' }).click();
      return page;
    });
    await context.close();
    await served.close();
  },
});

const TIMES = 60;

test('rows that come quickly are drawn once in a frame, and take the room of their numbers', async ({
  service,
  open,
}) => {
  const run = service.addRun({ state: 'running', epochs: 6, rowsEach: 400 });
  const page = await open();
  const step = factOf(page, 'Step');
  await expect(step).toContainText(String(FIRST_STEPS));
  // A first paint of everything is no part of being fed.
  await feed(page, service, run, 0, TIMES);
  const before = await heap(page);
  await page.evaluate(countDrawing);
  await feed(page, service, run, TIMES, 2 * TIMES);
  const drawn = await page.evaluate(() => window.drawn_charts!);
  const after = await heap(page);
  await expect(step).toContainText((FIRST_STEPS + 3 * TIMES * 10).toLocaleString('en'));
  // Drawn again and again, and not once at the end; each chart once in a frame, however often it was told of rows.
  expect(drawn.drawings).toBeGreaterThan(TIMES / 4);
  expect(drawn.inFrame).toBe(1);
  // A row is 13 numbers; charts and their pyramids hold them a few times over.
  expect(after.bytes - before.bytes).toBeLessThan(2 * TIMES * 10 * 13 * 8 * 10 + 2e6);
  expect(after.nodes - before.nodes).toBeLessThan(200);
});

test('the head of a run says where it is before its history has been read', async ({ service, open }) => {
  service.addRun({ state: 'stopped', epochs: 2 });
  const { 'run.detail': detail } = service.handlers;
  let read = (): void => undefined;
  const asked = new Promise<void>((resolve) => (read = resolve));
  service.handlers['run.detail'] = async (params) => {
    await asked;
    return detail(params);
  };
  const page = await open();
  const { step, stepsPerEpoch, epochs } = service.runs[0];
  const there = [step!, stepsPerEpoch! * epochs].map((count) => count.toLocaleString('en')).join(' / ');
  await expect(factOf(page, 'Step')).toHaveText(there);
  await expect(factOf(page, 'Training time')).not.toHaveText('–');
  await expect(page.getByText('First values after a few steps').first()).toBeVisible();
  read();
  await expect(page.getByText('First values after a few steps')).toHaveCount(0);
  await expect(factOf(page, 'Step')).toHaveText(there);
});

test('a file of every step is written in parts, and the window has its turn between them', async ({
  service,
  open,
}) => {
  const [rows, most] = [40_000, 2000];
  service.append(service.addRun({ state: 'stopped', epochs: 0 }), stepRows(1, rows));
  const page = await open();
  await expect(page.getByText('First values after a few steps')).toHaveCount(0);
  await page.getByRole('button', { name: 'Save numbers' }).click();
  const item = page.getByRole('menuitem', { name: /every step and epoch/ });
  await item.hover();
  await page.evaluate(countParts);
  const [download] = await Promise.all([page.waitForEvent('download'), item.click()]);
  const lines = readFileSync(await download.path(), 'utf8')
    .trim()
    .split('\r\n');
  expect(lines).toHaveLength(1 + rows);
  const parts = await page.evaluate(() => window.parts_made!);
  expect(parts.length).toBeGreaterThanOrEqual(rows / most);
  expect(Math.max(...parts.map(({ lines }) => lines))).toBeLessThanOrEqual(most);
  const turns = parts.map(({ turn }) => turn);
  expect(turns.slice(1).filter((turn, at) => turn <= turns[at])).toEqual([]);
});

const factOf = (page: Page, name: string) =>
  page.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd'); // prettier-ignore

declare global {
  interface Window {
    /** Drawings of charts, and most of one chart in one frame. */
    drawn_charts?: { drawings: number; inFrame: number };
    parts_made?: { lines: number; turn: number }[];
  }
}

/** Runs in the page: a chart puts the pixels of its lines down whenever it draws. */
function countDrawing(): void {
  const all = (window.drawn_charts = { drawings: 0, inFrame: 0 });
  const inFrame = new Map<HTMLCanvasElement, number>();
  let frame: unknown;
  const { prototype } = CanvasRenderingContext2D;
  const { putImageData } = prototype;
  prototype.putImageData = function (this: CanvasRenderingContext2D, ...image: unknown[]) {
    // The timeline stands still during a frame.
    if (document.timeline.currentTime !== frame) inFrame.clear();
    frame = document.timeline.currentTime;
    inFrame.set(this.canvas, (inFrame.get(this.canvas) ?? 0) + 1);
    all.drawings++;
    all.inFrame = Math.max(all.inFrame, inFrame.get(this.canvas)!);
    putImageData.apply(this, image as Parameters<typeof putImageData>);
  };
}

/** Runs in the page: notes each text that becomes a part of a file, and how many turns the page had before. */
function countParts(): void {
  const parts: { lines: number; turn: number }[] = (window.parts_made = []);
  const { port1, port2 } = new MessageChannel();
  let turn = 0;
  port1.onmessage = () => {
    turn++;
    port2.postMessage(null);
  };
  port2.postMessage(null);
  const Own = window.Blob;
  window.Blob = class extends Own {
    constructor(contents: BlobPart[] = [], options?: BlobPropertyBag) {
      super(contents, options);
      const [text] = contents;
      if (typeof text === 'string') parts.push({ lines: text.trimEnd().split('\r\n').length, turn });
    }
  };
}
