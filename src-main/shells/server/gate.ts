import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Writes the content policy of every document: nothing from elsewhere, no inline script, no eval. `extra` are more
 * image sources.
 */
export function contentPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    `connect-src 'self' ws://${host}`,
    "img-src 'self' data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Headers of every answer. */
export const COMMON_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
} as const;

/** Makes a key of 192 bits. */
export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

/** Says why a request is turned away: the status and one sentence for the person. */
export interface Refusal {
  status: 400 | 401 | 403;
  reason: string;
}

/**
 * Checks who asks, before anything is answered. Three things must hold: the Host is one that this machine goes by (a
 * foreign name that resolves to loopback is DNS rebinding), an Origin, where one is sent, is ours, and the cookie
 * carries the ticket that the token was exchanged for. The ticket is of this server's making: however short a token a
 * person chooses, no cookie can be guessed, so that only tokens have to be counted.
 */
export class Gate {
  private readonly secret = newToken();

  constructor(
    private readonly token: string,
    private readonly cookieName: string,
  ) {}

  /** Returns the problem of a request; undefined when it may pass. A WebSocket must also name its origin. */
  refuse(request: IncomingMessage, socket: boolean): Refusal | undefined {
    const host = request.headers.host;
    if (!host || !isOwnHost(host)) return { status: 400, reason: 'Unknown host.' };
    const { origin } = request.headers;
    if (origin === undefined ? socket : origin !== `http://${host}`)
      return { status: 403, reason: 'Requests from other pages are not answered.' };
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && request.headers['sec-fetch-mode'] !== 'navigate')
      return { status: 403, reason: 'Requests from other pages are not answered.' };
    return undefined;
  }

  /** True when the request's cookie is the ticket that {@link ticket} gave. */
  admits(request: IncomingMessage): boolean {
    const cookies = (request.headers.cookie ?? '').split(/; */);
    return cookies.some((cookie) => same(cookie, `${this.cookieName}=${this.secret}`));
  }

  /** True when `token` is the one that the address held. */
  knows(token: string): boolean {
    return same(token, this.token);
  }

  /** The Set-Cookie value of a ticket: no script reads it, no other site sends it, it ends with the browser. */
  ticket(): string {
    return `${this.cookieName}=${this.secret}; Path=/; HttpOnly; SameSite=Strict`;
  }
}

// Names are what rebinding needs: an address in the Host header cannot be rebound.
function isOwnHost(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  if (name === 'localhost' || name === hostname().toLowerCase()) return true;
  return isIP(name) === 4 || (name.startsWith('[') && isIP(name.slice(1, -1)) === 6);
}

// Equal lengths for timingSafeEqual, whatever was sent.
function same(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
