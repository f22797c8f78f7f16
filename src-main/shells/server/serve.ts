import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { StillhouseError } from '../../protocol/errors.ts';
import type { ServiceEvent } from '../../protocol/events.ts';
import { PICTURE_PATH, SOCKET_PATH } from '../../protocol/host.ts';
import { serve as serveCalls } from '../../protocol/rpc.ts';
import type { Workstation } from '../../service/workstation.ts';
import { COMMON_HEADERS, Gate, MOST_BYTES, MOST_WINDOWS, contentPolicy } from './gate.ts';
import { socketPort } from './port.ts';
import { listStaticFiles, sendPicture, sendStatic, type StaticFiles } from './static-files.ts';

export interface ServeOptions {
  /** 0 for any free one. */
  port: number;
  /** Address to listen on, `127.0.0.1` unless the person asks for more. */
  host: string;
  /** Ticket that the address carries; a random one when left out. */
  token?: string;
  /** The built window: `dist/renderer`. */
  rendererFolder: string;
  /** Makes the workstation; `emit` sends its events to every window. */
  workstation(emit: (event: ServiceEvent) => void): Workstation;
}

export interface Served {
  /** Address to open, token included. */
  url: string;
  port: number;
  /** Says goodbye to the windows, stops the workstation and frees the port. */
  close(): Promise<void>;
}

const PING_EVERY = 30_000;

/**
 * Serves the window and its calls over HTTP and a WebSocket.
 * @throws StillhouseError `port.in-use`, or `file.missing` when the window was never built.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const files = await listStaticFiles(options.rendererFolder);
  const server = createServer();
  const port = await listen(server, options);
  const token = options.token ?? randomBytes(24).toString('base64url');
  const gate = new Gate(token, `stillhouse-${port}`);
  const windows = new Map<WebSocket, (event: ServiceEvent) => void>();
  const workstation = options.workstation((event) => {
    for (const send of windows.values()) send(event);
  });
  server.on('request', (request, response) => {
    answer(request, response, { gate, files, workstation }).catch(() => response.destroy());
  });
  const sockets = acceptWindows(server, gate, windows, workstation);
  return {
    url: `http://${shownHost(options.host)}:${port}/?token=${token}`,
    port,
    close: async () => {
      for (const socket of windows.keys()) socket.close(1001, 'the server ends');
      sockets.close();
      await workstation.close();
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, { port, host }: ServeOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new StillhouseError('port.in-use', { port }, { cause: error }) : error);
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname();
  return host.includes(':') ? `[${host}]` : host;
}

interface Site {
  gate: Gate;
  files: StaticFiles;
  workstation: Workstation;
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  response.setHeader('Content-Security-Policy', contentPolicy(request.headers.host ?? 'localhost'));
  const refusal = site.gate.refuse(request, false);
  if (refusal) return page(response, refusal.status, refusal.reason);
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(response, 405, 'Only GET is answered.');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const token = url.searchParams.get('token');
  if (url.pathname === '/' && token !== null && site.gate.knows(token)) return welcome(response, site.gate);
  if (!site.gate.admits(request))
    return page(response, 401, 'Open the address that "stillhouse serve" printed: it carries the key.');
  const file = site.files.get(url.pathname);
  if (file) return sendStatic(response, file);
  const picture = url.pathname.startsWith(PICTURE_PATH) && url.pathname.slice(PICTURE_PATH.length);
  const found = picture ? site.workstation.pictureFile(picture) : null;
  return found ? sendPicture(response, found) : page(response, 404, 'There is nothing here.');
}

// A page that moves on by itself, where a redirect would not do: after a click in another site (a terminal in a
// browser), a redirect still counts as that site's request, and the strict cookie would stay at home.
function welcome(response: ServerResponse, gate: Gate): void {
  response.setHeader('Set-Cookie', gate.ticket());
  response.setHeader('Cache-Control', 'no-store');
  page(response, 200, 'Opening…', '<meta http-equiv="refresh" content="0;url=/">');
}

function page(response: ServerResponse, status: number, text: string, head = ''): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><meta charset="utf-8"><title>Stillhouse</title>${head}<p>${text}</p>\n`);
}

function acceptWindows(
  server: Server,
  gate: Gate,
  windows: Map<WebSocket, (event: ServiceEvent) => void>,
  workstation: Workstation,
): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_BYTES, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head) => {
    duplex.on('error', () => duplex.destroy());
    const known = new URL(request.url ?? '/', 'http://localhost').pathname === SOCKET_PATH;
    if (!known) return turnAway(duplex, '404 Not Found');
    if (gate.refuse(request, true) || !gate.admits(request)) return turnAway(duplex, '403 Forbidden');
    if (windows.size >= MOST_WINDOWS) return turnAway(duplex, '503 Service Unavailable');
    sockets.handleUpgrade(request, duplex, head, (socket) => {
      socket.on('error', () => socket.terminate());
      windows.set(socket, serveCalls(socketPort(socket), workstation.handlers));
      socket.on('close', () => windows.delete(socket));
      watch(socket);
    });
  });
  return sockets;
}

function turnAway(duplex: Duplex, status: string): void {
  duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Ends a connection whose other side has vanished without a word. */
function watch(socket: WebSocket): void {
  let alive = true;
  socket.on('pong', () => (alive = true));
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, PING_EVERY);
  timer.unref();
  socket.on('close', () => clearInterval(timer));
}
