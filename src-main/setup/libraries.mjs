import { spawnSync } from 'node:child_process';
import { answers, run, say } from './steps.mjs';

/** What Electron and Chromium load on Debian and Ubuntu. */
export const WINDOW_LIBRARIES = ['libgtk-3-0', 'libnss3', 'libasound2', 'libgbm1', 'libxss1', 'libxtst6'];

/** What does where a system has no package of a name. */
const INSTEAD = { 'chromium-headless-shell': 'chromium' };

/** What the end-to-end tests need besides. */
export const TEST_PACKAGES = [...WINDOW_LIBRARIES, 'chromium-headless-shell', 'xvfb', 'xauth', 'fonts-noto-cjk'];

/**
 * Installs Debian packages that are missing, where that is possible without asking for a password.
 * @returns the names of those still missing; none on a system without dpkg, where nothing is known.
 */
export async function ensureDebianPackages(names) {
  if (process.platform !== 'linux' || !answers('dpkg', '--version')) return [];
  const missing = names.filter((name) => !formsOf(name).some(isInstalled));
  if (missing.length === 0 || process.getuid() !== 0 || !answers('apt-get', '--version'))
    return names.filter(isMissing);
  say(`Installing system packages: ${missing.join(' ')} …`);
  const options = { stdio: ['ignore', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await run('apt-get', ['update', '-qq'], options);
  const available = missing.flatMap((name) => waysOf(name).find(isKnown) ?? []);
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...available], options);
  return names.filter(isMissing);
}

// Since Debian 13 and Ubuntu 24.04 some libraries carry the suffix of the 64-bit time change.
const formsOf = (name) => [name, `${name}t64`];

const waysOf = (name) => [...formsOf(name), ...(INSTEAD[name] ? [INSTEAD[name]] : [])];

const isMissing = (name) => !waysOf(name).some(isInstalled);

function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f=${Status}', name], { encoding: 'utf8' });
  return stdout?.endsWith(' installed');
}

function isKnown(name) {
  const { stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
  return /Candidate: (?!\(none\))/.test(stdout ?? '');
}
