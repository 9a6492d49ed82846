/**
 * Session thread: TLS and SMTP sessions of connections that the main thread hands over.
 *
 * Sessions, connections and admission are the same code as on the main thread; only what a session asks beyond itself
 * crosses. An error that nothing catches ends the thread: the main thread counts its connections out, takes back its
 * memory and starts another.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../src/core/clock.js';
import { DeadlineWheel } from '../src/core/deadline-wheel.js';
import { Admission } from '../src/intake/admission.js';
import { LimitsInForce } from '../src/intake/limits-in-force.js';
import { BodyBuffer } from '../src/memory/body-buffer.js';
import { SegmentPool } from '../src/memory/segment-pool.js';
import { openDescriptor } from '../src/net/adopt-socket.js';
import type { ConnectionEnvironment, ConnectionHost } from '../src/net/connection-host.js';
import { ServerConnection } from '../src/net/server-connection.js';
import { SharedRoom } from '../src/net/shared-room.js';
import { SecureContexts } from '../src/net/tls/secure-contexts.js';
import { makeReply, type Reply, replies } from '../src/smtp/replies.js';
import type {
  FromThread,
  HandedConnection,
  ReplyParts,
  SessionConfig,
  SessionWorkerData,
  ToThread,
} from './session-contract.js';

const port = parentPort!;
const data = workerData as SessionWorkerData;
const room = new SharedRoom(data.room);
const segments = new SegmentPool(data.segments, data.owner);
const wheel = new DeadlineWheel(() => systemClock.now());
const connections = new Map<number, ServerConnection>();
const idOf = new Map<ServerConnection, number>();
const limits = new LimitsInForce();
let shuttingDown = false;
let asksRecipients = false;
let admission: Admission;
let environments: readonly ConnectionEnvironment[] = [];

let outbox: FromThread[] = [];

/** What is said in one turn leaves as one message at its end. */
function say(message: FromThread): void {
  if (outbox.length === 0) setImmediate(flush);
  outbox.push(message);
}

function flush(): void {
  const batch = outbox;
  outbox = [];
  port.postMessage(batch);
}

const host: ConnectionHost = {
  admitMail: (connection, _sender, size) => limits.refusal(connection, Date.now()) ?? admission.admitMail(size),
  admitRecipient(connection, address, domain, question) {
    const { relays, account, sender } = connection;
    const refusal = admission.admitRecipient(relays, domain);
    if (refusal !== null || !asksRecipients) return refusal;
    say({ kind: 'recipient', id: idOf.get(connection)!, question, address, domain, relays, account, sender });
    return 'later';
  },
  openBody: () => new BodyBuffer(segments),
  accept(connection, { body, ...transaction }) {
    const { segments: held, length } = body as BodyBuffer;
    say({
      kind: 'transaction',
      id: idOf.get(connection)!,
      transaction,
      segments: held,
      length,
      relays: connection.relays,
    });
  },
  authenticate: (connection, question) => say({ kind: 'question', id: idOf.get(connection)!, question }),
  tlsFailed(connection, reason) {
    const id = idOf.get(connection);
    if (id !== undefined) say({ kind: 'tls-failed', id, reason });
  },
  closed(connection) {
    const id = idOf.get(connection);
    if (id === undefined) return;
    idOf.delete(connection);
    connections.delete(id);
    say({ kind: 'gone', id });
  },
};

function configure(config: SessionConfig): void {
  const closed = admission === undefined ? null : admission.closed;
  admission = new Admission({
    room: () => room.bytes,
    segments,
    relayDomains: new Set(config.relayDomains),
  });
  admission.closed = closed;
  asksRecipients = config.askRecipients;
  const tls = config.tls === null ? null : new SecureContexts(config.tls);
  environments = config.listeners.map(({ name, trusted, untrusted }) => ({
    listener: name,
    clock: systemClock,
    wheel,
    host,
    trusted,
    untrusted,
    tls,
    handshakeTimeout: config.handshakeTimeout,
  }));
}

function take(handed: HandedConnection): void {
  const { id, descriptor, address, port: clientPort, relays, sessions, beginning, carried, early } = handed;
  say({ kind: 'taken', id });
  const raw = openDescriptor(descriptor);
  if (raw === null) {
    // The client has gone in the meantime.
    say({ kind: 'gone', id });
    return;
  }
  const origin = { address, port: clientPort, relays, ...(carried === null ? {} : { carried }) };
  const connection = new ServerConnection(beginning, () => raw, origin, environments[sessions]!, early);
  connections.set(id, connection);
  idOf.set(connection, id);
  if (shuttingDown) connection.shutdown();
}

function replyOf({ code, enhanced, text }: ReplyParts): Reply {
  return makeReply(code, enhanced, text);
}

function obey(message: ToThread): void {
  switch (message.kind) {
    case 'connection':
      take(message.connection);
      break;
    case 'finish':
      connections.get(message.id)?.finish(replyOf(message.reply));
      break;
    case 'answer':
      connections.get(message.id)?.answered(message.answer);
      break;
    case 'decided': {
      const { id, question, reply } = message;
      connections.get(id)?.recipientDecided(question, reply === null ? null : replyOf(reply));
      break;
    }
    case 'limited':
      limits.set(message.key, replyOf(message.reply), message.until);
      break;
    case 'config':
      configure(message.config);
      break;
    case 'closed':
      admission.closed = message.reply === null ? null : replies[message.reply];
      break;
    case 'shutdown':
      shuttingDown = true;
      for (const connection of [...connections.values()]) connection.shutdown();
      break;
  }
}

configure(data.config);
port.on('message', (batch: readonly ToThread[]) => {
  for (const message of batch) obey(message);
});
