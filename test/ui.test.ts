// What `pipeline ui` shows, without a browser: who may ask, runs from journals, addresses, tables, charts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Asked, judge } from '../src/cli/ui/guard.ts';
import { keepAnswers } from '../src/cli/ui/kept-answers.ts';
import { hasScreen, sshLine } from '../src/cli/ui/open-page.ts';
import { imageType, tensorView } from '../src/cli/ui/output-answers.ts';
import { watchRuns } from '../src/cli/ui/run-watch.ts';
import { textWindow } from '../src/cli/ui/text-window.ts';
import type { Key, TaskId } from '../src/engine/model/key.ts';
import type { RunRecord, RunStart } from '../src/engine/model/record.ts';
import { type JournalEntry, openJournal, RunNotes } from '../src/engine/store/journal.ts';
import { logInJournal } from '../src/engine/store/journal-follow.ts';
import {
  cellOf,
  formatCell,
  frameIn,
  rowNamed,
  rowNames,
  sentCell,
  shownTable,
} from '../src/ui/cells.ts';
import {
  layersOf,
  pathOf,
  rowsInSight,
  scaleOf,
  smoothed,
  thinned,
  ticksBetween,
  withoutShortcuts,
} from '../src/ui/chart.ts';
import { packed } from '../src/ui/lanes.ts';
import { changed, hashOf, listIn, listText, placeIn } from '../src/ui/links.ts';
import { formatBytes, formatNumber, formatSeconds } from '../src/ui/numbers.ts';
import { progressOf, progressOfRecord } from '../src/ui/progress.ts';
import { questionName } from '../src/ui/question.ts';
import { logPart, RunState } from '../src/ui/run-state.ts';
import { rowsOfJson, rowsOfText } from '../src/ui/text-table.ts';

const OPTIONS = { token: 'secret', cookie: 'pipeline-ui-80', names: ['127.0.0.1'], isOpen: false };
const asked = (headers: Asked['headers'], url = '/api/runs', method = 'GET'): Asked => ({
  method,
  url,
  headers,
});
const COOKIE = { host: '127.0.0.1:80', cookie: 'a=b; pipeline-ui-80=secret' };
const statusOf = (one: Asked, options = OPTIONS): number => {
  const verdict = judge(one, options);
  return verdict.ok ? 200 : verdict.status;
};

test('a request counts with the cookie, under a name of loopback, of our own origin', () => {
  expect(statusOf(asked(COOKIE))).toBe(200);
  expect(statusOf(asked({ ...COOKIE, host: 'localhost:9000' }))).toBe(200);
  expect(statusOf(asked({ ...COOKIE, host: '[::1]:9' }))).toBe(200);
  expect(statusOf(asked({ ...COOKIE, origin: 'http://127.0.0.1:80' }))).toBe(200);
  expect(statusOf(asked({ host: '127.0.0.1' }, '/?token=secret'))).toBe(200);
});

test.each([
  ['no cookie', asked({ host: '127.0.0.1' }), 401],
  ['a wrong token', asked({ host: '127.0.0.1' }, '/?token=secre'), 401],
  [
    'a token elsewhere than on the page',
    asked({ host: '127.0.0.1' }, '/api/runs?token=secret'),
    401,
  ],
  ['the cookie of another port', asked({ ...COOKIE, cookie: 'pipeline-ui-81=secret' }), 401],
  ['another name, as by DNS rebinding', asked({ ...COOKIE, host: 'evil.example:80' }), 403],
  ['a name that begins like ours', asked({ ...COOKIE, host: '127.0.0.1.evil.example' }), 403],
  ['an address that is not ours', asked({ ...COOKIE, host: '10.0.0.1' }), 403],
  ['no name', asked({ cookie: COOKIE.cookie }), 400],
  ['two names', asked({ ...COOKIE, host: ['127.0.0.1', 'evil.example'] }), 400],
  ['another origin', asked({ ...COOKIE, origin: 'http://evil.example' }), 403],
  ['another port of this machine', asked({ ...COOKIE, origin: 'http://127.0.0.1:81' }), 403],
  ['the origin of a sandbox', asked({ ...COOKIE, origin: 'null' }), 403],
  ['https of the same name', asked({ ...COOKIE, origin: 'https://127.0.0.1:80' }), 403],
  ['another site', asked({ ...COOKIE, 'sec-fetch-site': 'cross-site' }), 403],
  ['another port as a site', asked({ ...COOKIE, 'sec-fetch-site': 'same-site' }), 403],
  ['POST', asked(COOKIE, '/api/runs', 'POST'), 405],
  ['a proxy request', asked(COOKIE, 'http://evil.example/'), 400],
])('%s is refused', (_, one, status) => expect(statusOf(one)).toBe(status));

