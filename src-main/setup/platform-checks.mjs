import { fork } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/**
 * What `npm run platforms` does on each system, by the Node of that system:
 * `node platform-checks.mjs APP WORK [WHEELS]`. APP holds `dist/main`; WORK is emptied, and gets `result.json`: what was
 * done, the losses of each epoch, and where the last checkpoint lies. WHEELS is a folder to install the engine from.
 */
const [APP, WORK, WHEELS] = process.argv.slice(2);
const CLI = join(APP, 'dist/main/cli.mjs');
const SERVICE = join(APP, 'dist/main/service.process.mjs');
const [DATA, RUN, LONG] = ['data', 'run', 'home/runs/long'].map((name) => join(WORK, name));
const TINY = [
  '--model',
  'test_deit_narrow_patch16_48',
  '--input-size',
  '48',
  '--batch-size',
  '8',
  '--seed',
  '0',
  '--precision',
  'float32',
  '--lr',
  '0.05',
  '--warmup-epochs',
  '0',
];
const TRAIN = ['train', '--data-path', DATA, '--device', 'cpu', '--threads', '1', '--num-workers', '1', ...TINY];
const EVERY = 200;
/** Milliseconds that anything may take; emulators are slow. */
const PATIENCE = 60 * 60_000;

const env = { ...process.env, STILLHOUSE_HOME: join(WORK, 'home') };

function colourPng(size, colour, seed) {
  let state = seed;
  const rows = Buffer.alloc(size * (1 + size * 3));
  for (let at = 0; at < rows.length; at++) {
    if (at % (1 + size * 3) === 0) continue;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    rows[at] = (at % 3 === colour ? 190 : 50) + (state >>> 26);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2], 8);
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  whole.set(body, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

function makeData() {
  for (const [split, count] of [
    ['train', 16],
    ['val', 6],
  ])
    for (const [colour, name] of ['amber', 'blue'].entries()) {
      const folder = join(DATA, split, name);
      mkdirSync(folder, { recursive: true });
      for (let index = 0; index < count; index++)
        writeFileSync(join(folder, `${index}.png`), colourPng(48, colour, index + (split === 'val' ? 99 : 1)));
    }
}

/** Ended where a check fails. */
const begun = [];

/** Starts the command line with a channel. What it says goes into a file: emulators cannot pass on every pipe. */
function begin(...words) {
  const out = join(WORK, `out-${words[0]}-${Date.now()}.txt`);
  const file = openSync(out, 'w');
  const child = fork(CLI, words, { env, execArgv: [], stdio: ['ignore', file, file, 'ipc'] });
  begun.push(child);
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve({ code, text: readFileSync(out, 'utf8') }));
  });
  closeSync(file);
  return { child, ended, said: () => readFileSync(out, 'utf8') };
}

async function cli(expected, ...words) {
  const { code, text } = await begin(...words).ended;
  if (code !== expected) throw new Error(`${words.join(' ')} ended with ${code}:\n${text.slice(-2000)}`);
  return text;
}

