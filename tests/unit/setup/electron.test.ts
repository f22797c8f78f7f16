import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import type { PackagePin } from '../../../src-main/install/package-fetch.ts';
import { askOnly, makeWheel, startPackageIndex } from '../../helpers/package-index.ts';

const MODULE = fileURLToPath(new URL('../../../src-main/setup/electron.mjs', import.meta.url));
const { fetchUnbuilt } = (await import(MODULE)) as {
  fetchUnbuilt(pin: PackagePin, folder: string): Promise<string>;
};

it('fetches a wheel with the sources of the downloader, before anything is built', async () => {
  const root = mkdtempSync(join(tmpdir(), 'stillhouse-unbuilt-'));
  mkdirSync(join(root, 'wheels'));
  writeFileSync(join(root, 'one'), randomBytes(300_000));
  const pin = makeWheel(join(root, 'wheels'), 'small-electron', { 'electron/electron': join(root, 'one') });
  const wheel = join(root, 'wheels', pin.file);
  const index = await startPackageIndex({ [wheel]: 'small-electron' });
  askOnly(index);
  try {
    const fetched = await fetchUnbuilt(pin, join(root, 'got'));
    expect(fetched).toBe(join(root, 'got', pin.file));
    expect(readFileSync(fetched)).toEqual(readFileSync(wheel));
  } finally {
    vi.unstubAllEnvs();
    await index.close();
    rmSync(root, { recursive: true, force: true });
  }
});
