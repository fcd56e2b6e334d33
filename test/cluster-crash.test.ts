// Head and workers of a cluster are killed again and again, at moments drawn from a seed: nothing is lost, nothing runs twice without need.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Ended, makeRig, type Rig, type Started } from './rig.ts';

const TASKS = process.env.FULL ? 40 : 12;
const SLOTS = 2;

const FILES = {
  'pipeline.yaml': `executors:
  lab:
    type: processes
    depot: DEPOT
    max-idle: 3s
    classes:
      cpu: { cpus: 2, time: 1h, max-jobs: 2, slots: ${SLOTS} }
params: { is: [${[...Array(TASKS).keys()].join(', ')}] }
stages:
  nap:
    on: lab
    command: [sh, -c, 'echo {params.i} >> "$RUNS"; sleep 0.2; echo {params.i} > out.txt']
    matrix: { i: $is }
    params: { i: $i }
    pass: [RUNS]
    outputs: { out: out.txt }
  all:
    on: lab
    command: [sh, -c, 'cat outs/*.txt > sum.txt']
    inputs: { outs: nap.out }
    outputs: { sum: sum.txt }
    artifacts: { sum: sum.txt }
`,
};

/** Numbers from 0 to 1, the same for a seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The workers of a rig, by their command lines. */
function workersOf({ folder }: Rig): readonly number[] {
  const depot = join(folder, 'depot');
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const words = readFileSync(join('/proc', name, 'cmdline'), 'utf8').split('\0');
      return words.includes('worker') && words.includes(depot) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

interface Campaign {
  readonly kills: { head: number; worker: number };
  readonly runs: readonly string[];
  readonly last: Ended;
  readonly sum: string;
}

/** Makes a study while its processes are killed, until so many were. */
async function campaign(seed: number, points: number): Promise<Campaign> {
  const draw = numbers(seed);
  const rig = makeRig(FILES);
  rig.edit('pipeline.yaml', 'DEPOT', join(rig.folder, 'depot'));
  const RUNS = join(rig.folder, 'runs.txt');
  const kills = { head: 0, worker: 0 };
  const make = (): Started => rig.start(['make', '--json'], { RUNS });
  let head = make();
  let isOver = false;
  const follow = (started: Started): void => {
    void started.ended.then(({ code }) => {
      if (started === head && code === 0) isOver = true;
    });
  };
  follow(head);
  const ran = (): number => (existsSync(RUNS) ? readFileSync(RUNS, 'utf8').length : 0);
  while (!isOver && kills.head + kills.worker < points) {
    // Something has been done since the last kill: otherwise nobody would ever come to anything.
    const before = ran();
    while (!isOver && ran() === before) await pause(20);
    await pause(800 * draw());
    const workers = workersOf(rig);
    if (isOver) break;
    if (draw() < 0.5 || workers.length === 0) {
      head.process.kill('SIGKILL');
      await head.ended;
      kills.head += 1;
      head = make();
      follow(head);
    } else {
      process.kill(workers[Math.floor(draw() * workers.length)] ?? -1, 'SIGKILL');
      kills.worker += 1;
    }
  }
  const ended = await head.ended;
  const last = ended.code === 0 ? ended : await make().ended;
  const runs = existsSync(RUNS) ? readFileSync(RUNS, 'utf8').split('\n').filter(Boolean) : [];
  const made = join(rig.folder, 'artifacts/all/sum.txt');
  const sum = existsSync(made) ? readFileSync(made, 'utf8') : '';
  for (const pid of workersOf(rig)) process.kill(pid, 'SIGKILL');
  return { kills, runs, last, sum };
}

test('a cluster loses nothing to kills, and runs again only what a killed worker ran', async () => {
  const points = process.env.FULL ? 50 : 2;
  let [done, seed] = [0, 1];
  const told: string[] = [];
  while (done < points) {
    const { kills, runs, last, sum } = await campaign(seed, points - done);
    expect(
      last.code,
      `seed ${seed}: ${last.stdout
        .split('\n')
        .filter((line) => /failed|warning|diagn|jobs/.test(line))
        .join('\n')}${last.stderr}`,
    ).toBe(0);
    expect(new Set(runs).size).toBe(TASKS);
    const lines = sum.split('\n').filter(Boolean).map(Number);
    expect([...lines].sort((a, b) => a - b)).toEqual([...Array(TASKS).keys()]);
    const again = runs.length - TASKS;
    told.push(`seed ${seed}: ${kills.head} heads, ${kills.worker} workers, ${again} run again`);
    expect(again, told.join('\n')).toBeLessThanOrEqual(kills.worker * SLOTS);
    done += Math.max(1, kills.head + kills.worker);
    seed += 1;
  }
  if (process.env.FULL) console.log(told.join('\n'));
}, 900_000);
