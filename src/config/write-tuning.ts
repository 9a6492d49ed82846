/**
 * `npm run docs`: writes the tables of all settings into tuning.md of the working directory. A program, not a module.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { replaceTables, settingsTables } from './describe-settings.js';
import { schema } from './schema.js';

const document = readFileSync('tuning.md', 'utf8');
writeFileSync('tuning.md', replaceTables(document, settingsTables(schema)));
