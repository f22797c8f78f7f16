import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Most bytes of one message from a window. */
export const MOST_BYTES = 1 << 20;
/** Windows that may be connected at the same time. */
export const MOST_WINDOWS = 32;

/** Policy of every document: nothing from elsewhere, no inline script, no eval. `extra` are more picture sources. */
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

/** Why a request is turned away: the status and one sentence for the person. */
export interface Refusal {
  status: 400 | 401 | 403;
  reason: string;
}

/**
 * Checks who asks, before anything is answered. Three things must hold: the Host is one that this machine goes by (a
 * foreign name that resolves to loopback is DNS rebinding), an Origin, where one is sent, is ours, and the cookie
 * carries the token.
 */
export class Gate {
  constructor(
    private readonly token: string,
    private readonly cookieName: string,
  ) {}

  /** What is wrong with a request; undefined when it may pass. A WebSocket must also name its origin. */
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
    return cookies.some((cookie) => same(cookie, `${this.cookieName}=${this.token}`));
  }

  /** True when `token` is the one that the address held. */
  knows(token: string): boolean {
    return same(token, this.token);
  }

  /** The Set-Cookie value of a ticket: no script reads it, no other site sends it, it ends with the browser. */
  ticket(): string {
    return `${this.cookieName}=${this.token}; Path=/; HttpOnly; SameSite=Strict`;
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

/** A bucket of `burst` messages that refills at `perSecond`. */
export class RateLimit {
  private left: number;
  private last = performance.now();

  constructor(
    private readonly perSecond = 200,
    private readonly burst = 400,
  ) {
    this.left = burst;
  }

  /** Takes one message; false when there is none left. */
  take(now = performance.now()): boolean {
    this.left = Math.min(this.burst, this.left + ((now - this.last) / 1000) * this.perSecond);
    this.last = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}
