// cluster-simulation.mjs — a million tasks on ten thousand slots: the dispatcher as it is, stub workers, a virtual clock
//
//   node --expose-gc bench/cluster-simulation.mjs [--tasks 1000000] [--jobs 10000] [--slots 1] [--starts 20] [--json]
//
// Lognormal tasks (median 20 s, mean 33 s), known by estimates that are off by a quarter; Slurm starts 20 jobs a second; the head
// takes 1 ms for an order, one after another, and each answer 5 ms on its way. Told: the time until all is done against the
// ideal (all slots busy from the first second), the processor time that the dispatcher takes for an order, and its memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000000' },
    jobs: { type: 'string', default: '10000' },
    slots: { type: 'string', default: '1' },
    starts: { type: 'string', default: '20' },
    hours: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const [TASKS, JOBS, SLOTS, STARTS, HOURS] = ['tasks', 'jobs', 'slots', 'starts', 'hours'].map(
  (name) => Number(values[name]),
);
/** What the head is allowed for an order, and how long a message travels. */
const HEAD_MS = 1;
const TRAVEL_MS = 5;

const { Dispatcher } = await dispatcher();

/** The module of the product, bundled from its source. */
async function dispatcher() {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-simulation-'));
  const outfile = join(folder, 'dispatch.mjs');
  const entryPoints = [new URL('../src/cluster/dispatch/dispatcher.ts', import.meta.url).pathname];
  await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node' });
  const module = await import(pathToFileURL(outfile).href);
  rmSync(folder, { recursive: true });
  return module;
}

/** Uniform numbers from a seed (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Events by time: a heap. */
class Agenda {
  heap = [];
  add(at, what, a, b) {
    const { heap } = this;
    const entry = { at, what, a, b };
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent].at <= at) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }
  next() {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child += 1;
      if (heap[child].at >= last.at) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

const random = randomFrom(19);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
/** One task in a million would be longer than all else together: none is longer than this. */
const LONGEST_S = 2700;
const seconds = Float64Array.from({ length: TASKS }, () =>
  Math.min(LONGEST_S, 20 * Math.exp(normal())),
);
const total_s = seconds.reduce((sum, one) => sum + one, 0);
const ideal_s = total_s / (JOBS * SLOTS);

const job = {
  ...{
    name: 'cpu',
    cpus: SLOTS,
    memory_bytes: null,
    time_ms: HOURS * 3_600_000,
    gpus: { count: 0 },
  },
  ...{ extra: [], prologue: [], wrap: [], maxJobs: JOBS, slots: SLOTS, place: {} },
};
const lane = {
  ...{ stage: 'train', class: job, isResumable: true },
  demand: { cpus: 1, memory_bytes: null, time_ms: null, gpus: 0 },
};

globalThis.gc?.();
const heapBefore = process.memoryUsage().heapUsed;
const head = new Dispatcher();
let spent_ns = 0n;
let calls = 0;
/** Calls the dispatcher, and counts what that takes. */
const ask = (call) => {
  const began = process.hrtime.bigint();
  const answer = call();
  spent_ns += process.hrtime.bigint() - began;
  calls += 1;
  return answer;
};

ask(() => {
  for (let n = 0; n < TASKS; n += 1) {
    const estimate = seconds[n] * Math.exp(0.25 * normal());
    head.add({ id: `t${n}`, lane, seconds: estimate, urgency: estimate });
  }
});
globalThis.gc?.();
const heapFull = process.memoryUsage().heapUsed;

const agenda = new Agenda();
const asked = ask(() => head.jobsWanted(job, 0));
for (let n = 0; n < asked; n += 1) agenda.add((1000 * n) / STARTS, 'start', n);
/** What each worker runs, and what it has beside that. */
const workers = Array.from({ length: asked }, () => ({ running: 0, queue: [] }));
let headFree_ms = 0;
let busy_ms = 0;
let done = 0;
let end_ms = 0;

/** The head deals with a message: it takes its time for each order that it gives or hears of, one message after another. */
function give(worker, now) {
  const ids = ask(() => head.give(`w${worker}`, now));
  const from = Math.max(now, headFree_ms);
  headFree_ms = from + HEAD_MS * Math.max(ids.length, 0.1);
  busy_ms += headFree_ms - from;
  if (ids.length > 0) agenda.add(headFree_ms + TRAVEL_MS, 'given', worker, ids);
}

function fill(worker, now) {
  const state = workers[worker];
  while (state.running < SLOTS && state.queue.length > 0) {
    const id = state.queue.shift();
    state.running += 1;
    agenda.add(now + 1000 * seconds[Number(id.slice(1))], 'done', worker, id);
  }
}

while (agenda.heap.length > 0) {
  const { at, what, a: worker, b } = agenda.next();
  if (what === 'start') {
    ask(() => head.arrive({ id: `w${worker}`, class: job, ends_ms: at + job.time_ms }, at));
    agenda.add(at + TRAVEL_MS, 'want', worker);
  } else if (what === 'want') give(worker, at);
  else if (what === 'given') {
    workers[worker].queue.push(...b);
    fill(worker, at);
  } else if (what === 'done') {
    workers[worker].running -= 1;
    fill(worker, at);
    agenda.add(at + TRAVEL_MS, 'told', worker, b);
  } else {
    ask(() => {
      head.hear(`w${worker}`, at);
      head.end(b, seconds[Number(b.slice(1))]);
    });
    done += 1;
    end_ms = at;
    give(worker, at);
  }
}
if (done !== TASKS || head.size !== 0) throw new Error(`${TASKS - done} tasks were not done`);

const told = {
  tasks: TASKS,
  slots: asked * SLOTS,
  'ideal, min': ideal_s / 60,
  'makespan, min': end_ms / 60_000,
  'over ideal, %': (end_ms / 1000 / ideal_s - 1) * 100,
  'head busy, %': (busy_ms / end_ms) * 100,
  'dispatcher, ms an order': Number(spent_ns) / 1e6 / TASKS,
  'dispatcher, bytes an order': (heapFull - heapBefore) / TASKS,
  calls: calls,
};
if (values.json) console.log(JSON.stringify(told));
else
  for (const [what, value] of Object.entries(told))
    console.log(`${what.padEnd(28)}${Number(value.toPrecision(4))}`);
