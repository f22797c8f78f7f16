import { spawnSync } from 'node:child_process';
import { answers, run, say } from './steps.mjs';

/** What Electron and Chromium load on Debian and Ubuntu. */
export const WINDOW_LIBRARIES = ['libgtk-3-0', 'libnss3', 'libasound2', 'libgbm1', 'libxss1', 'libxtst6'];

/** What the end-to-end tests need besides. */
export const TEST_PACKAGES = [...WINDOW_LIBRARIES, 'chromium', 'xvfb', 'xauth', 'fonts-noto-cjk'];

/**
 * Installs Debian packages that are missing, where that is possible without asking for a password.
 * @returns the names of those still missing; none on a system without dpkg, where nothing is known.
 */
export async function ensureDebianPackages(names) {
  if (process.platform !== 'linux' || !answers('dpkg', '--version')) return [];
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0 || process.getuid() !== 0 || !answers('apt-get', '--version')) return missing;
  say(`Installing system packages: ${missing.join(' ')} …`);
  const options = { stdio: ['ignore', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await run('apt-get', ['update', '-qq'], options);
  const available = missing.flatMap((name) => [name, `${name}t64`].find(isKnown) ?? []);
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...available], options);
  return names.filter((name) => !isInstalled(name));
}

// Since Debian 13 and Ubuntu 24.04 some libraries carry the suffix of the 64-bit time change.
function isInstalled(name) {
  return [name, `${name}t64`].some((one) => {
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f=${Status}', one], { encoding: 'utf8' });
    return stdout?.endsWith(' installed');
  });
}

function isKnown(name) {
  const { stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
  return /Candidate: (?!\(none\))/.test(stdout ?? '');
}
