/**
 * From the configuration of a Postfix to that of Sluice: text in, text out, and an account of every line.
 */
import { senderLogins } from './accounts.js';
import { edgeSettings } from './edge.js';
import { Egress } from './egress.js';
import { Ledger } from './ledger.js';
import { MainCf } from './main-cf.js';
import { MapReader } from './maps.js';
import { readMasterCf } from './master-cf.js';
import { NextHopMaker } from './next-hop.js';
import { Output } from './output.js';
import { plainSettings, tellTheRest } from './plain-settings.js';
import { rewriting } from './rewriting.js';
import { Routing } from './routing.js';
import { tellServices } from './service-options.js';
import { Transports } from './transports.js';

export interface Imported {
  readonly ledger: Ledger;
  /** Text of `.env`. */
  readonly env: string;
  /** Text of `sluice.toml`, '' where none is needed. */
  readonly toml: string;
}

/**
 * `main`: main.cf or what `postconf -n` prints; `master`: master.cf, '' where there is none; `folder`: where maps are.
 * @throws SluiceError `bad-postfix` where values refer to one another without an end.
 */
export function importPostfix(main: string, master: string, folder: string): Imported {
  const cf = new MainCf(main);
  const services = readMasterCf(master);
  const ledger = new Ledger();
  const output = new Output();
  const maps = new MapReader(folder, cf.value('config_directory'), ledger);
  plainSettings(cf, output, ledger);
  edgeSettings(cf, services, maps, output, ledger);
  const hops = new NextHopMaker(cf, maps, ledger);
  const egress = new Egress(ledger);
  const transports = new Transports(cf, services, { hops, egress, output, ledger });
  new Routing(cf, maps, output, ledger, transports).carry();
  egress.write(output);
  senderLogins(cf, maps, output, ledger);
  rewriting(cf, maps, output, ledger);
  if (cf.has('config_directory'))
    ledger.add('not-needed', cf.place('config_directory'), 'config_directory', 'of Postfix itself');
  tellTheRest(cf, ledger);
  tellServices(cf, services, ledger);
  const toml = output.tomlText();
  if (toml !== '') output.set('SLUICE_CONFIG', 'sluice.toml');
  return { ledger, env: output.envText(ledger), toml };
}