test('beyond loopback, addresses are names, and other names are not', () => {
  const open = { ...OPTIONS, isOpen: true, names: ['0.0.0.0', 'lab'] };
  expect(statusOf(asked({ ...COOKIE, host: '10.0.0.7:80' }), open)).toBe(200);
  expect(statusOf(asked({ ...COOKIE, host: 'lab:80' }), open)).toBe(200);
  expect(statusOf(asked({ ...COOKIE, host: 'evil.example' }), open)).toBe(403);
});

// ---- runs ----

const RUN = {
  ...{ id: 'r1', host: 'h', command: 'make', targets: [], presets: [], sets: [], params: {} },
  ...{ versions: {}, started: new Date(0).toISOString(), process: { host: 'h', pid: 1 } },
} as RunStart;
const task = (name: string): TaskId => name as TaskId;
const key = 'k' as Key;
const OUTLINE = {
  sizes: new Map([
    ['mask', 1],
    ['train', 3],
  ]),
  edges: [['mask', 'train']] as const,
};

function stateAfter(...entries: readonly JournalEntry[]): RunState {
  const state = new RunState(RUN);
  for (const entry of entries) state.apply(entry);
  return state;
}

test('a run is told from its journal: counts, what runs and why, rate, time left, failures', () => {
  const state = stateAfter(
    { begun: task('mask'), key, at: 1000, slot: 0, why: 'new' },
    { event: { event: 'progress', task: task('mask'), done: 1, of: 4, note: 'half' }, at: 1500 },
  );
  const shown = () =>
    progressOf(state, 'running', OUTLINE, { now: 60_000, seen: 60_000, failures: [] });
  expect(shown().running).toEqual([
    { task: 'mask', since: 1000, slot: 0, done: 1, of: 4, note: 'half', why: 'new' },
  ]);
  expect(shown().stages[1]).toEqual({
    ...{ stage: 'train', of: 3, counts: { unmade: 3 } },
    waitsFor: ['mask'],
  });
  expect(shown()).toMatchObject({ total: 4, rate: null, left: null });
  state.apply({ ended: task('mask'), outcome: 'built', key, at: 2000 });
  state.apply({ begun: task('train[a]'), key });
  state.apply({ ended: task('train[a]'), outcome: 'failed', at: 3000 });
  expect(shown()).toMatchObject({
    tally: { built: 1, failed: 1, running: 0 },
    ...{ rate: 2, left: 60, running: [] },
  });
  expect(shown().stages[1]).toMatchObject({ counts: { failed: 1, unmade: 2 }, waitsFor: [] });
  expect(state.failed).toEqual(['train[a]']);
});

test('of a run that was killed nothing runs: what it had begun is interrupted', () => {
  const state = stateAfter({ begun: task('mask'), key, at: 1000 });
  const shown = progressOf(state, 'killed', OUTLINE, { now: 9000, seen: 8000, failures: [] });
  expect(shown).toMatchObject({ tally: { interrupted: 1 }, running: [], ended: 8000, left: null });
  expect(shown.stages[0]?.counts).toEqual({ interrupted: 1 });
});

test('a step that a task reports changes the overview, so that its curve is asked for again', () => {
  const state = stateAfter({ begun: task('mask'), key, at: 1000 });
  const shown = () => progressOf(state, 'running', OUTLINE, { now: 0, seen: 0, failures: [] });
  const before = shown().measured;
  state.apply({ event: { event: 'metrics', task: task('mask'), step: 1, values: { loss: 2 } } });
  expect(shown().measured).toBe(before + 1);
  expect(state.curves('mask')).toMatchObject([{ name: 'loss', steps: [1], values: [2] }]);
});

