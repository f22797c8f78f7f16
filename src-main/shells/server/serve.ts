import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { StillhouseError } from '../../protocol/errors.ts';
import type { ServiceEvent } from '../../protocol/events.ts';
import { IMAGE_PATH, SOCKET_PATH } from '../../protocol/host.ts';
import { serve as serveCalls } from '../../protocol/rpc.ts';
import type { ImageFile } from '../../service/data/datasets.ts';
import type { Workstation } from '../../service/workstation.ts';
import { COMMON_HEADERS, Gate, contentPolicy, newToken } from './gate.ts';
import { Guesses, LIMITS, Turns, addressOf, type Limits } from './limits.ts';
import { socketPort } from './port.ts';
import { ICON_PATH, listStaticFiles, sendImage, sendStatic, type StaticFiles } from './static-files.ts';

/** What a window needs of a workstation. */
type Core = Pick<Workstation, 'handlers' | 'imageFile' | 'close'>;

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
  workstation(emit: (event: ServiceEvent) => void): Core;
  limits?: Limits;
}

export interface Served {
  /** Address to open, token included. */
  url: string;
  port: number;
  /** Says goodbye to the windows, stops the workstation and frees the port. */
  close(): Promise<void>;
}

/**
 * Serves the window and its calls over HTTP and a WebSocket.
 * @throws StillhouseError `port.in-use`, or `file.missing` when the window was never built.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const files = await listStaticFiles(options.rendererFolder);
  const { limits = LIMITS } = options;
  const server = createServer();
  server.maxConnections = limits.connections;
  server.headersTimeout = server.requestTimeout = server.timeout = limits.idle;
  const port = await listen(server, options);
  const token = options.token ?? newToken();
  const gate = new Gate(token, `stillhouse-${port}`);
  const windows: Windows = new Map();
  const workstation = options.workstation((event) => {
    for (const { send } of windows.values()) send(event);
  });
  const images = new Turns(limits.images, limits.imagesWaiting);
  const site = { gate, files, workstation, limits, guesses: new Guesses(limits), images };
  server.on('request', (request, response) => {
    answer(request, response, site).catch(() => response.destroy());
  });
  const sockets = acceptWindows(server, site, windows);
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

/** The windows that are connected, and where from. */
type Windows = Map<WebSocket, { address: string; send: (event: ServiceEvent) => void }>;

interface Site {
  gate: Gate;
  files: StaticFiles;
  workstation: Core;
  limits: Limits;
  guesses: Guesses;
  images: Turns;
}

/** Reads the address of a request; undefined for a malformed one. */
function urlOf({ url = '/' }: IncomingMessage): URL | undefined {
  try {
    return new URL(url, 'http://localhost');
  } catch {
    return undefined;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  response.setHeader('Content-Security-Policy', contentPolicy(request.headers.host ?? 'localhost'));
  const refusal = site.gate.refuse(request, false);
  if (refusal) return page(response, refusal.status, refusal.reason);
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(response, 405, 'Only GET is answered.');
  const url = urlOf(request);
  if (!url) return page(response, 400, 'This is no address.');
  const admitted = site.gate.admits(request);
  const token = url.pathname === '/' ? url.searchParams.get('token') : null;
  if (token !== null && tries(request, response, site, token, admitted)) return;
  // The first page has no ticket yet, and its browser asks for the icon.
  const icon = url.pathname === ICON_PATH ? site.files.get(ICON_PATH) : undefined;
  if (icon) return sendStatic(response, icon);
  if (!admitted) return page(response, 401, 'Open the address that "stillhouse serve" printed: it carries the key.');
  const file = site.files.get(url.pathname);
  if (file) return sendStatic(response, file);
  const image = url.pathname.startsWith(IMAGE_PATH) && url.pathname.slice(IMAGE_PATH.length);
  const found = image ? site.workstation.imageFile(image) : null;
  return found ? answerImage(response, found, site) : page(response, 404, 'There is nothing here.');
}

/** Looks at a key. @returns whether that answered the request. */
function tries(
  request: IncomingMessage,
  response: ServerResponse,
  { gate, guesses }: Site,
  token: string,
  admitted: boolean,
): boolean {
  const address = addressOf(request);
  const pause = admitted ? 0 : guesses.pause(address);
  if (pause > 0) {
    const seconds = Math.ceil(pause / 1000);
    response.setHeader('Retry-After', seconds);
    page(response, 429, `Too many wrong keys came from here. Try again in ${seconds} s.`);
    return true;
  }
  if (gate.knows(token)) {
    guesses.right(address);
    welcome(response, gate);
    return true;
  }
  if (!admitted) guesses.wrong(address);
  return false;
}

async function answerImage(response: ServerResponse, found: ImageFile, { images, limits }: Site): Promise<void> {
  const done = await images.take();
  if (!done) {
    response.setHeader('Retry-After', 1);
    return page(response, 503, 'Too many images are being sent.');
  }
  try {
    // Who has gone away meanwhile needs none.
    if (response.destroyed) return;
    const sent = await sendImage(response, found, limits.imageBytes);
    if (!sent) page(response, 413, 'The image is too large.');
  } finally {
    done();
  }
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

function acceptWindows(server: Server, site: Site, windows: Windows): WebSocketServer {
  const { gate, workstation, limits } = site;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.messageBytes, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head) => {
    duplex.on('error', () => duplex.destroy());
    if (urlOf(request)?.pathname !== SOCKET_PATH) return turnAway(duplex, '404 Not Found');
    if (gate.refuse(request, true) || !gate.admits(request)) return turnAway(duplex, '403 Forbidden');
    const address = addressOf(request);
    if (isFull(windows, address, limits)) return turnAway(duplex, '503 Service Unavailable');
    sockets.handleUpgrade(request, duplex, head, (socket) => {
      socket.on('error', () => socket.terminate());
      windows.set(socket, { address, send: serveCalls(socketPort(socket, limits), workstation.handlers) });
      socket.on('close', () => windows.delete(socket));
      watch(socket, limits.idle);
    });
  });
  return sockets;
}

function isFull(windows: Windows, address: string, limits: Limits): boolean {
  const ofAddress = [...windows.values()].filter((window) => window.address === address).length;
  return windows.size >= limits.windows || ofAddress >= limits.windowsOfAddress;
}

function turnAway(duplex: Duplex, status: string): void {
  duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Ends a connection whose other side has vanished without a word. */
function watch(socket: WebSocket, every: number): void {
  let alive = true;
  socket.on('pong', () => (alive = true));
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, every);
  timer.unref();
  socket.on('close', () => clearInterval(timer));
}
