/**
 * The engine's log: JSON lines, or lines for people on a terminal.
 *
 * Contract: no method throws, blocks or waits; an output that is stuck or gone costs log lines, never mail (see
 * log-writer.ts). General lines go through pino and are written at the end of the turn; the three lines that every
 * message causes are built by hand (log-line.ts) and written in blocks. Level first: a line below the level costs a
 * comparison.
 */
import { isatty } from 'node:tty';
import pino from 'pino';
import {
  type AcceptedEvent,
  type AttemptEvent,
  acceptedLine,
  attemptLine,
  type OutcomeEvent,
  outcomeLine,
} from './log-line.js';
import { LogWriter } from './log-writer.js';
import { prettyLine } from './pretty-line.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Named values of a line. An error goes under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: for people on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** File descriptor of the output; standard output when not given. */
  readonly fd?: number;
}

export interface Log {
  debug(fields: LogFields, text: string): void;
  info(fields: LogFields, text: string): void;
  warn(fields: LogFields, text: string): void;
  error(fields: LogFields, text: string): void;
  /** One line for each accepted message (level info, as the next two). */
  accepted(event: AcceptedEvent): void;
  /** One line for each attempt. */
  attempt(event: AttemptEvent): void;
  /** One line for each outcome. */
  outcome(event: OutcomeEvent): void;
  /** Lines dropped since the start because the output was stuck or failing. */
  readonly dropped: number;
  /** Resolves when everything logged so far is written, or after `wait` ms (1000 when not given). */
  flush(wait?: number): Promise<void>;
  /** Flushes and ends the log; later lines are dropped. */
  close(wait?: number): Promise<void>;
}

const STDOUT = 1;
/** Longest wait of a hot line, ms. */
const DELAY = 100;
/** Characters at which a block is written. */
const CHUNK = 64 * 1024;
/** Characters kept while the output is stuck: a second or so of full load. */
const LIMIT = 8 * 1024 * 1024;
const FLUSH_WAIT = 1000;

/** Makes the log. One for each process and descriptor: it writes what is left when the process exits. */
export function createLog(options: LogOptions): Log {
  const fd = options.fd ?? STDOUT;
  const terminal = isatty(fd);
  const pretty = options.format === 'pretty' || (options.format === 'auto' && terminal);
  const shape = (line: string): string => (pretty ? prettyLine(line, terminal) : line);
  const writer = new LogWriter({
    fd,
    delay: DELAY,
    chunk: CHUNK,
    limit: LIMIT,
    lostLine: (lines) =>
      shape(
        `{"level":40,"time":${Date.now()},"lines":${lines},"msg":"log lines were dropped: the output was stuck"}\n`,
      ),
  });
  const writeLine = pretty ? (line: string) => writer.write(shape(line)) : (line: string) => writer.write(line);
  const general = pino(
    { level: options.level, base: null },
    {
      write: (line: string) => {
        writeLine(line);
        writer.hurry();
      },
    },
  );
  const hot = general.isLevelEnabled('info');
  const onExit = (): void => writer.flushSync();
  process.once('exit', onExit);
  return {
    debug: (fields, text) => general.debug(fields, text),
    info: (fields, text) => general.info(fields, text),
    warn: (fields, text) => general.warn(fields, text),
    error: (fields, text) => general.error(fields, text),
    accepted: (event) => {
      if (hot) writeLine(acceptedLine(Date.now(), event));
    },
    attempt: (event) => {
      if (hot) writeLine(attemptLine(Date.now(), event));
    },
    outcome: (event) => {
      if (hot) writeLine(outcomeLine(Date.now(), event));
    },
    get dropped() {
      return writer.dropped;
    },
    flush: (wait = FLUSH_WAIT) => writer.flush(wait),
    close: async (wait = FLUSH_WAIT) => {
      await writer.close(wait);
      process.removeListener('exit', onExit);
    },
  };
}
