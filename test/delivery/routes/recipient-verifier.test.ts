/** Recipient verification against a next hop of the test, over real sockets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.js';
import { DeadlineWheel } from '../../../src/core/deadline-wheel.js';
import type { EgressPool, EgressSource } from '../../../src/delivery/egress.js';
import { RecipientVerifier, type VerifierOptions } from '../../../src/delivery/routes/recipient-verifier.js';
import type { SiteHosts } from '../../../src/delivery/site.js';
import { dial } from '../../../src/net/dial.js';
import type { Wait } from '../../../src/queue/wait.js';
import { until } from '../../helpers/smtp-peer.js';
import { type SinkOptions, type SmtpSink, startSink } from '../../helpers/smtp-sink.js';
import { closedPort, hostAt } from '../delivery-world.js';

let wheel: DeadlineWheel;
let shift = 0;
const closers: (() => unknown)[] = [];
beforeEach(() => {
  shift = 0;
  wheel = new DeadlineWheel(() => systemClock.now(), 10, 20);
  closers.push(() => wheel.stop());
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers.length = 0;
});

/** A mailbox server: knows `known`, has no idea about `unsure`. */
async function mailboxes(more: SinkOptions = {}): Promise<SmtpSink> {
  const sink = await startSink({
    reply: (moment, line) => {
      if (moment !== 'RCPT' || line.includes('<known')) return undefined;
      return line.includes('<unsure') ? '451 4.7.1 Come back later' : '550 5.1.1 No such user here';
    },
    ...more,
  });
  closers.push(() => sink.close());
  return sink;
}

function verifier(found: SiteHosts | readonly number[], more: Partial<VerifierOptions> = {}): RecipientVerifier {
  const hosts: SiteHosts = Array.isArray(found)
    ? {
        kind: 'hosts',
        hosts: (found as readonly number[]).map((port) => hostAt(port)),
        order: 'preference',
        limit: 10,
        expires: Number.POSITIVE_INFINITY,
      }
    : (found as SiteHosts);
  const made = new RecipientVerifier({
    clock: { ...systemClock, now: () => systemClock.now() + shift },
    wheel,
    dial,
    connection: {
      hostname: 'me.example',
      connectTimeout: 2000,
      replyTimeout: 2000,
      dataTimeout: 2000,
      tlsTimeout: 2000,
    },
    siteOf: () => ({ resolve: async () => hosts }),
    positive: 3_600_000,
    negative: 60_000,
    timeout: 2000,
    ...more,
  });
  closers.push(() => made.close());
  return made;
}

const count = (sink: SmtpSink, start: string) => sink.commands.filter((line) => line.startsWith(start)).length;

