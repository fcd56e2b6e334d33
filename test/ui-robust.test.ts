/// <reference lib="dom" />
// `pipeline ui` where much goes wrong, or is large: killed makes, a server that sleeps, stores that change, 100,000 tasks, 300 MB.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeRig, type Rig, type Started } from './rig.ts';
import { go, launch, opened, textOf, there } from './ui-pages.ts';
import { liveStudy, startUi } from './ui-study.ts';

const WAIT = { timeout: 60_000, interval: 100 };
/** For tests that are long where the machine has nothing else to do. */
const LONG_MS = 900_000;

async function startedUi(rig: Rig): Promise<{ readonly ui: Started; readonly link: string }> {
  const started = await startUi(rig);
  onTestFinished(async () => {
    started.ui.process.kill('SIGCONT');
    started.ui.process.kill('SIGTERM');
    await started.ui.ended;
  });
  return started;
}

const pidOf = ({ process }: Started): number => process.pid ?? 0;
const megabytesOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Connections to a port of this machine that are open. */
function connectionsTo(port: number): number {
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return lines.filter((line) => {
    const [, , remote = '', state] = line.trim().split(/\s+/);
    return remote.endsWith(end) && state === '01';
  }).length;
}

/** Errors of the page itself: that a server does not answer is told by the browser, too. */
const own = (complaints: readonly string[]): readonly string[] =>
  complaints.filter((text) => !/ERR_|Failed to load resource/.test(text));

