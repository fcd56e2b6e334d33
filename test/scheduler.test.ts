// The scheduler behind the executor seam: order, resources, retries and endings, with an executor that runs no process.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Policy } from '../src/engine/config/policy.ts';
import type { ActionSpec, Executor } from '../src/engine/executors/executor.ts';
import { type ActionResult, failed } from '../src/engine/model/action-result.ts';
import type { Event } from '../src/engine/model/event.ts';
import { FAILURE_CAUSES, type FailureCause } from '../src/engine/model/failure.ts';
import type { Digest, Key, TaskId } from '../src/engine/model/key.ts';
import type { Plan, Task } from '../src/engine/planning/plan.ts';
import { execute, type RunResult } from '../src/engine/scheduler/execute.ts';
import { ResourcePool } from '../src/engine/scheduler/resource-pool.ts';
import { Supersession } from '../src/engine/scheduler/superseded.ts';
import { keptOutput } from '../src/engine/store/store.ts';
import { type MemoryStore, memoryStore } from './memory-store.ts';

/** What an attempt at a task comes to. */
type Ending = 'done' | 'lost' | 'throws' | Exclude<FailureCause, 'exit' | 'signal' | 'timeout'>;

/** A task of a made-up plan. It reads from tasks before it. */
interface Made {
  readonly reads: readonly number[];
  readonly takes: { readonly [resource: string]: number };
  readonly retries: number;
  readonly on: readonly FailureCause[] | null;
  /** How its attempts end, one after another; those after the last end like it. */
  readonly endings: readonly Ending[];
  /** For how many turns of the event loop an attempt runs. */
  readonly turns: number;
}

const TOTALS = new Map([
  ['memory', 3],
  ['gpu', 1],
]);
const ENDINGS: readonly Ending[] = [
  ...['done', 'done', 'done', 'lost', 'throws', 'stage', 'memory', 'infrastructure'],
] as Ending[];

const task = fc.record({
  reads: fc.array(fc.nat(), { maxLength: 3 }),
  takes: fc.record(
    { memory: fc.integer({ min: 1, max: 3 }), gpu: fc.constant(1) },
    { requiredKeys: [] },
  ),
  retries: fc.nat(2),
  on: fc.option(fc.subarray(Object.keys(FAILURE_CAUSES) as FailureCause[], { minLength: 1 })),
  endings: fc.array(fc.constantFrom(...ENDINGS), { minLength: 1, maxLength: 3 }),
  turns: fc.nat(3),
});
const design = fc.array(task, { minLength: 1, maxLength: 10 }).map((tasks) =>
  tasks.map(
    (one, at): Made => ({
      ...one,
      reads: at === 0 ? [] : [...new Set(one.reads.map((read) => read % at))],
    }),
  ),
);

const idOf = (at: number): TaskId => `t${at}` as TaskId;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function planOf(tasks: readonly Made[]): Plan {
  const code = { digest: '0'.repeat(64) as Digest, file: '', bytes: new Uint8Array(0) };
  const outputs = { out: { kind: 'json' } } as const;
  const declaration = { params: [], inputs: {}, outputs, hasWork: false };
  const entries = tasks.map(({ reads }, at): [TaskId, Task] => {
    const links = reads.map((read) => ({ task: idOf(read), output: 'out', at: {} }));
    const id = idOf(at);
    const none = { files: null, work: null, artifacts: {}, tools: null, command: null };
    const inputs = { x: { arity: 'many', links } } as const;
    const rest = { ...none, skipsInfeasible: false, infeasible: null };
    return [id, { id, stage: id, at: {}, params: { at }, inputs, ...rest }];
  });
  const stages = tasks.map((_, at) => [idOf(at), { code, declaration }] as const);
  return { tasks: new Map(entries), stages: new Map(stages) };
}

const place = { file: '', text: '', start: 0, end: 0 };
const policyOf = ({ takes, retries, on }: Made): Policy => ({
  resources: new Map(
    Object.entries(takes).map(([name, amount]) => [name, { amount, place, named: place }]),
  ),
  retries: { times: retries, delay_ms: 0, ...(on && { on: new Set(on) }) },
  timeout_ms: null,
  allowFailure: false,
});

/** An executor that runs no process, and watches over what it is asked. */
class FakeExecutor implements Executor {
  readonly name = 'fake';
  readonly attempts = new Map<TaskId, number>();
  readonly started: TaskId[] = [];
  readonly faults: string[] = [];
  readonly running = new Map<TaskId, AbortSignal>();
  private readonly tasks: readonly Made[];
  private readonly store: MemoryStore;
  private readonly slots: number;
  /** Called at each turn of the event loop while something runs. */
  onTurn: () => void = () => undefined;

