import type { FileHandle } from 'node:fs/promises';
import * as yauzl from 'yauzl';
import { reason, ReasonError, type Reason } from '../../protocol/reasons.ts';

/** Locates a file in a zip archive. */
export interface ZipPlace {
  name: string;
  /** First byte of its content in the file that the archive is, or is part of. */
  offset: number;
  /** Bytes there. */
  size: number;
  /** Bytes that these inflate to where they are deflated; missing where they are stored as they are. */
  inflated?: number;
  /** Why it cannot be read, or null. */
  fault: Reason | null;
}

/**
 * Lists the places of files in a zip archive (also zip64) that lies in `file` from byte `start` to byte `end`. Only the
 * directory and the headers are read.
 * @throws Error when the directory or a header is damaged; what came before it is sound.
 */
export async function* listZip(
  file: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<ZipPlace, void, undefined> {
  const zip = await openZip(file, start, end);
  for (let entry = await nextEntry(zip); entry; entry = await nextEntry(zip)) {
    const name = nameOf(entry);
    if (name.endsWith('/')) continue;
    yield { name, ...(await placeOf(zip, entry, start, end)) };
  }
}

/** Reads a stretch of a file as a whole one. */
class PartReader extends yauzl.RandomAccessReader {
  constructor(
    private readonly file: FileHandle,
    private readonly start: number,
  ) {
    super();
  }

  override _readStreamForRange(): never {
    throw new Error('PartReader: only headers are read');
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.file.read(buffer, offset, length, this.start + position).then(
      ({ bytesRead }) => callback(bytesRead < length ? new ReasonError(reason('file.archive-short')) : null),
      (error: Error) => callback(error),
    );
  }

  // The file belongs to the caller.
  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}

function openZip(file: FileHandle, start: number, end: number): Promise<yauzl.ZipFile> {
  // Names are decoded here: one that leads out of the archive is no reason to refuse the others.
  const options = { lazyEntries: true, decodeStrings: false, validateEntrySizes: false } as const;
  return new Promise((resolve, reject) => {
    yauzl.fromRandomAccessReader(new PartReader(file, start), end - start, options, (error, zip) =>
      error ? reject(damaged(error)) : resolve(zip),
    );
  });
}

function nextEntry(zip: yauzl.ZipFile): Promise<yauzl.Entry | null> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      zip.removeListener('entry', onEntry).removeListener('end', onEnd).removeListener('error', onError);
      settle();
    };
    const onEntry = (entry: yauzl.Entry): void => done(() => resolve(entry));
    const onEnd = (): void => done(() => resolve(null));
    const onError = (error: Error): void => done(() => reject(damaged(error)));
    zip.once('entry', onEntry).once('end', onEnd).once('error', onError);
    zip.readEntry();
  });
}

function damaged(cause: Error): Error {
  return new ReasonError(reason('file.archive-damaged'), { cause });
}

// Without `decodeStrings` a name comes as bytes, which the types do not know.
function nameOf(entry: yauzl.Entry): string {
  const bytes = entry.fileName as unknown as Buffer;
  const text = bytes.toString('utf8');
  // Some programs write UTF-8 without saying so; what is not valid UTF-8 is what the format says.
  if (!text.includes('\ufffd')) return text.replaceAll('\\', '/');
  return yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, bytes, entry.extraFields, false);
}

async function placeOf(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  start: number,
  end: number,
): Promise<Omit<ZipPlace, 'name'>> {
  const { compressedSize: size, uncompressedSize, compressionMethod, generalPurposeBitFlag } = entry;
  const place = { offset: start, size };
  if (generalPurposeBitFlag & 1) return { ...place, fault: reason('archive.encrypted') };
  if (compressionMethod !== 0 && compressionMethod !== 8)
    return { ...place, fault: reason('archive.method', { method: compressionMethod }) };
  const offset = start + (await dataStart(zip, entry));
  if (offset + size > end) throw new ReasonError(reason('file.archive-short'));
  return { offset, size, ...(compressionMethod === 8 && { inflated: uncompressedSize }), fault: null };
}

function dataStart(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<number> {
  return new Promise((resolve, reject) => {
    zip.readLocalFileHeader(entry, { minimal: true }, (error, header) =>
      error ? reject(damaged(error)) : resolve(header.fileDataStart),
    );
  });
}
