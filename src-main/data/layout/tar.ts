import type { FileHandle } from 'node:fs/promises';
import { ReasonError, reason } from '../../protocol/reasons.ts';

/** One regular file of an archive. */
export interface TarFile {
  /** Path as written in the archive: not to be trusted as a place on disk. */
  name: string;
  data: Buffer;
}

const BLOCK = 512;
/** Files above this, in bytes, are an error: everything wanted from an archive is held in memory. */
const LARGEST = 256 * 2 ** 20;
const EARLY = reason('file.archive-short');

/**
 * Reads the regular files of a tar archive (ustar, GNU long names, pax paths) whose name passes `wanted`, in order;
 * links, devices and folders are passed over. The chunks may be cut anywhere.
 * @throws Error when a checksum is wrong or the archive ends early.
 */
export async function* readTar(
  chunks: AsyncIterable<Buffer>,
  wanted: (name: string) => boolean,
): AsyncGenerator<TarFile, void, undefined> {
  for await (const { name, data } of walkTar(streamReader(chunks), wanted)) if (data) yield { name, data };
}

/** Locates a regular file in an archive that was not read, only looked through. */
export interface TarPlace {
  name: string;
  /** First byte of its content in the file that the archive is, or is part of. */
  offset: number;
  size: number;
}

/**
 * Lists the places of regular files in a tar archive that lies in `file` from byte `start` to byte `end`. Only headers
 * are read.
 * @throws Error when a checksum is wrong or the archive ends early; what came before it is sound.
 */
export async function* listTar(
  file: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<TarPlace, void, undefined> {
  const nothing = (): boolean => false;
  for await (const { name, size, offset } of walkTar(fileReader(file, start, end), nothing))
    yield { name, size, offset: start + offset };
}

/** Takes the next bytes of an archive; without `keep` they are passed over. Null at the end, where one may be. */
type Take = (size: number, keep: boolean) => Promise<Buffer | null>;

interface Member {
  name: string;
  size: number;
  /** From the archive's first byte. */
  offset: number;
  /** null when it is not wanted. */
  data: Buffer | null;
}

async function* walkTar(take: Take, wanted: (name: string) => boolean): AsyncGenerator<Member, void, undefined> {
  let longName: string | null = null;
  let at = 0;
  for (;;) {
    const header = await take(BLOCK, true);
    if (!header || header.every((byte) => byte === 0)) return;
    const { name, size, type } = parseHeader(header);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    const isName = type === 'x' || type === 'L';
    const isFile = type === '0' || type === '\0';
    const fullName: string = longName ?? name;
    const keep = isName || (isFile && wanted(fullName));
    if (keep && size > LARGEST) throw new Error(`readTar: ${fullName} has ${size} bytes`);
    const data = ((await take(padded, keep)) ?? Buffer.alloc(0)).subarray(0, size);
    if (keep && data.length < size) throw new ReasonError(EARLY);
    if (isFile) yield { name: fullName, size, offset: at + BLOCK, data: keep ? data : null };
    if (isName) longName = type === 'x' ? paxPath(data) : data.toString('utf8').replace(/\0.*$/s, '');
    else if (type !== 'g') longName = null;
    at += BLOCK + padded;
  }
}

function parseHeader(header: Buffer): { name: string; size: number; type: string } {
  const field = (from: number, to: number): string => header.toString('utf8', from, to).replace(/\0.*$/s, '');
  const stated = parseInt(field(148, 156), 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== stated) throw new ReasonError(reason('file.archive-damaged'));
  // Above 8 GiB the size is written in binary.
  const size = header[124] & 0x80 ? Number(header.readBigUInt64BE(128)) : parseInt(field(124, 136), 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new ReasonError(reason('file.archive-damaged'));
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? field(345, 500) : '';
  const name = field(0, 100);
  return { name: prefix ? `${prefix}/${name}` : name, size, type: String.fromCharCode(header[156]) };
}

// Records are "<length> <key>=<value>\n", the length counting the whole record in bytes.
function paxPath(data: Buffer): string | null {
  for (let at = 0; at < data.length;) {
    const length = parseInt(data.toString('latin1', at, at + 20), 10);
    if (!(length > 0) || at + length > data.length) return null;
    const record = data.toString('utf8', at, at + length - 1);
    const match = /^\d+ path=(.*)$/s.exec(record);
    if (match) return match[1];
    at += length;
  }
  return null;
}

/** Bytes that are read at once: headers of small files come several at a time. */
const WINDOW = 8192;

function fileReader(file: FileHandle, start: number, end: number): Take {
  let at = start;
  let [window, windowStart] = [Buffer.alloc(0) as Buffer, start];
  return async (size, keep) => {
    if (at === end && keep) return null;
    if (at + size > end) throw new ReasonError(EARLY);
    at += size;
    if (!keep) return null;
    const from = at - size - windowStart;
    if (from < window.length && from + size <= window.length) return window.subarray(from, from + size);
    windowStart = at - size;
    const buffer = Buffer.allocUnsafe(Math.max(size, Math.min(WINDOW, end - windowStart)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, windowStart);
    if (bytesRead < size) throw new ReasonError(EARLY);
    window = buffer.subarray(0, bytesRead);
    return window.subarray(0, size);
  };
}

/** Takes whole stretches out of a stream. */
function streamReader(chunks: AsyncIterable<Buffer>): Take {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return async (size, keep) => {
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (rest.length === 0) {
        const next = await iterator.next();
        if (next.done) {
          if (missing < size || !keep) throw new ReasonError(EARLY);
          return null;
        }
        rest = next.value;
        continue;
      }
      const part = rest.subarray(0, missing);
      rest = rest.subarray(part.length);
      missing -= part.length;
      if (keep) parts.push(part);
    }
    return Buffer.concat(parts);
  };
}
