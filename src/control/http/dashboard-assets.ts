/**
 * The files of the dashboard (src/control/dashboard/), served as they are: to everybody, for they hold no secret; what
 * they show is asked for with the token.
 *
 * Contract: read once, when the plane opens; only files that were there then are given, so no path leads elsewhere.
 * Browsers ask each time whether what they have still holds (ETag). The policy allows scripts and styles of these files
 * and requests to this engine, and nothing else: what the network says can be no script, whatever a mistake of ours.
 */

import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL('../dashboard/', import.meta.url);
const PAGE = 'index.html';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const HEADERS: readonly (readonly [string, string])[] = [
  [
    'Content-Security-Policy',
    [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      // No text can become markup or a script by a slip of ours.
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; '),
  ],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Cache-Control', 'no-cache'],
];

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly tag: string;
}

/** Reads the files. @throws where the folder is not there: the build is not whole. */
export function readAssets(folder: URL = FOLDER): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(fileURLToPath(folder)).sort()) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = readFileSync(new URL(name, folder));
    const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    assets.set(name, { type, bytes, tag });
  }
  if (!assets.has(PAGE)) throw new Error(`there is no ${PAGE} in ${fileURLToPath(folder)}`);
  return assets;
}

/** Serves the page at / and /dashboard, its files below /dashboard/. Anything else there is left to others. */
export function serveDashboard(app: TemplatedApp, assets: ReadonlyMap<string, Asset> = readAssets()): void {
  const page = assets.get(PAGE)!;
  for (const path of ['/', '/dashboard']) serveAt(app, path, page);
  for (const [name, asset] of assets) if (name !== PAGE) serveAt(app, `/dashboard/${name}`, asset);
}

function serveAt(app: TemplatedApp, path: string, asset: Asset): void {
  app.get(path, (response, request) => give(response, request, asset, true));
  app.head(path, (response, request) => give(response, request, asset, false));
}

function give(response: HttpResponse, request: HttpRequest, { type, bytes, tag }: Asset, whole: boolean): void {
  // RFC 9110 section 13.1.2: weak comparison, any of a list, or anything.
  const known = request.getHeader('if-none-match');
  const same = known === '*' || known.split(',').some((one) => one.trim().replace(/^W\//, '') === tag);
  // 200 where nothing is said.
  if (same) response.writeStatus('304 Not Modified');
  for (const [name, value] of HEADERS) response.writeHeader(name, value);
  response.writeHeader('ETag', tag);
  if (!same) response.writeHeader('Content-Type', type);
  if (whole && !same) {
    response.end(bytes);
    return;
  }
  // Given a length, the library's endWithoutBody takes the request for unanswered, and ends the process.
  if (!same) response.writeHeader('Content-Length', String(bytes.length));
  response.endWithoutBody();
}