async function until(what, test) {
  const started = Date.now();
  for (;;) {
    const found = test();
    if (found) return found;
    if (Date.now() - started > PATIENCE) throw new Error(`${what}: not within ${PATIENCE / 60_000} minutes`);
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

const checkpoints = (run) => {
  const folder = join(run, 'checkpoints');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => name.endsWith('.safetensors') && !name.startsWith('.')).sort();
};

const lastLine = (text) => text.trim().split(/\r?\n/).at(-1).trim();

function assert(true_, what) {
  if (!true_) throw new Error(what);
}

const rowsOf = (run) =>
  readFileSync(join(run, 'history.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

async function installEngine() {
  const text = await cli(0, 'engine', 'install', ...(WHEELS ? ['--from', WHEELS] : []));
  assert(/verified/.test(text), text);
  return (await cli(0, 'engine', 'verify')).split('\n')[0].trim();
}

async function checkData() {
  return lastLine(await cli(0, 'data', DATA, '--check'));
}

async function trainTiny() {
  await cli(0, ...TRAIN, '--epochs', '2', '--output-dir', RUN);
  return `${rowsOf(RUN).filter(({ type }) => type === 'epoch').length} epochs, ${checkpoints(RUN).at(-1)}`;
}

/** Two processes, one run: the second is refused; then both of the first are ended without a word. */
async function lockAndKill() {
  const run = begin(...TRAIN, '--epochs', '5000', '--output-dir', LONG);
  run.ended.catch(() => undefined);
  await until('a first checkpoint', () => checkpoints(LONG).length > 0);
  const refused = await cli(1, 'train', '--resume', LONG);
  assert(/in use/.test(refused), refused);
  const { pid, started } = JSON.parse(readFileSync(join(LONG, 'lock'), 'utf8'));
  assert(started !== '', 'the lock does not say when its process started');
  run.child.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await run.ended;
  await until('the end of the trainer', () => !isAlive(pid));
  assert(existsSync(join(LONG, 'lock')), 'the lock is gone: nothing was killed');
  return `refused: ${lastLine(refused).slice(0, 100)}`;
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Takes over the dead one's lock, goes on, and saves when it is asked to over the channel. */
async function resumeAndStop() {
  const before = rowsOf(LONG).length;
  const run = begin('train', '--resume', LONG);
  await until(
    'another epoch',
    () => rowsOf(LONG).filter(({ type }) => type === 'epoch').length > 1 && rowsOf(LONG).length > before + 4,
  );
  run.child.send('stop');
  const { code, text } = await run.ended;
  assert(code === 130, `it ended with ${code}: ${text.slice(-2000)}`);
  assert(!existsSync(join(LONG, 'lock')), 'the lock is still there');
  return lastLine(text);
}

async function exportAndCheck() {
  const file = join(WORK, 'network.onnx');
  return lastLine(await cli(0, 'export', '--checkpoint', RUN, '--format', 'onnx', '--output', file, '--check'));
}

/** By itself, from the last checkpoint: the same scores as the training's own. */
async function evaluateAgain() {
  const file = join(RUN, 'checkpoints', checkpoints(RUN).at(-1));
  const text = await cli(0, 'evaluate', '--checkpoint', file, '--data-path', DATA, '--device', 'cpu', '--json');
  const { type, test } = JSON.parse(lastLine(text));
  const { loss } = rowsOf(RUN).findLast((row) => row.type === 'epoch').test;
  assert(type === 'result' && Math.abs(test.loss - loss) < 1e-4, `a loss of ${test?.loss} for ${loss}: ${text}`);
  return `loss ${test.loss}`;
}

/** Gets a page. Under Wine Node's `fetch` cannot connect, where `http` can. */
function page(address, headers = {}) {
  return new Promise((resolve, reject) => {
    get(address, { headers }, (response) => {
      let text = '';
      const cookies = (response.headers['set-cookie'] ?? []).map((one) => one.split(';')[0]).join('; ');
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode, cookies, text }));
    }).on('error', reject);
  });
}

/** The window's page over a port, and nothing to whom has no key. */
async function serveWindow() {
  const server = begin('serve', '--port', '0', '--json');
  const line = await until('an address', () =>
    server
      .said()
      .split(/\r?\n/)
      .find((text) => text.includes('"serving"')),
  );
  const { url } = JSON.parse(line);
  const home = new URL('/', url).href;
  const { cookies } = await page(url);
  const [shown, refused] = [await page(home, { cookie: cookies }), await page(home)];
  server.child.send('stop');
  const { code } = await server.ended;
  assert(shown.status === 200 && /<script/.test(shown.text), `${shown.status}: ${shown.text.slice(0, 200)}`);
  assert(refused.status === 401, `without the key ${refused.status}`);
  return `page ${shown.status}, without the key ${refused.status}, ended with ${code}`;
}

/** By the desktop's service, in the process that it has there. */
async function trashAndBack() {
  const child = fork(SERVICE, [], { env, execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const answers = new Map();
  child.on('message', ({ type, body }) => type === 'message' && answers.get(body.id)?.(body));
  child.send({ type: 'open', port: 0 });
  const call = (id, name, params) =>
    new Promise((resolve, reject) => {
      answers.set(id, ({ error, result }) => (error ? reject(new Error(error.message)) : resolve(result)));
      child.send({ type: 'message', port: 0, body: { id, call: name, params } });
    });
  await call(1, 'run.delete', { run: 'long' });
  assert(!existsSync(join(LONG, 'run.json')), 'the run is not in the trash');
  await call(2, 'run.restore', { run: 'long' });
  assert(existsSync(join(LONG, 'run.json')), 'the run did not come back');
  await call(3, 'run.delete', { run: 'long' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.send({ type: 'end' });
  assert((await ended) === 0, 'the service did not end in order');
  const text = await cli(0, 'trash', '--empty');
  assert(!existsSync(LONG), 'its folder is still there');
  return lastLine(text);
}

const CHECKS = [
  ['install and verify the engine', installEngine],
  ['check the images', checkData],
  ['train a tiny network', trainTiny],
  ['evaluate its last checkpoint', evaluateAgain],
  ['lock against a second process, kill', lockAndKill],
  ['resume, stop over the channel', resumeAndStop],
  ['export to ONNX and check', exportAndCheck],
  ['serve the window', serveWindow],
  ['trash, restore, empty', trashAndBack],
];

async function main() {
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(WORK, { recursive: true });
  makeData();
  const result = {
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    checks: [],
    losses: [],
    last: null,
  };
  for (const [name, check] of CHECKS) {
    const started = Date.now();
    let [ok, detail] = [true, ''];
    try {
      detail = await check();
    } catch (error) {
      [ok, detail] = [false, [error?.message ?? error, error?.cause?.message].filter(Boolean).join(': ')];
      for (const child of begun.splice(0)) child.kill('SIGKILL');
    }
    const seconds = (Date.now() - started) / 1000;
    result.checks.push({ name, ok, seconds, detail });
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s): ${detail}`);
    if (check === trainTiny && ok) {
      // Steps share a row where they are quick, so those of two systems are not the same.
      result.losses = rowsOf(RUN).flatMap(({ type, trainLoss, test }) =>
        type === 'epoch' ? [trainLoss, test.loss] : [],
      );
      result.last = checkpoints(RUN).at(-1);
    }
    writeFileSync(join(WORK, 'result.json'), JSON.stringify(result, null, 2));
  }
  process.exit(result.checks.every(({ ok }) => ok) ? 0 : 1);
}

await main();
