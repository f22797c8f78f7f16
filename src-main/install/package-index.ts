import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Purl from '@socketregistry/packageurl-js';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { readPage, type Connection } from './http-download.ts';
import type { PipConfig } from './pip-config.ts';

/** Says where a file can be had: at an address, with what that server wants to be sent, or on the disk. */
export type Offer = { address: string; headers: Record<string, string> } | { path: string };

/** The file that is looked for. */
export interface Wanted {
  package: string;
  version: string;
  file: string;
  sha256: string;
}

export type Asking = Connection & { signal?: AbortSignal; fail: (reason: Reason, cause?: unknown) => StillhouseError };

/** A file as an index lists it (PEP 503 and 691). */
export interface Listed {
  file: string;
  address: string;
  /** In hexadecimal; null where the index gives none. */
  sha256: string | null;
}

/** Bytes of a page at most; the largest that are known have 30 MB. */
const PAGE = 64 << 20;
const ACCEPT = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';

/**
 * Lists the places that a pinned file can be looked for in, in pip's order: folders and pages of `find-links`, the
 * index, further ones.
 */
export function placesOf(wanted: Wanted, pip: PipConfig): string[] {
  const name = wanted.package.toLowerCase().replace(/[-_.]+/g, '-');
  const page = (index: string): string => `${index.replace(/\/+$/, '')}/${name}/`;
  if (pip.noIndex) return pip.findLinks;
  const first = pip.index === null ? usualPage(name, wanted.version) : page(pip.index);
  return [...pip.findLinks, first, ...pip.extraIndexes.map(page)];
}

// Which index is the usual one for Python's packages is a fact of package addresses (purl), and a library knows it.
function usualPage(name: string, version: string): string {
  const { PackageURL, UrlConverter } = createRequire(import.meta.url)('@socketregistry/packageurl-js') as typeof Purl;
  const found = UrlConverter.toDownloadUrl(new PackageURL('pypi', undefined, name, version, undefined, undefined));
  if (!found) throw new StillhouseError('engine.download', { reason: reason('index.unknown') });
  return found.url;
}

/**
 * Looks for a file in one place.
 * @returns null where the place does not offer it.
 * @throws StillhouseError of `fail`; `engine.corrupt` where the file there has another hash than the pinned one.
 */
export async function offerOf(wanted: Wanted, place: string, asking: Asking): Promise<Offer | null> {
  if (!/^https?:/.test(place)) return offerOnDisk(wanted, place);
  const { address, headers } = withoutLogin(place);
  const page = await readPage({ ...asking, address, headers: { ...headers, accept: ACCEPT }, limit: PAGE });
  const found = listed(page.text, page.type, page.address).filter(({ file }) => file === wanted.file);
  if (found.length === 0) return null;
  // A file that was withdrawn is taken too: the pin names its bytes.
  const fit = found.find(({ sha256 }) => sha256 === null || sha256 === wanted.sha256);
  if (!fit) throw new StillhouseError('engine.corrupt', { file: wanted.file, expected: wanted.sha256, got: found[0].sha256! }); // prettier-ignore
  const own = withoutLogin(fit.address);
  const same = new URL(own.address).origin === new URL(address).origin;
  return { address: own.address, headers: { ...(same && headers), ...own.headers } };
}

async function offerOnDisk({ file }: Wanted, place: string): Promise<Offer | null> {
  const folder = place.startsWith('file:') ? fileURLToPath(place) : resolve(place);
  const path = folder.endsWith('.whl') ? folder : join(folder, file);
  const there = path.endsWith(file) && (await stat(path).catch(() => null))?.isFile();
  return there ? { path } : null;
}

/** Lists the files on a page of an index, in either form. @throws a SyntaxError of JSON. */
export function listed(text: string, type: string, address: string): Listed[] {
  return /\bjson\b/.test(type) ? listedAsJson(text, address) : listedAsHtml(text, address);
}

interface JsonPage {
  files?: { filename?: unknown; url?: unknown; hashes?: { sha256?: unknown } }[];
}

function listedAsJson(text: string, page: string): Listed[] {
  const { files = [] } = JSON.parse(text) as JsonPage;
  return files.flatMap(({ filename, url, hashes }) => {
    if (typeof filename !== 'string' || typeof url !== 'string') return [];
    const sha256 = typeof hashes?.sha256 === 'string' ? hashes.sha256 : null;
    return [{ file: filename, address: new URL(url, page).href, sha256 }];
  });
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&quot;': '"', '&#39;': "'", '&#x27;': "'", '&#43;': '+' };

function listedAsHtml(text: string, page: string): Listed[] {
  const plain = (href: string): string => href.replace(/&[#\w]+;/g, (entity) => ENTITIES[entity] ?? entity);
  const base = /<base\s[^>]*href\s*=\s*["']([^"']+)/i.exec(text)?.[1];
  const from = base ? new URL(plain(base), page).href : page;
  return [...text.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)].flatMap(([, double, single]) => {
    const href = plain(double ?? single ?? '');
    if (!URL.canParse(href, from)) return [];
    const link = new URL(href, from);
    const file = decodeURIComponent(link.pathname.split('/').at(-1)!);
    const sha256 = /^#sha256=([\da-f]{64})/.exec(link.hash)?.[1] ?? null;
    link.hash = '';
    return [{ file, address: link.href, sha256 }];
  });
}

/** Takes the login out of an address, as the header that says it. */
function withoutLogin(place: string): { address: string; headers: Record<string, string> } {
  const link = new URL(place);
  const [username, password] = [link.username, link.password].map(decodeURIComponent);
  [link.username, link.password] = ['', ''];
  const headers: Record<string, string> =
    username === '' ? {} : { authorization: `Basic ${btoa(`${username}:${password}`)}` };
  return { address: link.href, headers };
}
