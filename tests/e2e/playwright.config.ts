import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'playwright/test';
import type { ShellOptions } from './fixtures.ts';

const results = fileURLToPath(new URL('../../test-results', import.meta.url));

/** The app as a person meets it, in a browser and in Electron; `npm test` says where both are. */
export default defineConfig<ShellOptions>({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: join(results, 'e2e'),
  // What trains is tiny, and a test waits more than it computes.
  workers: 2,
  retries: 0,
  forbidOnly: true,
  timeout: 5 * 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list'], ['json', { outputFile: join(results, 'e2e.json') }]],
  use: { screenshot: 'on', viewport: { width: 1280, height: 800 }, actionTimeout: 15_000 },
  projects: [
    {
      name: 'chromium',
      testIgnore: 'electron-*.spec.ts',
      use: {
        shell: 'browser',
        browserName: 'chromium',
        launchOptions: {
          executablePath: process.env.STILLHOUSE_TEST_CHROMIUM ?? '/usr/bin/chromium',
          args: ['--no-sandbox', '--disable-gpu'],
        },
      },
    },
    { name: 'electron', testIgnore: 'browser-*.spec.ts', use: { shell: 'electron' } },
  ],
});
