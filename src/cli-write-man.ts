/**
 * `npm run docs`: writes the manual page into src/packaging of the working directory. A program, not a module.
 */
import { writeFileSync } from 'node:fs';
import { manualPage } from './cli-man.js';
import { VERSION } from './version.js';

writeFileSync('src/packaging/man/sluice.1', manualPage(VERSION));
