// guard.ts — who may ask the server of `pipeline ui`: by token or cookie, Host, Origin and method
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** As much of a request as decides whether it is answered. */
export interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
}

export interface GuardOptions {
  readonly token: string;
  readonly cookie: string;
  /** Names beside those of loopback by which the server may be called. */
  readonly names: readonly string[];
  /** Whether it listens beyond loopback: addresses are names then, too. */
  readonly isOpen: boolean;
}

export type Verdict =
  | { readonly ok: true; readonly url: URL; readonly byToken: boolean }
  | { readonly ok: false; readonly status: 400 | 401 | 403 | 405; readonly why: string };

/**
 * Judges a request. A page of another site can have a browser send requests here, and with DNS rebinding even under its own
 * name: so the name must be one of ours, the origin that very name, and the token or the cookie right.
 */
export function judge(asked: Asked, options: GuardOptions): Verdict {
  const { method, headers } = asked;
  if (method !== 'GET' && method !== 'HEAD') return refused(405, 'only GET and HEAD are answered');
  const host = one(headers.host);
  const name = host && hostName(host);
  if (host === undefined || name === undefined) return refused(400, 'there is no Host');
  if (!isOurs(name, options)) return refused(403, 'this name is not the name of this server');
  const origin = one(headers.origin);
  if (origin !== undefined && origin !== `http://${host}`) return refused(403, 'another origin');
  const url = readUrl(asked.url, host);
  if (url === undefined) return refused(400, 'this is not an address');
  const byToken = url.pathname === '/' && isSame(url.searchParams.get('token'), options.token);
  const site = one(headers['sec-fetch-site']);
  // A link that somebody follows from elsewhere is a navigation; nothing else comes from another site.
  const isNavigation = one(headers['sec-fetch-mode']) === 'navigate' && byToken;
  if (site !== undefined && !['same-origin', 'none'].includes(site) && !isNavigation) {
    return refused(403, 'another site');
  }
  const cookie = cookieIn(one(headers.cookie), options.cookie);
  if (byToken || isSame(cookie, options.token)) return { ok: true, url, byToken };
  return refused(401, 'the link that `pipeline ui` printed opens this page');
}

const refused = (status: 400 | 401 | 403 | 405, why: string): Verdict => ({
  ok: false,
  status,
  why,
});

/** A header that was sent twice is as good as none. */
const one = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** The name in `localhost:8000`, `[::1]:8000`. */
function hostName(host: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host);
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}

function isOurs(name: string, { names, isOpen }: GuardOptions): boolean {
  if (name === 'localhost' || name === '127.0.0.1' || name === '::1') return true;
  // An address is no name: nobody can have it mean another machine.
  return names.some((own) => own.toLowerCase() === name) || (isOpen && isIP(name) !== 0);
}

function readUrl(text: string | undefined, host: string): URL | undefined {
  if (text === undefined || !text.startsWith('/') || text.length > 32_768) return undefined;
  try {
    return new URL(text.replace(/^\/+/, '/'), `http://${host}`);
  } catch {
    return undefined;
  }
}

function cookieIn(header: string | undefined, name: string): string | null {
  for (const part of (header ?? '').split(';')) {
    const [key = '', value = ''] = part.trim().split('=');
    if (key === name) return value;
  }
  return null;
}

/** In a time that tells nothing of where they differ. */
function isSame(given: string | null, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return given !== null && timingSafeEqual(digest(given), digest(token));
}

/** What the page may load: its own files, and pictures that it draws itself. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What a stage wrote, shown in a frame: nothing runs, nothing is fetched, and it has an origin of its own. */
export const FRAME_POLICY = [
  'sandbox',
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  'font-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** A file that is saved and never shown. */
export const FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'";

/** Headers of every answer. */
export const HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
} as const;
