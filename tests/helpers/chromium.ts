import { existsSync } from 'node:fs';

/** Debian's browsers for tests; the first, without a window of its own, takes two thirds of the other's processor time. */
const BROWSERS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];

/** Path of the Chromium that tests and benches open; `STILLHOUSE_TEST_CHROMIUM` names another. */
export const CHROMIUM =
  process.env.STILLHOUSE_TEST_CHROMIUM ?? BROWSERS.find((path) => existsSync(path)) ?? BROWSERS[0];
