/// <reference lib="dom" />
// `pipeline ui` in Chromium: a real make from its start to its end, and what strangers try on the page.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Rig } from './rig.ts';
import { go, launch, opened, textOf, there, WAIT } from './ui-pages.ts';
import { EVIL, liveStudy, startUi } from './ui-study.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Rules of accessibility that the page breaks. */
async function violations(page: Page): Promise<readonly string[]> {
  const client = await page.context().newCDPSession(page);
  await client.send('Runtime.evaluate', { expression: AXE });
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const found = await axe.run();
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`);
  });
}

describe.skipIf(!there)('in Chromium, the page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());

  /** A study with the page open, of which nothing is made. */
  async function study(): Promise<{ rig: Rig; link: string }> {
    const rig = liveStudy();
    const { ui, link } = await startUi(rig);
    onTestFinished(async () => {
      ui.process.kill('SIGTERM');
      await ui.ended;
    });
    return { rig, link };
  }

  test('follows a make from its start to its end, and the next that reuses', async () => {
    const { rig, link } = await study();
    const { page, complaints } = await opened(browser, link);
    expect(page.url()).not.toContain('token');
    await expect.poll(textOf(page, 'main'), WAIT).toContain('No run yet');
    const gate = join(rig.folder, 'gate');
    writeFileSync(gate, '');
    const make = rig.start(['make', '--json', '--keep-going'], { GATE: gate });
    await expect.poll(textOf(page, '.big'), WAIT).toMatch(/1 of 5 tasks/);
    await expect
      .poll(textOf(page, 'table.running'), WAIT)
      .toMatch(/train\[0\].*slot \d.*epoch [34].*new/s);
    // A curve grows, and lines come, while the task runs.
    await go(page, '#/task?task=train%5B0%5D', '.log .line');
    const points = () =>
      page.getAttribute('svg[aria-label*="loss over"]', 'data-points').then(Number, () => 0);
    await expect.poll(points, WAIT).toBeGreaterThan(1);
    expect(await page.innerText('.log')).toContain(`begins ${EVIL} red \\x07 \\u202e`);
    rmSync(gate);
    await expect.poll(textOf(page, '.log'), WAIT).toContain('step 8');
    await expect.poll(points, WAIT).toBe(8);
    await expect.poll(textOf(page, '.facts .status'), WAIT).toContain('built');
    expect((await make.ended).code).toBe(1);
    // What failed stands first, with its cause and its last lines.
    await go(page, '#/overview', '.failures');
    await expect
      .poll(textOf(page, '.failures'), WAIT)
      .toMatch(/1 failed.*train\[1\].*about to fail/s);
    await expect.poll(textOf(page, '.facts'), WAIT).toContain('finished');
    // After a changed param, tasks run again, and what does not depend on it is reused.
    rig.edit('pipeline.yaml', 'lr: 0.5', 'lr: 0.25');
    expect((await rig.make('--keep-going')).code).toBe(1);
    await expect.poll(textOf(page, '.counts'), WAIT).toMatch(/2 built, 1 reused/);
    await go(page, '#/task?task=data', '.why');
    await expect.poll(textOf(page, '.why'), WAIT).toMatch(/^Reused: run \S+ made it/);
    await go(page, '#/task?task=train%5B2%5D', '.why');
    await expect.poll(textOf(page, 'article'), WAIT).toMatch(/params\.lr\s+0\.5\s+0\.25/);
    // Two runs: the cause first, then the effect.
    await go(page, '#/runs', 'h2#history');
    await page.click('text=/^Compare/');
    await expect
      .poll(textOf(page, 'section'), WAIT)
      .toMatch(/Causes.*lr.*0\.5.*0\.25.*Effects.*out\.loss/s);
    expect(complaints).toEqual([]);
  }, 60_000);

  test.skipIf(!process.env.FULL)(
    'shows what stages gave and runs none of it, light, dark and on a phone',
    async () => {
      const { rig, link } = await study();
      rig.edit('pipeline.yaml', 'seeds: [0, 1, 2]', `seeds: [0, 2, 3]`);
      expect((await rig.make()).code).toBe(0);
      const { page, complaints } = await opened(browser, link);
      await go(page, '#/table?stage=train&sort=-out.loss', '.grid tbody a');
      expect(await page.locator('.grid tbody a').allInnerTexts()).toEqual([
        'train[3]',
        'train[2]',
        'train[0]',
      ]);
      await page.fill('input[type=search]', 'seed=2');
      await expect
        .poll(() => page.locator('.grid tbody a').allInnerTexts(), WAIT)
        .toEqual(['train[2]']);
      expect(page.url()).toContain('where=seed');
      await go(page, '#/table?stage=train&group=', '.grid tbody a');
      await page.click('button[aria-label="train[2] as baseline"]');
      await expect.poll(textOf(page, '.grid'), WAIT).toMatch(/0\.5 \(−0\.2\)/);
      await go(page, '#/plots?kind=scatter&stage=train&y=out.loss&x=seed', 'circle.point');
      expect(await page.locator('circle.point').count()).toBe(3);
      await go(page, '#/plots?kind=study', 'img.plot');
      await expect
        .poll(
          () =>
            page.locator('img.plot').evaluate((image) => (image as HTMLImageElement).naturalWidth),
          WAIT,
        )
        .toBeGreaterThan(100);
      await go(page, '#/task?task=train%5B0%5D', '.output');
      await page.click('summary:has-text("page")');
      await expect.poll(textOf(page, '.content'), WAIT).toContain('<script>parent.hurt');
      // The page of a stage, opened by itself, is saved and not shown; in a frame, nothing of it runs.
      const { key } = (await page.evaluate(async () =>
        (await fetch('/api/task?task=train%5B0%5D')).json(),
      )) as { key: string };
      const file = await page.request.get(
        `/file?key=${key}&name=page`.replace(/^/, new URL(link).origin),
      );
      expect(file.headers()).toMatchObject({
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'content-disposition': expect.stringContaining('attachment'),
      });
      await page.evaluate((src) => {
        const frame = document.createElement('iframe');
        frame.src = src;
        document.body.append(frame);
      }, `/frame?key=${key}&name=page`);
      await expect.poll(() => page.frames().length, WAIT).toBe(2);
      await page.frames()[1]?.waitForSelector('p');
      // The browser tells that it refused what the framed page wanted.
      expect(complaints.filter((text) => !/sandboxed|img-src data:/.test(text))).toEqual([]);
      const views = [
        '#/overview?stage=train',
        '#/table?stage=train',
        '#/plots?kind=curves&stage=train',
        '#/task?task=train%5B2%5D',
        `#/runs?run=${readRun(rig)}`,
      ];
      for (const colorScheme of ['light', 'dark'] as const) {
        const viewport =
          colorScheme === 'light' ? { width: 390, height: 780 } : { width: 1200, height: 900 };
        const { page: other } = await opened(browser, link, { colorScheme, viewport });
        for (const view of views) {
          await go(other, view, 'main h1');
          await expect.poll(() => other.getByText('Reading …').count(), WAIT).toBe(0);
          expect(await violations(other), `${colorScheme} ${view}`).toEqual([]);
          expect(
            await other.evaluate(() => document.documentElement.scrollWidth - innerWidth),
            view,
          ).toBeLessThan(1);
        }
      }
    },
    60_000,
  );

  test.skipIf(!process.env.FULL)(
    'sorts, groups, compares and copies a table, and plots what was chosen in it',
    async () => {
      const { rig, link } = await study();
      rig.edit(
        'pipeline.yaml',
        'matrix: { seed: $seeds }',
        'matrix: { seed: $seeds, kind: [a, b] }',
      );
      rig.edit('pipeline.yaml', 'seeds: [0, 1, 2]', 'seeds: [0, 2, 3]');
      expect((await rig.make()).code).toBe(0);
      const { page, complaints } = await opened(browser, link);
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      const tasks = () => page.locator('.grid tbody a').allInnerTexts();
      const copied = async (label: string): Promise<string> => {
        await page.click(`button:text-is("${label}")`);
        await page.waitForSelector('button:text-is("copied")');
        await page.waitForSelector(`button:text-is("${label}")`);
        return page.evaluate(() => navigator.clipboard.readText());
      };
      await go(page, '#/table?stage=train', '.grid tbody a');
      // By a click down and up, and by a second column with shift.
      await page.click('th button:has-text("out.loss")');
      await page.click('th button:has-text("out.loss")');
      await page.click('th button:has-text("kind")', { modifiers: ['Shift'] });
      await expect
        .poll(tasks, WAIT)
        .toEqual([
          'train[3,a]',
          'train[3,b]',
          'train[2,a]',
          'train[2,b]',
          'train[0,a]',
          'train[0,b]',
        ]);
      // Columns, from none; what is copied is what is shown.
      await page.click('summary:has-text("Columns")');
      await page.click('button:text-is("none")');
      await page.click('.choices label:has-text("out.loss")');
      expect(await copied('Copy as CSV')).toBe(
        'task,out.loss\n"train[3,a]",0.8\n"train[3,b]",0.8\n"train[2,a]",0.7\n"train[2,b]",0.7\n"train[0,a]",0.5\n"train[0,b]",0.5\n',
      );
      expect(await copied('Copy as Markdown')).toMatch(
        /^\| task +\| out\.loss \|\n\| -+ \| -+: \|\n/,
      );
      // The link is this very view, for a page that has seen nothing.
      const { page: other } = await opened(browser, link);
      await other.goto(await copied('Copy the link'));
      await other.reload();
      await other.waitForSelector('.grid tbody a');
      expect(await other.innerText('.grid')).toBe(await page.innerText('.grid'));
      // Groups, of which one is the baseline.
      await go(page, '#/table?stage=train&group=seed', 'button[aria-label="0 as baseline"]');
      await page.click('button[aria-label="0 as baseline"]');
      await expect.poll(textOf(page, '.grid tbody'), WAIT).toMatch(/0\.7 \(\+0\.2\) ± 0\s+2/);
      // Chosen tasks are drawn, and still chosen on the way back.
      await go(page, '#/table?stage=train', 'input[aria-label="choose train[2,b]"]');
      await page.check('input[aria-label="choose train[2,b]"]');
      await page.check('input[aria-label="choose train[3,a]"]');
      await page.click('a:text-is("scatter")');
      await page.waitForSelector('circle.point');
      expect(await page.locator('circle.point').count()).toBe(2);
      await page.goBack();
      await page.waitForSelector('text=2 chosen');
      await page.click('a:text-is("curves")');
      await expect.poll(() => page.locator('path.curve').count(), WAIT).toBeGreaterThan(1);
      // A file of a chart says which line is which.
      const file = async (kind: 'SVG' | 'PNG'): Promise<Buffer> => {
        const saved = page.waitForEvent('download');
        await page.locator(`.saves button:text-is("${kind}")`).first().click();
        return readFileSync(await (await saved).path());
      };
      const svg = (await file('SVG')).toString();
      expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      expect(svg).toMatch(/<text [^>]*>train\[2,b\]<\/text>.*<text [^>]*>train\[3,a\]<\/text>/s);
      expect((await file('PNG')).subarray(0, 8)).toEqual(
        Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      );
      await page.click('a:text-is("Table")');
      await page.goBack();
      await go(page, '#/plots?kind=parallel&stage=train&where=kind%3Db', 'path.strand >> nth=2');
      expect(await page.locator('path.strand').count()).toBe(3);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  test.skipIf(!process.env.FULL)(
    'draws of 5,000 rows only those that come into sight, and each once',
    async () => {
      const { rig, link } = await study();
      expect((await rig.make('data')).code).toBe(0);
      const { page } = await opened(browser, link);
      const rows = Array.from({ length: 5000 }, (_, at) => [`t[${at}]`, String(at), at / 7]);
      const kinds = ['task', 'axis', 'number'];
      const columns = ['task', 'seed', 'loss'].map((name, at) => ({ name, kind: kinds[at] }));
      const table = { stage: 't', columns, rows, notes: [], series: [] };
      await page.route('**/api/table*', (route) => route.fulfill({ json: table }));
      await go(page, '#/table?stage=t', '.grid tbody a');
      // Each row that is drawn anew or again is one change in the body.
      await page.evaluate(() => {
        const found = { added: 0, changed: 0 };
        const body = document.querySelector('.grid tbody') as Element;
        new MutationObserver((changes) => {
          for (const { type, addedNodes } of changes) {
            if (type === 'childList') found.added += addedNodes.length;
            else found.changed += 1;
          }
        }).observe(body, { childList: true, subtree: true, characterData: true });
        Object.assign(globalThis, { found });
      });
      await page.locator('.grid').evaluate(async (grid) => {
        for (let step = 1; step <= 100; step++) {
          grid.scrollTop = step * 30;
          await new Promise(requestAnimationFrame);
        }
      });
      await expect.poll(textOf(page, '.grid tbody'), WAIT).toContain('t[110]');
      const { added, changed } = await page.evaluate(
        () => (globalThis as unknown as { found: { added: number; changed: number } }).found,
      );
      expect(added).toBeLessThan(150);
      expect(changed).toBe(0);
      expect(await page.locator('.grid tbody tr').count()).toBeLessThan(70);
    },
    60_000,
  );

  test('lets nobody in: another site, another name, nobody without the link', async () => {
    const { link } = await study();
    const { origin, port } = new URL(link);
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    expect((await page.goto(`${origin}/api/runs`))?.status()).toBe(401);
    await page.goto(link);
    await page.waitForSelector('nav a');
    // Another name that leads to the same server, as DNS rebinding makes one.
    const rebound = await page.goto(
      `http://rebound.example:${port}/?token=${new URL(link).searchParams.get('token')}`,
    );
    expect(rebound?.status()).toBe(403);
    await expect(page.evaluate(async () => (await fetch('/api/runs')).status)).rejects.toThrow();
    // A page of another origin on this machine: with the cookie in this very browser.
    const evil = createServer((_, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>evil'),
    );
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void evil.close());
    await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`);
    const tried = await page.evaluate(async (target) => {
      const outcome = async (action: () => Promise<unknown>): Promise<string> =>
        action().then(
          () => 'got in',
          () => 'refused',
        );
      const load = (tag: 'img' | 'script', src: string) =>
        new Promise((resolve, reject) => {
          const element = document.createElement(tag);
          element.src = src;
          element.onload = resolve;
          element.onerror = reject;
          document.body.append(element);
        });
      const listen = () =>
        new Promise((resolve, reject) => {
          const stream = new EventSource(`${target}/events`, { withCredentials: true });
          stream.onmessage = resolve;
          stream.onerror = () => reject(new Error());
        });
      return {
        fetch: await outcome(() => fetch(`${target}/api/runs`, { credentials: 'include' })),
        script: await outcome(() => load('script', `${target}/app.js`)),
        image: await outcome(() => load('img', `${target}/icon.svg`)),
        events: await outcome(listen),
        post: await outcome(async () => {
          const answer = await fetch(`${target}/api/runs`, {
            method: 'POST',
            mode: 'no-cors',
            credentials: 'include',
          });
          if (answer.type === 'opaque') throw new Error('nothing can be read');
        }),
      };
    }, origin);
    expect(new Set(Object.values(tried))).toEqual(new Set(['refused']));
    const framed = await page.evaluate(
      (target) =>
        new Promise<number>((resolve) => {
          const frame = document.createElement('iframe');
          frame.src = `${target}/`;
          frame.onload = () => resolve(document.querySelectorAll('iframe').length);
          document.body.append(frame);
        }),
      origin,
    );
    expect(framed).toBe(1);
    await expect(page.frames()[1]?.waitForSelector('nav a', { timeout: 500 })).rejects.toThrow();
  }, 60_000);

  test.skipIf(!process.env.FULL)(
    'says what is when the store goes, and when the server goes; a copy needs neither',
    async () => {
      const rig = liveStudy();
      const { ui, link } = await startUi(rig);
      expect((await rig.make('train[0]')).code).toBe(0);
      const { page, complaints } = await opened(browser, link);
      await expect.poll(textOf(page, '.big'), WAIT).toMatch(/2 of 2 tasks/);
      const copy = join(rig.folder, 'copy');
      expect(await rig.run('ui', '--export', copy)).toMatchObject({ code: 0 });
      rmSync(join(rig.folder, 'cache'), { recursive: true });
      await expect.poll(textOf(page, '.notice'), WAIT).toContain('There is no store');
      expect((await rig.make('data')).code).toBe(0);
      await expect.poll(() => page.locator('.notice').count(), WAIT).toBe(0);
      await expect.poll(textOf(page, '.big'), WAIT).toMatch(/1 of 1 tasks/);
      ui.process.kill('SIGINT');
      expect((await ui.ended).code).toBe(0);
      await expect.poll(textOf(page, '.notice'), WAIT).toContain('does not answer');
      expect(complaints.filter((text) => !text.includes('ERR_CONNECTION'))).toEqual([]);
      const files = await opened(browser, pathToFileURL(join(copy, 'index.html')).href);
      await expect.poll(textOf(files.page, '.big'), WAIT).toMatch(/2 of 2 tasks/);
      await go(files.page, '#/table?stage=train', '.grid tbody a');
      await go(files.page, '#/plots?kind=curves&stage=train', 'path.curve');
      await go(files.page, '#/task?task=train%5B0%5D', '.log .line');
      // What runs made is shown without its scripts.
      await go(files.page, '#/runs', 'td button.link');
      await files.page.click('td button.link');
      await files.page.click('ul.tasks button.link');
      await files.page.waitForSelector('iframe.report');
      await expect.poll(() => files.page.frames().length, WAIT).toBe(2);
      await files.page.frames()[1]?.waitForSelector('p img', { state: 'attached' });
      await expect.poll(textOf(files.page, '.good'), WAIT).toContain('outputs are whole');
      await go(files.page, '#/task?task=data', '.output');
      await files.page.click('summary:has-text("n")');
      await expect.poll(textOf(files.page, '.content'), WAIT).toContain('5');
      expect(
        files.complaints.filter((text) => !/sandboxed|img-src|local resource/.test(text)),
      ).toEqual([]);
    },
    60_000,
  );
});

const readRun = (rig: Rig): string => {
  const found = readdirSync(join(rig.folder, 'cache/runs'), { withFileTypes: true });
  return found[0]?.name.replace('.jsonl', '') ?? 'last';
};
