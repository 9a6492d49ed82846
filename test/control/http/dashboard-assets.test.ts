/** The files of the dashboard, as they are and as they are served. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer } from '../../../src/control/http/http-server.js';
import { exchange, request } from '../../helpers/http-client.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { uwsProblem } from '../../helpers/uws-here.js';

const FOLDER = 'src/control/dashboard';
const files = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));
const scripts = files.filter(({ name }) => name.endsWith('.js'));
const page = files.find(({ name }) => name === 'index.html')!.text;

describe('the files of the dashboard', () => {
  it('are short and say what they are for', () => {
    expect(files.filter(({ text }) => text.split('\n').length > 351).map(({ name }) => name)).toEqual([]);
    expect(scripts.length).toBeGreaterThan(10);
    expect(scripts.filter(({ text }) => !text.startsWith('/**\n')).map(({ name }) => name)).toEqual([]);
    expect(files.filter(({ name }) => !/^[a-z-]+\.(?:js|css|html|svg)$/.test(name))).toEqual([]);
  });

  it('make no markup out of text', () => {
    const sinks =
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|srcdoc/;
    expect(scripts.filter(({ text }) => sinks.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it('need nothing of other machines', () => {
    const addresses = files.flatMap(({ text }) =>
      [...text.matchAll(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z0-9.-]+/gi)].map(([found]) => found),
    );
    // The name of SVG, which nobody asks for.
    expect(addresses.filter((one) => one !== 'http://www.w3.org')).toEqual([]);
    expect(files.filter(({ text }) => /@import|url\(/.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it('have no script or style in the page, and everything that it names', () => {
    expect(page).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i);
    expect(page.match(/<script(?![^>]*\ssrc=)/)).toBeNull();
    const named = [...page.matchAll(/(?:href|src)="dashboard\/([^"]+)"/g)].map(([, name]) => name!);
    const imported = scripts.flatMap(({ text }) => [...text.matchAll(/from '\.\/([^']+)'/g)].map(([, name]) => name!));
    const known = files.map(({ name }) => name);
    expect([...named, ...imported].filter((name) => !known.includes(name))).toEqual([]);
    // Nothing is shipped that nobody uses.
    expect(known.filter((name) => name !== 'index.html' && ![...named, ...imported].includes(name))).toEqual([]);
  });

  it('know every id that they ask for', () => {
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    const asked = scripts.flatMap(({ text }) => [...text.matchAll(/byId\('([^']+)'\)/g)].map(([, id]) => id!));
    expect(asked.length).toBeGreaterThan(20);
    const made = ['tile-bounces'];
    expect(asked.filter((id) => !ids.includes(id) && !made.includes(id))).toEqual([]);
  });
});

describe.skipIf(uwsProblem !== '')(`the served dashboard ${uwsProblem}`, () => {
  let server: HttpServer | undefined;
  afterEach(() => server?.close());

  async function open(token = ''): Promise<number> {
    server = await HttpServer.open(httpOptions({ token, maxConnections: 50 }), planeOf({ notReady: () => '' }));
    return server.port;
  }

  const field = (head: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1] ?? '';

  it('is given to everybody, and lets nothing else into the page', async () => {
    const port = await open('correct-horse-battery');
    for (const path of ['/', '/dashboard']) {
      const { status, head, body } = await exchange(port, [request('GET', path)]);
      expect([status, body]).toEqual([200, page]);
      expect(field(head, 'Content-Type')).toBe('text/html; charset=utf-8');
      const policy = field(head, 'Content-Security-Policy');
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
        expect(policy.split('; ')).toContain(rule);
      expect(policy).not.toMatch(/unsafe|\*|http:|data:/);
      expect(field(head, 'X-Content-Type-Options')).toBe('nosniff');
      expect(field(head, 'X-Frame-Options')).toBe('DENY');
    }
    // What it shows is not.
    for (const path of ['/v1/figures', '/v1/upstreams', '/v1/tenants'])
      expect((await exchange(port, [request('GET', path)])).status).toBe(401);
  });

  it('gives each file by its type, and no other', async () => {
    const port = await open();
    const types: Readonly<Record<string, string>> = {
      js: 'text/javascript; charset=utf-8',
      css: 'text/css; charset=utf-8',
      svg: 'image/svg+xml',
    };
    for (const { name, text } of files.filter((file) => file.name !== 'index.html')) {
      const { status, head, body } = await exchange(port, [request('GET', `/dashboard/${name}`)]);
      expect([name, status, body]).toEqual([name, 200, text]);
      expect(field(head, 'Content-Type')).toBe(types[name.split('.')[1]!]);
    }
    for (const path of [
      '/dashboard/',
      '/dashboard/none.js',
      '/dashboard/../endpoints.ts',
      '/dashboard/%2e%2e/endpoints.ts',
      '/dashboard/..%2fendpoints.ts',
      '/index.html',
    ])
      expect((await exchange(port, [request('GET', path)])).status, path).toBe(404);
    // Reading only.
    expect((await exchange(port, [request('POST', '/dashboard', '{}')])).status).toBe(404);
  });

  it('is not sent again to who has it', async () => {
    const port = await open();
    const first = await exchange(port, [request('GET', '/dashboard/main.js')]);
    const tag = field(first.head, 'ETag');
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const again = await exchange(port, [
        request('GET', '/dashboard/main.js', undefined, { 'If-None-Match': known, Connection: 'close' }),
      ]);
      expect([known, again.status, again.body]).toEqual([known, 304, '']);
      expect(field(again.head, 'ETag')).toBe(tag);
    }
    const other = await exchange(port, [
      request('GET', '/dashboard/main.js', undefined, { 'If-None-Match': '"other"' }),
    ]);
    expect(other.status).toBe(200);
    const head = await exchange(port, [request('HEAD', '/dashboard/main.js')]);
    expect([head.status, head.body, field(head.head, 'Content-Length')]).toEqual([
      200,
      '',
      String(Buffer.byteLength(first.body)),
    ]);
    // It still answers.
    expect((await exchange(port, [request('GET', '/healthz')])).status).toBe(200);
  });
});