describe('recipient verification', () => {
  it('tells what the target says, over one connection, without sending anything', async () => {
    const sink = await mailboxes();
    const asked = verifier([sink.port]);
    expect(await asked.verify('host/h:25', 'known@dest.example')).toEqual({ kind: 'accepted' });
    expect(await asked.verify('host/h:25', 'nobody@dest.example')).toEqual({
      kind: 'refused',
      code: 550,
      enhanced: '5.1.1',
      text: 'No such user here',
    });
    expect(await asked.verify('host/h:25', 'unsure@dest.example')).toEqual({
      kind: 'unknown',
      reason: '451 4.7.1 Come back later',
    });
    expect(sink.connections).toBe(1);
    expect(sink.commands.filter((line) => !line.startsWith('EHLO'))).toEqual([
      'MAIL FROM:<>',
      'RCPT TO:<known@dest.example>',
      'RSET',
      'MAIL FROM:<>',
      'RCPT TO:<nobody@dest.example>',
      'RSET',
      'MAIL FROM:<>',
      'RCPT TO:<unsure@dest.example>',
    ]);
    expect(sink.messages).toEqual([]);
  });

  it('does the same with a target that does not pipeline', async () => {
    const sink = await mailboxes({ capabilities: [] });
    const asked = verifier([sink.port]);
    for (const name of ['known1', 'nobody', 'known2'])
      expect(await asked.verify('host/h:25', `${name}@dest.example`)).toMatchObject({
        kind: name === 'nobody' ? 'refused' : 'accepted',
      });
    expect(sink.connections).toBe(1);
    expect(count(sink, 'DATA')).toBe(0);
  });

  it('remembers a yes longer than a no, however the address is written', async () => {
    const sink = await mailboxes();
    const asked = verifier([sink.port]);
    const ask = async () => {
      await asked.verify('host/h:25', 'known@dest.example');
      await asked.verify('host/h:25', 'nobody@dest.example');
    };
    await ask();
    // Known: no promise at all.
    expect(asked.verify('host/h:25', 'Known@DEST.example')).toEqual({ kind: 'accepted' });
    shift = 59_000;
    await ask();
    expect(count(sink, 'RCPT')).toBe(2);
    shift = 61_000;
    await ask();
    expect(count(sink, 'RCPT TO:<nobody')).toBe(2);
    expect(count(sink, 'RCPT TO:<known')).toBe(1);
    shift = 3_601_000;
    await ask();
    expect(count(sink, 'RCPT TO:<known')).toBe(2);
    // Another destination is another question.
    await asked.verify('host/other:25', 'known@dest.example');
    expect(count(sink, 'RCPT TO:<known')).toBe(3);
  });

  it('asks once for all who ask at the same time, and over few connections', async () => {
    const sink = await mailboxes();
    const asked = verifier([sink.port]);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => asked.verify('host/h:25', `known${i % 40}@dest.example`)),
    );
    expect(answers.every(({ kind }) => kind === 'accepted')).toBe(true);
    expect(count(sink, 'RCPT')).toBe(40);
    expect(sink.connections).toBeLessThanOrEqual(4);
  });

  it('says nothing of a recipient when the target is silent, and takes the answer that comes late', async () => {
    let release = (): void => {};
    const sink = await mailboxes({
      reply: async (moment) => {
        if (moment !== 'RCPT') return undefined;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return '550 5.1.1 No';
      },
    });
    const asked = verifier([sink.port], { timeout: 100 });
    expect(await asked.verify('host/h:25', 'x@dest.example')).toEqual({
      kind: 'unknown',
      reason: 'the target gave no answer within 100 ms',
    });
    await until('the question came', () => count(sink, 'RCPT') === 1);
    release();
    await until('the answer is known', () => 'code' in asked.verify('host/h:25', 'x@dest.example'));
  });

  it('goes on to the next host, and says why when there is none', async () => {
    const sink = await mailboxes();
    const down = await closedPort();
    expect(await verifier([down, sink.port]).verify('host/h:25', 'known@dest.example')).toEqual({ kind: 'accepted' });
    expect(await verifier([down]).verify('host/h:25', 'known@dest.example')).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('connection refused'),
    });
  });

  it('uses a new connection when the kept one has gone', async () => {
    let serve = true;
    const sink = await mailboxes({
      reply: (moment, line) => {
        if (moment === 'RSET') return serve ? undefined : '';
        return moment === 'RCPT' && line.includes('nobody') ? '550 5.1.1 No' : undefined;
      },
    });
    const asked = verifier([sink.port]);
    await asked.verify('host/h:25', 'known1@dest.example');
    serve = false;
    expect(await asked.verify('host/h:25', 'nobody@dest.example')).toMatchObject({ kind: 'refused' });
    expect(sink.connections).toBe(2);
  });

  it('goes out as mail for the target would: source, name, or not at all', async () => {
    const sink = await mailboxes();
    const source = { name: 's', helo: 'out.example', address4: '127.0.0.5', address6: '', proxy: null };
    const wait: Wait = { kind: 'quota', reason: 'source s has sent enough today', until: 1 };
    const through = (picked: EgressSource | Wait): SiteHosts => ({
      kind: 'hosts',
      hosts: [hostAt(sink.port)],
      order: 'balance',
      limit: 10,
      expires: Number.POSITIVE_INFINITY,
      egress: { pick: () => picked } as Partial<EgressPool> as EgressPool,
    });
    expect(await verifier(through(source)).verify('host/h:25', 'known@dest.example')).toEqual({ kind: 'accepted' });
    expect(sink.commands[0]).toBe('EHLO out.example');
    expect(await verifier(through(wait)).verify('host/h:25', 'known@dest.example')).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('source s has sent enough today'),
    });
  });

  it('does not take a refusal of the null sender for one of the recipient', async () => {
    const sink = await mailboxes({ reply: (moment) => (moment === 'MAIL' ? '550 5.7.1 No bounces' : undefined) });
    expect(await verifier([sink.port]).verify('host/h:25', 'known@dest.example')).toEqual({
      kind: 'unknown',
      reason: 'MAIL FROM:<> was answered 550 5.7.1 No bounces',
    });
  });

  it('ends for sites without hosts', async () => {
    const failed: SiteHosts = { kind: 'failed', temporary: true, enhanced: '4.4.3', reason: 'no DNS' };
    expect(await verifier(failed).verify('mx/x', 'a@x')).toEqual({ kind: 'unknown', reason: 'no DNS' });
    const local: SiteHosts = { kind: 'local', deliver: async () => [], expires: Number.POSITIVE_INFINITY };
    expect(await verifier(local).verify('discard/x', 'a@x')).toEqual({ kind: 'accepted' });
  });

  it('writes addresses as the target can take them', async () => {
    const sink = await mailboxes({ reply: () => undefined });
    const asked = verifier([sink.port]);
    await asked.verify('host/h:25', 'ann@bücher.example');
    await asked.verify('host/h:25', 'änn@bücher.example');
    expect(sink.commands).toContain('RCPT TO:<ann@xn--bcher-kva.example>');
    expect(sink.commands).toContain('MAIL FROM:<> SMTPUTF8');
    expect(sink.commands).toContain('RCPT TO:<änn@xn--bcher-kva.example>');
  });
});
