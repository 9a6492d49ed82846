/**
 * A token that is asked for, an engine that goes and comes again.
 */
import type { Checks } from '../e2e/checks.js';
import type { Browsing } from './browser.js';
import type { Stage } from './stage.js';

export async function troubleChecks(checks: Checks, stage: Stage, browsing: Browsing, token: string): Promise<void> {
  const page = await browsing.page(stage.url);

  await checks.check('asks for the token, and says that a wrong one is wrong', async () => {
    await page.locator('#token[open]').waitFor();
    await browsing.picture(page, 'token');
    await page.keyboard.type('a-wrong-token-altogether');
    await page.keyboard.press('Enter');
    await page.locator('#token [data-said]', { hasText: 'does not know' }).waitFor();
    // There is no way around it.
    await page.keyboard.press('Escape');
    await page.locator('#token[open]').waitFor();
    await page.locator('#token input').fill(token);
    await page.keyboard.press('Enter');
    await page.locator('#state[data-kind=good]').waitFor();
    return 'let in by the right one';
  });

  await checks.check('keeps the token for this tab, and shows it nowhere', async () => {
    await page.reload();
    await page.locator('#state[data-kind=good]').waitFor();
    const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, document.cookie, location.href])');
    const shown = await page.content();
    if (String(kept).includes(token) || shown.includes(token)) throw new Error('it stands elsewhere');
    return 'in sessionStorage only';
  });

  await checks.check('says so when the engine is gone, and goes on when it is there again', async () => {
    await browsing.until(page, "document.querySelector('#chart-flow .line').getAttribute('d').length > 30");
    await stage.engine.stop();
    await page.locator('#banner', { hasText: 'does not answer' }).waitFor();
    await page.locator('#state[data-kind=bad]').waitFor();
    await browsing.picture(page, 'gone');
    await stage.startEngine();
    await page.locator('#state[data-kind=good]').waitFor({ timeout: 40_000 });
    await page.locator('#banner').waitFor({ state: 'hidden' });
    const before = await page.locator('#about').textContent();
    await browsing.until(page, `document.querySelector('#about').textContent !== ${JSON.stringify(before)}`);
    await browsing.picture(page, 'back');
    return before ?? '';
  });

  await checks.check('asks nothing while nobody looks', async () => {
    // A hidden page, as far as its script can tell.
    await page.evaluate(
      "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))",
    );
    await page.waitForTimeout(2500);
    let asked = 0;
    page.on('request', () => asked++);
    await page.waitForTimeout(5000);
    if (asked > 0) throw new Error(`${asked} requests`);
    const answer = page.waitForResponse((response) => response.url().includes('/v1/status'));
    await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))");
    await answer;
    return 'and at once when somebody does';
  });

  await checks.check('asks at most once in two seconds', async () => {
    const times: number[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/v1/status')) times.push(performance.now());
    });
    await page.waitForTimeout(9000);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    // What is sent a little later by one and sooner by the next is no more often.
    if (gaps.length < 2 || Math.min(...gaps) < 1800) throw new Error(`gaps of ${gaps.map(Math.round).join(', ')} ms`);
    return `${times.length} in 9 s`;
  });
  await page.close();
}
