/**
 * Next hops without sockets, for tests with fake timers: they answer after a delay, hang, refuse or close as they are
 * told, and every connection, transaction and mail is written down.
 */
import type { DialFrom } from '../../src/delivery/egress.js';
import type { Dial, WireEvents } from '../../src/delivery/wire.js';

/** What a host does with a connection, asked when it is dialled, and at each stage. */
export interface Temper {
  /** ms until a connection stands; `refuse`: it does not; `hang`: neither comes. */
  readonly connect?: number | 'refuse' | 'hang';
  /** ms until a reply. */
  readonly delay?: number;
  /** What it says instead of answering well, or does. */
  answer?(stage: Stage, line: string): string | 'hang' | 'close' | undefined;
}

export type Stage = 'greeting' | 'EHLO' | 'MAIL' | 'RCPT' | 'DATA' | 'dot' | 'QUIT';

export interface Transaction {
  readonly address: string;
  readonly connection: number;
  readonly helo: string;
  readonly sender: string;
  readonly recipients: readonly string[];
}

const GOOD: Record<Stage, string> = {
  greeting: '220 fake',
  EHLO: '250-fake\r\n250 PIPELINING',
  MAIL: '250 ok',
  RCPT: '250 ok',
  DATA: '354 go',
  dot: '250 ok',
  QUIT: '221 bye',
};

export class FakeHosts {
  /** Connections being made and made, in all and at most. */
  open = 0;
  mostOpen = 0;
  readonly dials: { readonly address: string; readonly from: DialFrom | undefined }[] = [];
  /** What was answered 250 at the end. */
  readonly taken: Transaction[] = [];
  /** Called after each change of `open`. */
  changed: (by: number) => void = () => {};
  private readonly temper: (address: string) => Temper;

  constructor(temper: (address: string) => Temper = () => ({})) {
    this.temper = temper;
  }

  readonly dial: Dial = (address, _port, _policy, events, from) => {
    const connection = this.dials.length;
    this.dials.push({ address, from });
    this.count(1);
    return new FakeWire(this, address, connection, this.temper(address), events, () => this.count(-1));
  };

  private count(by: number): void {
    this.open += by;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    this.changed(by);
  }
}

class FakeWire {
  readonly unsent = 0;
  private closed = false;
  private helo = '';
  private sender = '';
  private recipients: string[] = [];
  private readonly hosts: FakeHosts;
  private readonly address: string;
  private readonly connection: number;
  private readonly temper: Temper;
  private readonly events: WireEvents;
  private readonly over: () => void;

  constructor(
    hosts: FakeHosts,
    address: string,
    connection: number,
    temper: Temper,
    events: WireEvents,
    over: () => void,
  ) {
    this.hosts = hosts;
    this.address = address;
    this.connection = connection;
    this.temper = temper;
    this.events = events;
    this.over = over;
    const { connect = 1 } = temper;
    if (connect === 'hang') return;
    setTimeout(
      () => {
        if (this.closed) return;
        if (connect === 'refuse') this.lose('connection refused');
        else {
          events.connected();
          this.say('greeting', '');
        }
      },
      connect === 'refuse' ? 1 : connect,
    );
  }

  write(): boolean {
    this.say('dot', '');
    return true;
  }

  writeText(text: string): boolean {
    for (const line of text.split('\r\n')) {
      const word = line.slice(0, 4);
      if (word === 'EHLO') this.helo = line.slice(5);
      else if (word === 'MAIL') {
        this.sender = between(line);
        this.recipients = [];
      } else if (word === 'RCPT') this.recipients.push(between(line));
      if (word === 'RSET') this.later(() => this.reply('250 ok'));
      else if (word !== '') this.say(word === '.' ? 'dot' : (word as Stage), line);
    }
    return true;
  }

  startTls(): void {}

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.over();
  }

  private say(stage: Stage, line: string): void {
    const said = this.temper.answer?.(stage, line) ?? GOOD[stage];
    if (said === 'hang') return;
    this.later(() => {
      if (said === 'close') this.lose('');
      else {
        if (stage === 'dot' && said.startsWith('250')) this.take();
        this.reply(said);
        if (stage === 'QUIT') this.lose('');
      }
    });
  }

  private take(): void {
    const { address, connection, helo, sender, recipients } = this;
    this.hosts.taken.push({ address, connection, helo, sender, recipients: [...recipients] });
  }

  private reply(text: string): void {
    if (this.closed) return;
    const bytes = Buffer.from(`${text}\r\n`);
    this.events.received(bytes, 0, bytes.length);
  }

  private later(act: () => void): void {
    setTimeout(() => {
      if (!this.closed) act();
    }, this.temper.delay ?? 1);
  }

  private lose(reason: string): void {
    if (this.closed) return;
    this.destroy();
    this.events.lost(reason);
  }
}

function between(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.indexOf('>'));
}
