/**
 * How it looks: light and dark, wide and narrow, contrast, focus, what can be reached by the keyboard.
 */
import type { Page } from 'playwright-core';
import type { Checks } from '../e2e/checks.js';
import type { Browsing } from './browser.js';
import { lowContrast, sidewaysScroll, unnamed } from './page-measures.js';
import type { Stage } from './stage.js';

/** Widths of a phone, a small phone, a tablet and a laptop. */
const WIDTHS = [390, 320, 820, 1180] as const;

export async function appearance(checks: Checks, stage: Stage, browsing: Browsing, page: Page): Promise<void> {
  for (const scheme of ['light', 'dark'] as const)
    await checks.check(`${scheme}: every text has contrast (WCAG AA)`, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(300);
      await browsing.picture(page, `desktop-${scheme}`, true);
      const low = await page.evaluate<string[]>(lowContrast);
      if (low.length > 0) throw new Error(low.slice(0, 6).join(' | '));
      return 'all at 4.5 or more';
    });

  await checks.check('a theme is chosen by key and kept', async () => {
    await page.evaluate('document.activeElement?.blur()');
    await page.keyboard.press('t');
    await page.keyboard.press('t');
    await page.reload();
    const theme = await page.evaluate('document.documentElement.dataset.theme');
    if (theme !== 'dark') throw new Error(String(theme));
    await page.locator('#state[data-kind=good]').waitFor();
    await page.keyboard.press('t');
    return 'auto, light, dark';
  });

  await checks.check('the help tells of the keys, and turns them off', async () => {
    await page.keyboard.press('?');
    await page.locator('#keys[open]').waitFor();
    await browsing.picture(page, 'help');
    await page.locator('#keys [data-on]').press('Space');
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    if (await page.locator('#query').evaluate((node) => node.matches(':focus')))
      throw new Error('a key still does something');
    await page.locator('#help').press('Enter');
    await page.locator('#keys [data-on]').press('Space');
    await page.keyboard.press('Escape');
    return 'off and on';
  });

  await checks.check('everything that can be used has a name', async () => {
    const without = await page.evaluate<string[]>(unnamed);
    if (without.length > 0) throw new Error(without.slice(0, 6).join(' | '));
    return 'all';
  });

  await checks.check('nothing jumps while it is looked at', async () => {
    await page.evaluate(
      "globalThis.shifts = 0; new PerformanceObserver((list) => { for (const one of list.getEntries()) globalThis.shifts += one.value; }).observe({ type: 'layout-shift' })",
    );
    await page.waitForTimeout(9000);
    const shifts = Number(await page.evaluate('globalThis.shifts'));
    // "Good" by web.dev is 0.1 for a whole visit; rows come and go in lists that scroll.
    if (shifts > 0.05) throw new Error(`layout shift ${shifts.toFixed(3)}`);
    return `layout shift ${shifts.toFixed(4)}`;
  });

  for (const width of WIDTHS)
    await checks.check(`${width} px wide: one page, no scrolling sideways`, async () => {
      await page.setViewportSize({ width, height: 844 });
      await page.waitForTimeout(700);
      await browsing.picture(page, `width-${width}`, true);
      const over = await page.evaluate<string[]>(sidewaysScroll);
      if (over.length > 0) throw new Error(over.slice(0, 6).join(' | '));
      return 'fits';
    });

  await checks.check('a message fits on a phone', async () => {
    const id = await stage.sendOne(`${'long-'.repeat(12)}@shop.example`, `${'someone-'.repeat(7)}@never.example`);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.waitForTimeout(1500);
    await page.locator('#query').fill(id);
    await page.locator('#query').press('Enter');
    await page.locator('#message .timeline li').first().waitFor();
    await browsing.picture(page, 'message-phone');
    const over = await page.evaluate<string[]>(sidewaysScroll);
    if (over.length > 0) throw new Error(over.slice(0, 6).join(' | '));
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 1440, height: 900 });
    return id;
  });

  await checks.check('an hour and a day are shown by keys', async () => {
    await page.keyboard.press('Escape');
    for (const [key, span] of [
      ['2', '1h'],
      ['3', '24h'],
      ['1', '5m'],
    ] as const) {
      const answer = page.waitForResponse((response) => response.url().includes(`/v1/figures?span=${span}`));
      await page.keyboard.press(key);
      await answer;
    }
    return 'and back';
  });
}
