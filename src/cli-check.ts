/**
 * `sluice check`: the configuration as a whole, with the files it names, before an engine runs on it.
 */
import { readAccountFile } from './accounts/account-file.js';
import { NextHops } from './app-next-hops.js';
import { openCertificates } from './app-tls.js';
import { readyWebhooks } from './app-webhooks.js';
import { complain, EX_CONFIG, EX_OK, expectArguments, parse, print } from './cli-command.js';
import { type ConfigFile, parseConfigFile, readConfigFile } from './config/config-file.js';
import { describeSettings, effectiveSettings } from './config/describe-settings.js';
import { loadProcessSettings } from './config/load-settings.js';
import { type Settings, schema } from './config/schema.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import { loadSigningKeys } from './message/dkim/key-store.js';
import { HttpRequester } from './net/http-request.js';

/** What a check found. */
interface Findings {
  readonly notes: string[];
  readonly warnings: string[];
  readonly problems: string[];
}

/** Prints every value in effect and every mistake; the exit code. @throws UsageError. */
export async function check(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { json: { type: 'boolean' } });
  expectArguments(positionals, []);
  const loaded = loadProcessSettings();
  const findings: Findings = { notes: [], warnings: [...loaded.warnings], problems: [...loaded.problems] };
  await readFiles(loaded.settings, findings);
  const { notes, warnings, problems } = findings;
  const good = problems.length === 0;
  if (values.json === true) {
    print(JSON.stringify({ good, settings: effectiveSettings(schema, loaded), notes, warnings, problems }));
    return good ? EX_OK : EX_CONFIG;
  }
  for (const line of describeSettings(schema, loaded)) print(line);
  for (const warning of warnings) complain(`warning: ${warning}`);
  for (const line of [...notes, ...problems]) complain(line);
  if (good) complain('the configuration is good');
  return good ? EX_OK : EX_CONFIG;
}

/** Reads every file that the settings name, as the engine would. */
async function readFiles(settings: Settings, { notes, warnings, problems }: Findings): Promise<void> {
  const attempt = async (read: () => void | Promise<void>): Promise<void> => {
    try {
      await read();
    } catch (thrown) {
      problems.push(messageOf(thrown));
    }
  };
  const warn = (fields: Readonly<Record<string, unknown>>, text: string): void => {
    warnings.push(`${typeof fields['file'] === 'string' ? `${fields['file']}: ` : ''}${text}`);
  };
  if (settings.dkimDir !== '')
    await attempt(() => {
      const keys = loadSigningKeys(settings.dkimDir, { warn: (line) => warnings.push(line) });
      notes.push(`${keys.length} signing keys can be read`);
    });
  let tables: ConfigFile = parseConfigFile('', '');
  await attempt(() => {
    tables = readConfigFile(settings.configFile);
    const { account, route, tenant } = tables;
    if (settings.configFile !== '')
      notes.push(
        `the configuration file has settings for ${account.length} accounts, ${tenant.length} tenants and ${route.length} routes`,
      );
  });
  await attempt(() => {
    const ready = readyWebhooks(tables.webhook);
    if (ready.length > 0) notes.push(`${ready.length} webhooks have their secrets`);
  });
  if (settings.authFile !== '')
    await attempt(async () => {
      const { accounts, exposed } = await readAccountFile(settings.authFile);
      notes.push(`${accounts.size} accounts can be read`);
      if (exposed) warnings.push('every user of this machine can read the account file; chmod 600 it');
    });
  await attempt(() => {
    const hops = new NextHops(settings, new HttpRequester(), systemClock, nobody);
    hops.configure(tables.upstream, tables.route);
  });
  if (settings.tlsCert !== '' || settings.tlsDir !== '')
    await attempt(async () => {
      const certificates = await openCertificates(settings, { info: () => {}, warn, error: warn }, systemClock);
      if (certificates === null) return;
      notes.push(`${certificates.material.pairs.length} certificates can be read`);
      certificates.close();
    });
}

/** Nothing is looked up for a check. */
async function nobody(): Promise<never> {
  throw new Error('not looked up');
}
