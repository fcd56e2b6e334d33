// Where tasks run on a cluster and why jobs wait, while a make is running: read from its journal.
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatLive, liveRuns } from '../src/cli/cluster/live-places.ts';
import type { ClusterJob } from '../src/engine/model/event.ts';
import type { Key, TaskId } from '../src/engine/model/key.ts';
import type { Identity } from '../src/engine/model/process-identity.ts';
import { journalFile, openJournal, RunNotes, readJournal } from '../src/engine/store/journal.ts';
import { makeRig } from './rig.ts';

const [one, two, here] = ['nap[1]', 'nap[2]', 'local'] as TaskId[] as [TaskId, TaskId, TaskId];
const key = 'k' as Key;
const identity: Identity = {
  host: hostname(),
  pid: process.pid,
  exists: (pid) => pid === process.pid,
};
const jobs: readonly ClusterJob[] = [
  { job: '17_0', class: 'cpu', state: 'running', node: 'node-3', tasks: 2 },
  { job: '17_1', class: 'cpu', state: 'pending', reason: 'Priority', tasks: 0 },
  { job: null, class: 'gpu', state: 'asked', tasks: 0 },
];

/** The cache of a run whose journal says these things. */
function cacheOfRun(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-live-'));
  const journal = openJournal(
    folder,
    {
      ...{ id: 'r', host: 'h', command: 'make', targets: [], presets: [], sets: [] },
      ...{ params: {}, versions: {}, started: '2026-04-12T10:15:02.000Z' },
      process: { host: 'elsewhere', pid: 7 },
    },
    new RunNotes(),
  );
  onTestFinished(() => {
    journal.close({ keep: false });
    rmSync(folder, { recursive: true, force: true });
  });
  journal.note({ begun: one, key, on: 'lab/cpu', node: 'node-3' });
  journal.note({ begun: two, key, on: 'lab/cpu', node: 'node-\x1b[31m4' });
  journal.note({ begun: here, key, slot: 0 });
  journal.note({ event: { event: 'jobs', executor: 'lab', jobs: [] } });
  journal.note({ event: { event: 'jobs', executor: 'lab', jobs } });
  journal.note({ ended: one, outcome: 'built', key });
  // Nothing that stands in a journal is trusted to have the form that it should.
  const broken = [null, {}, { class: 1 }] as unknown as readonly ClusterJob[];
  journal.note({ event: { event: 'jobs', executor: 'broken', jobs: broken } });
  return folder;
}

test('tells the tasks that run on a cluster, and why jobs wait', () => {
  const live = liveRuns(cacheOfRun(), identity);
  expect(live).toEqual([
    {
      id: 'r',
      tasks: new Map([[two, { on: 'lab/cpu', node: 'node-\x1b[31m4' }]]),
      jobs: new Map([['lab', jobs]]),
    },
  ]);
  expect(live.flatMap((run) => formatLive(run, { tasks: true })).slice(1)).toEqual([
    '  lab: 1 job running, 2 jobs waiting (Priority)',
    '    job 17_1 of cpu waits: Priority',
    '    a job of gpu waits: it was asked for and has not started',
    '  nap[2] runs on node-\\x1b[31m4 (lab/cpu)',
  ]);
});

test('a run that has not been seen for long tells nothing of jobs', () => {
  const cache = cacheOfRun();
  utimesSync(journalFile(cache, 'r'), 1, 1);
  expect(liveRuns(cache, identity)).toEqual([]);
});

test('a journal that is written anew still tells where tasks run and what jobs there are', () => {
  const found = readJournal(cacheOfRun(), 'r');
  const again = new RunNotes();
  for (const entry of found?.notes.entries() ?? []) again.apply(entry);
  expect(again.startOf(two)).toMatchObject({ on: 'lab/cpu' });
  expect([...again.jobs]).toEqual([...(found?.notes.jobs ?? [])]);
});

test('status and log name class and node of a task that runs in a make on a cluster', async () => {
  const rig = makeRig({
    'pipeline.yaml': `executors:
  lab:
    type: processes
    depot: DEPOT
    classes: { cpu: { cpus: 1, time: 1h, max-jobs: 1 } }
stages:
  nap:
    on: lab
    command: [sh, -c, 'echo begun; touch "$BEGUN"; until [ -e "$GO" ]; do sleep 0.05; done; echo 1 > out.txt']
    pass: [BEGUN, GO]
    outputs: { out: out.txt }
`,
  });
  rig.edit('pipeline.yaml', 'DEPOT', join(rig.folder, 'depot'));
  const [BEGUN, GO] = [join(rig.folder, 'begun'), join(rig.folder, 'go')];
  // What it printed before the make is not what it prints now.
  expect((await rig.run('status')).stdout).not.toContain('now, in run');
  const make = rig.start(['make', '--json'], { BEGUN, GO });
  while (!existsSync(BEGUN)) await new Promise((resolve) => setTimeout(resolve, 20));
  const place = `on ${hostname()} (lab/cpu)`;
  const byStage = await rig.run('status');
  expect(byStage.stdout).toContain(`  nap runs ${place}`);
  expect((await rig.run('status', 'nap')).stdout).toContain(`; runs now ${place}`);
  const [task] = JSON.parse((await rig.run('status', '--json')).stdout);
  expect(task).toMatchObject({ task: 'nap', running: { on: 'lab/cpu', node: hostname() } });
  expect((await rig.run('log', 'nap')).stderr).toContain(place);
  expect(JSON.parse((await rig.run('log', 'nap', '--json')).stdout)).toMatchObject({
    ...{ task: 'nap', outcome: 'running', on: 'lab/cpu', node: hostname() },
  });
  writeFileSync(GO, '');
  expect((await make.ended).code).toBe(0);
});
