import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';
import { SECRET } from '../helpers/webhook-receiver.js';

const parse = (lines: string) => parseConfigFile(`[[webhook]]\n${lines}`, 'sluice.toml').webhook;
const GOOD = `name = "crm"\nurl = "https://crm.example/hook?key=hidden"\nsecret = "${SECRET}"\n`;

describe('[[webhook]]', () => {
  it('has defaults, and takes everything', () => {
    expect(parse(GOOD)).toEqual([
      {
        ...{ name: 'crm', url: 'https://crm.example/hook?key=hidden', secrets: [SECRET], secretFile: '' },
        filter: { kinds: [], tenant: '', domain: '', recipient: '', tag: '', id: '' },
        ...{ batch: 500, delay: 1000, timeout: 15_000, maxAge: 259_200_000, maxBytes: 268_435_456 },
      },
    ]);
    const [all] = parse(
      'name = "a"\nurl = "http://crm.internal/"\nallow_http = true\nsecret_file = "/x"\nevents = ["bounced", "delivered"]\n' +
        'tenant = "shop"\ndomain = ".Example.net"\ntag = "t"\nbatch = 7\ndelay = "0s"\ntimeout = "2s"\nmax_age = "1h"\nmax_bytes = "2m"\n',
    );
    expect(all).toMatchObject({
      secretFile: '/x',
      filter: { kinds: ['delivered', 'bounced'], tenant: 'shop', domain: '.example.net', tag: 't' },
      ...{ batch: 7, delay: 0, timeout: 2000, maxAge: 3_600_000, maxBytes: 2_097_152 },
    });
    expect(parse(`${GOOD}events = "bounced"`)[0]!.filter.kinds).toEqual(['bounced']);
  });

  it.each<[string, string, RegExp]>([
    ['a secret that is none', GOOD.replace(SECRET, 'hunter2hunter2'), /webhook\[1\]\.secret.*whsec_.*openssl rand/],
    ['no secret', 'name = "a"\nurl = "https://x.example/"', /either secret or secret_file/],
    ['two', `${GOOD}secret_file = "/x"`, /either secret or secret_file/],
    ['a user in the URL', GOOD.replace('https://', 'https://me:hunter2hunter2@'), /without user and password/],
    ['http beyond this machine', GOOD.replace('https:', 'http:'), /allow_http = true/],
    ['an event that is none', `${GOOD}events = ["deliverd"]`, /"delivered"/],
    ['an unknown key', `${GOOD}colour = "red"`, /unknown key; .*allowed: name, url/],
    ['a name twice', `${GOOD}[[webhook]]\n${GOOD}`, /once; webhook\[1\] has it already/],
    ['a batch too large', `${GOOD}batch = 5000`, /from 1 to 1000/],
    ['a time that is none', `${GOOD}delay = "soon"`, /webhook\[1\]\.delay/],
  ])('refuses %s, and shows no secret', (_, lines, words) => {
    expect(() => parse(lines)).toThrow(words);
    expect(() => parse(lines)).not.toThrow(/hunter2|hidden/);
  });

  it.each(['http://127.0.0.1:8080/', 'http://localhost/', 'http://[::1]/'])('takes %s of this machine', (url) => {
    expect(parse(GOOD.replace(/url = ".*"/, `url = "${url}"`))[0]!.url).toBe(url);
  });
});
