/**
 * What the importer writes: lines of `.env` and tables of `sluice.toml`.
 *
 * Contract: what is put in here was taken by the same parsers that read it at the start of the engine; what they refuse
 * is not put in, and the caller is told why.
 */
import { stringify } from 'smol-toml';
import type { z } from 'zod';
import { accountTable } from '../../config/account-table.js';
import { egressTable } from '../../config/egress-table.js';
import { routeTable } from '../../config/route-table.js';
import { schema } from '../../config/schema.js';
import type { Setting } from '../../config/setting.js';
import { shapingTable } from '../../config/shaping-table.js';
import { upstreamTable } from '../../config/upstream-table.js';
import type { Ledger } from './ledger.js';

const TABLES: Readonly<Record<string, z.ZodType>> = {
  account: accountTable,
  egress: egressTable,
  route: routeTable,
  shaping: shapingTable,
  upstream: upstreamTable,
};
export type TableName = 'account' | 'egress' | 'route' | 'shaping' | 'upstream';
export type Fields = Readonly<Record<string, unknown>>;

const ROWS: ReadonlyMap<string, Setting<unknown>> = new Map(Object.values(schema).map((row) => [row.name, row]));
const HEAD = '# Written by `sluice import-postfix`. See `sluice check` for what holds and tuning.md for what there is.';

export class Output {
  readonly env = new Map<string, string>();
  readonly tables: { readonly name: TableName; readonly fields: Fields; readonly where: string }[] = [];

  /** Puts a setting in; what is wrong with it, '' when it was taken. */
  set(name: string, value: string): string {
    const row = ROWS.get(name);
    if (quoteOf(value) === undefined) return 'it has all of \' " and `, which no line of .env can hold';
    if (row === undefined) throw new Error(`there is no setting ${name}`);
    const parsed = row.type.parse(value);
    if ('problem' in parsed) return `${parsed.problem === '' ? '' : `${parsed.problem}; `}allowed: ${row.type.allowed}`;
    this.env.set(name, value);
    return '';
  }

  /** Puts a table in; what is wrong with it, '' when it was taken. */
  add(name: TableName, fields: Fields, where: string): string {
    const parsed = TABLES[name]!.safeParse([fields]);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return `${issue!.path.slice(1).join('.')}: ${issue!.message}`;
    }
    this.tables.push({ name, fields, where });
    return '';
  }

  /** The text of `.env`. */
  envText(ledger: Ledger): string {
    const lines = [HEAD, '', ...[...this.env].map(([name, value]) => `${name}=${quoted(value)}`)];
    return `${[...lines, ...remarks(ledger)].join('\n')}\n`;
  }

  /** The text of `sluice.toml`, '' when there is no table. */
  tomlText(): string {
    if (this.tables.length === 0) return '';
    const order: readonly TableName[] = ['egress', 'upstream', 'account', 'shaping', 'route'];
    const sorted = order.flatMap((name) => this.tables.filter((table) => table.name === name));
    const parts = sorted.map(({ name, fields, where }) => `# ${oneLine(where)}\n${stringify({ [name]: [fields] })}`);
    return `${HEAD}\n\n${parts.join('\n')}`;
  }
}

function remarks(ledger: Ledger): string[] {
  const title = { 'left-out': 'Not carried over:', differs: 'Carried over, but not to the letter:' } as const;
  return (['left-out', 'differs'] as const).flatMap((fate) => {
    const entries = ledger.of(fate);
    if (entries.length === 0) return [];
    return ['', `# ${title[fate]}`, ...entries.map(({ where, what, why }) => oneLine(`#   ${where} ${what}: ${why}`))];
  });
}

function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ');
}

/** As node's parseEnv reads it: in quotes that it does not have, where it has what ends or begins something there. */
function quoted(value: string): string {
  if (!/[\s#'"`\\]/.test(value)) return value;
  const quote = quoteOf(value) ?? "'";
  return `${quote}${value}${quote}`;
}

/** Double quotes last: between them backslash and n is a line break. */
function quoteOf(value: string): string | undefined {
  return ["'", '`', '"'].find((quote) => !value.includes(quote) && !(quote === '"' && value.includes('\\')));
}
