/// <reference lib="dom" />
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderReport } from '../src/report/page.ts';
import { wholeStudy } from './report-fixture.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const there = existsSync(CHROMIUM);
if (!there) console.warn(`no browser at ${CHROMIUM}: the report is not looked at (CHROMIUM=PATH)`);

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

describe.skipIf(!there)('in Chromium, the report', () => {
  let browser: Browser;
  let folder: string;
  let file: string;
  let svgs = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pipeline-browser-'));
    const { html } = await renderReport(wholeStudy({ seeds: 2 }));
    svgs = [...html.matchAll(/<svg /g)].length;
    await writeFile(join(folder, 'report.html'), html);
    file = pathToFileURL(join(folder, 'report.html')).href;
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens the report, and collects what the page complains of and asks for. */
  async function open(
    options: Parameters<Browser['newPage']>[0],
  ): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== file && !request.url().startsWith('data:')) {
        complaints.push(request.url());
      }
    });
    await page.goto(file);
    return { page, complaints };
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`draws every figure without a complaint, in ${colorScheme}`, async () => {
      const { page, complaints } = await open({
        colorScheme,
        viewport: { width: 1200, height: 900 },
      });
      const boxes = await page.$$eval('main svg', (all) =>
        all.map((svg) => [
          svg.clientWidth || svg.getBoundingClientRect().width,
          svg.innerHTML.length,
        ]),
      );
      expect(complaints).toEqual([]);
      expect(boxes).toHaveLength(svgs);
      for (const [width, content] of boxes) {
        expect(width).toBeGreaterThan(5);
        expect(content).toBeGreaterThan(20);
      }
      await page.close();
    });
  }

  test('is no wider than a phone, and its wide tables are reached by keyboard', async () => {
    const { page } = await open({ viewport: { width: 390, height: 800 } });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const unreachable = await page.$$eval(
      '.scroll',
      (all) =>
        all.filter((box) => box.scrollWidth > box.clientWidth && !box.hasAttribute('tabindex'))
          .length,
    );
    expect(unreachable).toBe(0);
    await page.close();
  });

  test('leads from its links to what they name', async () => {
    const { page } = await open({ viewport: { width: 1200, height: 900 } });
    const dead = await page.$$eval('a[href^="#"]', (links) =>
      links
        .map((link) => decodeURIComponent((link.getAttribute('href') ?? '').slice(1)))
        .filter((id) => document.getElementById(id) === null),
    );
    expect(dead).toEqual([]);
    await page.close();
  });

  test('cuts no table on paper, and folds out what is folded', async () => {
    const { page } = await open({ viewport: { width: 680, height: 960 } });
    await page.emulateMedia({ media: 'print' });
    const cut = await page.$$eval('main table', (tables) =>
      tables
        .filter(
          (table) => table.getBoundingClientRect().right > document.documentElement.clientWidth + 1,
        )
        .map((table) => table.closest('[aria-label]')?.getAttribute('aria-label')),
    );
    expect(cut).toEqual([]);
    const pdf = await page.pdf({ format: 'A4' });
    expect(new TextDecoder('latin1').decode(pdf.subarray(0, 5))).toBe('%PDF-');
    await page.close();
  });
});
