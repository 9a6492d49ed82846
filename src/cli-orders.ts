/**
 * `sluice suspend`, `resume`, `reroute`, `bounce` and `orders`: mail by domain, tenant, pool or campaign.
 */
import { complain, EX_NOINPUT, EX_OK, expectArguments, parse, print, timeSpan, UsageError } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { orderLine } from './cli-explain-tables.js';
import type { MailSelector, OrderReport } from './control/engine-control.js';

type OrderCommand = 'suspend' | 'resume' | 'reroute' | 'bounce' | 'orders';

/** One of the commands, by its name. */
export async function orders(command: OrderCommand, args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    json: { type: 'boolean' },
    socket: { type: 'string' },
    domain: { type: 'string' },
    tenant: { type: 'string' },
    pool: { type: 'string' },
    campaign: { type: 'string' },
    for: { type: 'string' },
    reason: { type: 'string' },
    to: { type: 'string' },
  });
  const json = values.json === true;
  const selector: MailSelector = {
    domain: (values.domain ?? '').toLowerCase().replace(/^\*\./, '.'),
    tenant: values.tenant ?? '',
    pool: values.pool ?? '',
    campaign: values.campaign ?? '',
  };
  const chosen = Object.values(selector).some((value) => value !== '');
  const { reason = '', to = '' } = values;
  const forMs = values.for === undefined ? 0 : timeSpan(values.for, 'for');
  const [order = ''] = positionals;
  if (command === 'resume') {
    if (positionals.length > 0) expectArguments(positionals, ['order']);
    if ((order === '') !== chosen)
      throw new UsageError(
        'give the id of an order, "all", or whom it concerns (--domain, --tenant, --pool, --campaign)',
      );
  } else {
    expectArguments(positionals, []);
    if (command !== 'orders' && !chosen)
      throw new UsageError('say whose mail: --domain, --tenant, --pool or --campaign, several to narrow it');
  }
  if (command === 'reroute' && to === '') throw new UsageError('--to says where it goes instead');
  return withEngine(values.socket, async (client) => {
    switch (command) {
      case 'orders':
        return show(await client.ask({ command }), json, 'there are no orders');
      case 'suspend':
        return show([await client.ask({ command, selector, reason, forMs })], json, '');
      case 'reroute':
        return show([await client.ask({ command, selector, to, reason, forMs })], json, '');
      case 'bounce': {
        const changed = await client.ask({ command, selector, reason, forMs });
        print(json ? JSON.stringify({ changed }) : `${changed} ${changed === 1 ? 'message' : 'messages'} bounced`);
        return EX_OK;
      }
      case 'resume': {
        const gone = await client.ask({ command, order, selector });
        if (gone.length === 0 && order !== 'all') {
          complain('there is no such order; `sluice orders` shows those there are');
          return EX_NOINPUT;
        }
        return show(gone, json, 'there were no orders');
      }
    }
  });
}

function show(all: readonly OrderReport[], json: boolean, none: string): number {
  for (const order of all) print(json ? JSON.stringify(order) : orderLine(order, Date.now()));
  if (all.length === 0 && !json) print(none);
  return EX_OK;
}
