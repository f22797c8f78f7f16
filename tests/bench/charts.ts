import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { chromium } from 'playwright';
import { build, preview, type InlineConfig } from 'vite';
import type { Frames } from './charts/page.ts';

/**
 * `npm run bench -- charts [--runs N] [--points N] [--charts N] [--seconds N] [--picture FILE]`: frames of the Train
 * view's charts with many long runs beside each other while they are zoomed and panned in Chromium. Times mean something on a machine at rest only; how far the
 * picture is from all points is a test (`tests/unit/renderer/pixel-columns.test.ts`).
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
  `${name}: median ${at(values, 0.5).toFixed(1)}, p95 ${at(values, 0.95).toFixed(1)}, max ${at(values, 1).toFixed(1)} ms`;

async function main(): Promise<void> {
  const [runs, points, seconds] = [
    Number(option('runs', '20')),
    Number(option('points', '300000')),
    Number(option('seconds', '5')),
  ];
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
  const executablePath = process.env.STILLHOUSE_TEST_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(server.resolvedUrls!.local[0]);
    await page.evaluate(`bench.mount(${runs}, ${points}, ${option('charts', '1')})`);
    await page.waitForTimeout(1000);
    const picture = option('picture', '');
    if (picture) await page.screenshot({ path: join(process.cwd(), picture) });
    const { between, script, longTasks } = await page.evaluate<Frames>(`bench.drive(${seconds})`);
    const quick = between.filter((time) => time <= 1000 / 60 + 1).length / between.length;
    console.log(`${runs} runs of ${points} points, ${cpus().length} x ${cpus()[0].model}, ${browser.version()}`);
    console.log(tell('between frames', between));
    console.log(tell('script a frame', script));
    console.log(
      `${(100 * quick).toFixed(0)} % of ${between.length} frames at 60 a second; ${longTasks.length} tasks over 50 ms`,
    );
  } finally {
    await browser.close();
    await server.close();
  }
}

await main();