  constructor(tasks: readonly Made[], store: MemoryStore, slots: number) {
    this.tasks = tasks;
    this.store = store;
    this.slots = slots;
  }

  async execute(
    action: ActionSpec,
    hooks: { begun(): void },
    signal: AbortSignal,
  ): Promise<ActionResult> {
    const { task: id } = action;
    const { endings, turns } = this.tasks[Number(id.slice(1))] as Made;
    const attempt = this.attempts.get(id) ?? 0;
    const ending = endings[Math.min(attempt, endings.length - 1)];
    this.check(action);
    const blobs = Object.values(action.inputs).flatMap((input) =>
      'items' in input ? input.items.flatMap((item) => ('blob' in item ? [item.blob] : [])) : [],
    );
    this.attempts.set(id, attempt + 1);
    if (ending === 'lost') {
      const [lost] = blobs;
      if (lost && this.store.content.delete(lost.digest)) {
        return { status: 'lost-inputs', digests: [lost.digest] };
      }
    }
    this.running.set(id, signal);
    this.started.push(id);
    this.watch();
    hooks.begun();
    for (let at = 0; at < turns && !signal.aborted; at++) {
      await turn();
      this.onTurn();
    }
    this.running.delete(id);
    if (signal.aborted) return { status: 'stopped' };
    if (ending === 'done' || ending === 'lost') {
      const bytes = new TextEncoder().encode(JSON.stringify(id));
      return { status: 'done', outputs: { out: keptOutput(bytes) } };
    }
    if (ending === 'throws') throw new Error('the executor broke');
    return failed({ cause: ending ?? 'stage', message: `it ends by ${ending}` });
  }

  checkpointNow(): void {}
  async close(): Promise<void> {}

  /** Everything that it reads must be there, and the spec may name no path or host. */
  private check({ inputs, ...spec }: ActionSpec): void {
    for (const input of Object.values(inputs)) {
      for (const item of 'items' in input ? input.items : []) {
        if (!('blob' in item)) this.faults.push(`${spec.task} runs without ${item.task}`);
      }
    }
    if (/[/\\]/.test(JSON.stringify(spec))) this.faults.push('a path in the spec');
  }

  private watch(): void {
    if (this.running.size > this.slots) this.faults.push('more run than there are slots');
    for (const [name, total] of TOTALS) {
      const taken = [...this.running.keys()]
        .map((id) => this.tasks[Number(id.slice(1))]?.takes[name] ?? 0)
        .reduce((sum, amount) => sum + amount, 0);
      if (taken > total) this.faults.push(`${taken} of ${total} ${name} are taken`);
    }
  }
}

interface Case {
  readonly tasks: readonly Made[];
  readonly slots: number;
  readonly keepGoing: boolean;
  readonly forced?: boolean;
}

/** One run of a made-up plan. */
class Run {
  readonly events: Event[] = [];
  readonly stop = new AbortController();
  readonly supersession = new Supersession();
  readonly executor: FakeExecutor;
  readonly store: MemoryStore;
  private readonly made: Case;

  constructor(made: Case, store = memoryStore()) {
    this.made = made;
    this.store = store;
    this.executor = new FakeExecutor(made.tasks, store, made.slots);
  }

  all(): Promise<RunResult> {
    const { tasks, slots, keepGoing, forced } = this.made;
    const plan = planOf(tasks);
    const identity = { host: 'here', pid: process.pid, exists: () => true };
    return execute(plan, {
      store: this.store,
      executor: this.executor,
      listener: (event) => this.events.push(event),
      pool: new ResourcePool(slots, TOTALS),
      policies: new Map(tasks.map((one, at) => [idOf(at), policyOf(one)])),
      choices: { keepGoing, forced: new Set(forced ? plan.tasks.keys() : []), mirrors: [] },
      artifacts: {
        folder: '/nowhere',
        provenance: { pathsOf: () => ({ own: [], obsolete: [] }), render: async () => new Map() },
      },
      self: { maker: { run: 'run', host: 'here', versions: {} }, identity },
      clock: Date.now,
      signal: this.stop.signal,
      supersession: this.supersession,
    });
  }

