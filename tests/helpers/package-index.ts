import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import type { PackagePin } from '../../src-main/runtime/package-fetch.ts';

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
  /** The `Range` header of every request for the wheel, in order. */
  ranges: (string | undefined)[];
  /** How many of the next answers end after half of what they promised. */
  cuts: number;
  /** When set, an answer stops half-way and stays open. */
  hang: boolean;
  close(): Promise<void>;
}

/** A package index on the loopback interface that offers one wheel and can be told to break off. */
export async function startPackageIndex(wheel: string, name: string): Promise<PackageIndex> {
  const bytes = readFileSync(wheel);
  const server = createServer((request, response) => {
    if (request.url === `/simple/${name}/`) {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<a href="/files/${basename(wheel)}">${basename(wheel)}</a>`);
    } else if (request.url === `/files/${basename(wheel)}`) sendWheel(request, response);
    else response.writeHead(404).end();
  });
  function sendWheel(request: IncomingMessage, response: ServerResponse): void {
    const { range } = request.headers;
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
