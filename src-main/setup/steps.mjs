import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * What brings a fresh checkout to life: packages, bundles, engine. Plain JavaScript without dependencies, because it
 * runs before anything is installed. Everything it says goes to standard error.
 */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CLI = join(ROOT, 'dist/main/cli.mjs');
export const CACHE = join(ROOT, 'node_modules/.cache/setup');
/** Where the engine is kept, as in `runs/places.ts`. */
export const USER_CACHE = process.env.STILLHOUSE_CACHE || userCache();

function userCache() {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'stillhouse');
  if (process.platform === 'win32')
    return join(LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'stillhouse', 'cache');
  return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'stillhouse');
}

const OLDEST_NODE = [20, 19];
const OUTPUTS = [
  'dist/main/service.process.mjs',
  'dist/main/job.process.mjs',
  'dist/main/onnx.worker.mjs',
  'dist/main/decode.worker.mjs',
  'dist/main/cli.mjs',
  'dist/main/electron.cjs',
  'dist/preload/preload.cjs',
  'dist/renderer/index.html',
];
/** The file that says from which sources the bundles were built; any build empties its folder first. */
const BUILT_FROM = 'dist/main/built-from.sha256';
const SOURCES = ['src-main', 'src-renderer', 'resources', 'electron.config.ts', 'package-lock.json'];

/** Says one line to the person. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Ends with a plain line instead of a stack: for what a person can mend. */
export class SetupError extends Error {}

/** Runs `main`, and turns what it throws into one line and exit code 1. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    say(error instanceof SetupError ? error.message : String(error?.stack ?? error));
    process.exitCode = 1;
  }
}

/** @throws SetupError on a Node that is too old. */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetupError(
    `Stillhouse needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node} (${process.execPath}). ` +
      'Install a newer Node and start again.',
  );
}

/**
 * Runs a command to its end, however long it takes to end after a signal: it may be saving something.
 * @returns its exit code; 127 when there is no such command.
 */
export async function run(command, args, options = {}) {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  const release = passSignals(child);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (error) => (error.code === 'ENOENT' ? resolve(127) : reject(error)));
      child.on('close', (code, signal) => resolve(signal ? 1 : code));
    });
  } finally {
    release();
  }
}

function passSignals(child) {
  const terminate = () => child.kill('SIGTERM');
  // A terminal sends Ctrl-C to the child as well; so does every console of Windows, where `kill` would end it at once.
  const reached = process.stdin.isTTY || process.platform === 'win32';
  const interrupt = () => reached || child.kill('SIGINT');
  process.on('SIGTERM', terminate).on('SIGINT', interrupt);
  return () => process.off('SIGTERM', terminate).off('SIGINT', interrupt);
}

/** Runs a script of this checkout with this Node. */
export function runNode(args, options = {}) {
  return run(process.execPath, args, options);
}

/** True when a command answers. */
export function answers(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Installs the packages that package-lock.json names when they are not there. @throws SetupError */
export async function ensurePackages() {
  if (packagesFit()) return;
  const started = Date.now();
  say('Installing packages (npm ci) …');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  // Nothing of npm's belongs on standard output: a command's result may be piped.
  const stdio = ['inherit', 2, 2];
  const code = npm?.endsWith('.js')
    ? await runNode([npm, ...args], { stdio })
    : await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { stdio, shell: process.platform === 'win32' });
  if (code !== 0)
    throw new SetupError(
      'The packages could not be installed. Check the connection to the npm registry (npm ping) and start again.',
    );
  say(`Packages installed in ${seconds(started)}.`);
}

/** True when node_modules holds what package-lock.json names, version for version. */
function packagesFit() {
  const wanted = packagesOf('package-lock.json');
  const found = packagesOf('node_modules/.package-lock.json');
  if (!wanted || !found) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  );
}

function packagesOf(lockfile) {
  try {
    return JSON.parse(readFileSync(join(ROOT, lockfile), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Builds the bundles when they were built from other sources. @throws SetupError */
export async function ensureBuild() {
  if (!isBuilt()) await alone('build', async () => void (isBuilt() || (await build())));
}

/** Builds the bundles in place, and notes from which sources. @throws SetupError */
export async function build() {
  const started = Date.now();
  say('Building …');
  const sources = hashOfSources();
  const { code, output } = await bundle();
  const missing = OUTPUTS.filter((path) => !existsSync(join(ROOT, path)));
  if (code !== 0 || missing.length > 0) throw new SetupError(`${output}\nThe build failed.`);
  writeFileSync(join(ROOT, BUILT_FROM), sources);
  say(`Built in ${seconds(started)}.`);
}

function bundle() {
  const args = ['node_modules/electron-vite/bin/electron-vite.js', 'build', '--config', 'electron.config.ts'];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

function isBuilt() {
  if (![...OUTPUTS, BUILT_FROM].every((path) => existsSync(join(ROOT, path)))) return false;
  return readFileSync(join(ROOT, BUILT_FROM), 'utf8') === hashOfSources();
}

// By content: times change when nothing else does, and a build empties the folder that other processes run from.
function hashOfSources() {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap(filesUnder)) hash.update(`${path}\0`).update(readFileSync(join(ROOT, path)));
  return hash.digest('hex');
}

function filesUnder(path) {
  if (!statSync(join(ROOT, path)).isDirectory()) return [path];
  const names = readdirSync(join(ROOT, path)).filter((name) => name !== '__pycache__');
  return names.sort().flatMap((name) => filesUnder(`${path}/${name}`));
}

/** Runs `work` in one process at a time; the others wait. A lock left by a process that died is taken over. */
async function alone(name, work) {
  const lock = join(CACHE, `${name}.lock`);
  mkdirSync(dirname(lock), { recursive: true });
  while (!takeLock(lock)) await new Promise((resolve) => setTimeout(resolve, 200));
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}

/** Time since `started` for people. */
export function seconds(started) {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}
