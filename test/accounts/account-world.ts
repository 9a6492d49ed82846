/** Accounts as the engine has them, from settings, with a clock that is set by hand and a log that is kept. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { AccountLog } from '../../src/accounts/account-log.js';
import type { Accounts } from '../../src/accounts/accounts.js';
import { accountLine, type CredentialKinds } from '../../src/accounts/edit-account-file.js';
import { accountHttp, openAccounts } from '../../src/app-accounts.js';
import { loadSettings } from '../../src/config/load-settings.js';
import type { AuthAnswer, AuthQuestion, Mechanism } from '../../src/smtp/authentication.js';
import { logLines } from './log-lines.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A folder for the test, removed after it. */
export function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-accounts-'));
  ends.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface World {
  readonly accounts: Accounts;
  readonly log: ReturnType<typeof logLines>;
  /** Moves the clock, ms. */
  pass(ms: number): void;
  now(): number;
}

/** Opens accounts with these settings; `other`: a log instead of the kept one. Answers to failed attempts are not held back unless the settings say so. */
export async function openWorld(dir: string, env: Record<string, string>, other?: AccountLog): Promise<World> {
  const { settings, problems } = loadSettings({ SLUICE_AUTH_DELAY: '0', SLUICE_SPOOL_DIR: dir, ...env }, dir);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const log = logLines();
  let now = Date.now();
  const clock = { now: () => now, wall: () => now };
  const client = accountHttp(settings);
  const accounts = await openAccounts(settings, other ?? log, client, clock);
  ends.push(
    () => client.close(),
    () => accounts.close(),
  );
  return {
    accounts,
    log,
    pass: (ms) => {
      now += ms;
    },
    now: () => now,
  };
}

/** A file of accounts: name -> password and kinds. */
export async function accountFile(
  dir: string,
  accounts: Readonly<Record<string, readonly [password: string, kinds?: Partial<CredentialKinds>]>>,
): Promise<string> {
  const lines: string[] = [];
  for (const [name, [password, kinds]] of Object.entries(accounts))
    lines.push(await accountLine(name, password, { hash: 'argon2id', scram: false, cram: false, ...kinds }));
  const path = join(dir, 'accounts');
  writeFileSync(path, `# accounts\n\n${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

export interface Endpoint {
  readonly url: string;
  /** Bodies of the requests, parsed where they are JSON. */
  readonly asked: unknown[];
  /** Header of the requests. */
  readonly headers: http.IncomingHttpHeaders[];
}

/** A server of HTTP on loopback; `answer` gives status and body, null for silence. */
export async function endpoint(
  answer: (body: string, url: string) => readonly [status: number, body: string] | null,
): Promise<Endpoint> {
  const asked: unknown[] = [];
  const headers: http.IncomingHttpHeaders[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      asked.push(body.startsWith('{') ? JSON.parse(body) : body);
      headers.push(request.headers);
      const said = answer(body, request.url ?? '');
      if (said !== null) response.writeHead(said[0]).end(said[1]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, headers };
}

export const password = (user: string, secret: string, mechanism: Mechanism = 'PLAIN'): AuthQuestion => ({
  kind: 'password',
  mechanism,
  user,
  password: secret,
});

export const token = (user: string, value: string): AuthQuestion => ({
  kind: 'token',
  mechanism: 'XOAUTH2',
  user,
  token: value,
});

export const accepted = (name: string, senders: readonly string[] | null = null): AuthAnswer => ({
  kind: 'accepted',
  account: { name, senders },
});

export const refused: AuthAnswer = { kind: 'refused', reply: 'badCredentials' };
export const blocked: AuthAnswer = { kind: 'refused', reply: 'authBlocked' };
export const unavailable: AuthAnswer = { kind: 'refused', reply: 'authUnavailable' };
