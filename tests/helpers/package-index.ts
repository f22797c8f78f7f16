import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { vi } from 'vitest';
import type { PackagePin } from '../../src-main/install/package-fetch.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const ZIP = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as wheel:
    for name, source in zip(sys.argv[3::2], sys.argv[4::2]):
        wheel.write(source, name)
    about = sys.argv[2].replace("-", "_") + "-1.0.0.dist-info/"
    wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0.0\\n" % sys.argv[2])
    wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
`;

/** A wheel in `folder` that holds `files` (path inside → file on disk), and the pin that fits it. */
export function makeWheel(folder: string, name: string, files: Record<string, string>): PackagePin {
  const file = `${name.replaceAll('-', '_')}-1.0.0-py3-none-any.whl`;
  execFileSync('python3', ['-c', ZIP, join(folder, file), name, ...Object.entries(files).flat()]);
  const wheel = readFileSync(join(folder, file));
  const members = Object.entries(files).map(([path, source]) => {
    const bytes = readFileSync(source);
    return { path, bytes: bytes.length, sha256: sha256(bytes) };
  });
  return { package: name, version: '1.0.0', file, bytes: wheel.length, sha256: sha256(wheel), members };
}

export interface PackageIndex {
  url: string;
  /** Whether its pages are JSON, with hashes (PEP 691), and not HTML. */
  json: boolean;
  /** Whether every file counts as withdrawn. */
  yanked: boolean;
  /** The hash that pages give every file in place of its own. */
  hash: string | null;
  /** Where requests for a wheel are sent on to: another index of the same files. */
  sendsTo: PackageIndex | null;
  /** The status of every answer, in place of what was asked for. */
  status: number | null;
  /** The `Authorization` header of every request, in order. */
  logins: (string | undefined)[];
  /** The path of every page that was asked for, in order. */
  pages: string[];
  /** The file of every request for a wheel, in order. */
  asked: string[];
  /** The `Range` header of every request for a wheel, in order. */
  ranges: (string | undefined)[];
  /** How many of the next answers end after half of what they promised. */
  cuts: number;
  /** When set, an answer stops half-way and stays open. */
  hang: boolean;
  close(): Promise<void>;
}

/** Has this process ask one index alone, whatever pip's settings here say; `vi.unstubAllEnvs` ends it. */
export function askOnly({ url }: PackageIndex): void {
  for (const name of Object.keys(process.env)) if (/^(pip_|https?_proxy|no_proxy)/i.test(name)) vi.stubEnv(name, '');
  vi.stubEnv('PIP_CONFIG_FILE', '/dev/null');
  vi.stubEnv('PIP_INDEX_URL', url);
}

/** A package index on the loopback interface that offers wheels (package name by path) and can be told to break off. */
export async function startPackageIndex(wheels: Readonly<Record<string, string>>): Promise<PackageIndex> {
  const files = new Map(Object.entries(wheels).map(([path, name]) => [basename(path), { name, path }]));
  const server = createServer((request, response) => {
    const [, folder, word] = request.url?.split('/') ?? [];
    const offered = [...files].filter(([, { name }]) => name === word).map(([file]) => file);
    const wheel = files.get(word);
    index.logins.push(request.headers.authorization);
    if (folder === 'simple') index.pages.push(request.url!);
    if (index.status !== null) response.writeHead(index.status).end();
    else if (folder === 'simple' && offered.length > 0) sendPage(offered, response);
    else if (folder === 'files' && wheel && index.sendsTo)
      response.writeHead(302, { Location: new URL(request.url!, index.sendsTo.url).href }).end();
    else if (folder === 'files' && wheel) sendWheel(readFileSync(wheel.path), request, response);
    else response.writeHead(404).end();
  });
  function sendPage(offered: string[], response: ServerResponse): void {
    const hashOf = (file: string) => index.hash ?? sha256(readFileSync(files.get(file)!.path));
    response.setHeader('Content-Type', index.json ? 'application/vnd.pypi.simple.v1+json' : 'text/html; charset=utf-8');
    if (index.json) {
      const listed = offered.map((filename) => {
        const hashes = { sha256: hashOf(filename) };
        return { filename, url: `../../files/${filename}`, hashes, yanked: index.yanked && 'broken' };
      });
      response.end(JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'x', files: listed }));
      return;
    }
    const mark = index.yanked ? ' data-yanked="broken"' : '';
    response.end(offered.map((file) => `<a${mark} href="/files/${file}#sha256=${hashOf(file)}">${file}</a>`).join());
  }
  function sendWheel(bytes: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const { range } = request.headers;
    index.asked.push(basename(request.url ?? ''));
    index.ranges.push(range);
    const start = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const rest = bytes.subarray(start);
    response.writeHead(range ? 206 : 200, {
      'Content-Length': rest.length,
      'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    });
    if (!index.hang && index.cuts === 0) return void response.end(rest);
    index.cuts = Math.max(0, index.cuts - 1);
    response.write(rest.subarray(0, rest.length >> 1), () => {
      if (!index.hang) response.socket?.end();
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const index: PackageIndex = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`,
    json: true,
    yanked: false,
    hash: null,
    sendsTo: null,
    status: null,
    logins: [],
    pages: [],
    asked: [],
    ranges: [],
    cuts: 0,
    hang: false,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return index;
}
