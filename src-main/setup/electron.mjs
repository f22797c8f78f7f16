import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, ROOT, USER_CACHE, runNode, say } from './steps.mjs';

const PACKAGE = join(ROOT, 'node_modules/electron');
const LONGEST = 5 * 60_000;
const RETRY_AFTER = 24 * 3600_000;

/** Path of npm's Electron binary, or null when it was never fetched. */
export function findElectron() {
  try {
    const path = readFileSync(join(PACKAGE, 'path.txt'), 'utf8');
    const folder = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(PACKAGE, 'dist');
    const binary = join(folder, path);
    return existsSync(binary) ? binary : null;
  } catch {
    return null;
  }
}

/**
 * npm's Electron binary, fetched when it is not there; its package has no install script. A failed attempt is not
 * repeated for a day.
 * @returns its path, or null.
 */
export async function obtainElectron() {
  const there = findElectron();
  if (there) return there;
  const failed = join(CACHE, `no-electron-${JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')).version}`);
  const last = statSync(failed, { throwIfNoEntry: false });
  if (last && Date.now() - last.mtimeMs < RETRY_AFTER) return null;
  say('Fetching Electron …');
  await runNode([join(PACKAGE, 'install.js')], { stdio: ['ignore', 2, 'ignore'], timeout: LONGEST });
  const fetched = findElectron();
  if (!fetched) {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(failed, '');
  }
  return fetched;
}

/** The Electron of the tests (Linux x64): what tests/e2e/electron.json says of it, and where `npm test` puts it. */
export function electronOfTests() {
  const pin = JSON.parse(readFileSync(join(ROOT, 'tests/e2e/electron.json'), 'utf8'));
  const folder = join(USER_CACHE, `electron-${pin.electron}`);
  return { pin, folder, binary: join(folder, pin.binary) };
}
