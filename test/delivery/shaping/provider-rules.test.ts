/** The shipped data holds together: rules for sites that exist, with limits that let mail through. */
import { describe, expect, it } from 'vitest';
import { replyPattern } from '../../../src/config/reply-pattern.js';
import { PROVIDER_OF_SUFFIX } from '../../../src/delivery/shaping/provider-hosts.js';
import { PROVIDER_RULES } from '../../../src/delivery/shaping/provider-rules.js';

describe('shipped rules', () => {
  it('are each for a site that mail hosts are rolled up to', () => {
    const sites = new Set(PROVIDER_OF_SUFFIX.values());
    expect(PROVIDER_RULES.filter(({ site }) => !sites.has(site)).map(({ site }) => site)).toEqual([]);
    expect(new Set(PROVIDER_RULES.map(({ site }) => site)).size).toBe(PROVIDER_RULES.length);
  });

  it('let mail through, to each source of its own', () => {
    for (const rule of PROVIDER_RULES) {
      expect(rule.source).toBe('*');
      expect(rule.connections).toBeGreaterThan(0);
      expect(rule.messagesPerConnection).toBeGreaterThan(0);
      expect(rule.rates.every(({ most }) => most > 0)).toBe(true);
    }
  });

  it('have patterns such as an operator may give', () => {
    const patterns = PROVIDER_RULES.flatMap(({ replies }) => replies.map(({ match }) => match.source));
    expect(patterns.length).toBeGreaterThan(10);
    expect(patterns.filter((source) => typeof replyPattern(source) === 'string')).toEqual([]);
  });
});

describe('hosts of providers', () => {
  it('are names in lower case, none of them one of two providers', () => {
    for (const suffix of PROVIDER_OF_SUFFIX.keys()) expect(suffix).toMatch(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/);
  });
});
