/**
 * The table [[account]] of the configuration file: what an account may do. Credentials are elsewhere (SLUICE_AUTH_FILE).
 *
 *   [[account]]
 *   name = "ann@example.org"
 *   senders = ["ann@example.org", "@news.example.org"]
 *   messages_per_hour = 1000
 *   lane = "bulk"
 */
import { z } from 'zod';
import { accountName, accountSettings, accountShape } from '../accounts/account-settings.js';
import { once } from './table-types.js';

const shape = { name: accountName, ...accountShape };
const MAX_ACCOUNTS = 100_000;

const account = z
  .strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `allowed: ${Object.keys(shape).join(', ')}`
        : 'allowed: a table of an account, [[account]]',
  })
  .transform(({ name, ...fields }) => accountSettings(name, fields));

/** All accounts, each name once. */
export const accountTable = z
  .array(account, { error: 'allowed: tables of accounts, [[account]]' })
  .max(MAX_ACCOUNTS, `allowed: at most ${MAX_ACCOUNTS}`)
  .superRefine(once('account'))
  .default([]);
