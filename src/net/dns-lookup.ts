/**
 * Looking up the hosts of HTTPS requests to names that others chose (policy hosts, places for reports) with our own DNS
 * client, in the form that node's sockets take.
 *
 * Addresses that can be no other host's (loopback, link-local, unspecified) are left out where `others` is set: nobody
 * else's name has a say in what this machine asks itself.
 */
import { isIP, type LookupFunction } from 'node:net';
import type { DnsClient } from './dns-client.js';
import type { HostLookup } from './host-lookup.js';

/** A look-up function for sockets. */
export function dnsLookup(dns: Pick<DnsClient, 'query'>, others: boolean): LookupFunction {
  return (host, wanted, callback) => {
    void Promise.all([dns.query(host, 'A'), dns.query(host, 'AAAA')]).then((answers) => {
      const found = answers
        .flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
        .filter((address) => !others || !isOwn(address))
        .map((address) => ({ address, family: isIP(address) }));
      const failed = answers.find((answer) => answer.kind === 'failed');
      if (found.length === 0)
        callback(new Error(failed?.kind === 'failed' ? failed.detail : `${host} has no usable address`), '');
      else if (wanted.all === true) callback(null, found);
      else callback(null, found[0]!.address, found[0]!.family);
    });
  };
}

function isOwn(address: string): boolean {
  return /^(127\.|0\.|169\.254\.|::1$|::$|::ffff:|fe[89ab][0-9a-f]:)/i.test(address);
}

/** The same for hosts that an administrator wrote: hosts file and search list count, and all addresses are allowed. */
export function configuredLookup(hosts: Pick<HostLookup, 'lookup'>): LookupFunction {
  return (host, wanted, callback) => {
    void hosts.lookup(host).then((found) => {
      if (found.kind === 'failed') callback(new Error(found.reason), '');
      else {
        const all = found.addresses.map((address) => ({ address, family: isIP(address) }));
        if (wanted.all === true) callback(null, all);
        else callback(null, all[0]!.address, all[0]!.family);
      }
    });
  };
}
