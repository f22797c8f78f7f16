import { createReadStream, existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StillhouseError } from '../../protocol/errors.ts';
import type { ImageFile } from '../../service/data/datasets.ts';
import { IMAGE_TYPES, WINDOW_TYPES } from '../../protocol/content-types.ts';
import { endingOf, imageFromStored, isPacked } from '../../service/data/stored-image.ts';

/** The files of the built window by their address: `/index.html` → path. Only these can be asked for. */
export type StaticFiles = ReadonlyMap<string, string>;

/** The path that a browser asks for by itself, of any page. */
export const ICON_PATH = '/favicon.ico';

/**
 * Lists the built window, so that an address can name nothing else.
 * @throws StillhouseError `file.missing` when the folder holds no index.html.
 */
export async function listStaticFiles(folder: string): Promise<StaticFiles> {
  const files = new Map<string, string>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const typed = extname(entry.name) in WINDOW_TYPES;
    if (entry.isFile() && typed) files.set(`/${relative(folder, path).split(sep).join('/')}`, path);
  }
  const index = files.get('/index.html');
  if (!index) throw new StillhouseError('file.missing', { path: join(folder, 'index.html') });
  const icon = join(folder, '..', '..', 'resources', 'icons', '32x32.png');
  if (existsSync(icon)) files.set(ICON_PATH, icon);
  return files.set('/', index);
}

/** Sends a file of the window; hashed ones may be kept for ever. */
export async function sendStatic(response: ServerResponse, path: string): Promise<void> {
  const kept = path.includes(`${sep}assets${sep}`);
  response.setHeader('Cache-Control', kept ? 'public, max-age=31536000, immutable' : 'no-cache');
  await send(response, { path, offset: 0, size: null }, WINDOW_TYPES[extname(path)] ?? 'application/octet-stream');
}

/**
 * Sends an image of the data folder. Its bytes are a stranger's: were it a page, it could do nothing.
 * @returns false, with nothing sent, when it has more than `most` bytes.
 */
export async function sendImage(response: ServerResponse, image: ImageFile, most: number): Promise<boolean> {
  const size = image.size ?? (await stat(image.path)).size;
  if (Math.max(size, image.inflated ?? 0) > most) return false;
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  response.setHeader('Cache-Control', 'private, max-age=3600');
  const type = IMAGE_TYPES[endingOf(image)] ?? 'application/octet-stream';
  if (isPacked(image)) await sendPacked(response, { ...image, size }, type);
  else await send(response, { ...image, size }, type);
  return true;
}

async function sendPacked(response: ServerResponse, image: ImageFile & { size: number }, type: string): Promise<void> {
  const { path, offset, size } = image;
  const bytes = imageFromStored(await readBytes(path, { start: offset, end: offset + size - 1 }), image);
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(bytes);
}

async function send(
  response: ServerResponse,
  { path, offset, size }: Omit<ImageFile, 'name'>,
  type: string,
): Promise<void> {
  const length = size ?? (await stat(path)).size;
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': length });
  // An end before the start would be refused.
  if (length === 0) return void response.end();
  await pipeline(createReadStream(path, { start: offset, end: offset + length - 1 }), response);
}

async function readBytes(path: string, part: { start: number; end: number }): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of createReadStream(path, part)) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