test('a task that was reused, and runs after all, counts once', () => {
  const state = stateAfter(
    { ended: task('mask'), outcome: 'reused', key },
    { begun: task('mask'), key },
    { ended: task('mask'), outcome: 'built', key },
  );
  expect(state.tally).toEqual({ reused: 0, running: 0, built: 1 });
});

test('steps that a program tells again take the place of those before; a journal anew keeps them', () => {
  const step = (at: number, loss: number): JournalEntry => ({
    event: { event: 'metrics', task: task('train[a]'), step: at, values: { loss } },
  });
  const state = stateAfter(step(1, 3), step(2, 2), step(3, 1), step(2, 5), step(4, Number.NaN));
  const curve = { task: 'train[a]', name: 'loss', steps: [1, 2, 4], values: [3, 5, null] };
  expect(state.curves('train[a]')).toEqual([curve]);
  state.restart(RUN);
  expect(state.curves('train[a]')).toEqual([curve]);
});

test('a log is given from a line on, and says where lines were left out', () => {
  const parts = { head: ['a', 'b'], tail: ['y', 'z'], dropped: 10 };
  expect(logPart(parts, 0, true)).toMatchObject({
    first: 0,
    lines: ['a', 'b', 'y', 'z'],
    gapAt: 2,
  });
  expect(logPart(parts, 1, true)).toMatchObject({ first: 1, lines: ['b', 'y', 'z'], gapAt: 1 });
  expect(logPart(parts, 5, true)).toMatchObject({ first: 12, lines: ['y', 'z'], gapAt: 0 });
  expect(logPart(parts, 13, true)).toMatchObject({
    first: 13,
    lines: ['z'],
    gapAt: null,
    total: 14,
  });
  expect(logPart(parts, 99, false)).toMatchObject({ lines: [], total: 14 });
});

test('of very many lines the first and the last are kept', () => {
  const state = new RunState(RUN);
  for (let n = 0; n < 5000; n++) state.apply({ log: task('mask'), line: `line ${n}` });
  const { lines = [], total, gapAt } = state.log('mask', 0) ?? {};
  expect([lines[0], lines.at(-1), total, gapAt]).toEqual(['line 0', 'line 4999', 5000, 1000]);
  expect(lines.length).toBeLessThan(3001);
});

test('beyond a bound, tasks that ended first lose their log in memory, and long curves every second point', () => {
  const state = new RunState(RUN, { characters: 2000, points: 300 });
  const say = (name: string): void => {
    state.apply({ begun: task(name), key });
    for (let step = 0; step < 100; step++) {
      state.apply({ log: task(name), line: 'ten chars.' });
      const event = { event: 'metrics', task: task(name), step, values: { loss: step } } as const;
      state.apply({ event });
    }
    state.apply({ ended: task(name), outcome: 'built', key });
  };
  for (const name of ['mask', 'train[a]', 'train[b]', 'train[c]']) say(name);
  expect(state.log('mask', 0)).toBeUndefined();
  expect(state.log('train[c]', 0)?.total).toBe(100);
  expect(state.curves('mask')[0]?.steps.length).toBe(50);
  expect(state.curves('train[c]')[0]?.steps.length).toBe(100);
  state.restart(RUN);
  expect(state.log('mask', 0)?.total).toBe(0);
});

test('a log that is not in memory is read from the journal, without what other tasks said', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'ui-journal-'));
  onTestFinished(() => rmSync(cache, { recursive: true }));
  const notes = new RunNotes();
  const journal = openJournal(cache, RUN, notes);
  for (const [name, line] of [
    ['a', 'one {"log":"b",'],
    ['b', 'no'],
    ['a', 'two\u00e9'],
  ] as const)
    journal.noteNow({ log: task(name), line });
  journal.noteNow({ dropped: task('a'), lines: 7 });
  journal.close({ keep: true });
  const log = await logInJournal(cache, RUN.id, task('a'));
  expect(log).toEqual({ head: ['one {"log":"b",', 'two\u00e9'], tail: [], dropped: 7 });
  expect(await logInJournal(cache, 'other', task('a'))).toBeUndefined();
});

