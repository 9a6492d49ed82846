/**
 * The end-to-end test of TLS and authentication: real clients that log in, real servers with TLS as next hops, and
 * recipient domains with DANE and MTA-STS. Run by run.sh tls.
 *
 * All of it on loopback, in a temporary folder; what was started is stopped by process id, also when the time limit strikes.
 */
import { opensslMissing } from './authority.js';
import { certificates } from './certificates.js';
import { Checks } from './checks.js';
import { dnssecMissing } from './dnssec.js';
import { mxSecurity } from './mx-security.js';
import { secureUpstreams } from './secure-upstreams.js';
import { postfixMissing } from './servers.js';
import { submissions } from './submission.js';

const TIME_LIMIT = 480_000;

const checks = new Checks('e2e-tls');
/** Parts to run, all where none is named. */
const wanted = process.argv.slice(2);

async function part(name: string, missing: string, work: () => Promise<void>): Promise<void> {
  if (wanted.length > 0 && !wanted.includes(name)) return;
  if (missing !== '') checks.skip(name, missing);
  else await work();
  await checks.cleanUp();
}

await checks.run(TIME_LIMIT, async () => {
  const openssl = opensslMissing();
  await part('submission', openssl, () => submissions(checks, 'threads', { SLUICE_TLS_THREADS: '1' }));
  await part('in-place', openssl, () => submissions(checks, 'in-place', { SLUICE_TLS_THREADS: '0' }));
  await part('certificates', openssl, () => certificates(checks));
  await part('upstreams', openssl, () => secureUpstreams(checks));
  await part('mx', openssl || postfixMissing() || dnssecMissing(), () => mxSecurity(checks));
});
