// What is kept beside the store of its records makes looks faster, and changes nothing of what they find.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord, RecordResult } from '../src/engine/model/record.ts';
import type { Plan, Task } from '../src/engine/planning/plan.ts';
import type { actionOf } from '../src/engine/rebuilder/action.ts';
import {
  type Forecasts,
  forecast,
  forecastKnowing,
  type KnownResults,
} from '../src/engine/rebuilder/forecast.ts';
import { knownRecords } from '../src/engine/rebuilder/known-records.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { keptOutput, type Store } from '../src/engine/store/store.ts';
import { contentState } from '../src/engine/store/store-state.ts';

const FULL = process.env.FULL === '1';

/** A stage of a made-up plan: so many tasks, each of which reads one task or all tasks of an earlier stage. */
interface Stage {
  readonly tasks: number;
  readonly salt: number;
  readonly code: number;
  readonly from: number;
  readonly takes: 'none' | 'one' | 'all';
  /** Tasks from this one on are found infeasible. */
  readonly feasible: number;
}

const stage: fc.Arbitrary<Stage> = fc.record({
  tasks: fc.integer({ min: 1, max: 3 }),
  salt: fc.nat(1),
  code: fc.nat(1),
  from: fc.nat(3),
  takes: fc.constantFrom('none', 'one', 'all', 'all'),
  feasible: fc.constantFrom(1, 9, 9),
});

const idOf = (at: number, n: number): TaskId => `s${at}[l${n}]` as TaskId;

function planOf(stages: readonly Stage[]): Plan {
  const tasks = new Map<TaskId, Task>();
  for (const [at, { tasks: count, salt, takes, from }] of stages.entries()) {
    const source = at === 0 ? 0 : from % at;
    const links = Array.from({ length: at === 0 ? 0 : (stages[source]?.tasks ?? 0) }, (_, n) => ({
      task: idOf(source, n),
      output: 'out',
      at: { axis: `l${n}` },
    }));
    const params = [{ salt }, { salt: salt + 2 }];
    for (let n = 0; n < count; n++) {
      const one = links.slice(n % Math.max(1, links.length)).slice(0, 1);
      const isAll = takes === 'all';
      const given = takes === 'none' ? [] : isAll ? links : one;
      tasks.set(idOf(at, n), {
        id: idOf(at, n),
        stage: `s${at}`,
        at: { axis: `l${n}` },
        params: params[n % 2] ?? {},
        inputs: { x: { arity: isAll ? 'partial' : 'optional', links: given } },
        ...{ files: null, work: null, artifacts: {}, tools: null, command: null },
        ...{ skipsInfeasible: true, infeasible: null },
      });
    }
  }
  const declaration = {
    params: [],
    inputs: {},
    outputs: { out: { kind: 'json' } },
    hasWork: false,
  };
  const module = (code: number) => ({
    code: { digest: digestOf(String(code)), file: '' },
    declaration,
  });
  const modules = stages.map(({ code }, at) => [`s${at}`, module(code)] as const);
  return { tasks, stages: new Map(modules) } as unknown as Plan; // Whatever else a module has is not looked at.
}

/** Makes what is not made, as a run would: what an action gives depends on its key and on the moment. */
async function make(stages: readonly Stage[], store: Store, moment: number): Promise<void> {
  const plan = planOf(stages);
  const foreseen = async (): Promise<Forecasts> => forecast(plan, store, new Set());
  for (const task of plan.tasks.values()) {
    const found = (await foreseen()).get(task.id);
    if (found?.status === 'run') await keep(found.action, stages, task, store, moment);
  }
}

async function keep(
  action: ReturnType<typeof actionOf>,
  stages: readonly Stage[],
  { id, stage: name }: Task,
  store: Store,
  moment: number,
): Promise<void> {
  const { key, parts } = action;
  const limit = stages[Number(name.slice(1))]?.feasible ?? 9;
  const isFeasible = Number(/l(\d)/.exec(id)?.[1]) < limit;
  const output = keptOutput(Buffer.from(`"${key.slice(0, 8)} ${moment}"`));
  const { digest, bytes } = output;
  const record: ActionRecord = {
    key,
    task: id,
    parts,
    outputs: isFeasible ? { out: { digest, bytes, kind: 'json' } } : {},
    cost: { seconds: 1, work: null },
    made: { run: `run-${moment}`, host: 'here', at: new Date(moment).toISOString(), versions: {} },
    ...(!isFeasible && { infeasible: 'there is no such thing' }),
  };
  await store.actions.put([{ record, outputs: isFeasible ? [output] : [] }]);
}

/** Everything that a command tells of forecasts. */
const told = (forecasts: Forecasts): unknown =>
  [...forecasts.values()].map((one) => {
    const trace = 'trace' in one ? (one.trace as RecordResult | undefined) : undefined;
    const { key, outputs, infeasible, made } = trace ?? {};
    const action = 'action' in one ? { key: one.action.key, parts: one.action.parts } : undefined;
    const known = trace && { key, outputs, infeasible, run: made?.run, at: made?.at };
    return { ...one, action, trace: known };
  });

