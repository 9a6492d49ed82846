/**
 * The engine's log: JSON lines, or lines for people on a terminal.
 *
 * Contract: no method throws, blocks or waits; an output that is stuck or gone costs log lines, never mail (see
 * log-writer.ts). General lines go through pino and are written at the end of the turn; the three lines that every
 * message causes are built by hand (log-line.ts) and written in blocks. Level first: a line below the level costs a
 * comparison.
 */
import { hostname } from 'node:os';
import { isatty } from 'node:tty';
import pino from 'pino';
import type { KeptLogFile, LogFile } from './log-file.js';
import {
  type AcceptedEvent,
  type AttemptEvent,
  acceptedLine,
  attemptLine,
  type OutcomeEvent,
  outcomeLine,
} from './log-line.js';
import { LogWriter } from './log-writer.js';
import { type OutcomeDetail, PostfixLines } from './postfix-line.js';
import { prettyLine } from './pretty-line.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Named values of a line. An error goes under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: for people on a terminal, JSON elsewhere. `postfix`: see postfix-line.ts. */
  readonly format: 'auto' | 'json' | 'pretty' | 'postfix';
  /** File descriptor of the output; standard output when not given. */
  readonly fd?: number;
  /** The output, instead of a descriptor. */
  readonly file?: LogFile | null;
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
  /** One line for each outcome. `detail`: for a log that is `detailed`. */
  outcome(event: OutcomeEvent, detail?: OutcomeDetail): void;
  /** A message left the queue; for a log that is `detailed`. */
  removed(id: string): void;
  /** Lines of outcomes need to know of the attempt, and messages that leave are told of. */
  readonly detailed: boolean;
  /** The log file was perhaps moved (SIGHUP). */
  reopen(): void;
  /** The files that hold lines of this log; none when it has no file. */
  files(): Promise<readonly KeptLogFile[]>;
  /** Takes an address out of all log files; how many lines had it. 0 when the log has no file. @throws Error. */
  eraseFromLogs(address: string): Promise<number>;
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
/** How often old log files are looked for besides at rotations, ms. */
const UPKEEP_INTERVAL = 3_600_000;

/** How lines are made. */
interface LineShape {
  /** Of a JSON line. */
  general(line: string): string;
  accepted(time: number, event: AcceptedEvent): string;
  attempt(time: number, event: AttemptEvent): string;
  outcome(time: number, event: OutcomeEvent, detail: OutcomeDetail): string;
  /** Only of a detailed log. */
  removed(time: number, id: string): string;
}

const JSON_SHAPE: LineShape = {
  general: (line) => line,
  accepted: acceptedLine,
  attempt: attemptLine,
  outcome: outcomeLine,
  removed: () => '',
};

const NO_DETAIL: OutcomeDetail = { from: '', ahead: 0, attempt: null };

function prettyShape(terminal: boolean): LineShape {
  const general = (line: string): string => prettyLine(line, terminal);
  return {
    general,
    accepted: (time, event) => general(acceptedLine(time, event)),
    attempt: (time, event) => general(attemptLine(time, event)),
    outcome: (time, event) => general(outcomeLine(time, event)),
    removed: () => '',
  };
}

function postfixShape(): LineShape {
  const lines = new PostfixLines(hostname().split('.')[0]!, process.pid);
  return {
    general: (line) => lines.general(line),
    accepted: (time, event) => lines.accepted(time, event),
    // One line tells of attempt and outcome.
    attempt: () => '',
    outcome: (time, event, detail) => lines.outcome(time, event, detail),
    removed: (time, id) => lines.removed(time, id),
  };
}

function shapeOf(format: LogOptions['format'], terminal: boolean): LineShape {
  if (format === 'postfix') return postfixShape();
  return format === 'pretty' || (format === 'auto' && terminal) ? prettyShape(terminal) : JSON_SHAPE;
}

/** Makes the log. One for each process and descriptor: it writes what is left when the process exits. */
export function createLog(options: LogOptions): Log {
  const { fd = STDOUT, file = null } = options;
  const shape = shapeOf(options.format, file === null && isatty(fd));
  const writer = new LogWriter({
    output: file ?? fd,
    delay: DELAY,
    chunk: CHUNK,
    limit: LIMIT,
    lostLine: (lines) =>
      shape.general(
        `{"level":40,"time":${Date.now()},"lines":${lines},"msg":"log lines were dropped: the output was stuck"}\n`,
      ),
  });
  const general = pino(
    { level: options.level, base: null },
    {
      write: (line: string) => {
        writer.write(shape.general(line));
        writer.hurry();
      },
    },
  );
  const hot = general.isLevelEnabled('info');
  const detailed = hot && options.format === 'postfix';
  const onExit = (): void => writer.flushSync();
  process.once('exit', onExit);
  const upkeep = setInterval(() => void file?.prune().catch(() => undefined), UPKEEP_INTERVAL).unref();
  return {
    debug: (fields, text) => general.debug(fields, text),
    info: (fields, text) => general.info(fields, text),
    warn: (fields, text) => general.warn(fields, text),
    error: (fields, text) => general.error(fields, text),
    accepted: (event) => {
      if (hot) writer.write(shape.accepted(Date.now(), event));
    },
    attempt: (event) => {
      if (hot && !detailed) writer.write(shape.attempt(Date.now(), event));
    },
    outcome: (event, detail = NO_DETAIL) => {
      if (hot) writer.write(shape.outcome(Date.now(), event, detail));
    },
    removed: (id) => {
      if (detailed) writer.write(shape.removed(Date.now(), id));
    },
    detailed,
    reopen: () => file?.reopen(),
    files: async () => (file === null ? [] : file.files()),
    eraseFromLogs: async (address) => {
      if (file === null) return 0;
      await writer.flush(FLUSH_WAIT);
      return file.erase(address);
    },
    get dropped() {
      return writer.dropped;
    },
    flush: (wait = FLUSH_WAIT) => writer.flush(wait),
    close: async (wait = FLUSH_WAIT) => {
      await writer.close(wait);
      clearInterval(upkeep);
      await file?.close();
      process.removeListener('exit', onExit);
    },
  };
}
