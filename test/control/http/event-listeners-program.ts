/**
 * A server of /v1/events as a process of its own, for tests with thousands of listeners: it makes up events at a steady
 * pace when told to, and says what it holds.
 */
import { HttpServer } from '../../../src/control/http/http-server.js';
import { MailEvents } from '../../../src/telemetry/mail-event.js';
import { httpOptions, planeOf } from '../../helpers/http-plane.js';
import { outcomeEvent } from '../../helpers/mail-events.js';

/** What it is told: so many events in all, each `every`th with the tag `all`; 0 events asks for figures alone. */
export interface Order {
  readonly events: number;
  readonly every: number;
}

export interface Figures {
  readonly port: number;
  readonly listeners: number;
  readonly dropped: number;
  readonly told: number;
  /** Resident memory at most so far, bytes. */
  readonly rss: number;
}

const REPLY = `250 ${'x'.repeat(1000)}`;
/** Events at a time, and the time between, ms. */
const SOME = 50;
const PAUSE = 10;

const mail = new MailEvents();
const server = await HttpServer.open(
  httpOptions({ maxConnections: 100, maxListeners: 10_000 }),
  planeOf({ subscribe: (listener) => mail.subscribe(listener) }),
);
let told = 0;
let rss = 0;

function tell(): void {
  const { listeners, dropped } = server.listeners;
  rss = Math.max(rss, process.memoryUsage.rss());
  process.send!({ port: server.port, listeners, dropped, told, rss } satisfies Figures);
}

process.on('message', ({ events, every }: Order) => {
  const end = told + events;
  const some = (): void => {
    for (let i = 0; i < SOME && told < end; i++, told++)
      mail.tell(outcomeEvent('delivered', { id: `A${told}`, reply: REPLY, tags: told % every === 0 ? ['all'] : [] }));
    rss = Math.max(rss, process.memoryUsage.rss());
    if (told < end) setTimeout(some, PAUSE);
    else tell();
  };
  some();
});
process.on('disconnect', () => process.exit());
tell();
