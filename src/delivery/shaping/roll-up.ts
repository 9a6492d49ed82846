/**
 * From the mail hosts of a destination to the name of its site: all domains that one provider serves share it.
 *
 * A provider that is known (provider-hosts.ts) is recognised by the name of the most preferred host: that is where the
 * mail goes. Hosts of others are a site under the form their names have in common, after KumoMTA's site names:
 * `(mx1|mx2).example.org`; domains with the same hosts share it. No list of public suffixes is needed for that.
 * Limits: a name has at most 200 characters; a longer form is cut and told apart by a sum of the whole.
 */
import { createHash } from 'node:crypto';
import type { Destination } from '../destination.js';
import type { SiteHost } from '../site.js';
import { PROVIDER_OF_SUFFIX } from './provider-hosts.js';

const MAX_NAME = 200;

/** The site of a destination. `hosts` in order of preference; none: the destination stands for itself. */
export function siteNameOf({ kind, name }: Destination, hosts: readonly SiteHost[]): string {
  if (kind === 'upstream') return name === '' ? 'upstream' : `upstream ${name}`;
  if (kind === 'host') return `host ${name}`;
  const [first] = hosts;
  if (first === undefined) return name;
  return providerOf(first.name) ?? commonForm(hosts.map((host) => canonical(host.name)));
}

/** The provider that a mail host belongs to, undefined when it is none of the known ones. */
export function providerOf(host: string): string | undefined {
  let suffix = canonical(host);
  for (;;) {
    const provider = PROVIDER_OF_SUFFIX.get(suffix);
    if (provider !== undefined) return provider;
    const dot = suffix.indexOf('.');
    if (dot < 0) return undefined;
    suffix = suffix.slice(dot + 1);
  }
}

/** True where `host` is `suffix` or below it. Both canonical. */
export function isUnder(host: string, suffix: string): boolean {
  return host === suffix || (host.endsWith(suffix) && host.charAt(host.length - suffix.length - 1) === '.');
}

/** A host name in lower case without the dot at its end. */
export function canonical(host: string): string {
  const name = host.toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** `(mx1|mx2).example.org` of `mx2.example.org` and `mx1.example.org`; the labels at the end that all have stand once. */
function commonForm(names: readonly string[]): string {
  const sorted = [...new Set(names)].sort();
  if (sorted.length === 1) return sorted[0]!;
  const labels = sorted.map((name) => name.split('.'));
  const shortest = Math.min(...labels.map((parts) => parts.length));
  let same = 0;
  while (same < shortest && labels.every((parts) => parts.at(-1 - same) === labels[0]!.at(-1 - same))) same++;
  // A name may be the end of another: `example.org` and `mx.example.org`.
  const heads = labels.map((parts) => parts.slice(0, parts.length - same).join('.'));
  const tail = labels[0]!.slice(labels[0]!.length - same).join('.');
  const form = tail === '' ? `(${heads.join('|')})` : `(${heads.join('|')}).${tail}`;
  if (form.length <= MAX_NAME) return form;
  const sum = createHash('sha256').update(form).digest('hex').slice(0, 12);
  return `${form.slice(0, MAX_NAME - sum.length - 4)}... ${sum}`;
}
