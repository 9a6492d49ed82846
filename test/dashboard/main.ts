/**
 * The dashboard in a real browser, in front of a real engine with mail that flows. Run by run.sh.
 *
 * Prints a line for each check and ends with 1 when one failed. Pictures of what was seen are kept, for people to look at.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Checks } from '../e2e/checks.js';
import { appearance } from './appearance.js';
import { Browsing } from './browser.js';
import { mailChecks } from './mail-checks.js';
import { orderChecks } from './order-checks.js';
import { Stage } from './stage.js';
import { troubleChecks } from './trouble-checks.js';

const TIME_LIMIT = 480_000;
const TOKEN = 'correct-horse-battery-staple';

const checks = new Checks('dashboard');
await checks.run(TIME_LIMIT, async () => {
  const executable = process.env['CHROMIUM'] || '/usr/bin/chromium';
  const pictures = process.env['SLUICE_TEST_PICTURES'] || join(process.cwd(), 'var/dashboard');
  const browsing = checks.own(await Browsing.open(executable, pictures));
  const stage = checks.own(await Stage.open(place('open')));
  const page = await browsing.page(stage.url);

  await mailChecks(checks, stage, browsing, page);
  await orderChecks(checks, stage, browsing, page);
  await appearance(checks, stage, browsing, page);
  await page.close();
  const closed = checks.own(await Stage.open(place('closed'), TOKEN));
  await troubleChecks(checks, closed, browsing, TOKEN);

  await checks.check('nothing was asked of another machine', async () => {
    if (browsing.foreign.length > 0) throw new Error(browsing.foreign.slice(0, 5).join(' '));
    return 'none';
  });
  await checks.check('no script failed, none of what the network said ran', async () => {
    if (browsing.errors.length > 0) throw new Error([...new Set(browsing.errors)].slice(0, 5).join(' | '));
    return 'none';
  });
  console.log(`pictures are in ${pictures}`);
});

function place(name: string): string {
  const folder = join(checks.folder, name);
  mkdirSync(folder);
  return folder;
}
