/** One regular file of an archive. */
export interface TarFile {
  /** Path as written in the archive: not to be trusted as a place on disk. */
  name: string;
  data: Buffer;
}

const BLOCK = 512;
/** Files above this, in bytes, are an error: everything wanted from an archive is held in memory. */
const LARGEST = 256 * 2 ** 20;

/**
 * Regular files of a tar archive (ustar, GNU long names, pax paths) whose name passes `wanted`, in order; links, devices
 * and folders are passed over. The chunks may be cut anywhere.
 * @throws Error when a checksum is wrong or the archive ends early.
 */
export async function* readTar(
  chunks: AsyncIterable<Buffer>,
  wanted: (name: string) => boolean,
): AsyncGenerator<TarFile, void, undefined> {
  const take = reader(chunks);
  let longName: string | null = null;
  for (;;) {
    const header = await take(BLOCK, true);
    if (!header || header.every((byte) => byte === 0)) return;
    const { name, size, type } = parseHeader(header);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    const isName = type === 'x' || type === 'L';
    const isFile = type === '0' || type === '\0';
    const fullName: string = longName ?? name;
    if (isName || (isFile && wanted(fullName))) {
      if (size > LARGEST) throw new Error(`readTar: ${fullName} has ${size} bytes`);
      const data = ((await take(padded, true)) ?? Buffer.alloc(0)).subarray(0, size);
      if (data.length < size) throw new Error('readTar: the archive ends early');
      if (isName) longName = type === 'x' ? paxPath(data) : data.toString('utf8').replace(/\0.*$/s, '');
      else yield { name: fullName, data };
    } else {
      await take(padded, false);
    }
    if (!isName && type !== 'g') longName = null;
  }
}

function parseHeader(header: Buffer): { name: string; size: number; type: string } {
  const field = (from: number, to: number): string => header.toString('utf8', from, to).replace(/\0.*$/s, '');
  const stated = parseInt(field(148, 156), 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== stated) throw new Error('readTar: a header checksum is wrong');
  const size = parseInt(field(124, 136), 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error('readTar: a file size is not a number');
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

/** Takes whole stretches out of a stream: the bytes, or nothing when they are only to be passed over. */
function reader(chunks: AsyncIterable<Buffer>): (size: number, keep: boolean) => Promise<Buffer | null> {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return async (size, keep) => {
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (rest.length === 0) {
        const next = await iterator.next();
        if (next.done) {
          if (missing < size || !keep) throw new Error('readTar: the archive ends early');
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
