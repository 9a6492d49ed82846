/**
 * One engine by MX and hosts of every temper: fast, slow, deferring, resetting, greylisting, picky, down. Every message
 * ends as it must: judged by order and counts, never by time.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from './helpers/conformance.js';
import { type DnsServerHandle, startDnsServer, type Zone } from './helpers/dns-server.js';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { type PeerStage, type Reaction, type Script, SmtpPeer, until } from './helpers/smtp-peer.js';
import { mail } from './wire/stage.js';

/** Hosts by domain, each at an address of its own; client.example is where the senders are. */
const NAMES = ['fast', 'slow', 'deferring', 'resetting', 'grey', 'picky', 'down', 'client'] as const;
type Name = (typeof NAMES)[number];

/** Messages for each domain alone, and messages with a recipient in every one. */
const ALONE = 24;
const SHARED = 4;
/** Connections to one destination. */
const LIMIT = 3;
/** Connections of the resetting host that are cut, the first ones: at these stages in turn. */
const CUT_AT: readonly PeerStage[] = ['greeting', 'dot', 'EHLO', 'MAIL', 'RCPT', 'dot', 'DATA'];

const addressOf = (name: Name): string => `127.0.0.${11 + NAMES.indexOf(name)}`;

let port: number;
let dns: DnsServerHandle;
let engine: EngineProcess;
let peers: Map<Name, SmtpPeer>;
/** The deferring host takes mail. */
let well: boolean;
/** Recipients whose mail the resetting host took without a word of it reaching the engine. */
let unheard: string[];

beforeEach(async () => {
  [port, peers, well, unheard] = [await freePort(), new Map(), false, []];
  const zone: Zone = {};
  for (const name of NAMES) {
    zone[`${name}.example`] = { MX: [[10, `mx.${name}.example`]] };
    zone[`mx.${name}.example`] = { A: [addressOf(name)] };
  }
  dns = await startDnsServer(zone);
  await open('fast', () => undefined);
  await open('slow', () => undefined);
  await open('deferring', defers);
  await open('resetting', resetting());
  await open('grey', greylisting());
  await open('picky', (stage, _connection, _count, line) =>
    stage === 'RCPT' && line.includes('<nobody') ? '550 5.1.1 No such user here' : undefined,
  );
  await open('client', () => undefined);
  peers.get('slow')!.latency = 250;
  engine = await startEngine({
    settings: {
      SLUICE_DNS_SERVERS: dns.address,
      SLUICE_MX_PORT: String(port),
      SLUICE_MX_CONNECTIONS: String(LIMIT),
      SLUICE_MTA_STS: 'off',
      SLUICE_RETRY_MIN: '500ms',
      SLUICE_RETRY_MAX: '1s',
      SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
    },
  });
});
afterEach(async () => {
  await engine.stop();
  for (const peer of peers.values()) await peer.close();
  await dns.close();
});

async function open(name: Name, script: Script): Promise<void> {
  peers.set(name, await SmtpPeer.start(script, port, addressOf(name)));
}

/** 421 to every third connection and 451 to every recipient, until it is well. */
function defers(stage: PeerStage, connection: number): Reaction | undefined {
  if (well) return undefined;
  if (stage === 'greeting' && connection % 3 === 2) return '421 4.3.2 Too busy, come back later';
  return stage === 'RCPT' ? '451 4.3.0 Try again later' : undefined;
}

/** Cuts its first connections, each at another stage; at `dot` it has taken the mail. */
function resetting(): Script {
  const recipients = new Map<number, string[]>();
  return (stage, connection, _count, line) => {
    if (stage === 'MAIL') recipients.set(connection, []);
    if (stage === 'RCPT') recipients.get(connection)!.push(pathOf(line));
    if (stage !== CUT_AT[connection]) return undefined;
    if (stage === 'dot') unheard.push(...recipients.get(connection)!);
    return 'reset';
  };
}

/** The first try of each sender and recipient is put off. */
function greylisting(): Script {
  const seen = new Set<string>();
  const senders = new Map<number, string>();
  return (stage, connection, _count, line) => {
    if (stage === 'MAIL') senders.set(connection, pathOf(line));
    if (stage !== 'RCPT') return undefined;
    const pair = `${senders.get(connection)} ${pathOf(line)}`;
    if (seen.has(pair)) return undefined;
    seen.add(pair);
    return '451 4.7.1 Greylisted, try again';
  };
}

