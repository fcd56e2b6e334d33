/// <reference lib="dom" />
// ui-pages.ts — pages of `pipeline ui` in Chromium, as tests open them
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const there = existsSync(CHROMIUM);
if (!there) console.warn(`no browser at ${CHROMIUM}: the page is not looked at (CHROMIUM=PATH)`);

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--host-resolver-rules=MAP rebound.example 127.0.0.1',
];
export const WAIT = { timeout: 20_000, interval: 50 };

/** Chromium, which goes when the tests of a file have run. */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS });

/** What the page is blamed for: errors, refused content, scripts that ran which must not. */
export async function opened(
  browser: Browser,
  link: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
  onTestFinished(() => page.close());
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.exposeFunction('hurt', () => complaints.push('HURT'));
  await page.goto(link);
  await page.waitForSelector('#run, h1');
  return { page, complaints };
}

export const go = async (page: Page, hash: string, waitFor: string): Promise<void> => {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await page.waitForSelector(waitFor, { timeout: 15_000 });
};

export const textOf = (page: Page, selector: string) => (): Promise<string> =>
  page
    .locator(selector)
    .first()
    .innerText({ timeout: 1000 })
    .catch(() => '');
