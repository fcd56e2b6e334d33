// Heads that run as jobs: make --submit, with processes as jobs. On a real Slurm: slurm-study.test.ts.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDepot } from '../src/cluster/depot.ts';
import { encodeFrame } from '../src/cluster/frames.ts';
import { openLayout } from '../src/cluster/layout.ts';
import { dropDepotGarbage, findDepotGarbage } from '../src/cluster/records/collect-depot.ts';
import { headStore } from '../src/cluster/records/head-store.ts';
import { LoggedResults } from '../src/cluster/records/logged-results.ts';
import { RecordLogWriter } from '../src/cluster/records/record-log.ts';
import { digestOf, type KeyParts, keyOf, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import type { Commit } from '../src/engine/store/store.ts';
import { makeRig, type Rig } from './rig.ts';

const STUDY = `executors:
  lab:
    type: processes
    depot: DEPOT
    max-idle: 3s
    line: files
    classes:
      cpu: { cpus: 2, time: 1h, max-jobs: 2, slots: 2 }
params: { is: [0, 1, 2, 3, 4, 5] }
stages:
  first:
    command: [sh, -c, 'echo first >> "$RUNS"; head -c 200000 /dev/zero > out.bin; mkdir d; echo a > d/a; head -c 100000 /dev/zero > d/b']
    pass: [RUNS]
    outputs: { out: out.bin, dir: d/ }
  nap:
    on: lab
    command: [sh, -c, 'echo {params.i} >> "$RUNS"; while [ {params.i} -gt 2 ] && [ ! -e "$RUNS.go" ]; do sleep 0.05; done; cat d/a > out.txt; wc -c < {inputs.out} >> out.txt; echo said {params.i}']
    matrix: { i: $is }
    params: { i: $i }
    inputs: { out: first.out, d: first.dir }
    pass: [RUNS]
    outputs: { out: out.txt }
  sum:
    command: [sh, -c, 'echo sum >> "$RUNS"; echo summed; cat naps/*.txt > all.txt']
    inputs: { naps: nap.out }
    pass: [RUNS]
    outputs: { all: all.txt }
    artifacts: { all: all.txt }
`;

const rigOf = (): Rig => {
  const rig = makeRig({ 'pipeline.yaml': STUDY });
  rig.edit('pipeline.yaml', 'DEPOT', join(rig.folder, 'depot'));
  return rig;
};

const linesIn = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean).sort() : [];

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
};

const ONCE = ['0', '1', '2', '3', '4', '5', 'first', 'sum'];

