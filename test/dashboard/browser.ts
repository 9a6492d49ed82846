/**
 * Chromium as the test holds it: every request that leaves loopback is stopped and counted, as is every mistake that the
 * page makes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** What a run must not have at its end. */
export interface Mistakes {
  /** Requests to other machines. */
  readonly foreign: string[];
  /** Errors of scripts, breaches of the policy, dialogs that a script opened. */
  readonly errors: string[];
}

export class Browsing {
  readonly foreign: string[] = [];
  readonly errors: string[] = [];
  private readonly browser: Browser;
  private readonly pictures: string;

  private constructor(browser: Browser, pictures: string) {
    this.browser = browser;
    this.pictures = pictures;
  }

  /** `executable`: Chromium's; pictures go into a folder, which is made. */
  static async open(executable: string, pictures: string): Promise<Browsing> {
    mkdirSync(pictures, { recursive: true });
    // As root there is no sandbox; what is looked at is our own.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking'];
    return new Browsing(await chromium.launch({ executablePath: executable, args }), pictures);
  }

  /** A page of its own, without anything that another has stored. */
  async page(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(15_000);
    await context.route('**', (route) => {
      const { hostname, protocol } = new URL(route.request().url());
      if (hostname === '127.0.0.1' || protocol === 'data:') return route.continue();
      this.foreign.push(route.request().url());
      return route.abort();
    });
    const page = await context.newPage();
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('dialog', (dialog) => {
      this.errors.push(`a dialog says ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (line) => {
      // The browser itself tells of answers that are problems, and of an engine that is away.
      const expected = /Failed to load resource|WebSocket connection/.test(line.text());
      if (line.type() === 'error' && !expected) this.errors.push(line.text());
    });
    await page.goto(url);
    return page;
  }

  /** Waits until an expression holds in the page; asked from outside, for the page's policy lets no text be a script. */
  async until(page: Page, expression: string): Promise<void> {
    for (const end = Date.now() + 15_000; !(await page.evaluate(`Boolean(${expression})`)); ) {
      if (Date.now() > end) throw new Error(`not within 15 s: ${expression}`);
      await page.waitForTimeout(100);
    }
  }

  async picture(page: Page, name: string, fullPage = false): Promise<void> {
    if (fullPage) await page.evaluate('scrollTo(0, 0)');
    await page.screenshot({ path: join(this.pictures, `${name}.png`), fullPage, animations: 'disabled' });
  }

  async stop(): Promise<void> {
    await this.browser.close();
  }
}
