/**
 * Purpose: Sluice with one webhook for all events, to be measured beside Sluice without: `--relays sluice,sluice-webhook`.
 * Contract: see relay.ts. The receiver is in this process and answers 204 at once; its work is on the relay's cores and
 *   not in the relay's account.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { projectRoot } from './programs.js';
import type { RelayDriver } from './relay.js';
import { sluiceRelay } from './relay-sluice.js';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

/** A driver of Sluice that tells somebody of everything. */
export function sluiceWebhookRelay(): RelayDriver {
  const file = join(projectRoot, 'var/bench/webhook.toml');
  const driver = sluiceRelay('sluice-webhook', projectRoot, { SLUICE_CONFIG: file });
  return {
    ...driver,
    start: async (options) => {
      const receiver = createServer((request, response) => {
        request.resume().on('end', () => response.writeHead(204).end());
      });
      await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
      const { port } = receiver.address() as AddressInfo;
      mkdirSync(join(projectRoot, 'var/bench'), { recursive: true });
      writeFileSync(file, `[[webhook]]\nname = "all"\nurl = "http://127.0.0.1:${port}/"\nsecret = "${SECRET}"\n`);
      const relay = await driver.start(options);
      return {
        ...relay,
        stop: async () => {
          await relay.stop();
          receiver.closeAllConnections();
          receiver.close();
        },
      };
    },
  };
}
