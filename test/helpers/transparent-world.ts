/**
 * A network of three for the transparent proxy, to be run inside a network namespace (`unshare -rn node this redirect`):
 * a client, the engine on a router whose firewall redirects port 25, and the server that the client means.
 *
 *   client 10.0.1.2, fd01::2 -- 10.0.1.1, fd01::1 router 198.51.100.1, 2001:db8::1 -- 198.51.100.7, 2001:db8::7 server
 *
 * The engine sees to the mail of the client; nothing else in the router forwards. Prints one line of JSON: a
 * WorldReport. As `sink` and `client` it plays the other two, in their namespaces, which end with this process.
 * Limits: needs `ip`, `nft`, and the build.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { startEngine } from './engine.js';
import { SmtpSink } from './smtp-sink.js';

/** One message that the server took. */
export interface Arrived {
  readonly to: string;
  readonly rcpts: readonly string[];
  readonly content: string;
}

export interface WorldReport {
  readonly arrived: readonly Arrived[];
  /** Last reply of each client, or how its connection ended. */
  readonly clients: Readonly<Record<string, string>>;
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

const SELF = fileURLToPath(import.meta.url);
const SERVERS = ['198.51.100.7', '2001:db8::7'];
const children: ChildProcess[] = [];

/** A network namespace with its own end of a link to the router; returns a prefix of commands that run in it. */
function namespace(link: string, here: readonly string[], there: readonly string[]): string[] {
  const holder = spawn('unshare', ['-n', 'sleep', '300'], { stdio: 'ignore' });
  children.push(holder);
  const inside = ['nsenter', '-t', String(holder.pid), '-n'];
  const ours = execFileSync('readlink', ['/proc/self/ns/net']).toString();
  const theirs = () => execFileSync('readlink', [`/proc/${holder.pid}/ns/net`]).toString();
  for (const end = Date.now() + 5000; theirs() === ours; )
    if (Date.now() > end) throw new Error('no namespace was made');
  ip('link', 'add', `${link}r`, 'type', 'veth', 'peer', 'name', link);
  ip('link', 'set', link, 'netns', String(holder.pid));
  for (const address of here) ip('addr', 'add', address, 'dev', `${link}r`, ...nodad(address));
  ip('link', 'set', `${link}r`, 'up');
  for (const address of there) run(inside, 'ip', 'addr', 'add', address, 'dev', link, ...nodad(address));
  run(inside, 'ip', 'link', 'set', link, 'up');
  run(inside, 'ip', 'link', 'set', 'lo', 'up');
  return inside;
}

function nodad(address: string): string[] {
  return address.includes(':') ? ['nodad'] : [];
}

function run(prefix: readonly string[], ...command: string[]): void {
  const [program = '', ...args] = [...prefix, ...command];
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function ip(...args: string[]): void {
  run([], 'ip', ...args);
}

/** Everything to port 25 that comes from the client goes to the engine. */
function firewall(kind: string): void {
  const rule =
    kind === 'redirect'
      ? ['type nat hook prerouting priority dstnat;', 'iifname "clir" tcp dport 25 redirect to :2525']
      : [
          'type filter hook prerouting priority mangle;',
          ...['ip', 'ip6'].map(
            (family) =>
              `iifname "clir" meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'} tcp dport 25 tproxy ${family} to :2525 meta mark set 1 accept`,
          ),
        ];
  const rules = `table inet sluice {\nchain pre {\n${rule.join('\n')}\n}\n}\n`;
  execFileSync('nft', ['-f', '-'], { input: rules, stdio: ['pipe', 'ignore', 'pipe'] });
  if (kind === 'redirect') return;
  for (const [family, all] of [
    ['-4', '0.0.0.0/0'],
    ['-6', '::/0'],
  ] as const) {
    ip(family, 'rule', 'add', 'fwmark', '1', 'lookup', '100');
    ip(family, 'route', 'add', 'local', all, 'dev', 'lo', 'table', '100');
  }
}

/** Runs this file in a namespace; lines of its output go to `line`. */
function play(inside: readonly string[], args: readonly string[], line: (text: string) => void): ChildProcess {
  const [program = '', ...rest] = [...inside, process.execPath, SELF, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  createInterface({ input: child.stdout! }).on('line', line);
  return child;
}

async function world(kind: string): Promise<WorldReport> {
  ip('link', 'set', 'lo', 'up');
  const client = namespace('cli', ['10.0.1.1/24', 'fd01::1/64'], ['10.0.1.2/24', 'fd01::2/64']);
  const server = namespace('srv', ['198.51.100.1/24', '2001:db8::1/64'], ['198.51.100.7/24', '2001:db8::7/64']);
  run(client, 'ip', 'route', 'add', 'default', 'via', '10.0.1.1');
  run(client, 'ip', '-6', 'route', 'add', 'default', 'via', 'fd01::1');
  firewall(kind);
  const arrived: Arrived[] = [];
  let listening = 0;
  play(server, ['sink'], (line) => {
    const said = JSON.parse(line) as Arrived | 'listening';
    if (said === 'listening') listening++;
    else arrived.push(said);
  });
  await wait(() => listening === SERVERS.length);
  const engine = await startEngine({
    settings: {
      SLUICE_LISTEN: `smtp://[::]:2525?transparent=${kind}&auth=none`,
      SLUICE_RELAY_NETWORKS: '10.0.1.0/24, fd01::/64',
      SLUICE_TLS_THREADS: '1',
      // Where mail would go if its destination were forgotten: nobody is there.
      SLUICE_UPSTREAM: 'smtp://127.0.0.1:9',
    },
  });
  const clients: Record<string, string> = {};
  const tell = async (name: string, address: string, port: string, how: string): Promise<void> => {
    const child = play(client, ['client', name, address, port, how], (line) => {
      clients[name] = line;
    });
    await once(child, 'exit');
  };
  try {
    await tell('four', '198.51.100.7', '25', 'clear');
    await tell('four-tls', '198.51.100.7', '25', 'starttls');
    await tell('six', '2001:db8::7', '25', 'clear');
    // Not redirected: the router's own address at the engine's own port.
    await tell('direct', '10.0.1.1', '2525', 'clear');
    await wait(() => arrived.length >= 3);
  } finally {
    await engine.stop();
  }
  return { arrived, clients, log: engine.lines };
}

async function wait(done: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !done() && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The servers that clients mean; each message is a line. */
async function sink(): Promise<void> {
  for (const address of SERVERS) {
    const one = new SmtpSink({ address, port: 25 });
    let told = 0;
    await one.listen();
    console.log(JSON.stringify('listening'));
    setInterval(() => {
      for (const { rcpts, content } of one.messages.slice(told))
        console.log(JSON.stringify({ to: address, rcpts, content: content.toString('latin1') } satisfies Arrived));
      told = one.messages.length;
    }, 20);
  }
}

/** Sends one message and prints the last reply. */
async function send(name: string, address: string, port: number, how: string): Promise<void> {
  let socket: net.Socket = net.connect({ host: address, port });
  const closed = new Promise<string>((resolve) => {
    socket.on('error', (error) => resolve(`closed: ${(error as NodeJS.ErrnoException).code}`));
    socket.on('close', () => resolve('closed'));
  });
  const reply = (): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const listener = (chunk: Buffer): void => {
        text += chunk.toString('latin1');
        const last = /^(\d{3} [^\r]*)\r\n$/m.exec(text);
        if (last === null || !text.endsWith('\r\n')) return;
        socket.off('data', listener);
        resolve(last[1]!);
      };
      socket.on('data', listener);
      void closed.then(resolve);
    });
  const say = (line: string): Promise<string> => {
    const answer = reply();
    socket.write(`${line}\r\n`);
    return answer;
  };
  let last = await reply();
  if (how === 'starttls') {
    await say('EHLO client.example');
    await say('STARTTLS');
    const secure = tls.connect({ socket, rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    socket = secure;
  }
  const content = `From: a@client.example\r\nSluice-Original-Destination: 127.0.0.1:9\r\nSubject: ${name}\r\n\r\nhello\r\n.`;
  for (const line of [
    'EHLO client.example',
    'MAIL FROM:<a@client.example>',
    `RCPT TO:<${name}@there.example>`,
    'DATA',
    content,
  ])
    if (!last.startsWith('closed')) last = await say(line);
  console.log(last);
  process.exit(0);
}

const [role = '', name = '', address = '', port = '', how = ''] = process.argv.slice(2);
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
if (role === 'sink') await sink();
else if (role === 'client') await send(name, address, Number(port), how);
else if (role !== '') {
  console.log(JSON.stringify(await world(role)));
  process.exit(0);
}
