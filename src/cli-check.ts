/**
 * `sluice check`: the configuration as a whole, with the files it names, before an engine runs on it.
 */
import { readAccountFile } from './accounts/account-file.js';
import { NextHops } from './app-next-hops.js';
import { openCertificates } from './app-tls.js';
import { complain, EX_CONFIG, EX_OK, expectArguments, parse, print } from './cli-command.js';
import { type ConfigFile, parseConfigFile, readConfigFile } from './config/config-file.js';
import { describeSettings } from './config/describe-settings.js';
import { loadProcessSettings } from './config/load-settings.js';
import { schema } from './config/schema.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import { loadSigningKeys } from './message/dkim/key-store.js';
import { HttpRequester } from './net/http-request.js';

/** Prints every value in effect and every mistake; the exit code. */
export async function check(args: readonly string[]): Promise<number> {
  expectArguments(parse(args, {}).positionals, []);
  const loaded = loadProcessSettings();
  for (const line of describeSettings(schema, loaded)) print(line);
  for (const warning of loaded.warnings) complain(`warning: ${warning}`);
  const problems = [...loaded.problems];
  if (loaded.settings.dkimDir !== '') {
    try {
      const keys = loadSigningKeys(loaded.settings.dkimDir, { warn: (line) => complain(`warning: ${line}`) });
      complain(`${keys.length} signing keys can be read`);
    } catch (thrown) {
      problems.push(messageOf(thrown));
    }
  }
  let tables: ConfigFile = parseConfigFile('', '');
  try {
    tables = readConfigFile(loaded.settings.configFile);
    const { account, route, tenant } = tables;
    if (loaded.settings.configFile !== '')
      complain(
        `the configuration file has settings for ${account.length} accounts, ${tenant.length} tenants and ${route.length} routes`,
      );
  } catch (thrown) {
    problems.push(messageOf(thrown));
  }
  if (loaded.settings.authFile !== '') {
    try {
      const { accounts, exposed } = await readAccountFile(loaded.settings.authFile);
      complain(`${accounts.size} accounts can be read`);
      if (exposed) complain('warning: every user of this machine can read the account file; chmod 600 it');
    } catch (thrown) {
      problems.push(messageOf(thrown));
    }
  }
  try {
    const hops = new NextHops(loaded.settings, new HttpRequester(), systemClock, nobody);
    hops.configure(tables.upstream, tables.route);
  } catch (thrown) {
    problems.push(messageOf(thrown));
  }
  const { tlsCert, tlsDir } = loaded.settings;
  if (tlsCert !== '' || tlsDir !== '') {
    try {
      const log = { info: () => {}, warn, error: warn };
      const certificates = await openCertificates(loaded.settings, log, systemClock);
      if (certificates !== null) {
        complain(`${certificates.material.pairs.length} certificates can be read`);
        certificates.close();
      }
    } catch (thrown) {
      problems.push(messageOf(thrown));
    }
  }
  for (const problem of problems) complain(problem);
  if (problems.length > 0) return EX_CONFIG;
  complain('the configuration is good');
  return EX_OK;
}

/** Nothing is looked up for a check. */
async function nobody(): Promise<never> {
  throw new Error('not looked up');
}

function warn(fields: Readonly<Record<string, unknown>>, text: string): void {
  const file = typeof fields['file'] === 'string' ? `${fields['file']}: ` : '';
  complain(`warning: ${file}${text}`);
}
