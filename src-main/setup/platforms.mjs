import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, USER_CACHE, ensureBuild, ensurePackages, requireNode, run, runMain, say } from './steps.mjs';
import { arm } from './platform-arm.mjs';
import { mac } from './platform-mac.mjs';
import { makeApp } from './platform-tools.mjs';
import { windows } from './platform-windows.mjs';

/**
 * `npm run platforms -- SYSTEM`: installs the engine, checks images, trains, ends, resumes, exports and deletes on
 * another system under an emulator, and compares losses and weights with this one. All that it needs is kept in a cache
 * folder; nothing is installed into this system. Of macOS, which no emulator runs, the libraries are only read. The engine comes from the package index, or from a folder WHEELS.
 */
const SYSTEMS = { 'win32-x64': windows, 'linux-arm64': arm };
const CHECKS = join(dirname(fileURLToPath(import.meta.url)), 'platform-checks.mjs');
/** The largest difference of a weight that the order of sums explains; PyTorch's own is as large. */
const LARGEST = 1e-4;

/** The arrays of a safetensors file of float32, by name. */
function arraysOf(path) {
  const bytes = readFileSync(path);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString('utf8', 8, end));
  const arrays = Object.entries(entries).filter(([, { dtype }]) => dtype === 'F32');
  return new Map(arrays.map(([name, { data_offsets: place }]) => [name, floatsAt(bytes, end, place)]));
}

function floatsAt(bytes, start, [from, to]) {
  const copy = bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to);
  return new Float32Array(copy);
}

function largestDifference(one, other) {
  const [ours, theirs] = [arraysOf(one), arraysOf(other)];
  if (ours.size === 0 || [...ours.keys()].join() !== [...theirs.keys()].join())
    throw new SetupError(`${one} and ${other} do not hold the same arrays.`);
  let largest = 0;
  for (const [name, values] of ours)
    values.forEach((value, index) => {
      const apart = Math.abs(value - theirs.get(name)[index]);
      if (!(apart <= largest)) largest = apart;
    });
  return largest;
}

async function checked(folder, start, wheels = []) {
  const work = join(folder, 'work');
  const code = await start(work, ...wheels);
  const result = join(work, 'result.json');
  if (!existsSync(result)) throw new SetupError(`The checks did not begin (exit code ${code}): see ${folder}.`);
  const read = JSON.parse(readFileSync(result, 'utf8'));
  return { ...read, last: read.last && join(work, 'run/checkpoints', read.last) };
}

function table(here, there) {
  say(`\n${there.system}, Node ${there.node}, beside ${here.system}, Node ${here.node}`);
  for (const [index, { name, ok, seconds, detail }] of there.checks.entries()) {
    const times = [here.checks[index].seconds, seconds].map((time) => `${time.toFixed(1)} s`.padStart(9)).join('');
    say(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(38)}${times}  ${detail.split('\n')[0].slice(0, 120)}`);
    if (!ok) say(detail);
  }
}

function compare(here, there) {
  if (!here.last || !there.last) return false;
  const losses = here.losses.map((loss, index) => Math.abs(loss - there.losses[index]));
  const [loss, weight] = [Math.max(...losses), largestDifference(here.last, there.last)];
  say(
    `${losses.length} losses, the last ${here.losses.at(-1)} and ${there.losses.at(-1)}: ${loss.toExponential(1)} apart at most`,
  );
  say(`weights of the last checkpoint: ${weight.toExponential(1)} apart at most`);
  return losses.length > 0 && loss < LARGEST && weight < LARGEST;
}

await runMain(async () => {
  const [name, ...wheels] = process.argv.slice(2).map((word, index) => (index === 0 ? word : resolve(word)));
  if (name === 'darwin-arm64') {
    const cache = join(USER_CACHE, 'platforms', name);
    mkdirSync(cache, { recursive: true });
    process.exitCode = (await mac(cache, wheels[0])) ? 0 : 1;
    return;
  }
  const prepare = SYSTEMS[name];
  if (!prepare)
    throw new SetupError(
      `Usage: npm run platforms -- SYSTEM [WHEELS]\nSYSTEM: ${[...Object.keys(SYSTEMS), 'darwin-arm64'].join(', ')}`,
    );
  requireNode();
  await ensurePackages();
  await ensureBuild();
  const other = join(USER_CACHE, 'platforms', name);
  const own = join(other, 'here');
  mkdirSync(own, { recursive: true });
  const app = await makeApp(own, `${process.platform}-${process.arch}`);
  const start = await prepare(other, CHECKS);
  const there = await checked(other, start, wheels);
  const here = await checked(own, (work) => run(process.execPath, [CHECKS, app, work]));
  table(here, there);
  const fits = compare(here, there);
  if (fits && [...here.checks, ...there.checks].every(({ ok }) => ok)) return;
  process.exitCode = 1;
});
