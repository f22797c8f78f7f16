import { createHash, type Hash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { open, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { rootCertificates } from 'node:tls';
import { EnvHttpProxyAgent, errors, request, type Dispatcher } from 'undici';
import { diskError, fileSize, requireSpace, throwIfCancelled } from '../base/download-files.ts';
import { StillhouseError } from '../protocol/errors.ts';

/** One file behind an address, and what is known of it beforehand. */
export interface Download {
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
  /** Seconds without a byte after which the connection counts as dead. Default 30. */
  stall?: number;
  /** Milliseconds before each further try of a connection that broke; the tries are counted anew when bytes arrive. */
  pauses?: readonly number[];
  /** Raises a failure of the network or the server. */
  fail: (reason: string, cause?: unknown) => StillhouseError;
}

/** What arrived. */
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

const REDIRECTS = 5;
const PAUSES = [500, 2_000, 5_000];

/**
 * Downloads a file, going on from the bytes that an earlier call left. Servers without ranges start again.
 * Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, certificates from NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and
 * REQUESTS_CA_BUNDLE.
 * @throws StillhouseError of `fail`; `disk.full`, `disk.denied`, `job.cancelled`.
 */
export async function download(options: Download): Promise<Arrived> {
  const { stall = 30, pauses = PAUSES } = options;
  const dispatcher = agent(stall);
  try {
    for (let tried = 0; ; tried++) {
      const before = (await fileSize(options.part)) ?? 0;
      try {
        return await attempt(options, dispatcher);
      } catch (error) {
        const arrived = ((await fileSize(options.part)) ?? 0) > before;
        if (arrived) tried = 0;
        throwIfCancelled(options.signal);
        if (!(error instanceof Passing) || tried >= pauses.length) throw raised(error, options);
        await pause(pauses[tried], options.signal);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
}

/** A failure that may pass: a broken connection, a busy server. */
class Passing extends Error {}

function raised(error: unknown, { part, fail }: Download): unknown {
  if (error instanceof StillhouseError) return error;
  const onDisk = diskError(error, part, 0);
  if (onDisk instanceof StillhouseError) return onDisk;
  return fail(wordsOf(error), error);
}

function wordsOf(error: unknown): string {
  const root = rootOf(error);
  if (root instanceof errors.BodyTimeoutError || root instanceof errors.HeadersTimeoutError)
    return 'the server stopped sending';
  const code = (root as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return 'the name of the server is not known here (is there a network?)';
  if (code === 'ECONNREFUSED') return 'the server refused the connection';
  if (/CERT|SIGNATURE|SELF_SIGNED/.test(code)) return `its certificate is not trusted (${code}; see SSL_CERT_FILE)`;
  if (/^(ECONNRESET|EPIPE|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|UND_ERR)/.test(code))
    return `the connection broke (${code})`;
  return root.message;
}

function rootOf(error: unknown): Error {
  const inner = error instanceof AggregateError ? (error.errors as unknown[])[0] : (error as Error).cause;
  return inner instanceof Error ? rootOf(inner) : (error as Error);
}

function agent(stall: number): Dispatcher {
  const extra = process.env.SSL_CERT_FILE || process.env.REQUESTS_CA_BUNDLE;
  const ca = extra ? [...rootCertificates, readFileSync(extra, 'utf8')] : undefined;
  const times = { headersTimeout: stall * 1000, bodyTimeout: stall * 1000 };
  return new EnvHttpProxyAgent({ ...times, connect: { timeout: stall * 1000, ...(ca && { ca }) } });
}

async function attempt(options: Download, dispatcher: Dispatcher): Promise<Arrived> {
  const known = await stampOf(options);
  const have = known ? ((await fileSize(options.part)) ?? 0) : 0;
  if (known && have > 0 && have === known.total) return { ...(await hashed(options, have)), facts: known.facts };
  const { answer, facts } = await ask(options, dispatcher, have, known);
  try {
    const from = startOf(answer, have);
    if (from === null) {
      await rm(options.part, { force: true });
      throw new Passing('the server could not go on from where the file broke off');
    }
    const total = totalOf(answer, from);
    checkKind(answer, options);
    if (options.limit !== undefined && (total ?? 0) > options.limit) throw options.fail(`it has ${total} bytes, ${options.limit} at most were expected`); // prettier-ignore
    if (total !== null) await requireSpace(dirname(options.part), total - from);
    const stamp: Stamp = { address: options.address, etag: textOf(answer.headers.etag), total, facts };
    await writeFile(`${options.part}.json`, JSON.stringify(stamp));
    const { bytes, sha256 } = await receive(answer.body, from, total, options);
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
}

async function ask(options: Download, dispatcher: Dispatcher, have: number, known: Stamp | null): Promise<Answered> {
  let [address, facts] = [options.address, null as Record<string, string> | null];
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const answer = await send(address, options, dispatcher, have, known);
    facts ??= plainHeaders(answer);
    const { statusCode } = answer;
    if (statusCode < 300 || statusCode === 416) return { answer, facts };
    await answer.body.dump();
    if (statusCode >= 400) throw refusal(statusCode, options);
    const next = textOf(answer.headers.location);
    if (!next) throw options.fail(`the server answered ${statusCode} without saying where to go`);
    address = new URL(next, address).href;
    if (!isAllowed(address))
      throw options.fail(`the server sends on to ${address}, which is neither https nor on this machine`);
  }
  throw options.fail(`the server sent on more than ${REDIRECTS} times`);
}

async function send(address: string, options: Download, dispatcher: Dispatcher, have: number, known: Stamp | null) {
  const own = new URL(address).origin === new URL(options.address).origin;
  const strong = known?.etag && !known.etag.startsWith('W/') ? known.etag : null;
  const range = have > 0 ? { range: `bytes=${have}-`, ...(strong && { 'if-range': strong }) } : {};
  const headers = { 'user-agent': 'stillhouse', 'accept-encoding': 'identity', ...(own && options.headers), ...range };
  try {
    return await request(address, { dispatcher, headers, signal: options.signal });
  } catch (error) {
    throwIfCancelled(options.signal);
    throw new Passing('the request failed', { cause: error });
  }
}

/** Tells whether bytes may come from an address: `https`, or `http` on this machine. */
export function isAllowed(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const here = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && here);
}

function refusal(status: number, { fail }: Download): Error {
  if (status === 404 || status === 410) return fail(`there is no such file (the server answered ${status})`);
  if (status === 401 || status === 403)
    return fail(`the server refuses it (${status}): it may need a token, HF_TOKEN for the hub`);
  if (status === 429 || status >= 500) return new Passing(`the server is busy or broken (${status})`);
  return fail(`the server answered ${status}`);
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
  if (/^text\/html/.test(textOf(headers['content-type']) ?? ''))
    throw fail('the server sent a web page in place of the file (a login, or a wrong address)');
}

const textOf = (value: string | string[] | undefined): string | null =>
  (Array.isArray(value) ? value[0] : value) ?? null;

function plainHeaders({ headers }: Dispatcher.ResponseData): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, textOf(value) ?? '']));
}

async function receive(
  body: AsyncIterable<Buffer>,
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
    if (total !== null && bytes < total) throw new Passing(`the connection ended after ${bytes} of ${total} bytes`);
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

interface Filling {
  body: AsyncIterable<Buffer>;
  from: number;
  total: number | null;
  hash: Hash;
  options: Download;
}

async function fill(file: FileHandle, { body, from, total, hash, options }: Filling): Promise<number> {
  const most = total ?? options.limit ?? Infinity;
  let done = from;
  const pieces = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await pieces.next().catch((error: unknown) => {
      throwIfCancelled(options.signal);
      throw new Passing('the connection broke', { cause: error });
    });
    if (next.done) return done;
    const piece = next.value;
    throwIfCancelled(options.signal);
    if (done + piece.length > most) throw options.fail(`the server sent more than the ${most} bytes it announced`);
    hash.update(piece);
    for (let at = 0; at < piece.length;) at += (await file.write(piece, at, piece.length - at, done + at)).bytesWritten;
    done += piece.length;
    options.onProgress?.(done, total);
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