interface Edit {
  readonly kind: (typeof EDITS)[number];
  readonly n: number;
  readonly forced: boolean;
}

const EDITS = [
  ...['make', 'salt', 'code', 'tasks', 'takes', 'nothing'],
  ...['record lost', 'blob lost', 'record replaced', 'written', 'file damaged', 'file of before'],
] as const;

const picked = <T>(items: Iterable<T>, n: number): T | undefined => {
  const all = [...items];
  return all[n % Math.max(1, all.length)];
};

/** The files that are kept, with what was in them before. */
class Files {
  private before: Buffer | undefined;
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  private get path(): string | undefined {
    try {
      return join(this.folder, readdirSync(this.folder)[0] ?? '');
    } catch {
      return undefined;
    }
  }

  remember(): void {
    if (this.path && this.before === undefined) this.before = readFileSync(this.path);
  }

  restore(): void {
    if (this.path && this.before) writeFileSync(this.path, this.before);
    this.before = undefined;
  }

  damage(n: number): void {
    if (this.path === undefined) return;
    const bytes = readFileSync(this.path);
    const at = n % bytes.length;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(this.path, bytes);
  }
}

/** A stage as an edit leaves it. */
function edited(stages: readonly Stage[], { kind, n }: Edit): readonly Stage[] {
  const at = n % stages.length;
  return stages.map((one, place): Stage => {
    if (place !== at) return one;
    if (kind === 'salt') return { ...one, salt: 1 - one.salt };
    if (kind === 'code') return { ...one, code: 1 - one.code };
    if (kind === 'tasks') return { ...one, tasks: (one.tasks % 3) + 1 };
    if (kind === 'takes') return { ...one, takes: one.takes === 'one' ? 'all' : 'one' };
    return one;
  });
}

async function change(store: Store, files: Files, { kind, n }: Edit): Promise<void> {
  const { upkeep } = store;
  if (upkeep === undefined) throw new Error('there is no store');
  const { traces, blobs, pins } = upkeep.tables;
  const key = picked(traces.getKeys(), n);
  if (kind === 'record lost' && key) upkeep.write(() => traces.removeSync(key));
  const digest = picked(blobs.getKeys(), n);
  if (kind === 'blob lost' && digest) upkeep.write(() => blobs.removeSync(digest));
  const record = key && traces.get(key);
  if (kind === 'record replaced' && record && record.infeasible === undefined) {
    const output = keptOutput(Buffer.from(`"other ${n}"`));
    const { digest: other, bytes } = output;
    const outputs = { out: { digest: other, bytes, kind: 'json' } };
    await store.actions.put([{ record: { ...record, outputs }, outputs: [output] }]);
  }
  if (kind === 'written') upkeep.write(() => pins.putSync(`pin-${n}`, 'now'));
  if (kind === 'file damaged') files.damage(n);
  if (kind === 'file of before') files.restore();
}

test('a look that knows records of before finds what one finds that asks the store about every task', async () => {
  const edit: fc.Arbitrary<Edit> = fc.record({
    kind: fc.constantFrom(...EDITS),
    n: fc.nat(500),
    forced: fc.boolean(),
  });
  let known = 0;
  const property = fc.asyncProperty(
    fc.array(stage, { minLength: 1, maxLength: 4 }),
    fc.array(edit, { minLength: 4, maxLength: 10 }),
    async (design, edits) => {
      const cache = mkdtempSync(join(tmpdir(), 'known-'));
      const files = new Files(join(cache, 'known'));
      let stages: readonly Stage[] = design;
      let store = openStore(cache, () => undefined);
      const look = async (forced: ReadonlySet<TaskId>): Promise<void> => {
        const plan = planOf(stages);
        const state = contentState(cache);
        const request = { cache, state, file: 'p', presets: [], paramsFiles: [], sets: [] };
        const records = await knownRecords(request, store);
        const counted: KnownResults = {
          get: (key) => {
            const found = records.get(key);
            if (found) known += 1;
            return found;
          },
          note: (record) => records.note?.(record),
          keysOf: (fingerprint) => {
            const keys = records.keysOf?.(fingerprint);
            known += keys?.filter(({ result }) => result).length ?? 0;
            return keys;
          },
          noteKeys: (fingerprint, keys) => records.noteKeys?.(fingerprint, keys),
        };
        const fast = await forecastKnowing(plan, store, forced, counted);
        expect(told(fast)).toEqual(told(await forecast(plan, store, forced)));
        records.keep();
        files.remember();
      };
      try {
        await make(stages, store, 1);
        await look(new Set());
        for (const [at, one] of edits.entries()) {
          stages = edited(stages, one);
          if (one.kind === 'make') await make(stages, store, at + 2);
          // As the next command does.
          await change(store, files, one);
          await store.close();
          store = openStore(cache, () => undefined);
          const id = picked(planOf(stages).tasks.keys(), one.n);
          await look(new Set(one.forced && id ? [id] : []));
        }
      } finally {
        await store.close();
        rmSync(cache, { recursive: true });
      }
    },
  );
  await fc.assert(property, { numRuns: FULL ? 1000 : 25 });
  // It is no test if nothing was known.
  expect(known).toBeGreaterThan(100);
});