function pathOf(line: string): string {
  return /<(.*)>/.exec(line)![1]!;
}

/** Everything that a host took, sorted. */
function taken(name: Name): string[] {
  return peers
    .get(name)!
    .messages.flatMap(({ recipients }) => recipients)
    .sort();
}

async function queued(): Promise<number> {
  return (JSON.parse((await engine.command(['status', '--json'])).out) as { queued: number }).queued;
}

it('ends every message as it must, each host in its own way and none held up by another', {
  timeout: 60_000,
}, async () => {
  const client = await SmtpTestClient.open(engine.port);
  const wanted = new Map<Name, string[]>(NAMES.map((name) => [name, []]));
  let accepted = 0;
  const send = async (to: readonly (readonly [Name, string])[]): Promise<void> => {
    for (const [name, address] of to) wanted.get(name)!.push(address);
    const from = `<sender${accepted}@client.example>`;
    const reply = await client.send(
      from,
      to.map(([, address]) => `<${address}>`),
      mail(),
    );
    expect(reply.code).toBe(250);
    accepted++;
  };
  const targets = NAMES.filter((name) => name !== 'client' && name !== 'fast');
  const one = (name: Name, n: number): readonly [Name, string] => [
    name,
    `${name === 'picky' && n % 4 === 0 ? 'nobody' : 'u'}${n}@${name}.example`,
  ];
  for (let n = 0; n < ALONE; n++) for (const name of targets) await send([one(name, n)]);
  for (let n = ALONE; n < ALONE + SHARED; n++) await send([...targets, 'fast' as const].map((name) => one(name, n)));
  // Behind all of that, what is for the fast host.
  for (let n = 0; n < ALONE; n++) await send([one('fast', n)]);
  await client.quit();

  // It is all there before two of the others have taken anything.
  await until('the fast host has all of its mail', () => taken('fast').length === ALONE + SHARED);
  expect(taken('deferring')).toEqual([]);
  expect(await queued()).toBeGreaterThanOrEqual(2 * ALONE + SHARED);

  await until('the deferring host was tried', () =>
    peers.get('deferring')!.commands.some((line) => line.startsWith('RCPT')),
  );
  well = true;
  await open('down', () => undefined);
  await expect.poll(queued, { timeout: 45_000, interval: 250 }).toBe(0);

  const nobody = wanted.get('picky')!.filter((address) => address.startsWith('nobody'));
  expect(nobody.length).toBeGreaterThan(0);
  for (const name of NAMES) {
    if (name === 'client') continue;
    const good = wanted.get(name)!.filter((address) => !nobody.includes(address));
    // Each once that the host has spoken of.
    expect(taken(name), name).toEqual(good.sort());
    expect(peers.get(name)!.mostOpen, name).toBeLessThanOrEqual(LIMIT);
  }
  expect(peers.get('grey')!.commands.filter((line) => line.startsWith('RCPT'))).toHaveLength(2 * (ALONE + SHARED));

  // Twice only what was taken without a word, and that is counted.
  expect(unheard.length).toBeGreaterThan(0);
  expect(taken('resetting')).toEqual(expect.arrayContaining(unheard));
  const twice = (): number => engine.logged((line) => String(line.msg).includes('may be delivered twice')).length;
  await expect.poll(twice).toBe(unheard.length);

  // Every refused recipient is told of, to the sender of that message and once.
  const notices = peers.get('client')!.messages;
  expect(notices.every(({ sender }) => sender === '')).toBe(true);
  const told = notices.map(({ content }) => /^Final-Recipient: rfc822; ?(\S+)/im.exec(content)?.[1]);
  expect(told.sort()).toEqual(nobody.sort());
  expect(new Set(taken('client')).size).toBe(nobody.length);

  // The log comes a little behind what it tells of.
  const ended = (status: string) => (): number =>
    engine
      .logged((line) => line.msg === 'outcome')
      .filter((line) => line['status'] === status && !String(line['to']).endsWith('@client.example')).length;
  await expect.poll(ended('failed'), { timeout: 10_000 }).toBe(nobody.length);
  await expect.poll(ended('delivered'), { timeout: 10_000 }).toBe([...wanted.values()].flat().length - nobody.length);
});
