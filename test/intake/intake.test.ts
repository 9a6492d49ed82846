/**
 * Intake over a spool in memory: every message is answered once, only after it is durable, and its memory is given back.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { SluiceError } from '../../src/core/errors.js';
import { QueueIdSource } from '../../src/core/queue-id.js';
import { Admission } from '../../src/intake/admission.js';
import { MessageHandling } from '../../src/intake/handling.js';
import { Intake, type IntakeEdge, type PrepareBatch, type PrepareInline } from '../../src/intake/intake.js';
import { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';
import { type Envelope, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { type Reply, replies } from '../../src/smtp/replies.js';
import type { Transaction } from '../../src/smtp/server-host.js';
import type { PreparedMessage, PrepareRequest } from '../../workers/contract.js';
import { facts, recipient } from '../helpers/mail.js';
import { MemorySpool, spoolFull } from '../helpers/memory-spool.js';
import { NO_RULES } from './handling-rules.js';

const HEADER = Buffer.from('Received: here\r\n');
const ok = (): PreparedMessage => ({ status: 'ok', header: HEADER, resumeAt: 0 });

class World {
  readonly spool = new MemorySpool();
  readonly segments = SegmentPool.create(1024 * 1024, 4096);
  readonly queued: string[] = [];
  readonly envelopes: Envelope[] = [];
  readonly refused: string[] = [];
  readonly dropped: string[] = [];
  handling = new MessageHandling(NO_RULES);
  edge: IntakeEdge | null = null;
  inline: PrepareInline | null = ok;
  batch: PrepareBatch = async (requests) => requests.map(ok);
  batches: number[] = [];
  readonly intake = new Intake({
    spool: this.spool,
    clock: systemClock,
    ids: new QueueIdSource(),
    events: {
      wanted: false,
      accepted: () => {},
      refused: (_submitter, _sender, _reply, reason) => this.refused.push(reason),
      dropped: (_envelope, { address }, reason) => this.dropped.push(`${address} ${reason}`),
    },
    admit: (_submitter, { account }) => (account === 'over' ? replies.outOfMemory : null),
    rules: () => ({ handling: this.handling, edge: this.edge }),
    dkimKeyOf: () => '',
    rewriteSender: (sender) => sender.replace('@in.', '@out.'),
    preparation: () => ({
      inline: this.inline,
      batch: (requests) => {
        this.batches.push(requests.length);
        return this.batch(requests);
      },
    }),
    enqueue: (envelope, content) => {
      this.envelopes.push(envelope);
      expect(this.spool.stateOf(envelope.id)).toBeNull();
      this.queued.push(`${envelope.sender} ${content.inline?.toString('latin1')}`);
    },
  });

  /** Submits a message; its answers, which must come to be one. */
  submit(text: string, to: readonly string[] = ['b@y.example']): Reply[] {
    const body = new BodyBuffer(this.segments);
    body.append(Buffer.from(text), 0, text.length);
    const transaction: Transaction = {
      sender: 'a@in.example',
      recipients: to.map((address) => recipient(address)),
      bodyType: '7BIT',
      smtpUtf8: false,
      ret: '',
      envelopeId: '',
      priority: 0,
      helo: 'c',
      tls: '',
      account: '',
      requireTls: false,
      holdFor: 0,
      deliverBy: null,
      protocol: 'ESMTP',
      content: facts({ size: text.length }),
      body,
    };
    const answers: Reply[] = [];
    this.intake.accept(
      { address: '127.0.0.1', port: 1, relays: true, listener: 'smtp', finish: (reply) => answers.push(reply) },
      transaction,
    );
    return answers;
  }

  /** Waits for all answers, and sees that no memory is held. */
  async settled(): Promise<void> {
    await this.intake.settled();
    expect([this.segments.available, this.intake.inFlight]).toEqual([this.segments.count, 0]);
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

const codes = (all: readonly Reply[][]) => all.map((answers) => answers.map(({ code }) => code).join(' ')).join(', ');

describe('Intake', () => {
  it('answers 250 to every message of a turn once it is stored, then queues it', async () => {
    const all = ['one\r\n', 'two\r\n', 'three\r\n'].map((text) => world.submit(text));
    expect(codes(all)).toBe(', , ');
    await world.settled();
    expect(codes(all)).toBe('250, 250, 250');
    expect(world.queued[1]).toBe('a@out.example Received: here\r\ntwo\r\n.\r\n');
    const shown = all.map(([answer]) => /queued as (\w+)/.exec(answer!.text)?.[1]);
    expect(new Set(shown).size).toBe(3);
  });

  it('hands all of a turn to the workers as one task', async () => {
    world.inline = null;
    const all = Array.from({ length: 20 }, (_, i) => world.submit(`m${i}\r\n`));
    await world.settled();
    expect(world.batches).toEqual([20]);
    expect(new Set(codes(all).split(', '))).toEqual(new Set(['250']));
  });

  it('refuses one that cannot be prepared, and not the others', async () => {
    const inline = (request: PrepareRequest): PreparedMessage => {
      if (request.length === 7) throw new Error('boom');
      if (request.length === 6) return { status: 'too-many-hops', header: HEADER, resumeAt: 0 };
      return ok();
    };
    world.inline = inline;
    const all = ['three\r\n', 'four\r\n', 'x\r\n'].map((text) => world.submit(text));
    await world.settled();
    expect(codes(all)).toBe('451, 554, 250');
    world.inline = null;
    world.batch = async (requests) =>
      requests.map((_, i) => (i === 0 ? new SluiceError('prepare-failed', 'boom', { temporary: true }) : ok()));
    const more = [world.submit('a\r\n'), world.submit('b\r\n')];
    await world.settled();
    expect(codes(more)).toBe('451, 250');
    world.batch = async () => Promise.reject(new Error('worker lost'));
    const lost = [world.submit('a\r\n'), world.submit('b\r\n')];
    await world.settled();
    expect(codes(lost)).toBe('451, 451');
    expect(world.refused).toContain('worker lost');
  });

  it('says 452 when the spool is full and 451 when it fails; nothing is queued', async () => {
    for (const [error, code] of [
      [spoolFull(), '452'],
      [new SluiceError('spool-failed', 'gone', { temporary: true }), '451'],
    ] as const) {
      world.spool.failStore = error;
      const answers = world.submit('x\r\n');
      await world.settled();
      expect(codes([answers])).toBe(code);
    }
    expect(world.queued).toEqual([]);
  });

  it('commits a large message by itself', async () => {
    const all = [world.submit(`${'x'.repeat(300_000)}\r\n`), world.submit('small\r\n')];
    world.spool.failStore = spoolFull();
    await world.settled();
    // One of the two commits failed, and took nothing of the other with it.
    expect(codes(all).split(', ').sort()).toEqual(['250', '452']);
  });
});

describe('the edge of intake', () => {
  const noEdge: IntakeEdge = { refusal: () => null, dropReason: () => null };

  it('fills in how a message is to be handled', async () => {
    world.inline = () => ({ ...ok(), fields: { 'x-sluice-lane': 'immediate', 'x-campaign': 'c' } });
    world.submit('x\r\n');
    world.inline = null;
    world.submit('y\r\n');
    await world.settled();
    expect(world.envelopes[0]!.handling).toBe(PLAIN_HANDLING);
    world.inline = () => ({ ...ok(), fields: { 'x-sluice-lane': 'immediate', 'x-campaign': 'c' } });
    world.submit('x\r\n');
    await world.settled();
    expect(world.envelopes[2]!.handling).toEqual({
      ...PLAIN_HANDLING,
      lane: 'immediate',
      fields: { 'x-campaign': 'c' },
    });
  });

  it('refuses a message once all of it is known', async () => {
    world.edge = { ...noEdge, refusal: ({ sender }) => (sender === 'a@out.example' ? replies.outOfMemory : null) };
    const answers = world.submit('x\r\n');
    await world.settled();
    expect([codes([answers]), world.queued, world.refused]).toEqual(['452', [], [replies.outOfMemory.text]]);
  });

  it('drops recipients with an event, and keeps nothing of a message that has no others', async () => {
    world.edge = {
      ...noEdge,
      dropReason: (_envelope, { address }) => (address.startsWith('gone') ? 'suppressed' : null),
    };
    const some = world.submit('x\r\n', ['gone@y.example', 'b@y.example', 'gone2@y.example']);
    await world.settled();
    const none = world.submit('x\r\n', ['gone@y.example']);
    await world.settled();
    const all = world.submit('x\r\n', ['c@y.example']);
    await world.settled();
    expect(codes([some, none, all])).toBe('250, 250, 250');
    expect(world.envelopes.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([
      ['b@y.example'],
      ['c@y.example'],
    ]);
    expect(world.dropped).toEqual([
      'gone@y.example suppressed',
      'gone2@y.example suppressed',
      'gone@y.example suppressed',
    ]);
  });
});

describe('Admission', () => {
  const admission = (segments = world.segments, domains: string[] = []) =>
    new Admission({ room: () => world.spool.usage().availableBytes, segments, relayDomains: new Set(domains) });

  it('relays for those who may, and for others only to the relay domains', () => {
    const closed = admission();
    const proxy = admission(world.segments, ['ours.example']);
    expect(closed.admitRecipient(true, 'any.example')).toBeNull();
    expect(closed.admitRecipient(false, 'any.example')?.code).toBe(554);
    expect(closed.admitRecipient(false, '')?.code).toBe(554);
    expect(proxy.admitRecipient(false, 'ours.example')).toBeNull();
    expect(proxy.admitRecipient(false, 'sub.ours.example')?.code).toBe(554);
    expect(proxy.admitRecipient(false, '')).toBeNull();
  });

  it('keeps a reserve of memory for what is coming in already', () => {
    const segments = SegmentPool.create(16 * 4096, 4096);
    const room = admission(segments);
    expect(room.admitMail(0)).toBeNull();
    expect(room.admitMail(12 * 4096)).toBeNull();
    for (let i = 0; i < 9; i++) segments.lease();
    expect(room.admitMail(8 * 4096)?.code).toBe(452);
    expect(room.admitMail(0)).toBeNull();
    for (let i = 0; i < 6; i++) segments.lease();
    expect(room.admitMail(0)?.code).toBe(452);
  });
});
