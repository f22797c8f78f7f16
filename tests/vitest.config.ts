import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Unit, program, parity and service tests; the end-to-end ones belong to Playwright (`tests/e2e`). */
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.cache/vite-tests',
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/e2e/**'],
    // Each fork that loads the engine takes over a gigabyte; the third has a core while others wait for their processes.
    pool: 'forks',
    maxWorkers: 3,
    // Ends a test that hangs; no test may depend on how fast the machine is.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    allowOnly: false,
    passWithNoTests: false,
  },
});