test('the journal of another version is told, and not taken for a run', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'ui-journal-'));
  onTestFinished(() => rmSync(cache, { recursive: true }));
  mkdirSync(join(cache, 'runs'));
  const line = JSON.stringify({ form: 'run/9', run: RUN });
  writeFileSync(join(cache, 'runs/r1.jsonl'), `${line}\n{"begun":"mask","key":"k"}\n`);
  const watch = watchRuns(cache, { host: 'h', pid: 1, exists: () => true }, () => undefined);
  onTestFinished(() => watch.close());
  await expect.poll(() => [...watch.foreign]).toEqual(['r1']);
  expect([watch.runs.size, watch.isBusy]).toEqual([0, false]);
  rmSync(join(cache, 'runs/r1.jsonl'));
  await expect.poll(() => watch.foreign.size).toBe(0);
});

// ---- answers ----

test('whoever asks the same gets one answer; beside a make, what was costly is not made again at once', async () => {
  let [now, made] = [0, 0];
  const kept = keepAnswers(() => now);
  const ask = (version: string | undefined, isBusy: boolean) =>
    kept.get({ question: 'q', version, isBusy }, async () => {
      now += 100;
      made += 1;
      return made;
    });
  expect(await Promise.all([ask('1', true), ask('2', true), ask('1', true)])).toEqual([1, 1, 1]);
  expect(await ask('2', true)).toBe(1);
  // Nobody is in the way of a look when no make goes on.
  expect(await ask('2', false)).toBe(2);
  expect(await ask('2', false)).toBe(2);
  now += 4001;
  expect(await ask('3', true)).toBe(3);
  expect(await ask(undefined, false)).toBe(4);
  expect(await ask(undefined, false)).toBe(5);
});

test('of a long text the ends are shown, and lines are found anywhere in it, piece by piece', async () => {
  const line = (n: number): string => `line ${n}${n % 1000 === 7 ? ' NEEDLE é' : ''}`;
  const text = Buffer.from(Array.from({ length: 50_000 }, (_, n) => line(n)).join('\n'));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < text.length; at += 4999) yield text.subarray(at, at + 4999);
  }
  const { head, tail, between, lines, found, moreFound } = await textWindow(pieces(), 'needle É');
  expect([head.slice(0, 7), tail.slice(-10), lines]).toEqual(['line 0\n', 'line 49999', 50_000]);
  expect(Buffer.byteLength(head) + between + Buffer.byteLength(tail)).toBe(text.length);
  expect(tail.startsWith('line ')).toBe(true);
  expect(found?.length).toBe(50);
  expect(found?.[3]).toEqual({ number: 3007, text: 'line 3007 NEEDLE é' });
  expect(moreFound).toBe(0);
  const all = await textWindow(pieces(), 'line');
  expect([all.found?.length, all.moreFound]).toEqual([500, 49_500]);
});

test('a record is shown like a run, also where the plan has changed since', () => {
  const outcomes = { mask: 'reused', 'old[x]': 'failed' } as const;
  const record = { ...RUN, at: new Date(9000).toISOString(), seconds: 9, tally: { reused: 1 } };
  const shown = progressOfRecord(
    { ...record, tasks: {}, outcomes } as unknown as RunRecord,
    OUTLINE,
    [],
  );
  expect(shown.stages.map(({ stage, counts }) => [stage, counts])).toEqual([
    ['mask', { reused: 1 }],
    ['train', { unmade: 3 }],
    ['old', { failed: 1 }],
  ]);
});

test('spans that overlap lie in different lanes of their host', () => {
  const span = (name: string, from: number, to: number, place = 'h') =>
    ({ task: name, from, to, place, status: 'built' }) as const;
  const { lanes, spans } = packed([
    span('a', 0, 10),
    span('b', 5, 15),
    span('c', 10, 20),
    span('d', 0, 1, 'i'),
  ]);
  expect(lanes).toEqual(['h', 'h (2)', 'i']);
  expect(spans.map(({ task: name, lane }) => [name, lane])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 0],
    ['d', 2],
  ]);
});

// ---- addresses, tables, charts ----

test('a view is a link, and the link is the view', () => {
  const place = {
    view: 'table',
    settings: { stage: 'a b', where: 'x=1, y<2', sort: '-loss;x%3B' },
  };
  expect(placeIn(hashOf(place))).toEqual(place);
  expect(changed(place, { sort: undefined, base: 't' }).settings).toEqual({
    ...{ stage: 'a b', where: 'x=1, y<2', base: 't' },
  });
  expect(listIn(listText(['a;b', 'c,d']))).toEqual(['a;b', 'c,d']);
  expect(placeIn('#/<script>?__proto__=1&a=2')).toEqual({ view: '', settings: { a: '2' } });
});

