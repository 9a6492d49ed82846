/**
 * The site that a host belongs to, for counting: the hosts of one provider under one name.
 *
 * By the last labels of the name, which is what most providers have in common: two, or three where the second to last is
 * a short one of a registry (`mx1.example.co.uk`). An approximation for figures that people read; what may be sent where
 * is decided elsewhere. Names are remembered, so that an event costs a look-up.
 */

const MAX_NAMES = 5000;
/** Second-level labels of registries that are longer than three letters are too few to matter. */
const REGISTRY_LABEL = /^(?:[a-z]{2,3})$/;

export class SiteNames {
  private readonly names = new Map<string, string>();

  /** `host`: name of the host that answered or was tried; '' for none: then `recipient`'s domain stands for it. */
  of(host: string, recipient: string): string {
    const found = this.names.get(host);
    if (found !== undefined) return found;
    if (host === '') return siteOf(recipient.slice(recipient.lastIndexOf('@') + 1));
    if (this.names.size >= MAX_NAMES) this.names.clear();
    const site = siteOf(host);
    this.names.set(host, site);
    return site;
  }
}

/** `gmail-smtp-in.l.google.com` -> `google.com`; addresses and single labels as they are. */
export function siteOf(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (/[[:]|\.\d+$/.test(name)) return name;
  const labels = name.split('.');
  if (labels.length <= 2) return name;
  const registry = labels.at(-1)!.length === 2 && REGISTRY_LABEL.test(labels.at(-2)!);
  return labels.slice(registry ? -3 : -2).join('.');
}
