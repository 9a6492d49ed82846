/**
 * Settings for people: the effective values that `sluice check` prints, and the tables in tuning.md.
 */

import type { Loaded } from './load-settings.js';
import { showGiven } from './load-settings.js';
import { GROUPS, type Schema, type SettingsOf } from './setting.js';

/** Between these lines tuning.md is written by `replaceTables`. */
export const TABLES_BEGIN = '<!-- settings:begin (written by npm run docs) -->';
export const TABLES_END = '<!-- settings:end -->';

type Effective<S extends Schema> = Pick<Loaded<SettingsOf<S>>, 'settings' | 'sources'>;

/** Each setting with its value in effect and where that came from; secrets and passwords in URLs masked. */
export function effectiveSettings<S extends Schema>(
  rows: S,
  { settings, sources }: Effective<S>,
): { readonly name: string; readonly value: string; readonly source: string }[] {
  const values: Readonly<Record<string, unknown>> = settings;
  return Object.entries(rows).map(([key, row]) => {
    const text = row.type.format(values[key]);
    const value =
      row.secret === true ? (text === '' ? '' : '***') : unquoted(showGiven(text, Number.POSITIVE_INFINITY));
    return { name: row.name, value, source: sources.get(row.name) ?? 'default' };
  });
}

function unquoted(shown: string): string {
  return JSON.parse(shown) as string;
}

/** One line per setting, `NAME=value  # source`; secrets and passwords in URLs masked. */
export function describeSettings<S extends Schema>(rows: S, loaded: Effective<S>): string[] {
  return effectiveSettings(rows, loaded).map(({ name, value, source }) => {
    const shown = JSON.stringify(value);
    const plain = /[\s#'"\\]/.test(shown.slice(1, -1)) ? shown : value;
    return `${name}=${plain}  # ${source}`;
  });
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The tables of all settings in Markdown, one per group. */
export function settingsTables(rows: Schema): string {
  const lines: string[] = [];
  for (const group of GROUPS) {
    const members = Object.values(rows).filter((row) => row.group === group);
    if (members.length === 0) continue;
    lines.push(
      `### ${group}`,
      '',
      '| variable | default | allowed | what it sets | what it trades |',
      '|---|---|---|---|---|',
    );
    for (const row of members) {
      const standard = row.defaultNote ?? (typeof row.default === 'string' ? `\`${row.default}\`` : '');
      const secret = row.secret === true ? ' Secret:' : ' Or';
      const file = row.secret || row.inFile ? `${secret} \`${row.name}_FILE\` names a file that holds it.` : '';
      const unit = row.type.unit === '' ? '' : ` (${row.type.unit})`;
      const cells = [`\`${row.name}\``, standard, `${row.type.allowed}${unit}`, `${row.purpose}${file}`, row.trades];
      lines.push(`| ${cells.map(cell).join(' | ')} |`);
    }
    lines.push('');
  }
  return lines.join('\n').trimEnd();
}

/** `document` with the text between its two marker lines replaced. @throws Error when a marker is missing. */
export function replaceTables(document: string, tables: string): string {
  const begin = document.indexOf(TABLES_BEGIN);
  const end = document.indexOf(TABLES_END);
  if (begin < 0 || end < begin) throw new Error(`the document has no ${TABLES_BEGIN} ... ${TABLES_END}`);
  return `${document.slice(0, begin)}${TABLES_BEGIN}\n\n${tables}\n\n${document.slice(end)}`;
}