const TABLE = {
  stage: 's',
  columns: [
    { name: 'task', kind: 'task' },
    { name: 'seed', kind: 'axis' },
    { name: 'kind', kind: 'axis' },
    { name: 'loss', kind: 'number' },
  ],
  rows: [
    ['s[0,a]', '0', 'a', 1],
    ['s[1,a]', '1', 'a', 3],
    ['s[0,b]', '0', 'b', ['NaN']],
    ['s[1,b]', '1', 'b', null],
  ],
  ...{ notes: [], series: [] },
} as const;

test('the table of the page is what `pipeline metrics` makes of it', () => {
  const frame = frameIn(TABLE);
  expect(cellOf(sentCell(Number.NEGATIVE_INFINITY))).toBe(Number.NEGATIVE_INFINITY);
  const sorted = shownTable(frame, { where: ['loss<9'], sort: ['-loss'] });
  expect(sorted).toMatchObject({
    ok: true,
    frame: {
      rows: [
        ['s[1,a]', '1', 'a', 3],
        ['s[0,a]', '0', 'a', 1],
      ],
    },
  });
  const grouped = shownTable(frame, { where: ['kind=a'], groupBy: ['kind'] });
  if (!grouped.ok) throw new Error(grouped.message);
  const at = (statistic: string) =>
    grouped.frame.columns.findIndex((one) => one.statistic === statistic);
  expect(grouped.frame.rows[0]?.[at('mean')]).toBe(2);
  expect(grouped.frame.rows[0]?.[at('sd')]).toBeCloseTo(Math.SQRT2);
  const wrong = shownTable(frame, { where: [], sort: ['lost'] });
  expect(wrong).toEqual({ ok: false, message: expect.stringContaining('did you mean') });
  expect(formatCell(3, 1)).toBe('3 (+2)');
  // A baseline is a task, or a group by what its rows share.
  expect(rowNames(frame)).toContain('s[1,a]');
  expect(rowNamed(frame, 's[1,a]')?.[3]).toBe(3);
  expect(rowNames(grouped.frame)).toEqual(['a']);
  expect(rowNamed(grouped.frame, 'a')).toBe(grouped.frame.rows[0]);
  expect(rowNamed(grouped.frame, 'b')).toBeUndefined();
});

test('100,000 rows are sorted within a second: numbers in labels, texts, infinities, nothing', () => {
  const cells = ['10', 'b', Number.NaN, '9', null, 'a', Number.NEGATIVE_INFINITY, 2.5, '2.5'];
  const frame = {
    columns: [{ name: 'x', kind: 'axis' } as const, { name: 'y', kind: 'number' } as const],
    rows: Array.from({ length: 100_000 }, (_, at) => [cells[at % cells.length] ?? null, -at]),
  };
  const began = process.cpuUsage();
  const sorted = shownTable(frame, { where: [], sort: ['x', 'y'] });
  expect(process.cpuUsage(began).user / 1e6).toBeLessThan(1);
  if (!sorted.ok) throw new Error(sorted.message);
  const { rows } = sorted.frame;
  expect(rows[0]?.[0]).toBe(Number.NEGATIVE_INFINITY);
  const firsts = new Map(rows.map(([cell], at) => [String(cell), at] as const).reverse());
  const at = (cell: string): number => firsts.get(cell) ?? -1;
  expect(at('2.5')).toBeLessThan(at('9'));
  expect(at('9')).toBeLessThan(at('10'));
  expect(at('10')).toBeLessThan(at('a'));
  expect(at('a')).toBeLessThan(at('b'));
  expect(at('b')).toBeLessThan(Math.min(at('NaN'), at('null')));
  expect(rows[0]?.[1]).toBeLessThan(Number(rows[1]?.[1]));
});

