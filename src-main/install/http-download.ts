import { createHash, type Hash } from 'node:crypto';
import { createReadStream, readFileSync, writeSync } from 'node:fs';
import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { rootCertificates } from 'node:tls';
import type { Dispatcher } from 'undici';
import { diskError, fileSize, requireSpace } from '../base/files.ts';
import { remove } from '../base/moves.ts';
import { throwIfCancelled } from '../base/process.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';

/** Says how a connection is made, and given up. */
export interface Connection {
  /** In place of HTTPS_PROXY and HTTP_PROXY. */
  proxy?: string | null;
  /** A file of certificates in place of SSL_CERT_FILE and REQUESTS_CA_BUNDLE. */
  cert?: string | null;
  /** Seconds without a byte after which the connection counts as dead. Default 30. */
  stall?: number;
  /** Milliseconds before each further try of a connection that broke; the tries are counted anew when bytes arrive. */
  pauses?: readonly number[];
}

/** One file behind an address, and what is known of it beforehand. */
export interface Download extends Connection {
  /** `https`, or `http` on this machine alone. */
  address: string;
  /** Where the bytes go; beside it `<part>.json` says what they are of, so that a later call goes on. */
  part: string;
  /** Sent to the origin of `address` alone, never to where it redirects. */
  headers?: Record<string, string>;
  /** Bytes at most, where a limit is known. */
  limit?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number | null) => void;
  /** Raises a failure of the network or the server. */
  fail: (reason: Reason, cause?: unknown) => StillhouseError;
}

/** The file that arrived. */
export interface Arrived {
  bytes: number;
  /** In hexadecimal. */
  sha256: string;
  /** Headers of the first answer on the way, lower case: the hub's facts stand on its redirect. */
  facts: Record<string, string>;
}

interface Stamp {
  address: string;
  etag: string | null;
  total: number | null;
  facts: Record<string, string>;
}

/** Loads the client when something is fetched: it takes a tenth of a job's start. */
const client = () => import('undici');

const REDIRECTS = 5;
/**
 * Bytes of an answer that undici gathers before it holds the connection back: more than there are. Version 7, the last
 * for Node 20, ends the process where a server closes a connection that is held back (nodejs/undici issue 5360).
 */
const UNBOUNDED = 2 ** 50;
const PAUSES = [500, 2_000, 5_000];

/**
 * Downloads a file, going on from the bytes that an earlier call left. Servers without ranges start again.
 * Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, certificates from NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and
 * REQUESTS_CA_BUNDLE.
 * @throws StillhouseError of `fail`; `disk.full`, `disk.denied`, `job.cancelled`.
 */
