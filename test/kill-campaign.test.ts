// Makes with commands and modules, killed at random moments in every way: the next one gives what an undisturbed one does.
// One round in `npm test`, two hundred under FULL=1. SEED=n and ROUNDS=n make another campaign.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, repository } from './rig.ts';

const ROUNDS = Number(process.env.ROUNDS ?? (process.env.FULL ? 200 : 1));
const SEED = Number(process.env.SEED ?? 20_260);

const FILES = {
  'pipeline.yaml': `stages:
  rows:
    command: [sh, rows.sh, "{params.n}"]
    matrix: { n: [1, 2, 3] }
    inputs: { script: { file: rows.sh } }
    params: { n: $n }
    outputs: { rows: rows.txt }
    artifacts: { rows: "{n}.txt" }
  walk: { run: walk.ts, matrix: { seed: [1, 2] }, artifacts: { out: "{seed}.json" } }
  join:
    command: [sh, join.sh, "{inputs.rows.list}", "{inputs.walks.list}"]
    inputs: { script: { file: join.sh }, rows: rows.rows, walks: walk.out }
    outputs: { all: all.txt }
    artifacts: { all: all.txt }
`,
  // By its absolute path, deaf to signals, and with helpers beside it, one of them in a session of its own.
  'rows.sh': `trap '' TERM HUP INT QUIT
out=$PWD/rows.txt
sleep 300 > /dev/null 2>&1 &
a=$!
setsid sleep 300 > /dev/null 2>&1 &
b=$!
for i in 1 2 3 4 5 6 7 8; do echo "row $1 $i" >> $out; echo $i; sleep 0.03; done
kill -9 $a $b
`,
  'join.sh': 'cat $(cat "$1") $(cat "$2") > all.txt; echo joined; sleep 0.1; echo end >> all.txt\n',
  'walk.ts': `${DOOR}
import { spawn } from 'node:child_process';
const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
export default defineStage({
  params: z.object({ seed: z.int() }), inputs: {}, outputs: { out: json() },
  run({ params, checkpoint, log }) {
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    const saved = checkpoint.load();
    const state = saved ? Float64Array.from(saved.tensors.state.data) : new Float64Array([0, params.seed]);
    while (state[0] < 10) {
      state[1] = state[1] * 1.25 + state[0];
      state[0] += 1;
      checkpoint.save({ tensors: { state: { shape: [2], data: state.slice() } }, metadata: {} });
      log('step ' + state[0]);
      sleep(20);
    }
    child.kill();
    return { out: state[1] };
  },
});
`,
};

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WHOM = ['head', 'group', 'worker'] as const;
const SIGNALS = ['SIGKILL', 'SIGHUP', 'SIGQUIT', 'SIGTERM', 'SIGINT', 'SIGSTOP'] as const;

/** The processes of a rig that live: they run in its folder, or have been given a home there. */
function processesIn(rig: Rig): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        if (/\) [ZX] /.test(readFileSync(`/proc/${name}/stat`, 'latin1'))) return false;
        if (readlinkSync(`/proc/${name}/cwd`).startsWith(rig.folder)) return true;
        return readFileSync(`/proc/${name}/environ`, 'latin1').includes(`=${rig.folder}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

const isWorker = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('worker.js');
  } catch {
    return false;
  }
};

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended before.
  }
}

/** Starts a make in a process group of its own. Gives what ends when so many lines were said, or the make is over. */
function startMake(
  rig: Rig,
  lines: number,
): { child: ChildProcess; said: Promise<void>; over: Promise<unknown> } {
  const child = spawn(
    process.execPath,
    [join(repository, 'dist/cli.cjs'), 'make', '--json', '-j', '3'],
    { cwd: rig.folder, detached: true, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const over = new Promise((resolve) => child.once('close', resolve));
  let heard = 0;
  const said = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard += text.split('\n').length - 1;
      if (heard >= lines) resolve();
    });
    child.once('close', () => resolve());
  });
  return { child, said, over };
}

/** Makes, and does something to it on the way. Gives words for what that was. */
async function disturb(rig: Rig, next: () => number): Promise<string> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!;
  const [whom, signal, lines, delay] = [pick(WHOM), pick(SIGNALS), next() * 60, next() * 60];
  const { child, said, over } = startMake(rig, Math.ceil(lines));
  const pid = child.pid ?? 0;
  await said;
  await pause(delay);
  const workers = processesIn(rig).filter(isWorker);
  const target = { head: pid, group: -pid, worker: workers.length > 0 ? pick(workers) : pid }[whom];
  send(target, signal);
  // What is suspended does nothing more: that it is killed then is the way in which it ends.
  if (signal === 'SIGSTOP') {
    await pause(next() * 50);
    send(target, 'SIGKILL');
  }
  await over;
  return `${whom} ${signal} after ${Math.ceil(lines)} lines`;
}

const artifactsOf = (rig: Rig): Record<string, string> => {
  const names = readdirSync(join(rig.folder, 'artifacts'), { recursive: true, encoding: 'utf8' });
  const kept = names.filter(
    (name) => /\.(?:txt|json)$/.test(name) && /\/[^.]/.test(name) && !name.includes('provenance'),
  );
  return Object.fromEntries(kept.sort().map((name) => [name, rig.read(`artifacts/${name}`)]));
};

/** Removes all that was made; bundles stay, which takes most of the time. */
function forget(rig: Rig): void {
  const cache = join(rig.folder, 'cache');
  const made = readdirSync(cache).filter((name) => name !== 'bundles');
  for (const name of made) rmSync(join(cache, name), { recursive: true });
  rmSync(join(rig.folder, 'artifacts'), { recursive: true, force: true });
}

test.runIf(existsSync('/proc/self/environ'))(
  'a make after one that was killed in any way gives what an undisturbed one does, and nothing is left',
  { timeout: ROUNDS * 60_000 },
  async () => {
    const rig = makeRig(FILES);
    const next = random(SEED);
    expect((await rig.run('make')).code).toBe(0);
    const expected = artifactsOf(rig);
    expect(Object.keys(expected)).toHaveLength(6);
    for (let round = 0; round < ROUNDS; round++) {
      forget(rig);
      const times = 1 + Math.floor(next() * 2);
      const ways: string[] = [];
      for (let time = 0; time < times; time++) ways.push(await disturb(rig, next));
      const way = `seed ${SEED}, round ${round}: ${ways.join(', then ')}`;
      const { code, stderr } = await rig.run('make');
      expect([way, code, code === 0 ? '' : stderr]).toEqual([way, 0, '']);
      expect([way, artifactsOf(rig)]).toEqual([way, expected]);
      const until = performance.now() + 10_000;
      while (processesIn(rig).length > 0 && performance.now() < until) await pause(10);
      expect([way, processesIn(rig)]).toEqual([way, []]);
      expect([way, (await rig.run('gc')).code]).toEqual([way, 0]);
      const scratch = join(rig.folder, 'cache/scratch');
      expect([way, existsSync(scratch) ? readdirSync(scratch) : []]).toEqual([way, []]);
    }
  },
);