test('charts have round ticks, bounded points, and gaps where there is nothing', () => {
  expect(ticksBetween(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticksBetween(3, 3, 5)).toEqual([3]);
  expect(scaleOf([5, 5], [0, 100]).at(5)).toBeCloseTo(50);
  expect(scaleOf([null, Number.NaN], [0, 1]).ticks.length).toBeGreaterThan(1);
  const steps = Array.from({ length: 100_000 }, (_, at) => at);
  const spiky = steps.map((at) => (at === 54_321 ? 9 : 0));
  const thin = thinned(steps, spiky, 100);
  expect(thin.length).toBeLessThan(500);
  expect(thin.some(([, value]) => value === 9)).toBe(true);
  expect(pathOf([[0, 1], null, [2, 3], [4, 5]])).toBe('M0.0 1.0M2.0 3.0L4.0 5.0');
  expect(smoothed([1, null, 3], 0.5)).toEqual([1, null, 2]);
});

test('of a long list the rows in sight are drawn', () => {
  expect(rowsInSight(10_000, { top: 3000, height: 300, row: 30 })).toEqual({ from: 92, to: 118 });
  expect(rowsInSight(3, { top: 90_000, height: 300, row: 30 })).toEqual({ from: 2, to: 3 });
  expect(rowsInSight(0, { top: 0, height: 300, row: 30 })).toEqual({ from: 0, to: 0 });
});

test('stages stand behind what they need, and lines beside longer ways are left out', () => {
  const edges = [
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'c'],
    ['x', 'x'],
  ] as const;
  expect(layersOf(['a', 'b', 'c', 'x'], edges)).toEqual(
    [['a', 'x'], ['b'], ['c']].map((one) => expect.arrayContaining(one)),
  );
  expect(withoutShortcuts(edges.slice(0, 3))).toEqual([
    ['a', 'b'],
    ['b', 'c'],
  ]);
});

test('numbers, times and sizes are short', () => {
  expect([1.23456789, -5, 1e-9, Number.NaN, Infinity].map(formatNumber)).toEqual([
    '1.23457',
    '−5',
    '1e−9',
    'NaN',
    '∞',
  ]);
  expect([0.44, 61, 7200, 90_000].map(formatSeconds)).toEqual([
    '0.4 s',
    '1 min 1 s',
    '2 h',
    '1 d 1 h',
  ]);
  expect([5, 999_999, 1.5e9].map(formatBytes)).toEqual(['5 B', '1 MB', '1.5 GB']);
});

test('tables are known in CSV and JSON, and other texts are left as they are', () => {
  expect(rowsOfText('a,b\n1,"x, y"\n2,z\n')).toEqual({
    head: ['a', 'b'],
    rows: [
      ['1', 'x, y'],
      ['2', 'z'],
    ],
    more: 0,
  });
  expect(rowsOfText('Dear all, hello\nno comma here\nnone')).toBeUndefined();
  expect(rowsOfJson([{ a: 1 }, { b: 'x' }])).toEqual({
    head: ['a', 'b'],
    rows: [
      ['1', ''],
      ['', 'x'],
    ],
    more: 0,
  });
  expect(rowsOfJson([{ a: [1] }])).toBeUndefined();
});

test('a question has one name, whatever the order of its words', () => {
  const name = questionName('/api/task', { task: 'a/b', run: 'r' });
  expect(name).toBe('task run=r task=a~2fb');
  expect(questionName('/api/task', { run: 'r', task: 'a/b', none: '' })).toBe(name);
});

test('tensors are told in a few numbers; images by their bytes, and SVG is none', () => {
  const view = tensorView('w', { shape: [4], data: new Float32Array([0, 1, 2, Number.NaN]) });
  expect(view).toMatchObject({ type: 'F32', min: 0, max: 2, mean: 1, zeros: 1 });
  expect(view.histogram?.reduce((sum, count) => sum + count, 0)).toBe(3);
  expect(imageType(new TextEncoder().encode('<svg onload=hurt()>'))).toBeUndefined();
  expect(imageType(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]))).toBe('image/png');
});

test('over ssh no browser is opened, and the line is told that brings the port here', () => {
  const ssh = { SSH_CONNECTION: '10.0.0.1 5 10.0.0.2 22', DISPLAY: ':0' };
  expect(hasScreen(ssh, 'linux')).toBe(false);
  expect(hasScreen({ DISPLAY: ':0' }, 'linux')).toBe(true);
  expect(hasScreen({}, 'linux')).toBe(false);
  expect(sshLine(8000, ssh)).toMatch(/^ssh -L 8000:127\.0\.0\.1:8000 \S+@\S+$/);
});