test('a submitted head that is killed has lost nothing that ended, the next runs none of it again, and a make here takes it up', async () => {
  const rig = rigOf();
  const RUNS = join(rig.folder, 'runs.txt');
  const submit = (...words: string[]) => rig.start(['make', '--submit', ...words], { RUNS }).ended;
  // What is made here is known there.
  expect((await rig.start(['make', 'first'], { RUNS }).ended).code).toBe(0);
  const first = await submit();
  expect([first.code, first.stdout], first.stderr).toEqual([
    0,
    expect.stringMatching(/^job \d+ makes up to 7 tasks \(lab, 2 processors/),
  ]);
  const job = Number(/^job (\d+)/.exec(first.stdout)?.[1]);
  // Three of them wait to be let go.
  await until(() => linesIn(RUNS).length === 7);
  const twice = await submit();
  expect([twice.code, twice.stderr]).toEqual([
    2,
    expect.stringContaining(`a head of this study is a job already: ${job}`),
  ]);
  process.kill(job, 'SIGKILL');
  writeFileSync(`${RUNS}.go`, '');
  const second = await submit('--follow');
  expect(second.code, second.stderr).toBe(0);
  expect(second.stderr).toContain('8 tasks: ');
  expect(linesIn(RUNS)).toEqual(ONCE);
  // The store of the submitter is as it was until it makes.
  const status = await rig.start(['status']).ended;
  expect(status.stdout).toMatch(/ended on \S+ with success, .* ago; `pipeline make` takes up/);
  const here = await rig.start(['make'], { RUNS }).ended;
  expect(here.stderr).toContain('8 tasks: 0 built, 8 reused (7 made by another head)');
  expect(linesIn(RUNS)).toEqual(ONCE);
  expect(rig.read('artifacts/sum/all.txt')).toBe('a\n200000\n'.repeat(6));
  expect((await rig.start(['log', 'sum']).ended).stdout).toBe('summed\n');
  expect((await rig.start(['make'], { RUNS }).ended).stderr).toContain('nothing to do');
}, 240_000);

test('what a head left counts only as far as it is what its digests and its key say', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-submit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const layout = openLayout(join(folder, 'depot'), 'abcdabcd');
  const depot = openDepot(layout, 0);
  const trouble = (error: Error): never => {
    throw error;
  };
  const [there, here] = ['there', 'here'].map((name) => openStore(join(folder, name), () => {}));
  if (there === undefined || here === undefined) throw new Error('bug: no stores');
  const log = new RecordLogWriter(layout, 'abcdabcd', '0123456789abcdefh', trouble);
  const journals = join(folder, 'journals');
  const store = headStore(there, { depot, log, journals, trouble });
  const [small, large] = [new Uint8Array(10).fill(1), new Uint8Array(100_000).fill(2)];
  await store.actions.put([commitOf('whole', small), commitOf('large', large)]);
  const logFile = join(layout.recordsOf('abcdabcd'), '0123456789abcdefh');
  const wholeBytes = readFileSync(logFile);
  const findIn = async (bytes: Buffer, word: string): Promise<ActionRecord | undefined> => {
    writeFileSync(logFile, bytes);
    const parts = { layout, project: 'abcdabcd', store: here, trust: {}, found: () => {} };
    return new LoggedResults(parts).find(commitOf(word, small).record.key);
  };
  // Nothing of these counts: a byte that is another, a record under another key, parts that are others.
  for (let at = 40; at < wholeBytes.length; at += 97) {
    const bytes = Buffer.from(wholeBytes);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const found = await findIn(bytes, 'large');
    if (found) expect(found).toEqual(commitOf('large', large).record);
  }
  const { record } = commitOf('whole', small);
  const inline = [{ digest: digestOf(small), bytes: small.length }];
  const noteOf = (forged: ActionRecord, content = small): Buffer => {
    const text = Buffer.from(JSON.stringify(forged));
    const note = { say: 'record', key: record.key, recordBytes: text.length, inline, further: [] };
    return encodeFrame(note, Buffer.concat([text, content]));
  };
  const other = commitOf('other', small).record;
  expect(await findIn(noteOf(other), 'whole')).toBeUndefined();
  expect(await findIn(noteOf({ ...record, parts: other.parts }), 'whole')).toBeUndefined();
  expect(await findIn(noteOf(record, new Uint8Array(10).fill(9)), 'whole')).toBeUndefined();
  expect(await here.actions.get(record.key)).toBeUndefined();
  expect(await findIn(noteOf(record), 'whole')).toEqual(record);
  expect(digestOf((await here.blobs.get(digestOf(small))) ?? '')).toBe(digestOf(small));
  // A large content that is damaged in the depot is no content.
  const digest = digestOf(large);
  await here.blobs.forget(digest);
  writeFileSync(join(layout.blobs, digest.slice(0, 2), digest), new Uint8Array(100_000).fill(3));
  expect(await findIn(wholeBytes, 'large')).toBeUndefined();
  await Promise.all([there.close(), here.close()]);
});

