/**
 * The house rules that a reader of the imports can hold: layers, who may touch the network and the environment, where
 * replies are written, how long a file may be.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

// The house says "about 350"; a file past this is two files.
const MAX_LINES = 380;

/** Rooms that a room may import, besides itself. Files directly under src/ tie the rooms together and may import all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  memory: ['core'],
  message: ['core'],
  smtp: ['core', 'message/envelope'],
  spool: ['core', 'message/envelope'],
  queue: ['core', 'spool', 'message/envelope', 'message/lane-settings'],
  // What became of mail, made sense of: bounces, complaints, suppression, promises kept. Knows outcomes, not sockets.
  outcomes: ['core', 'message', 'smtp', 'spool', 'queue'],
  delivery: ['core', 'smtp', 'message', 'memory', 'spool', 'queue', 'outcomes'],
  intake: ['core', 'smtp', 'message', 'memory', 'spool', 'queue', 'outcomes', 'workers/contract'],
  // Who may submit, and with what: answers the questions of sessions, asks other services through what net gives it.
  accounts: ['core', 'smtp', 'message/envelope'],
  // How safely a next hop must be reached: MTA-STS, DANE, reports. Reads DNS and the web through what net gives it.
  security: ['core', 'message', 'delivery', 'smtp'],
  net: ['core', 'smtp', 'memory', 'telemetry'],
  telemetry: ['core'],
  // One filter of events for all that listen.
  control: ['telemetry/event-filter'],
  // What happened to each message, kept to be looked up.
  history: ['core', 'telemetry/mail-event'],
  // Events to others over HTTP, out of a durable outbox.
  webhooks: ['core', 'spool', 'telemetry/mail-event', 'telemetry/event-filter'],
  // Messages composed of what an application says, handed in like those of a session.
  injection: ['core', 'smtp', 'message', 'memory', 'intake', 'spool'],
  // What operators did, in a log that shows when it was changed.
  audit: ['core'],
  // Traces and metrics by OTLP.
  tracing: ['core', 'telemetry', 'message/trace-field'],
  // Other relays' configuration in the terms of our own, and their commands.
  compat: ['core', 'config', 'message/mail-date', 'smtp/address'],
  // What an account may do has one shape, in the configuration file and in the answers of account sources.
  // Shapes of tables stand with those who read them.
  config: [
    'core',
    'message/header-rules',
    'message/envelope',
    'message/tenant',
    'message/lane-settings',
    'delivery/routes/route-settings',
    'delivery/routes/text-pattern',
    'smtp/authentication',
    'accounts/account-settings',
    'accounts/canonical-text',
    'telemetry/event-filter',
    'webhooks/signature',
  ],
  // Sessions of TLS clients run on threads of their own, with the same session and connection as on the main thread.
  workers: ['core', 'message', 'memory', 'smtp', 'net', 'intake/admission', 'intake/limits-in-force'],
};
/** Types only, which leave nothing at run time: a room may name the shapes it is handed. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = {
  message: ['workers/contract'],
  // The table [[shaping]] gives rules as the shaping takes them.
  config: ['delivery/shaping/rule', 'webhooks/webhook-settings'],
  // Delivery declares what it needs of a connection; net provides it and app.ts binds the two.
  queue: ['telemetry/mail-event'],
  // What the plane hands the engine: the shape of mail that applications give it.
  control: ['telemetry/mail-event', 'injection/mail-item'],
  net: ['delivery/wire', 'delivery/egress', 'delivery/tls-policy', 'workers/session-contract'],
};
/** Entries of the process: nobody imports them but one another. */
const ENTRIES = ['app.js', 'main.js', 'cli.js'];
const NETWORK = ['net', 'tls', 'dns', 'dns/promises', 'dgram'];

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** `src/smtp/x.ts` -> `smtp`, `workers/x.ts` -> `workers`, `src/app.ts` -> ''. */
function roomOf(path: string): string {
  const parts = path.split('/');
  if (parts[0] === 'workers') return 'workers';
  return parts.length > 2 ? parts[1]! : '';
}

