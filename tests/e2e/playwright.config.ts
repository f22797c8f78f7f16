import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'playwright/test';
import { CHROMIUM } from '../helpers/chromium.ts';
import { CORES } from '../helpers/cores.ts';
import type { ShellOptions } from './fixtures.ts';

const NEVER = 10 * 60_000;
const results = fileURLToPath(new URL('../../test-results', import.meta.url));

/** The app as a person meets it, in a browser and in Electron; `npm test` says where both are. */
export default defineConfig<ShellOptions>({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: join(results, 'e2e'),
  workers: CORES,
  retries: 0,
  forbidOnly: true,
  // These end what hangs; no test may depend on how fast the machine is.
  timeout: 30 * 60_000,
  expect: { timeout: NEVER },
  reporter: [['list'], ['json', { outputFile: join(results, 'e2e.json') }]],
  use: { screenshot: 'only-on-failure', viewport: { width: 1280, height: 800 }, actionTimeout: NEVER },
  projects: [
    {
      name: 'chromium',
      testIgnore: 'electron-*.spec.ts',
      use: {
        shell: 'browser',
        browserName: 'chromium',
        launchOptions: {
          executablePath: CHROMIUM,
          args: ['--no-sandbox', '--disable-gpu'],
        },
      },
    },
    { name: 'electron', testIgnore: 'browser-*.spec.ts', use: { shell: 'electron' } },
  ],
});