test('a depot is cleared of what is old and that no job needs, and of nothing that something names which stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-depot-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const project = 'abcdabcd';
  const layout = openLayout(join(folder, 'depot'), project);
  const [now, old] = [Date.now(), Date.now() - 40 * DAY_MS];
  const put = (path: string, text: string, at: number): string => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    for (const touched of [path, dirname(path)]) utimesSync(touched, at / 1000, at / 1000);
    return path;
  };
  const blob = (text: string, at = old): string => {
    const digest = digestOf(text);
    return put(join(layout.blobs, digest.slice(0, 2), digest), text, at);
  };
  const log = (name: string, text: string, at: number): string => {
    const further = [{ digest: digestOf(text), bytes: text.length }];
    const note = { say: 'record', key: digestOf(name), recordBytes: 0, inline: [], further };
    const path = put(join(layout.recordsOf(project), name), '', at);
    writeFileSync(path, encodeFrame(note));
    utimesSync(path, at / 1000, at / 1000);
    return path;
  };
  const [fresh, dead, live] = ['1', '2', '3'].map((digit) => digit.repeat(16)) as [
    string,
    string,
    string,
  ];
  const set = (id: string, order: string): string => {
    const inbox = put(join(layout.setsOf(project), id, 'in-0'), digestOf(order), old);
    const about = {
      form: 'set/1',
      id,
      name: `pl.${project}.cpu.${id}`,
      executor: 'lab',
      cls: 'cpu',
    };
    const sizes = {
      count: 1,
      slots: 1,
      time_ms: 1,
      gpus: 0,
      maxIdle_ms: 1,
      orphan_ms: 1,
      asked: 1,
    };
    put(join(dirname(inbox), 'set.json'), JSON.stringify({ ...about, ...sizes, root: '/' }), old);
    return dirname(inbox);
  };
  const goes = [
    blob('named by nothing'),
    blob('named by an old log'),
    log(`${dead}h`, 'named by an old log', old),
    set(dead, 'ordered of a dead job'),
    blob('ordered of a dead job'),
    put(join(layout.logsOf(project), `pl.${project}.cpu.${dead}.0.log`), 'words', old),
    put(join(layout.saves, 'ab', digestOf('key')), 'saved', old),
  ];
  const stays = [
    blob('young', now),
    blob('named by a young log'),
    log(`${fresh}h`, 'named by a young log', now),
    set(live, 'ordered of a live job'),
    blob('ordered of a live job'),
    put(join(layout.logsOf(project), `pl.${project}.cpu.${live}.0.log`), 'words', old),
  ];
  const names = new Set([`pl.${project}.cpu.${live}`]);
  const options = { layout, keep_ms: 30 * DAY_MS };
  const silent = await findDepotGarbage({ ...options, jobsThere: async () => 'unknown' });
  expect(silent.unanswered).toEqual([project]);
  expect(silent.items.map(({ kind }) => kind)).not.toContain('sets');
  const garbage = await findDepotGarbage({ ...options, jobsThere: async () => names });
  expect(garbage.items.map(({ path }) => path).sort()).toEqual([...goes].sort());
  // One that is used in the meantime stays.
  const [used = ''] = goes;
  utimesSync(used, now / 1000, now / 1000);
  expect(dropDepotGarbage(garbage)).toHaveLength(goes.length - 1);
  expect(goes.filter(existsSync)).toEqual([used]);
  expect(stays.filter((path) => !existsSync(path))).toEqual([]);
});

const DAY_MS = 86_400_000;

function commitOf(word: string, content: Uint8Array): Commit {
  const parts: KeyParts = {
    code: digestOf(word),
    params: { word },
    inputs: {},
    outputs: { out: 'bytes' },
    source: null,
  };
  const output = { digest: digestOf(content), bytes: content.length };
  const made = { run: 'r', host: 'n1', at: '2026-01-01T00:00:00.000Z', versions: {} };
  const record: ActionRecord = {
    ...{ key: keyOf(parts), task: `${word}[0]` as TaskId, parts, made },
    outputs: { out: { ...output, kind: 'bytes' } },
    cost: { seconds: 1, work: null },
  };
  return { record, outputs: [{ ...output, content }] };
}

test('without an executor there is nothing to submit to, and that is said', async () => {
  const rig = makeRig({
    'pipeline.yaml': 'stages:\n  one: { command: [sh, -c, "echo 1 > o"], outputs: { o: o } }\n',
  });
  const { code, stderr } = await rig.start(['make', '--submit']).ended;
  expect([code, stderr]).toEqual([2, expect.stringContaining('no executor is declared')]);
  const follow = await rig.start(['make', '--follow']).ended;
  expect([follow.code, follow.stderr]).toEqual([2, expect.stringContaining('for --submit')]);
});