/** Text without comments, so that prose counts for nothing. Good enough for formatted code: `//` in strings of URLs stays. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)';/gm)) {
    const names =
      /\{([^}]*)\}/
        .exec(match[0])?.[1]
        ?.split(',')
        .filter((name) => name.trim() !== '') ?? [];
    const allTypes = names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
    found.push({ specifier: match[3]!, typeOnly: match[2] !== undefined || allTypes });
  }
  for (const match of text.matchAll(/\b(?:import|require)\(\s*'([^']+)'\s*\)/g)) {
    found.push({ specifier: match[1]!, typeOnly: false });
  }
  return found;
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .sort()
    .map((path) => {
      const text = readFileSync(path, 'utf8');
      return { path, text, imports: importsOf(withoutComments(text)) };
    });
}

const sources = [...sourcesIn('src'), ...sourcesIn('workers')];

/** Target of a relative import, from the root, without its ending: `src/core/errors`. */
function targetOf(source: Source, specifier: string): string {
  return normalize(join(dirname(source.path), specifier)).replace(/\.js$/, '');
}

/** Path as in MAY_IMPORT: `smtp/replies`, `workers/contract`, `app`. */
function inRooms(target: string): string {
  return target.replace(/^src\//, '');
}

function allowed(target: string, rules: readonly string[]): boolean {
  return rules.some((rule) => target === rule || target.startsWith(`${rule}/`));
}

describe('the rooms', () => {
  it('are all known here', () => {
    const rooms = new Set(sources.map((source) => roomOf(source.path)).filter((room) => room !== ''));
    expect([...rooms].filter((room) => MAY_IMPORT[room] === undefined)).toEqual([]);
    expect(sources.length).toBeGreaterThan(20);
  });

  it('import one way', () => {
    const broken: string[] = [];
    for (const source of sources) {
      const room = roomOf(source.path);
      if (room === '') continue;
      for (const { specifier, typeOnly } of source.imports) {
        if (!specifier.startsWith('.')) continue;
        const target = inRooms(targetOf(source, specifier));
        if (target.startsWith(`${room}/`)) continue;
        if (allowed(target, MAY_IMPORT[room] ?? [])) continue;
        if (typeOnly && allowed(target, MAY_IMPORT_TYPES[room] ?? [])) continue;
        broken.push(`${source.path} imports ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('never import the entries of the process', () => {
    const broken = sources.flatMap((source) =>
      source.imports
        .filter(({ specifier }) =>
          ENTRIES.some((entry) => specifier === `./${entry}` || specifier.endsWith(`../${entry}`)),
        )
        .filter(() => !ENTRIES.includes(source.path.replace(/^src\//, '').replace(/ts$/, 'js')))
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(broken).toEqual([]);
  });

  it('name built-in modules with node: and import files with .js', () => {
    const broken = sources.flatMap((source) =>
      source.imports
        .filter(({ specifier }) => {
          return builtinModules.includes(specifier) || (specifier.startsWith('.') && !specifier.endsWith('.js'));
        })
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('the network', () => {
  it('is touched in src/net only', () => {
    const broken = sources.flatMap((source) =>
      source.imports
        .filter(({ specifier }) => NETWORK.includes(specifier.replace(/^node:/, '')) && roomOf(source.path) !== 'net')
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('the environment', () => {
  it('is read in src/config only', () => {
    const broken = sources.filter((source) => {
      return (
        roomOf(source.path) !== 'config' &&
        /\bprocess\.env\b|\{[^}]*\benv\b[^}]*\} = process\b/.test(withoutComments(source.text))
      );
    });
    expect(broken.map((source) => source.path)).toEqual([]);
  });
});

describe('SMTP replies', () => {
  it('are written in src/smtp/replies.ts only', () => {
    const literal = /['"`][245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}\b|[A-Z])/;
    const broken = sources
      .filter((source) => source.path !== 'src/smtp/replies.ts')
      .flatMap((source) => {
        return withoutComments(source.text)
          .split('\n')
          .filter((line) => literal.test(line))
          .map((line) => `${source.path}: ${line.trim()}`);
      });
    expect(broken).toEqual([]);
  });
});

describe('files', () => {
  it(`have at most ${MAX_LINES} lines and begin with what they are for`, () => {
    const long = sources
      .filter((source) => source.text.split('\n').length - 1 > MAX_LINES)
      .map((source) => source.path);
    expect(long).toEqual([]);
    const silent = sources.filter((source) => !/^(#![^\n]*\n)?\/\*\*/.test(source.text)).map((source) => source.path);
    expect(silent).toEqual([]);
  });

  it('have names in lower case with hyphens', () => {
    expect(sources.map((source) => source.path).filter((path) => !/^[a-z0-9/-]+\.ts$/.test(path))).toEqual([]);
  });

  it('use no any', () => {
    const broken = sources.filter((source) => /(?:[:<|,(]|\bas) *any\b(?! *=>)/.test(withoutComments(source.text)));
    expect(broken.map((source) => source.path)).toEqual([]);
  });
});
