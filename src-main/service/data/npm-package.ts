import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileSize, folderSize } from '../../base/files.ts';
import { remove } from '../../base/moves.ts';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason, type ReasonValue } from '../../protocol/reasons.ts';

/** A package as pinned: whatever the registry serves must be these bytes. */
export interface PinnedPackage {
  package: string;
  version: string;
  bytes: number;
  /** `sha512-` and base64, as in a lockfile. */
  integrity: string;
}

export interface FetchOptions {
  /** Where the archive is kept; created when missing. */
  folder: string;
  /** Bytes of this package that have arrived, now and then. */
  onBytes(arrived: number): void;
  signal?: AbortSignal | undefined;
}

const POLL = 250;

/**
 * Gets the archive of a package with the npm client and checks it; one that is there already is only checked.
 * @returns the path of the .tgz.
 * @throws StillhouseError `sample.build` with npm's words, `job.cancelled`.
 */
export async function fetchPackage(pin: PinnedPackage, { folder, onBytes, signal }: FetchOptions): Promise<string> {
  const archive = join(folder, `${pin.package.replace('@', '').replace('/', '-')}-${pin.version}.tgz`);
  if (!(await isPinned(archive, pin))) {
    // A cache of its own: its growth is the progress, and the person's own cache is left alone.
    const cache = join(folder, `npm-${pin.package.replace('/', '-')}-${pin.version}`);
    await mkdir(cache, { recursive: true });
    const poll = setInterval(() => void folderSize(cache).then((size) => onBytes(Math.min(size, pin.bytes))), POLL);
    try {
      await runNpm(
        ['pack', `${pin.package}@${pin.version}`, '--pack-destination', folder, '--cache', cache],
        folder,
        signal,
      );
    } finally {
      clearInterval(poll);
      await remove(cache);
    }
    if (!(await isPinned(archive, pin))) {
      await remove(archive);
      const why = reason('download.registry', { package: pin.package, version: pin.version });
      throw new StillhouseError('sample.build', { reason: why });
    }
  }
  onBytes(pin.bytes);
  return archive;
}

async function isPinned(archive: string, { bytes, integrity }: PinnedPackage): Promise<boolean> {
  if ((await fileSize(archive)) !== bytes) return false;
  const hash = createHash('sha512');
  await pipeline(createReadStream(archive), hash);
  return `sha512-${hash.digest('base64')}` === integrity;
}

const QUIET = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts'];

function runNpm(args: string[], cwd: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (why: ReasonValue): void => {
      reject(
        signal?.aborted ? new StillhouseError('job.cancelled') : new StillhouseError('sample.build', { reason: why }),
      );
    };
    const { command, before, shell } = npmCommand();
    const words = [...before, ...args, ...QUIET];
    const child = spawn(command, shell ? words.map(quoted) : words, {
      cwd,
      signal,
      shell,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    child.on('error', (error: NodeJS.ErrnoException) =>
      failed(error.code === 'ENOENT' ? reason('download.no-npm') : reasonOf(error)),
    );
    child.on('close', (code) =>
      code === 0 ? resolve() : failed(complaint(said) || reason('download.npm', { code: String(code) })),
    );
  });
}

interface NpmCommand {
  command: string;
  /** What stands before npm's own words. */
  before: string[];
  shell: boolean;
}

/**
 * Finds npm. On Windows it is a script for the shell, beside the program that it gives to Node: that is started where it
 * lies beside this Node, since no path then needs quoting.
 */
export function npmCommand(platform: string = process.platform, node = process.execPath): NpmCommand {
  if (platform !== 'win32') return { command: 'npm', before: [], shell: false };
  const program = join(dirname(node), 'node_modules', 'npm', 'bin', 'npm-cli.js');
  if (existsSync(program)) return { command: node, before: [program], shell: false };
  return { command: 'npm.cmd', before: [], shell: true };
}

/** Quotes a word for `cmd.exe`. A path holds no quotation mark there. */
export function quoted(word: string): string {
  return /^[\w.:=@\\/-]+$/.test(word) ? word : `"${word}"`;
}

// npm's own words without its prefixes and the hint at a log file.
function complaint(said: string): string {
  const lines = said.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim());
  return lines
    .filter((line) => line && !/complete log|^A complete|^code /.test(line))
    .slice(0, 3)
    .join(' ');
}
