import { createReadStream, readFile } from 'node:fs';
import { extname, join, normalize, sep } from 'node:path';
import { protocol } from 'electron';
import type { ImageFile } from '../../service/data/datasets.ts';
import { endingOf, imageFromStored, isPacked } from '../../service/data/stored-image.ts';
import { IMAGE_TYPES, WINDOW_TYPES } from '../../protocol/content-types.ts';
import { APP_ORIGIN, IMAGE_SCHEME } from './channels.ts';

/** Policy of the window: its own files and images by id, nothing else; no inline script, no eval. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  `img-src 'self' data: blob: ${IMAGE_SCHEME}:`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // Everything but popups and leaving: Electron 9 hands a page a window object even where the popup was refused.
  'sandbox allow-scripts allow-same-origin allow-forms allow-modals allow-downloads',
].join('; ');

const TYPES: Readonly<Record<string, string>> = { ...WINDOW_TYPES, ...IMAGE_TYPES };

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Registers both schemes, so that they behave like https with an origin of their own. Must run before the app is ready.
 */
export function registerSchemes(): void {
  const privileges = { standard: true, secure: true, supportFetchAPI: true };
  protocol.registerSchemesAsPrivileged([
    { scheme: new URL(APP_ORIGIN).protocol.slice(0, -1), privileges },
    { scheme: IMAGE_SCHEME, privileges: { standard: true, secure: true } },
  ]);
}

/**
 * Answers `app://stillhouse/…` from the built window and `thumb://image/<id>` from the data folder.
 * @param rendererFolder the built window.
 * @param image where an image lies by id, null when there is none.
 */
export function answerSchemes(rendererFolder: string, image: (id: string) => Promise<ImageFile | null>): void {
  answer(new URL(APP_ORIGIN).protocol.slice(0, -1), async (url) => {
    if (url.host !== new URL(APP_ORIGIN).host) return nothing();
    return sendFile(pathInside(rendererFolder, url.pathname), { 'Content-Security-Policy': POLICY });
  });
  answer(IMAGE_SCHEME, async (url) => {
    const found = await image(decodeURIComponent(url.pathname.slice(1)));
    if (!found) return nothing();
    return sendBytes(endingOf(found), await readImage(found), {
      'Content-Security-Policy': "default-src 'none'; sandbox",
    });
  });
}

/** Finds the file that an address names; null when it would leave the folder. */
export function pathInside(folder: string, pathname: string): string | null {
  const wanted = pathname === '/' ? '/index.html' : pathname;
  let decoded: string;
  try {
    decoded = decodeURIComponent(wanted);
  } catch {
    return null;
  }
  if (decoded.includes('\0')) return null;
  const path = normalize(join(folder, decoded));
  return path.startsWith(folder + sep) ? path : null;
}

function answer(scheme: string, handler: (url: URL) => Promise<Answer>): void {
  const safely = (url: string): Promise<Answer> => handler(new URL(url)).catch(nothing);
  if (typeof protocol.handle === 'function') {
    protocol.handle(scheme, async (request) => {
      const { status, headers, body } = await safely(request.url);
      return new Response(new Uint8Array(body), { status, headers });
    });
    return;
  }
  protocol.registerBufferProtocol(scheme, (request, callback) => {
    void safely(request.url).then(({ status, headers, body }) => {
      callback({ statusCode: status, headers, mimeType: headers['Content-Type'], data: body });
    });
  });
}

function nothing(): Answer {
  return { status: 404, headers: { 'Content-Type': 'text/plain' }, body: Buffer.from('There is nothing here.') };
}

function sendFile(path: string | null, extra: Record<string, string>): Promise<Answer> {
  if (path === null) return Promise.resolve(nothing());
  return new Promise((resolve) => {
    readFile(path, (error, body) => resolve(error ? nothing() : sendBytes(extname(path), body, extra)));
  });
}

function sendBytes(ending: string, body: Buffer, extra: Record<string, string>): Answer {
  const type = TYPES[ending.toLowerCase()] ?? 'application/octet-stream';
  return { status: 200, headers: { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff', ...extra }, body };
}

/** All bytes of an image, which may be a part of an archive. */
async function readImage(image: ImageFile): Promise<Buffer> {
  const { path, offset, size } = image;
  const pieces: Buffer[] = [];
  if (size === 0) return Buffer.alloc(0);
  const end = size === null ? undefined : offset + size - 1;
  for await (const piece of createReadStream(path, { start: offset, end })) pieces.push(piece as Buffer);
  const bytes = Buffer.concat(pieces);
  return isPacked(image) ? Buffer.from(imageFromStored(bytes, image)) : bytes;
}
