import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fileSize, removeLeftovers, writeChunksAtomic } from '../../base/files.ts';
import { remove } from '../../base/moves.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';

/** Tar archives that are compressed as a whole: there is no way into the middle of one. */
export const COMPRESSED_TAR = /\.(tar\.gz|tgz)$/i;

/**
 * Finds the tar inside a compressed one, taking the compression away into the cache where that was not done before. A
 * tar that was made of an earlier state of the same file is removed.
 * @param cache the folder that keeps it, under the path, size and time of the archive.
 * @returns the path of the tar, and its bytes.
 * @throws StillhouseError `disk.full`, `disk.denied`; ReasonError where the archive is damaged.
 */
export async function plainTar(path: string, cache: string): Promise<{ path: string; bytes: number }> {
  const { size, mtimeMs } = await stat(path);
  const owner = createHash('sha256').update(path).digest('hex').slice(0, 24);
  const plain = join(cache, `${owner}-${size}-${Math.trunc(mtimeMs)}.tar`);
  const known = await fileSize(plain);
  if (known !== null) return { path: plain, bytes: known };
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const { bytes } = await writeChunksAtomic(plain, unzipped(path), await plainBytes(path, size));
  for (const name of await readdir(cache))
    if (name.startsWith(`${owner}-`) && name !== basename(plain)) await remove(join(cache, name));
  return { path: plain, bytes };
}

async function* unzipped(path: string): AsyncGenerator<Uint8Array> {
  try {
    const stream = pipeline(createReadStream(path), createGunzip({ chunkSize: 1 << 20 }), () => undefined);
    for await (const piece of stream as AsyncIterable<Uint8Array>) yield piece;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!code.startsWith('Z_')) throw error;
    const isShort = code === 'Z_BUF_ERROR';
    throw new ReasonError(reason(isShort ? 'file.archive-short' : 'file.archive-damaged'), { cause: error });
  }
}

/** Bytes without compression, as the end of the file states them modulo 4 GiB; it cannot shrink below a thousandth. */
async function plainBytes(path: string, size: number): Promise<number> {
  const end = Buffer.alloc(4);
  const file = await open(path, 'r');
  try {
    await file.read(end, 0, 4, Math.max(0, size - 4));
  } finally {
    await file.close();
  }
  return Math.min(Math.max(size, end.readUInt32LE()), size * 1032);
}
