/**
 * What the page shows of mail: figures that move, next hops, a message with its timeline, hostile text.
 */
import type { Page } from 'playwright-core';
import type { Checks } from '../e2e/checks.js';
import type { Browsing } from './browser.js';
import { HOSTILE, HOSTILE_SENDER, type Stage } from './stage.js';

export async function mailChecks(checks: Checks, stage: Stage, browsing: Browsing, page: Page): Promise<void> {
  await checks.check('the page loads and says that the engine is ready', async () => {
    await page.locator('#state[data-kind=good]').waitFor();
    return (await page.locator('#about').textContent()) ?? '';
  });

  await checks.check('charts move', async () => {
    const line = page.locator('#chart-flow .line').first();
    await browsing.until(page, "document.querySelector('#chart-flow .line').getAttribute('d').length > 60");
    const before = await line.getAttribute('d');
    await browsing.until(
      page,
      `document.querySelector('#chart-flow .line').getAttribute('d') !== ${JSON.stringify(before)}`,
    );
    const rate = Number(await page.locator('#tile-accepted b').textContent());
    if (!(rate > 0)) throw new Error(`accepted a second: ${rate}`);
    return `${rate} messages a second`;
  });

  await checks.check('charts tell values under the pointer, by keys, and as a table', async () => {
    const plot = page.locator('#chart-flow svg');
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width - 20, box.y + 60);
    await browsing.until(
      page,
      "/^\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#chart-flow .when').textContent)",
    );
    await page.mouse.move(5, 5);
    await plot.focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    const spoken = (await page.locator('#chart-flow [aria-live]').textContent()) ?? '';
    if (!/^\d\d:\d\d:\d\d: accepted /.test(spoken)) throw new Error(`said: ${spoken}`);
    const toggle = page.locator('#chart-flow figcaption button');
    await toggle.focus();
    await page.keyboard.press('Enter');
    const rows = await page.locator('#chart-flow .values tbody tr').count();
    if (rows < 3) throw new Error(`${rows} rows`);
    await page.keyboard.press('Enter');
    return spoken;
  });

  await checks.check('next hops, destinations, tenants and promises are there', async () => {
    await page.locator('#upstreams .health[data-state=down]').first().waitFor();
    await page.locator('#upstreams .health[data-state=closed]').first().waitFor();
    await page.locator('#destinations th', { hasText: 'upstream/moody' }).first().waitFor();
    await page.locator('#tenants th', { hasText: 'shop' }).waitFor();
    await page.locator('#promises td[data-met]').first().waitFor();
    return `${await page.locator('#upstreams tbody tr').count()} hosts`;
  });

  let id = '';
  await checks.check('search finds a message and shows its timeline', async () => {
    id = await stage.sendOne(HOSTILE_SENDER, 'someone@never.example');
    await page.keyboard.press('/');
    await page.keyboard.type(id);
    await page.keyboard.press('Enter');
    await page.locator('#message-title', { hasText: id }).waitFor();
    const open = page.locator('#message .timeline [data-kind=deferred]');
    // The first attempt may not be over yet.
    for (let n = 0; n < 10 && (await open.count()) === 0; n++) {
      await page.keyboard.press('Escape');
      await page.waitForTimeout(400);
      await page.locator('#query').press('Enter');
      await page.locator('#message .facts').waitFor();
    }
    await open.first().waitFor();
    await browsing.picture(page, 'message');
    return `${await page.locator('#message .timeline li').count()} steps`;
  });

  await checks.check('what the network says is text and nothing else', async () => {
    const text = (await page.locator('#message').textContent()) ?? '';
    if (!text.includes(HOSTILE)) throw new Error('the reply is not shown as it is');
    if (!text.includes(HOSTILE_SENDER)) throw new Error('the sender is not shown as it is');
    const made = await page.evaluate("document.querySelectorAll('main img, dialog img, body script').length");
    if (made !== 0) throw new Error(`${made} elements were made of it`);
    return 'shown as it came';
  });

  await checks.check('a message is held, released and deleted, each after a question', async () => {
    const sheet = page.locator('#message');
    for (const [name, done] of [
      ['Hold', 'It is held.'],
      ['Release', 'It is released.'],
      ['Try now', 'It is tried now.'],
      ['Delete', 'It is deleted.'],
    ] as const) {
      await sheet.getByRole('button', { name, exact: true }).focus();
      await page.keyboard.press('Enter');
      // "No" has the focus: a second Enter does nothing.
      await page.keyboard.press('Enter');
      await sheet.getByRole('button', { name, exact: true }).press('Enter');
      await sheet.getByRole('button', { name: `Yes, ${name.toLowerCase()}` }).press('Enter');
      await sheet.getByText(done).waitFor();
    }
    await page.keyboard.press('Escape');
    const gone = await fetch(`${stage.url}v1/queue/${id}`);
    if (gone.status !== 404) throw new Error(`it is still there: ${gone.status}`);
    return id;
  });

  await checks.check('a search by recipient and by tag finds messages, and shows one that is gone', async () => {
    for (const query of ['someone@never.example', 'tag:spring']) {
      await page.locator('#query').fill(query);
      await page.locator('#query').press('Enter');
      await page.locator('#message .row-button').first().waitFor();
      if (query === 'tag:spring') await browsing.picture(page, 'found');
      await page.locator('#message .row-button').first().press('Enter');
      await page.locator('#message .timeline [data-kind=accepted]').first().waitFor();
      await page.keyboard.press('Escape');
    }
    return 'both';
  });

  await checks.check('a search for what is not there says so', async () => {
    for (const [query, words] of [
      ['ZZZZZZZZZZ', /Nothing is known/],
      ['nobody@nowhere.example', /No message is known|keeps no history/],
      ['tag:none', /No message is known|keeps no history/],
    ] as const) {
      await page.locator('#query').fill(query);
      await page.locator('#query').press('Enter');
      await page.locator('#message', { hasText: words }).waitFor();
      await page.keyboard.press('Escape');
    }
    return 'three ways';
  });

  await checks.check('live events come, or a note says that there are none', async () => {
    const note = page.locator('#tail-note', { hasText: /\d+ seen|not there/ });
    await note.waitFor();
    const words = (await note.textContent()) ?? '';
    if (/seen/.test(words)) await page.locator('#tail li').first().waitFor();
    return words;
  });
}
