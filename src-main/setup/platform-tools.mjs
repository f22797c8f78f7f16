import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError, run, say } from './steps.mjs';

/** What the emulated systems of `npm run platforms` are made of: packages unpacked into a cache folder. */

/** Makes a folder once: whole, or not there. */
export async function once(folder, make) {
  if (existsSync(folder)) return folder;
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  await make(part);
  renameSync(part, folder);
  return folder;
}

/** Runs a command. @throws SetupError where it does not end with 0. */
export async function must(command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) throw new SetupError(`${command} ${args.join(' ')} ended with ${code}.`);
}

/** Returns what a command says. `folder` holds it meanwhile. */
export async function outputOf(folder, command, args, options = {}) {
  const file = join(folder, 'output');
  await must(command, args, { cwd: folder, ...options, stdio: ['ignore', openSync(file, 'w'), 2] });
  const output = readFileSync(file, 'utf8');
  rmSync(file);
  return output;
}

/** Unpacks one of npm's packages, as `name@version`, into the cache. @returns its folder */
export function npmPackage(cache, name) {
  return once(join(cache, name.replace('/', '-')), async (folder) => {
    say(`Fetching ${name} …`);
    await must('npm', ['pack', name, '--silent', '--pack-destination', folder], { stdio: ['ignore', 2, 2] });
    const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'));
    await must('tar', ['xzf', archive, '--strip-components=1'], { cwd: folder });
    rmSync(join(folder, archive));
  });
}

/**
 * Makes the app as a machine of `system` would have it: a copy of this build, which another build leaves alone, with
 * the native packages of that system.
 */
export async function makeApp(cache, system) {
  const app = join(cache, 'app');
  const modules = join(ROOT, 'node_modules');
  rmSync(app, { recursive: true, force: true });
  mkdirSync(join(app, 'node_modules/@koromix'), { recursive: true });
  for (const name of ['dist', 'resources']) cpSync(join(ROOT, name), join(app, name), { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(app, 'package.json'));
  for (const name of readdirSync(modules).filter((file) => !/^(\..*|@koromix|koffi)$/.test(file)))
    symlinkSync(join(modules, name), join(app, 'node_modules', name));
  // It looks for its library beside where it really lies.
  cpSync(join(modules, 'koffi'), join(app, 'node_modules/koffi'), { recursive: true });
  const { version } = JSON.parse(readFileSync(join(modules, 'koffi/package.json'), 'utf8'));
  const koffi = await npmPackage(cache, `@koromix/koffi-${system}@${version}`);
  symlinkSync(koffi, join(app, `node_modules/@koromix/koffi-${system}`));
  return app;
}