describe.skipIf(!there || !process.env.FULL)('in Chromium, the page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());

  test('says that a make was killed, and follows the next', async () => {
    const rig = liveStudy();
    const { link } = await startedUi(rig);
    const { page, complaints } = await opened(browser, link);
    const gate = join(rig.folder, 'gate');
    writeFileSync(gate, '');
    const make = rig.start(['make', '--json'], { GATE: gate });
    await expect.poll(textOf(page, 'table.running'), WAIT).toContain('train[0]');
    make.process.kill('SIGKILL');
    await expect.poll(textOf(page, '.facts'), WAIT).toContain('killed: its process is gone');
    expect(await page.locator('table.running').count()).toBe(0);
    await expect.poll(textOf(page, '.counts'), WAIT).toMatch(/\d interrupted/);
    await go(page, '#/runs', 'tbody tr');
    await expect.poll(textOf(page, 'tbody tr'), WAIT).toMatch(/killed(?!.*running)/s);
    await go(page, '#/task?task=train%5B0%5D', '.why');
    await expect.poll(textOf(page, '.why'), WAIT).toContain('stopped before its end');
    rmSync(gate);
    await rig.make('--keep-going');
    await go(page, '#/overview', '#run');
    await expect.poll(textOf(page, '.facts'), WAIT).toContain('finished');
    expect(own(complaints)).toEqual([]);
  });

  test('says that a server which sleeps does not answer, and goes on when it wakes', async () => {
    const rig = liveStudy();
    const { ui, link } = await startedUi(rig);
    const { page, complaints } = await opened(browser, link);
    await expect.poll(textOf(page, 'h1'), WAIT).toBe('No run yet');
    ui.process.kill('SIGSTOP');
    await expect.poll(textOf(page, '.notice'), WAIT).toContain('does not answer');
    expect((await rig.make('data')).code).toBe(0);
    ui.process.kill('SIGCONT');
    await expect.poll(textOf(page, '.big'), WAIT).toMatch(/1 of 1 tasks/);
    await expect.poll(() => page.locator('.notice').count(), WAIT).toBe(0);
    expect(own(complaints)).toEqual([]);
  });

  test('says what is while its store is compacted, damaged, of another version, and whole again', async () => {
    const rig = liveStudy();
    expect((await rig.make('data')).code).toBe(0);
    const { link } = await startedUi(rig);
    const { page, complaints } = await opened(browser, link);
    await expect.poll(textOf(page, '.big'), WAIT).toMatch(/1 of 1 tasks/);
    // While the page reads, gc writes the store anew, again and again.
    await go(page, '#/task?task=data', '.output');
    for (let round = 0; round < 3; round++) {
      rig.edit('pipeline.yaml', `echo ${5 + round}`, `echo ${6 + round}`);
      expect((await rig.make('data')).code).toBe(0);
      expect(await rig.run('gc', '--keep-runs', '1', '--compact')).toMatchObject({ code: 0 });
    }
    await go(page, '#/runs', 'tbody tr');
    await expect.poll(() => page.locator('tbody tr').count(), WAIT).toBe(1);
    expect(await page.locator('.notice, .problem').count()).toBe(0);
    const path = join(rig.folder, 'cache/store.lmdb');
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 5000));
    await expect.poll(textOf(page, '.notice'), WAIT).toContain('The store cannot be read');
    writeFileSync(path, whole);
    await expect.poll(() => page.locator('.notice').count(), WAIT).toBe(0);
    const runs = join(rig.folder, 'cache/runs');
    mkdirSync(runs, { recursive: true });
    writeFileSync(join(runs, '20990101T000000-abcdef.jsonl'), '{"form":"run/9"}\n');
    await expect.poll(textOf(page, '.notice'), WAIT).toContain('Another version of pipeline makes');
    rmSync(join(runs, '20990101T000000-abcdef.jsonl'));
    await expect.poll(() => page.locator('.notice').count(), WAIT).toBe(0);
    expect(own(complaints)).toEqual([]);
  });

  test(
    'serves 50 pages of a browser by one stream',
    async () => {
      const rig = liveStudy();
      const { ui, link } = await startedUi(rig);
      const context = await browser.newContext();
      onTestFinished(() => context.close());
      const first = await context.newPage();
      await first.goto(link);
      const others = Array.from({ length: 49 }, async (): Promise<Page> => {
        const page = await context.newPage();
        await page.goto(new URL(link).origin, { timeout: 300_000 });
        return page;
      });
      const pages = [first, ...(await Promise.all(others))];
      expect((await rig.make('data')).code).toBe(0);
      for (const page of pages) {
        await expect.poll(textOf(page, '.big'), WAIT).toMatch(/1 of 1 tasks/);
      }
      expect(connectionsTo(Number(new URL(link).port))).toBeLessThan(7);
      // Those of a browser that is closed are let go.
      await context.close();
      await expect.poll(() => connectionsTo(Number(new URL(link).port)), WAIT).toBe(0);
      expect(megabytesOf(pidOf(ui))).toBeLessThan(400);
    },
    LONG_MS,
  );

  test('shows 100,000 tasks of a run that goes on', async () => {
    const seeds = Array.from({ length: 1000 }, (_, seed) => seed);
    const kinds = Array.from({ length: 100 }, (_, kind) => `k${kind}`);
    const rig = makeRig({
      'pipeline.yaml': `stages:
  work:
    command: [sh, -c, 'echo 1 > n.json']
    matrix: { kind: [${kinds.join(', ')}], seed: [${seeds.join(', ')}] }
    outputs: { n: n.json }
`,
    });
    writeJournal(rig.folder, kinds, seeds);
    const { ui, link } = await startedUi(rig);
    const { page, complaints } = await opened(browser, link);
    await expect.poll(textOf(page, '.big'), WAIT).toMatch(/99999 of 100000 tasks/);
    await go(page, '#/overview?stage=work', 'ul.rows li a');
    await page.locator('ul.rows').evaluate((list) => list.scrollTo(0, 28 * 50_000));
    await expect.poll(textOf(page, 'ul.rows li a'), WAIT).toMatch(/^work\[k(49|50),/);
    await page.fill('section[aria-labelledby=tasks] input', 'k7, 99');
    await page.fill('section[aria-labelledby=tasks] input', 'k77,999');
    await expect.poll(() => page.locator('ul.rows li a').count(), WAIT).toBe(1);
    expect(megabytesOf(pidOf(ui))).toBeLessThan(900);
    expect(own(complaints)).toEqual([]);
  });

  test(
    'shows a task that prints 300 MB, and a file of 300 MB, in which it searches',
    async () => {
      const rig = makeRig({
        'pipeline.yaml': `stages:
  talk:
    command: [node, talk.mjs]
    inputs: { script: { file: talk.mjs } }
    outputs: { log: out.log }
`,
        'talk.mjs': `import { closeSync, openSync, writeSync } from 'node:fs';
const file = openSync('out.log', 'w');
const block = 'the quick brown fox jumps over the lazy dog, and again and again and again, <b>\\u001b[1m\\n'.repeat(10_000);
for (let bytes = 0; bytes < 3e8; bytes += block.length) {
  writeSync(file, block);
  writeSync(1, block);
  if (bytes > 1.5e8 && bytes < 1.5e8 + block.length) writeSync(file, 'a NEEDLE in it\\n');
}
writeSync(file, 'the end\\n');
console.log('the end');
closeSync(file);
`,
      });
      const { ui, link } = await startedUi(rig);
      const { page, complaints } = await opened(browser, link);
      expect((await rig.make()).code).toBe(0);
      await go(page, '#/task?task=talk', '.log .line');
      await expect.poll(textOf(page, '.log'), WAIT).toContain('quick brown fox');
      await page.fill('section[aria-labelledby=log] input', 'the end');
      await expect.poll(textOf(page, '.log'), WAIT).toContain('the end');
      await page.click('.output summary');
      await page.waitForSelector('pre[aria-label="end of the text"]', { timeout: 60_000 });
      expect(await page.innerText('pre[aria-label="end of the text"]')).toMatch(/the end\s*$/);
      expect(await page.innerText('.content')).toContain('<b>\\x1b[1m');
      await page.fill('.content input', 'needle');
      await page.click('.content button');
      await page.waitForSelector('pre[aria-label="lines that were found"]', { timeout: 60_000 });
      expect(await page.innerText('pre[aria-label="lines that were found"]')).toMatch(
        /^\d+ {2}a NEEDLE in it\s*$/,
      );
      expect(megabytesOf(pidOf(ui))).toBeLessThan(500);
      expect(own(complaints)).toEqual([]);
    },
    LONG_MS,
  );
});

/** The journal of a run of this very process, in which all tasks but one are made. */
function writeJournal(folder: string, kinds: readonly string[], seeds: readonly number[]): void {
  const id = '20990101T000000-abcdef';
  const run = {
    ...{ id, host: hostname(), command: 'make', targets: [], presets: [], sets: [], params: {} },
    ...{ versions: {}, started: new Date(Date.now() - 600_000).toISOString() },
    process: { host: hostname(), pid: process.pid },
  };
  const key = '0'.repeat(64);
  const at = Date.now() - 1000;
  const lines = kinds.flatMap((kind) =>
    seeds.flatMap((seed) => {
      const task = `work[${kind},${seed}]`;
      const begun = { begun: task, key, at, slot: 0, why: 'new' };
      const isLast = kind === kinds.at(-1) && seed === seeds.at(-1);
      return isLast ? [begun] : [begun, { ended: task, outcome: 'built', key, at: at + 1 }];
    }),
  );
  mkdirSync(join(folder, 'cache/runs'), { recursive: true, mode: 0o700 });
  const text = [{ form: 'run/1', run }, ...lines].map((one) => JSON.stringify(one)).join('\n');
  writeFileSync(join(folder, `cache/runs/${id}.jsonl`), `${text}\n`);
}
