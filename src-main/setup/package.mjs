import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { electronOfTests, findElectron, obtainElectron } from './electron.mjs';
import { ROOT, SetupError, ensureBuild, ensurePackages, requireNode, runMain, say } from './steps.mjs';

/**
 * `npm run package`: installers for this system. `--dir` makes the unpacked folder alone, for trying out. Where the
 * release's Electron cannot be had, that folder is made with the one of the tests, and no installer.
 */
const OUTPUT = join(ROOT, 'release');

function fetchedForTests() {
  const { pin, binary } = electronOfTests();
  return existsSync(binary) ? { dist: dirname(binary), version: pin.electron } : null;
}

/**
 * What differs from package.json. An Electron without fuses cannot have them set; a folder for trying out can be
 * debugged, which is how tests start it.
 */
function configOf(release, other, dir) {
  const fuses = dir ? { electronFuses: { enableNodeCliInspectArguments: true } } : {};
  if (release) return { electronDist: dirname(release), ...fuses, ...macSignature() };
  return { electronDist: other.dist, electronVersion: other.version, electronFuses: null };
}

/** Without a certificate a Mac's app is signed for this machine alone, which the hardened runtime does not allow. */
function macSignature() {
  const { CSC_LINK, CSC_NAME } = process.env;
  if (process.platform !== 'darwin' || CSC_LINK || CSC_NAME) return {};
  return { mac: { identity: '-', hardenedRuntime: false } };
}

/** On a hosted machine the variables of a secret that nobody set are there, and empty; electron-builder opens even these. */
function forgetEmpty() {
  for (const name of Object.keys(process.env).filter((name) => /^(WIN_)?CSC_|^APPLE_/.test(name)))
    if (process.env[name] === '') delete process.env[name];
}

async function make(config, dir) {
  const { build } = await import('electron-builder');
  try {
    await build({ projectDir: ROOT, dir, config, publish: 'never' });
  } catch (error) {
    throw new SetupError(
      `electron-builder could not finish: ${error.message.split('\n')[0]}\n` +
        'AppImage, deb, dmg and nsis need tools that electron-builder fetches from its release page; without a way ' +
        'there only --dir works. A dmg is made on macOS alone.',
    );
  }
}

function bytesOf(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

function tellSizes() {
  for (const name of readdirSync(OUTPUT).sort())
    if (!/\.ya?ml$/.test(name))
      say(`${(bytesOf(join(OUTPUT, name)) / 1e6).toFixed(0).padStart(6)} MB  ${join(OUTPUT, name)}`);
}

async function main() {
  requireNode();
  forgetEmpty();
  await ensurePackages();
  await ensureBuild();
  const dir = process.argv.includes('--dir');
  const release = dir ? findElectron() : await obtainElectron();
  const other = release ? null : fetchedForTests();
  const lacking = 'The Electron of a release is not here and cannot be fetched from its release page';
  if (!release && !other) throw new SetupError(`${lacking}. Nothing was packaged.`);
  rmSync(OUTPUT, { recursive: true, force: true });
  await make(configOf(release, other, dir), dir || !release);
  tellSizes();
  if (release) return;
  say(`${lacking}: this folder has Electron ${other.version} of the tests, without fuses. It is for trying out.`);
  if (!dir) throw new SetupError('No installer was made. Run this where that page can be reached, or ask for --dir.');
}

await runMain(main);
// electron-builder leaves a hook behind that would end a process by itself with 0, whatever its exit code.
process.exit();
