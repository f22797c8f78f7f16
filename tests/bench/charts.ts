import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { chromium, type Page } from 'playwright';
import { build, preview, type InlineConfig } from 'vite';
import { CHROMIUM } from '../helpers/chromium.ts';
import type { Frames } from './charts/frames.ts';

/**
 * `npm run bench -- charts [--runs N] [--points N] [--seconds N] [--image FILE]`: frames of one chart, and of as many
 * as the Train view shows on a screen of 1280 x 800, with many long runs beside each other while they are zoomed and
 * panned in Chromium; before them those of a page where only a dot moves. Times mean something on a machine at rest
 * only, but for the processor's; how far the image is from all points is a test
 * (`tests/unit/renderer/pixel-columns.test.ts`).
 */
const root = fileURLToPath(new URL('../../../tests/bench/charts', import.meta.url));
const folder = fileURLToPath(new URL('./charts-page', import.meta.url));

const option = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const at = (values: number[], share: number): number =>
  [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? NaN;
const tell = (name: string, values: number[]): string =>
  `  ${name}: median ${at(values, 0.5).toFixed(1)}, p95 ${at(values, 0.95).toFixed(1)}, max ${at(values, 1).toFixed(1)} ms`;

/** Charts in sight; none is the page at rest. */
const CHARTS = [0, 1, 4];
const [runs, points, seconds] = [option('runs', '20'), option('points', '300000'), option('seconds', '5')].map(Number);

/** Milliseconds of the processor that the page's main thread has used. */
async function threadTime(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'ThreadTime')?.value ?? NaN);
  };
}

async function measure(page: Page, address: string, charts: number): Promise<void> {
  await page.goto(address);
  if (charts > 0) await page.evaluate(`bench.mount(${runs}, ${points}, ${charts})`);
  await page.waitForTimeout(1000);
  const image = option('image', '');
  if (image && charts > 0) await page.screenshot({ path: join(process.cwd(), `${charts}-${image}`) });
  const used = await threadTime(page);
  const before = await used();
  const work = charts > 0 ? 'drive' : 'rest';
  const { between, script, longTasks, drawings } = await page.evaluate<Frames>(`bench.${work}(${seconds})`);
  const processor = (await used()) - before;
  const quick = between.filter((time) => time <= 1000 / 60 + 1).length / between.length;
  console.log(charts > 0 ? `${charts} charts of ${runs} runs of ${points} points` : 'A page where a dot moves');
  console.log(tell('between frames', between));
  console.log(tell('script a frame', script));
  console.log(`  processor time of the main thread: ${(processor / between.length).toFixed(1)} ms a frame`);
  const share = `${(100 * quick).toFixed(0)} % of ${between.length} frames at 60 a second`;
  console.log(`  ${share}; ${longTasks.length} tasks over 50 ms`);
  if (charts > 0) console.log(`  drawn a second, each chart: ${drawings.map((rate) => rate.toFixed(0)).join(', ')}`);
}

async function main(): Promise<void> {
  const define = { __VUE_I18N_LEGACY_API__: false, __INTLIFY_PROD_DEVTOOLS__: false };
  const shared = {
    root,
    base: './',
    configFile: false,
    logLevel: 'warn',
    plugins: [vue()],
    define,
  } satisfies InlineConfig;
  await build({ ...shared, mode: 'production', build: { outDir: folder, emptyOutDir: true } });
  const server = await preview({ ...shared, build: { outDir: folder }, preview: { port: 0, host: '127.0.0.1' } });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const load = loadavg()[0].toFixed(1);
    console.log(`${cpus().length} x ${cpus()[0].model}, load ${load}, Chromium ${browser.version()}`);
    for (const charts of CHARTS) await measure(page, server.resolvedUrls!.local[0], charts);
  } finally {
    await browser.close();
    await server.close();
  }
}

await main();