  of<Kind extends Event['event']>(kind: Kind): readonly Extract<Event, { event: Kind }>[] {
    return this.events.filter(
      (event): event is Extract<Event, { event: Kind }> => event.event === kind,
    );
  }
}

const cases = fc.record({
  tasks: design,
  slots: fc.integer({ min: 1, max: 4 }),
  keepGoing: fc.boolean(),
});
/** Loses nothing and always answers: what becomes of each task can be told beforehand. */
const plain = cases.map((one) => ({
  ...one,
  tasks: one.tasks.map((made) => ({
    ...made,
    endings: made.endings.map((ending) => (ending === 'lost' ? 'done' : ending)),
  })),
}));

const causeOf = (ending: Ending): FailureCause =>
  ending === 'throws' ? 'infrastructure' : (ending as FailureCause);

/** How many attempts a task gets, and whether the last of them succeeds. */
function attemptsAt({ endings, retries, on }: Made): { count: number; succeeds: boolean } {
  for (let count = 1; ; count++) {
    const ending = endings[Math.min(count, endings.length) - 1] as Ending;
    if (ending === 'done') return { count, succeeds: true };
    const isRetried = count <= retries && (on === null || on.includes(causeOf(ending)));
    if (!isRetried) return { count, succeeds: false };
  }
}

const RUNS = { numRuns: 100 };

describe('whatever the executor answers', () => {
  test('slots and named resources are never exceeded, inputs are there, and every task ends once', async () => {
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.nat(12),
        fc.constantFrom('no', 'stop', 'supersede'),
        async (made, after, ending) => {
          const run = new Run(made);
          let turns = 0;
          run.executor.onTurn = () => {
            turns += 1;
            if (turns !== after) return;
            if (ending === 'stop') run.stop.abort();
            if (ending === 'supersede') run.supersession.supersede(new Set());
          };
          const { outcomes, tally } = await run.all();
          expect(run.executor.faults).toEqual([]);
          expect([...outcomes.keys()].sort()).toEqual(made.tasks.map((_, at) => idOf(at)).sort());
          expect(Object.values(tally).reduce((sum, count) => sum + count, 0)).toBe(
            made.tasks.length,
          );
          expect(run.executor.running.size).toBe(0);
        },
      ),
      RUNS,
    );
  });
});

describe('order', () => {
  test('a task starts when all that it reads are made, and no earlier', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (made) => {
        const run = new Run({ ...made, keepGoing: true });
        const { outcomes } = await run.all();
        const isMade = new Set<TaskId>();
        for (const event of run.events) {
          if (event.event === 'built' || event.event === 'reused') isMade.add(event.task);
          if (event.event !== 'started') continue;
          const { reads } = made.tasks[Number(event.task.slice(1))] as Made;
          expect(reads.filter((read) => !isMade.has(idOf(read)))).toEqual([]);
        }
        for (const [at, { reads }] of made.tasks.entries()) {
          const isReady = reads.every((read) => isMade.has(idOf(read)));
          expect(outcomes.get(idOf(at)) === 'skipped').toBe(!isReady);
        }
      }),
      RUNS,
    );
  });

  test('one at a time, tasks start in the order of the plan, however fast the store answers for each', async () => {
    const waits = fc.array(fc.nat(4), { minLength: 2, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(waits, async (turns) => {
        const store = memoryStore();
        const asked = turns.values();
        const has = async (key: Key): Promise<boolean> => {
          for (let left = asked.next().value ?? 0; left > 0; left--) await turn();
          return store.checkpoints.has(key);
        };
        const run = new Run(
          { tasks: turns.map(() => SIMPLE), slots: 1, keepGoing: true },
          { ...store, checkpoints: { ...store.checkpoints, has } },
        );
        await run.all();
        expect(run.executor.started).toEqual(turns.map((_, at) => idOf(at)));
      }),
      { numRuns: 40 },
    );
  });

  test('of those that wait, the one with the longest way to the end goes first', async () => {
    const ways = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 3, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(ways, async (seconds) => {
        const tasks = seconds.map((): Made => ({ ...SIMPLE, turns: 1 }));
        const first = new Run({ tasks, slots: 4, keepGoing: true });
        await first.all();
        for (const [at, cost] of seconds.entries()) {
          const key = first.store.newest.get(idOf(at)) as Key;
          const record = first.store.records.get(key);
          if (record)
            first.store.records.set(key, { ...record, cost: { ...record.cost, seconds: cost } });
        }
        const again = new Run({ tasks, slots: 1, keepGoing: true, forced: true }, first.store);
        await again.all();
        const order = again.executor.started.map((id) => seconds[Number(id.slice(1))] as number);
        // The first may have begun before anybody else asked.
        expect(order.slice(1)).toEqual(order.slice(1).sort((a, b) => b - a));
      }),
      { numRuns: 40 },
    );
  });
});

