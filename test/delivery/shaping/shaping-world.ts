/** What the tests of the shaping share: hosts, jobs, verdicts, rules, and a shaping with a clock of its own. */

import type { Lesson } from '../../../src/delivery/shaping/learner.js';
import type { ShapingRule } from '../../../src/delivery/shaping/rule.js';
import { Shaping } from '../../../src/delivery/shaping/shaping.js';
import type { ShapingAction } from '../../../src/delivery/shaping/shaping-events.js';
import type { SiteHost } from '../../../src/delivery/site.js';
import type { DeliveryJob } from '../../../src/queue/queued-message.js';
import type { Stage, Verdict } from '../../../src/smtp/client-host.js';

export const START = 1_790_000_000_000;

export function host(name: string): SiteHost {
  const tls = { mode: 'none', implicit: false, verify: false } as unknown as SiteHost['tls'];
  return { name, address: '192.0.2.1', port: 25, weight: 1, limit: 1000, tls };
}

/** A job as far as the shaping looks at it. */
export function job({ recipients = 1, size = 1000, tenant = '', lane = 'bulk', attempts = 0 } = {}): DeliveryJob {
  const envelope = { handling: { tenant, lane }, content: { size } };
  const message = { envelope, attempts } as unknown as DeliveryJob['message'];
  return { message, destination: '', recipients: Array.from({ length: recipients }, (_, i) => i), requeued: 0 };
}

/** `250 ok`. */
export function verdict(line: string, stage: Stage = 'content'): Verdict {
  const text = line.slice(4);
  return { stage, reply: { code: Number(line.slice(0, 3)), text, lines: [text] } };
}

const NOTHING: ShapingRule = {
  name: 'a rule',
  site: '',
  mx: '',
  domain: '',
  upstream: '',
  source: '',
  tenant: '',
  rates: [],
  replies: [],
};

export function rule(fields: Partial<ShapingRule>): ShapingRule {
  return { ...NOTHING, ...fields };
}

export class ShapingWorld {
  now = START;
  readonly lessons: ({ readonly site: string; readonly source: string } & Lesson)[] = [];
  readonly actions: ShapingAction[] = [];
  readonly paused: string[] = [];
  readonly suspended: string[] = [];
  readonly shaping: Shaping;

  constructor(rules: readonly Partial<ShapingRule>[] = [], shipped: readonly ShapingRule[] = []) {
    this.shaping = new Shaping({
      rules: rules.map(rule),
      shipped,
      reserve: 0.1,
      now: () => this.now,
      actions: {
        pauseSource: (source, site, ms) => this.paused.push(`${source} at ${site} for ${ms}`),
        suspendTenant: (tenant, ms) => {
          const words = `${tenant} for ${ms}`;
          if (this.suspended.includes(words)) return false;
          this.suspended.push(words);
          return true;
        },
      },
      events: {
        learnt: (site, source, lesson) => this.lessons.push({ site, source, ...lesson }),
        acted: (action) => this.actions.push(action),
      },
    });
  }

  control(destination: string, ...hosts: readonly string[]) {
    return this.shaping.controlOf(destination, hosts.map(host));
  }
}
