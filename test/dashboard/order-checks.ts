/**
 * Suspensions and reroutes, made and taken back by the keyboard alone.
 */
import type { Page } from 'playwright-core';
import type { Checks } from '../e2e/checks.js';
import type { Browsing } from './browser.js';
import type { Stage } from './stage.js';

interface Order {
  readonly selector: { readonly domain: string; readonly pool: string };
  readonly to: string;
}

export async function orderChecks(checks: Checks, stage: Stage, browsing: Browsing, page: Page): Promise<void> {
  const standing = async (): Promise<readonly Order[]> =>
    ((await (await fetch(`${stage.url}v1/orders`)).json()) as { items: Order[] }).items;

  await checks.check('suspends a domain by keys', async () => {
    await page.keyboard.press('Escape');
    await page.keyboard.press('s');
    await page.keyboard.type('Moody.example');
    await page.keyboard.press('Enter');
    await page.locator('#orders li', { hasText: 'moody.example suspended' }).waitFor();
    const [order] = await standing();
    if (order?.selector.domain !== 'moody.example') throw new Error(JSON.stringify(order));
    return 'it stands';
  });

  await checks.check('mail waits for it, and its message says why', async () => {
    const id = await stage.sendOne('app@shop.example', 'someone@moody.example');
    await page.locator('#query').fill(id);
    await page.locator('#query').press('Enter');
    await page.locator('#message .waits', { hasText: 'suspended' }).waitFor();
    await page.keyboard.press('Escape');
    return id;
  });
  await browsing.picture(page, 'suspended', true);

  await checks.check('resumes it by keys', async () => {
    await page.keyboard.press('Escape');
    // From the form back to the button of the order, as somebody without a mouse goes.
    await page.keyboard.press('s');
    const resume = page.getByRole('button', { name: 'Resume domain moody.example' });
    let steps = 0;
    while (steps++ < 12 && !(await resume.evaluate((node) => node.matches(':focus'))))
      await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.locator('#order [data-said]', { hasText: 'goes on' }).waitFor();
    if ((await standing()).length > 0) throw new Error('it still stands');
    return `${steps} steps back`;
  });

  await checks.check('reroutes; what is wrong is told; discarding is asked twice', async () => {
    await page.locator('#order input[value=reroute]').focus();
    await page.keyboard.press('Space');
    await page.locator('#order select[name=by]').selectOption('pool');
    await page.locator('#order input[name=value]').fill('never');
    await page.locator('#order input[name=to]').fill('upstream/unheard-of');
    await page.locator('#order input[name=to]').press('Enter');
    await page.locator('#order [data-said]', { hasText: 'there is no upstream group' }).waitFor();
    await page.locator('#order input[name=to]').fill('discard');
    await page.locator('#order input[name=to]').press('Enter');
    await page.locator('#order [data-said]', { hasText: 'is lost' }).waitFor();
    if ((await standing()).length > 0) throw new Error('it was not asked twice');
    await page.locator('#order input[name=to]').fill('upstream/moody');
    await page.locator('#order input[name=to]').press('Enter');
    await page.locator('#orders li', { hasText: 'upstream/moody' }).waitFor();
    await page.getByRole('button', { name: 'Resume pool never' }).press('Enter');
    await page.locator('#order [data-said]', { hasText: 'goes on' }).waitFor();
    return 'there and back';
  });

  await checks.check('a destination fills in the form', async () => {
    const row = page.locator('#destinations tr', { hasText: 'upstream/never' });
    await row.getByRole('button').press('Enter');
    const value = await page.locator('#order input[name=value]').inputValue();
    if (value !== 'never') throw new Error(value);
    return value;
  });
}
