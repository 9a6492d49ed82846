/**
 * What tests of handling use: the envelopes that an engine leaves in its spool, and a session over TLS said in one go.
 */
import { join } from 'node:path';
import tls from 'node:tls';
import type { Envelope } from '../../src/message/envelope.js';
import { openSpool } from '../../src/spool/open-spool.js';
import type { EngineProcess } from '../helpers/engine.js';
import { until } from '../helpers/smtp-peer.js';

/** Ends an engine with the spool `folder/spool` and reads what it left, in the order of acceptance. */
export async function leftBy(engine: EngineProcess, folder: string): Promise<Envelope[]> {
  await engine.stop();
  const spool = await openSpool({ directory: join(folder, 'spool'), durability: 'fsync' });
  const ids: number[] = [];
  await spool.recover((id) => ids.push(id));
  const all = await Promise.all(ids.sort((a, b) => a - b).map(async (id) => (await spool.load(id))!.envelope));
  await spool.close();
  return all;
}

/** Says a whole session over TLS from the first byte; what came back. */
export async function overTls(port: number, text: string): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  let heard = '';
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.setEncoding('latin1').on('data', (part: string) => {
    heard += part;
  });
  await until('the greeting', () => heard.includes('220 '));
  socket.write(text);
  await until('the end', () => closed, 10_000);
  return heard;
}