export async function download(options: Download): Promise<Arrived> {
  const dispatcher = await agent(options);
  try {
    for (let tried = 0; ; tried++) {
      const before = (await fileSize(options.part)) ?? 0;
      try {
        return await attempt(options, dispatcher);
      } catch (error) {
        const arrived = ((await fileSize(options.part)) ?? 0) > before;
        if (arrived) tried = 0;
        throwIfCancelled(options.signal);
        await beforeNext(error, tried, options);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
}

/** A page that is read whole. */
export interface Page extends Connection {
  address: string;
  /** Sent to the origin of `address` alone. */
  headers?: Record<string, string>;
  /** Bytes at most. */
  limit: number;
  signal?: AbortSignal;
  fail: Download['fail'];
}

/** The text of a page, its `content-type`, and the address that it came from in the end. */
export interface PageText {
  text: string;
  type: string;
  address: string;
}

/** Reads a page, as {@link download} a file. @throws StillhouseError of `fail`; `job.cancelled`. */
export async function readPage(options: Page): Promise<PageText> {
  const dispatcher = await agent(options);
  try {
    for (let tried = 0; ; tried++) {
      try {
        return await pageOf(options, dispatcher);
      } catch (error) {
        throwIfCancelled(options.signal);
        await beforeNext(error, tried, options);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
}

async function pageOf(options: Page, dispatcher: Dispatcher): Promise<PageText> {
  const { answer, address } = await ask(options, dispatcher, 0, null);
  const { limit, fail } = options;
  const pieces: Buffer[] = [];
  let bytes = 0;
  await new Incoming(answer.body).handTo((piece) => {
    if ((bytes += piece.length) > limit) throw fail(reason('fetch.too-many-bytes', { most: limit }));
    pieces.push(piece);
  });
  const type = textOf(answer.headers['content-type']) ?? '';
  return { text: Buffer.concat(pieces).toString('utf8'), type, address };
}

/** Waits before the next try. @throws the failure where there is none. */
async function beforeNext(error: unknown, tried: number, options: Connection & Failing): Promise<void> {
  const { pauses = PAUSES, signal } = options;
  if (!(error instanceof Passing) || tried >= pauses.length) throw raised(error, options);
  await pause(pauses[tried], signal);
}

/** A failure that may pass: a broken connection, a busy server. */
class Passing extends Error {
  /** @param why null where the cause says it */
  constructor(
    readonly why: Reason | null,
    cause?: unknown,
  ) {
    super('a failure that may pass', { cause });
  }
}

/** What a failure needs to know. */
type Failing = Pick<Download, 'signal' | 'fail'> & { part?: string };

function raised(error: unknown, { part, fail }: Failing): unknown {
  if (error instanceof StillhouseError) return error;
  const onDisk = part === undefined ? error : diskError(error, part, 0);
  if (onDisk instanceof StillhouseError) return onDisk;
  return fail(reasonFor(error), error);
}

function reasonFor(error: unknown): Reason {
  if (error instanceof Passing && error.why) return error.why;
  const root = rootOf(error);
  const code = (root as NodeJS.ErrnoException).code ?? '';
  if (code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') return reason('fetch.stopped');
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return reason('fetch.no-host');
  if (code === 'ECONNREFUSED') return reason('fetch.refused');
  if (/CERT|SIGNATURE|SELF_SIGNED/.test(code)) return reason('fetch.certificate', { code });
  return code === '' ? reason('raw.text', { text: root.message }) : reason('fetch.broke', { code });
}

function rootOf(error: unknown): Error {
  const inner = error instanceof AggregateError ? (error.errors as unknown[])[0] : (error as Error).cause;
  return inner instanceof Error ? rootOf(inner) : (error as Error);
}

async function agent({ stall = 30, proxy, cert, fail }: Connection & Pick<Download, 'fail'>): Promise<Dispatcher> {
  const ca = certificates(cert || process.env.SSL_CERT_FILE || process.env.REQUESTS_CA_BUNDLE, fail);
  const times = { headersTimeout: stall * 1000, bodyTimeout: stall * 1000 };
  const proxies = proxy ? { httpProxy: proxy, httpsProxy: proxy } : {};
  // A silent server is noticed by the times; Wine refuses connections that ask for TCP's own signs of life.
  const connect = { timeout: stall * 1000, keepAlive: false, ...(ca && { ca }) };
  const behind = { requestTls: connect, proxyTls: connect };
  const { EnvHttpProxyAgent } = await client();
  return new EnvHttpProxyAgent({ ...times, ...proxies, ...behind, connect });
}

function certificates(file: string | undefined, fail: Download['fail']): string[] | null {
  if (!file) return null;
  try {
    return [...rootCertificates, readFileSync(file, 'utf8')];
  } catch (error) {
    throw fail(reason('fetch.certificate-file', { path: file }), error);
  }
}

async function attempt(options: Download, dispatcher: Dispatcher): Promise<Arrived> {
  const known = await stampOf(options);
  const have = known ? ((await fileSize(options.part)) ?? 0) : 0;
  if (known && have > 0 && have === known.total) return { ...(await hashed(options, have)), facts: known.facts };
  const { answer, facts } = await ask(options, dispatcher, have, known);
  const incoming = new Incoming(answer.body);
  try {
    const from = startOf(answer, have);
    if (from === null) {
      await remove(options.part);
      throw new Passing(reason('fetch.no-range'));
    }
    const total = totalOf(answer, from);
    checkKind(answer, options);
    if (options.limit !== undefined && (total ?? 0) > options.limit) throw options.fail(reason('fetch.too-many-bytes', { most: options.limit })); // prettier-ignore
    if (total !== null) await requireSpace(dirname(options.part), total - from);
    const stamp: Stamp = { address: options.address, etag: textOf(answer.headers.etag), total, facts };
    await writeFile(`${options.part}.json`, JSON.stringify(stamp));
    const { bytes, sha256 } = await receive(incoming, from, total, options);
    return { bytes, sha256, facts };
  } finally {
    answer.body.on('error', () => undefined).destroy();
  }
}

async function stampOf({ part, address }: Download): Promise<Stamp | null> {
  try {
    const stamp = JSON.parse(await readFile(`${part}.json`, 'utf8')) as Stamp;
    return stamp.address === address ? stamp : null;
  } catch {
    return null;
  }
}

interface Answered {
  answer: Dispatcher.ResponseData;
  facts: Record<string, string>;
  /** Where the answer came from, after what redirects there were. */
  address: string;
}

async function ask(options: Asked, dispatcher: Dispatcher, have: number, known: Stamp | null): Promise<Answered> {
  let [address, facts] = [options.address, null as Record<string, string> | null];
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const answer = await send(address, options, dispatcher, have, known);
    facts ??= plainHeaders(answer);
    const { statusCode } = answer;
    if (statusCode < 300 || statusCode === 416) return { answer, facts, address };
    await answer.body.dump();
    if (statusCode >= 400) throw refusal(statusCode, options);
    const next = textOf(answer.headers.location);
    if (!next) throw options.fail(reason('fetch.no-location', { status: statusCode }));
    address = new URL(next, address).href;
    if (!isAllowed(address)) throw options.fail(reason('fetch.unsafe-redirect', { address }));
  }
  throw options.fail(reason('fetch.redirects', { most: REDIRECTS }));
}

/** What is asked for. */
type Asked = Pick<Download, 'address' | 'headers' | 'signal' | 'fail'>;

async function send(address: string, options: Asked, dispatcher: Dispatcher, have: number, known: Stamp | null) {
  const own = new URL(address).origin === new URL(options.address).origin;
  const strong = known?.etag && !known.etag.startsWith('W/') ? known.etag : null;
  const range = have > 0 ? { range: `bytes=${have}-`, ...(strong && { 'if-range': strong }) } : {};
  const headers = { 'user-agent': 'stillhouse', 'accept-encoding': 'identity', ...(own && options.headers), ...range };
  const { request } = await client();
  try {
    return await request(address, { dispatcher, headers, signal: options.signal, highWaterMark: UNBOUNDED });
  } catch (error) {
    throwIfCancelled(options.signal);
    throw new Passing(null, error);
  }
}

/** Tells whether bytes may come from an address: `https`, or `http` on this machine. */
export function isAllowed(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const here = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && here);
}

function refusal(status: number, { fail }: Asked): Error {
  if (status === 404 || status === 410) return fail(reason('fetch.not-found', { status }));
  if (status === 401 || status === 403) return fail(reason('fetch.denied', { status }));
  if (status === 429 || status >= 500) return new Passing(reason('fetch.busy', { status }));
  return fail(reason('fetch.status', { status }));
}

/** The place of the first byte that comes; null when the answer does not go on from `have`. */
function startOf({ statusCode, headers }: Dispatcher.ResponseData, have: number): number | null {
  if (statusCode === 416) return null;
  if (statusCode !== 206) return 0;
  const from = /^bytes (\d+)-/.exec(textOf(headers['content-range']) ?? '')?.[1];
  return Number(from) === have ? have : null;
}

function totalOf({ statusCode, headers }: Dispatcher.ResponseData, from: number): number | null {
  const whole = statusCode === 206 && /\/(\d+)$/.exec(textOf(headers['content-range']) ?? '')?.[1];
  if (whole) return Number(whole);
  const length = textOf(headers['content-length']);
  return length === null ? null : from + Number(length);
}

function checkKind({ headers }: Dispatcher.ResponseData, { fail }: Download): void {
  if (/^text\/html/.test(textOf(headers['content-type']) ?? '')) throw fail(reason('fetch.web-page'));
}

const textOf = (value: string | string[] | undefined): string | null =>
  (Array.isArray(value) ? value[0] : value) ?? null;

function plainHeaders({ headers }: Dispatcher.ResponseData): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, textOf(value) ?? '']));
}

/** Takes what comes from the first moment on: a body that breaks drops what nobody has taken yet. */
class Incoming {
  private readonly waiting: Buffer[] = [];
  private taker = (piece: Buffer): void => void this.waiting.push(piece);
  /** The failure that it ended with, or null. */
  private readonly end: Promise<Error | null>;

  constructor(private readonly body: Readable) {
    body.on('data', (piece: Buffer) => this.taker(piece));
    this.end = finished(body).then(
      () => null,
      (error: Error) => error,
    );
  }

  /** Hands each piece to `take`, those that have come first. @throws what `take` throws; Passing for a broken body. */
  async handTo(take: (piece: Buffer) => void): Promise<void> {
    let fault: Error | null = null;
    this.taker = (piece) => {
      if (fault !== null) return;
      try {
        take(piece);
      } catch (error) {
        fault = error as Error;
        this.body.destroy();
      }
    };
    for (const piece of this.waiting.splice(0)) this.taker(piece);
    const failure = await this.end;
    if (fault !== null) throw fault as Error;
    if (failure !== null) throw new Passing(null, failure);
  }
}

async function receive(
  body: Incoming,
  from: number,
  total: number | null,
  options: Download,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  if (from > 0) await hashStart(options.part, from, hash, options.signal);
  const file = await open(options.part, from > 0 ? 'r+' : 'w');
  try {
    await file.truncate(from);
    const bytes = await fill(file, { body, from, total, hash, options });
    await file.sync();
    if (total !== null && bytes < total) throw new Passing(reason('fetch.ended', { done: bytes, total }));
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

interface Filling {
  body: Incoming;
  from: number;
  total: number | null;
  hash: Hash;
  options: Download;
}

/** Writes each piece when it comes, so that the client has none to hold back: see {@link UNBOUNDED}. */
async function fill(file: FileHandle, { body, from, total, hash, options }: Filling): Promise<number> {
  const most = total ?? options.limit ?? Infinity;
  let done = from;
  const take = (piece: Buffer): void => {
    throwIfCancelled(options.signal);
    if (done + piece.length > most) throw options.fail(reason('fetch.too-many-bytes', { most }));
    hash.update(piece);
    for (let at = 0; at < piece.length;) at += writeSync(file.fd, piece, at, piece.length - at, done + at);
    done += piece.length;
    options.onProgress?.(done, total);
  };
  try {
    await body.handTo(take);
    return done;
  } catch (error) {
    throwIfCancelled(options.signal);
    throw error;
  }
}

/** Of a file that had arrived whole when the earlier call ended. */
async function hashed({ part, signal }: Download, bytes: number): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  await hashStart(part, bytes, hash, signal);
  return { bytes, sha256: hash.digest('hex') };
}

async function hashStart(part: string, bytes: number, hash: Hash, signal: AbortSignal | undefined): Promise<void> {
  const start = createReadStream(part, { end: bytes - 1, highWaterMark: 1 << 20 });
  for await (const piece of start as AsyncIterable<Buffer>) {
    throwIfCancelled(signal);
    hash.update(piece);
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
