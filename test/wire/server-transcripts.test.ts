import { describe, expect, it } from 'vitest';
import type { ServerSessionOptions } from '../../src/smtp/server-options.js';
import { fakeAccounts } from '../smtp/fake-accounts.js';
import { FakeHost, testOptions } from '../smtp/fake-host.js';
import { readConversations } from './transcript.js';

const conversations = readConversations(new URL('./server.txt', import.meta.url));

function replyLines(sent: string): string[] {
  expect(sent === '' || sent.endsWith('\r\n')).toBe(true);
  return sent.split('\r\n').slice(0, -1);
}

function expectReplies(sent: string, beginnings: readonly string[], after: string): void {
  const lines = replyLines(sent);
  const seen = lines.map((line, i) => line.slice(0, beginnings[i]?.length ?? line.length));
  expect(seen, `after ${JSON.stringify(after.slice(0, 200))}`).toEqual(beginnings);
}

describe('conversations with the server', () => {
  for (const { title, options, steps } of conversations) {
    const settings = testOptions(options as Partial<ServerSessionOptions>);
    const begin = () => {
      const host = new FakeHost(settings);
      host.accounts = fakeAccounts;
      return host;
    };
    const stream = steps.map((step) => step.client).join('');
    const whole = () => {
      const host = begin();
      host.say(stream);
      return host;
    };

    it(`${title}: step by step`, () => {
      const host = begin();
      for (const { client, server } of steps) {
        const reply = client === '' ? host.sent : host.say(client);
        expectReplies(reply, server, client);
      }
      host.session.abort();
      expect(host.heldBodies).toBe(0);
      // Sent without waiting, the same comes back.
      expect(whole().sent).toBe(host.sent);
    });

    it(`${title}: cut at every byte`, () => {
      const expected = whole().trace();
      const bytewise = begin();
      for (const byte of stream) bytewise.say(byte);
      expect(bytewise.trace()).toEqual(expected);
      // Long streams: the cuts that matter are at the beginnings and ends of lines.
      const cuts = [...stream].flatMap((_, i) =>
        stream.length < 3000 || /[\r\n.]/.test(stream.slice(i - 2, i + 2)) ? [i] : [],
      );
      for (const cut of cuts) {
        const host = begin();
        host.say(stream.slice(0, cut));
        host.say(stream.slice(cut));
        expect(host.trace()).toEqual(expected);
      }
    });
  }
});
