// The journal of a run: what happens is in a file at once, and who follows it needs no store.
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Key, TaskId } from '../src/engine/model/key.ts';
import { recordRun } from '../src/engine/store/history.ts';
import { journalFile, openJournal, RunNotes } from '../src/engine/store/journal.ts';
import { followJournal } from '../src/engine/store/journal-follow.ts';
import type { RunHistory } from '../src/engine/store/store.ts';
import { DOOR, makeRig } from './rig.ts';

const task = 'draw[0]' as TaskId;
const key = 'k' as Key;
const facts = {
  ...{ id: 'r', host: 'h', command: 'make', targets: [], presets: [], sets: [] },
  ...{ params: {}, versions: {}, started: '2026-04-12T10:15:02.000Z' },
  process: { host: 'h', pid: 1 },
};

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-journal-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** A history whose journals are real, and whose records go nowhere. */
const historyIn = (folder: string): RunHistory => ({
  begin: (run, notes) => openJournal(folder, run, notes),
  settle: () => undefined,
  put: () => undefined,
  runs: () => [],
  run: () => undefined,
  putLog: () => undefined,
  log: () => undefined,
});

/** Follows a journal in the background. */
function following(cache: string, id: string) {
  const stop = new AbortController();
  const entries: object[] = [];
  const ended = (async () => {
    for await (const entry of followJournal(cache, id, stop.signal)) entries.push(entry);
  })();
  return { entries, ended, stop };
}

const tally = { built: 1, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 };

test('a run is followed while it goes on, until its record is written', async () => {
  const folder = newFolder();
  let now = 5000;
  const recorder = recordRun(historyIn(folder), facts, () => now);
  recorder.listener({ event: 'started', task, key, reason: { kind: 'new' }, slot: 0 });
  const { entries, ended } = following(folder, 'r');
  const begun = { begun: task, key, at: 5000, slot: 0, why: 'new' };
  await expect.poll(() => entries).toEqual([{ run: facts }, begun]);
  recorder.listener({ event: 'log', task, line: 'half-way' });
  recorder.listener({
    event: 'retrying',
    task,
    error: { message: 'no' },
    attempt: 1,
    of: 2,
    pause: 1,
  });
  now = 6000;
  const built = { task, key, seconds: 1, outputs: {}, unchanged: false };
  recorder.listener({ event: 'built', ...built });
  recorder.close({ tally, seconds: 1, ran: 1, infeasible: new Map(), interrupted: false });
  await ended;
  expect(entries.slice(2)).toEqual([
    { log: task, line: 'half-way' },
    { event: expect.objectContaining({ event: 'retrying', attempt: 1 }), at: 5000 },
    { ended: task, outcome: 'built', key, at: 6000 },
  ]);
  expect(readdirSync(folder)).toEqual(['runs']);
});

test('progress is noted once a second for each task, however often it is told', async () => {
  const folder = newFolder();
  let now = 0;
  const recorder = recordRun(historyIn(folder), facts, () => now);
  recorder.listener({ event: 'started', task, key, reason: { kind: 'new' }, slot: 0 });
  for (; now < 10_000; now += 10) {
    recorder.listener({ event: 'progress', task, done: now, of: 10_000, note: '' });
  }
  const { entries, ended, stop } = following(folder, 'r');
  const told = (): number[] =>
    entries.flatMap((entry) => ('event' in entry && 'at' in entry ? [Number(entry.at)] : []));
  await expect.poll(told).toHaveLength(10);
  expect(told().every((at, n) => at === n * 1000)).toBe(true);
  stop.abort();
  await ended;
  recorder.cut({ state: 'interrupted' });
});

test('what a task reported last is noted, though it is silent then, or ends', async () => {
  const folder = newFolder();
  const recorder = recordRun(historyIn(folder), facts, Date.now);
  const report = (step: number): void =>
    recorder.listener({ event: 'metrics', task, step, values: { loss: 1 / step } });
  recorder.listener({ event: 'started', task, key, reason: { kind: 'new' }, slot: 0 });
  for (const step of [1, 2, 3]) report(step);
  const { entries, ended, stop } = following(folder, 'r');
  const steps = (): number[] =>
    entries.flatMap((entry) => {
      const { event, step } = (entry as { event?: { event: string; step: number } }).event ?? {};
      return event === 'metrics' ? [Number(step)] : [];
    });
  await expect.poll(steps, { timeout: 5000 }).toEqual([1, 3]);
  for (const step of [4, 5]) report(step);
  recorder.listener({ event: 'interrupted', task, checkpoint: false });
  await expect.poll(steps, { timeout: 5000 }).toEqual([1, 3, 5]);
  const last = (): unknown => entries.at(-1);
  await expect.poll(last, { timeout: 5000 }).toMatchObject({ ended: task });
  stop.abort();
  await ended;
  recorder.cut({ state: 'interrupted' });
});

test('one that is written anew is told anew; a line that is not whole is waited for', async () => {
  const folder = newFolder();
  const head = JSON.stringify({ form: 'run/1', run: facts });
  const journal = openJournal(folder, facts, new RunNotes());
  journal.close({ keep: true });
  const path = journalFile(folder, 'r');
  writeFileSync(path, `${head}\n{"log":"draw[0]","line":"one"}\n{"log":"draw[0]",`);
  const { entries, ended } = following(folder, 'r');
  await expect.poll(() => entries).toHaveLength(2);
  writeFileSync(`${path}.tmp`, `${head}\n{"log":"draw[0]","line":"two"}\nnonsense\n`);
  renameSync(`${path}.tmp`, path);
  await expect.poll(() => entries).toHaveLength(4);
  rmSync(path);
  await ended;
  expect(entries).toEqual([
    { run: facts },
    { log: task, line: 'one' },
    { run: facts },
    { log: task, line: 'two' },
  ]);
});

test('there is nothing to follow of a run that has no journal', async () => {
  const { entries, ended } = following(newFolder(), 'r');
  await ended;
  expect(entries).toEqual([]);
});

test('a make is followed from outside, by its tasks and their progress', async () => {
  const rig = makeRig({
    'pipeline.yaml': 'stages: { slow: { run: slow.ts } }\n',
    'slow.ts': `${DOOR}
import { existsSync } from 'node:fs';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  async run({ progress }) {
    progress(1, 2, 'half');
    while (!existsSync('open')) await new Promise((resolve) => setTimeout(resolve, 5));
    return { out: 1 };
  },
});`,
  });
  const making = rig.start(['make']);
  const cache = join(rig.folder, 'cache');
  const ids = (): string[] => {
    try {
      return readdirSync(join(cache, 'runs'));
    } catch {
      return [];
    }
  };
  await expect.poll(ids, { timeout: 20_000 }).toHaveLength(1);
  const { entries, ended } = following(cache, (ids()[0] ?? '').replace('.jsonl', ''));
  const progress = { event: 'progress', task: 'slow', done: 1, of: 2 };
  await expect
    .poll(() => entries, { timeout: 20_000 })
    .toContainEqual(expect.objectContaining({ event: expect.objectContaining(progress) }));
  rig.write('open', '');
  expect((await making.ended).code).toBe(0);
  await ended;
  expect(entries.at(-1)).toMatchObject({ ended: 'slow', outcome: 'built' });
});
