import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a server misbehaves, for each request in turn; what is left out is served as it should be. */
export interface Manners {
  /** Ends the connection after so many bytes of the answer. */
  cutAt?: number;
  /** Sends the start of the file and then nothing more. */
  stallAt?: number;
  /** Answers with a status and nothing else. */
  status?: number;
  /** Sends on to another address. */
  location?: string;
  /** Announces another length than it sends. */
  lies?: number;
  /** Sends no length at all. */
  chunked?: boolean;
  /** Ignores `Range`. */
  noRanges?: boolean;
  html?: boolean;
  headers?: Record<string, string>;
  /** Answers when this has come. */
  held?: Promise<void>;
}

export interface FileServer {
  url: string;
  /** Every request in order: path, and its headers. */
  asked: { path: string; headers: IncomingMessage['headers'] }[];
  files: Map<string, Uint8Array>;
  /** How the next requests of a path are met, in order. */
  manners: Map<string, Manners[]>;
  close(): Promise<void>;
}

/** Serves files on this machine, well or badly. */
export async function fileServer(files: Record<string, Uint8Array> = {}): Promise<FileServer> {
  const server = createServer((request, response) => void answer(host, request, response));
  const host: FileServer = {
    ...{ url: '', asked: [], files: new Map(Object.entries(files)), manners: new Map() },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return host;
}

async function answer(host: FileServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  host.asked.push({ path, headers: request.headers });
  const manners = host.manners.get(path)?.shift() ?? {};
  if (manners.held) await manners.held;
  if (manners.location) return void response.writeHead(302, { location: manners.location, ...manners.headers }).end();
  const file = host.files.get(path);
  if (manners.status || !file) return void response.writeHead(manners.status ?? 404).end();
  serve(file, manners, request, response);
}

function serve(file: Uint8Array, manners: Manners, request: IncomingMessage, response: ServerResponse): void {
  const wanted = manners.noRanges ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const from = wanted ? Number(wanted[1]) : 0;
  if (from > 0 && from >= file.length) return void response.writeHead(416).end();
  const body = file.subarray(from);
  const length = manners.chunked ? {} : { 'content-length': manners.lies ?? body.length };
  const range = from > 0 ? { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` } : {};
  const type = { 'content-type': manners.html ? 'text/html; charset=utf-8' : 'application/octet-stream' };
  response.writeHead(from > 0 ? 206 : 200, { ...type, ...length, ...range, etag: '"one"', ...manners.headers });
  const end = manners.cutAt ?? manners.stallAt;
  if (end === undefined) return void response.end(body);
  response.write(body.subarray(0, end), () => {
    if (manners.cutAt !== undefined) request.socket.end();
  });
}