const SIMPLE: Made = { reads: [], takes: {}, retries: 0, on: null, endings: ['done'], turns: 0 };

describe('retries', () => {
  test('a failed task is tried again as often as its policy says, for the causes that it names', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (made) => {
        const run = new Run({ ...made, keepGoing: true });
        const { outcomes } = await run.all();
        for (const [at, one] of made.tasks.entries()) {
          const id = idOf(at);
          if (outcomes.get(id) === 'skipped') continue;
          const { count, succeeds } = attemptsAt(one);
          expect(run.executor.attempts.get(id)).toBe(count);
          expect(outcomes.get(id)).toBe(succeeds ? 'built' : 'failed');
          expect(run.of('retrying').filter(({ task: told }) => told === id)).toHaveLength(
            count - 1,
          );
        }
        for (const { task: id, error } of [...run.of('failed'), ...run.of('retrying')]) {
          const { endings } = made.tasks[Number(id.slice(1))] as Made;
          expect(endings.map(causeOf)).toContain(error.cause);
        }
      }),
      RUNS,
    );
  });
});

describe('a failure', () => {
  test('stops what has not started, unless the run keeps going', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (made) => {
        const run = new Run({ ...made, keepGoing: false });
        await run.all();
        const at = run.events.findIndex(({ event }) => event === 'failed');
        const later = at < 0 ? [] : run.events.slice(at).filter(({ event }) => event === 'started');
        expect(later).toEqual([]);
      }),
      RUNS,
    );
  });

  test('of a broken store ends the run, and what runs is stopped first', async () => {
    const tasks = [SIMPLE, { ...SIMPLE, turns: 1000 }];
    const run = new Run({ tasks, slots: 2, keepGoing: true });
    run.store.actions.put = async () => {
      throw new Error('the disk is gone');
    };
    await expect(run.all()).rejects.toThrow('the disk is gone');
    expect(run.executor.running.size).toBe(0);
  });
});

describe('a stop', () => {
  test('reaches everything that runs, and nothing starts after it', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 10 }), async (made, after) => {
        const run = new Run(made);
        let turns = 0;
        let startedBefore: number | undefined;
        run.executor.onTurn = () => {
          turns += 1;
          if (turns !== after) return;
          run.stop.abort();
          startedBefore = run.executor.started.length;
          // Not by `expect`: what is thrown here is a failure of the executor.
          for (const [id, signal] of run.executor.running) {
            if (!signal.aborted) run.executor.faults.push(`${id} was not asked to stop`);
          }
        };
        await run.all();
        expect(run.executor.faults).toEqual([]);
        if (startedBefore !== undefined) expect(run.executor.started).toHaveLength(startedBefore);
      }),
      RUNS,
    );
  });
});

describe('a run that is superseded', () => {
  test('stops what the newer plan does not want, and lets go on what it wants', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 6 }), fc.nat(), async (count, which) => {
        const tasks = Array.from({ length: count }, (): Made => ({ ...SIMPLE, turns: 5 }));
        const run = new Run({ tasks, slots: count, keepGoing: true });
        const kept = idOf(which % count);
        let isDone = false;
        run.executor.onTurn = () => {
          if (isDone || run.executor.running.size < count) return;
          isDone = true;
          const key = run.of('started').find(({ task: id }) => id === kept)?.key as Key;
          run.supersession.supersede(new Set([key]));
        };
        const { outcomes } = await run.all();
        for (const id of tasks.keys()) {
          expect(outcomes.get(idOf(id))).toBe(idOf(id) === kept ? 'built' : 'interrupted');
        }
        // What people see is the newer plan's.
        expect(run.store.newest.size).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a second run', () => {
  test('runs nothing that was made, whatever failed in the first', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (made) => {
        const first = new Run({ ...made, keepGoing: true });
        const { outcomes } = await first.all();
        const second = new Run({ ...made, keepGoing: true }, first.store);
        await second.all();
        const builtIds = [...outcomes].flatMap(([id, outcome]) =>
          outcome === 'built' ? [id] : [],
        );
        expect(second.executor.started.filter((id) => builtIds.includes(id))).toEqual([]);
      }),
      RUNS,
    );
  });
});
