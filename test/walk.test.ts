// One walk: what a dry run foresees is what a make then does, and an archive finds the outcomes that the make told.
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { finalOutcomes } from '../src/archive/packing/final-outcomes.ts';
import type { TaskId } from '../src/engine/model/key.ts';
import { type Loaded, loadPipeline } from '../src/engine/planning/load.ts';
import { type Forecast, forecast } from '../src/engine/rebuilder/forecast.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { DOOR, makeRig, type Rig, repository, type SaidEvent } from './rig.ts';

const FULL = process.env.FULL === '1';
vi.setConfig({ testTimeout: FULL ? 3_600_000 : 240_000 });

/** How a task behaves: it gives something, fails, or is found infeasible by its stage or by its params alone. */
type Mode = 'ok' | 'fail' | 'found' | 'told';

/** How a stage takes what is upstream of it. */
type Taking = 'none' | 'one' | 'maybe' | 'all' | 'some';

/** A stage of a random pipeline: one task, or one for each mode. */
interface Stage {
  readonly taking: Taking;
  readonly mode: Mode;
  readonly isMatrix: boolean;
  /** Few salts make twins: tasks with the same key. */
  readonly salt: number;
  readonly skips: boolean;
  readonly allowsFailure: boolean;
  readonly from: number;
}

interface Model {
  readonly modes: readonly Mode[];
  readonly stages: readonly Stage[];
}

const PORTS: { readonly [taking in Taking]: readonly [port: string, value: string] } = {
  none: ['', "''"],
  one: ['from: text()', 'inputs.from'],
  maybe: ['from: optional(text())', "inputs.from ?? 'nothing'"],
  all: ['from: collect(text())', "inputs.from.map(({ value }) => value).join('+')"],
  some: [
    'from: collectPartial(text())',
    "inputs.from.items.map(({ value }) => value).join('+') + inputs.from.missing.length",
  ],
};

const MODULES = Object.fromEntries(
  Object.entries(PORTS).map(([taking, [port, value]]) => [
    `${taking}.ts`,
    `${DOOR}export default defineStage({
  params: z.object({ mode: z.string(), salt: z.int() }), inputs: { ${port} }, outputs: { out: text() },
  check: ({ mode }) => (mode === 'told' ? [{ path: ['mode'], message: 'told', infeasible: true }] : []),
  run({ params: { mode, salt }, inputs }) {
    if (mode === 'fail') throw new StageError('fails');
    if (mode === 'found') throw new InfeasibleError('found');
    return { out: String(salt) + (${value}) };
  },
});`,
  ]),
);

function pipelineOf({ modes, stages }: Model): string {
  const lines = stages.map((stage, n) => {
    const { isMatrix, mode, salt } = stage;
    const params = isMatrix ? `{ salt: ${salt} }` : `{ mode: ${mode}, salt: ${salt} }`;
    const matrix = isMatrix ? `matrix: { mode: [${modes}] }, ` : '';
    const input = stage.taking === 'none' ? '' : `inputs: { from: s${stage.from}.out }, `;
    const policy = `${stage.skips ? 'infeasible: skip, ' : ''}${stage.allowsFailure ? 'allow-failure: true, ' : ''}`;
    return `  s${n}: { run: ${stage.taking}.ts, ${matrix}${input}${policy}params: ${params} }`;
  });
  return `stages:\n${lines.join('\n')}\n`;
}

const someMode = fc.constantFrom<Mode>('ok', 'ok', 'ok', 'fail', 'found', 'told');

const someStage = fc.record({
  taking: fc.constantFrom<Taking>('none', 'one', 'maybe', 'all', 'some', 'some'),
  mode: someMode,
  isMatrix: fc.boolean(),
  salt: fc.nat({ max: 2 }),
  skips: fc.boolean(),
  allowsFailure: fc.boolean(),
  from: fc.nat({ max: 8 }),
});

/** Makes a model sound: what params tell is to be left out, and a single input is of a single task. */
function sound({ modes, stages }: Model): Model {
  const known: Stage[] = [];
  for (const [n, stage] of stages.entries()) {
    const from = n === 0 ? 0 : stage.from % n;
    const tells = stage.isMatrix ? modes.includes('told') : stage.mode === 'told';
    const isList = stage.taking === 'all' || stage.taking === 'some';
    const fits = n > 0 && (isList || !known[from]?.isMatrix || stage.isMatrix);
    const taking = n === 0 ? 'none' : fits ? stage.taking : 'some';
    known.push({ ...stage, from, taking, skips: stage.skips || tells });
  }
  return { modes, stages: known };
}

const someModel: fc.Arbitrary<Model> = fc
  .record({
    modes: fc.uniqueArray(someMode, { minLength: 2, maxLength: 4 }),
    stages: fc.array(someStage, { minLength: 5, maxLength: 9 }),
  })
  .map(sound);

/** Other salts and modes at some stages, and targets that are forced. */
const someEdit = fc.record({
  edits: fc.array(fc.record({ at: fc.nat({ max: 8 }), salt: fc.nat({ max: 3 }), mode: someMode }), {
    maxLength: 3,
  }),
  forced: fc.array(fc.nat({ max: 8 }), { maxLength: 2 }),
});

const edited = (model: Model, edits: readonly { at: number; salt: number; mode: Mode }[]): Model =>
  sound({
    ...model,
    stages: model.stages.map((stage, n) => ({ ...stage, ...edits.find(({ at }) => at === n) })),
  });

const load = async ({ folder }: Rig): Promise<Loaded> => {
  const loaded = await loadPipeline({
    root: folder,
    cache: join(folder, 'cache'),
    file: 'pipeline.yaml',
    presets: [],
    paramsFiles: [],
    sets: [],
    clock: Date.now,
    newFolder: () => join(folder, 'spare'),
    worker: [process.execPath, join(repository, 'dist/worker.js')],
    environment: process.env,
    limit_ms: 60_000,
    parallel: 1,
    program: 'test',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics.map(({ message }) => message)));
  return loaded.value;
};

const ENDS = ['built', 'reused', 'failed', 'skipped', 'infeasible'];

/** How each task ended. */
const endsIn = (events: readonly SaidEvent[]): ReadonlyMap<string, string> =>
  new Map(
    events.flatMap(({ event, task }) => (task && ENDS.includes(event) ? [[task, event]] : [])),
  );

type Foreseen = Pick<SaidEvent, 'task'> & {
  readonly status: Forecast['status'];
  readonly as?: string;
};

/** What a forecast allows. What follows from the outcome of other tasks is open; all else is not. */
function allowedEnds({ status, as }: Foreseen, ends: ReadonlyMap<string, string>): string[] {
  switch (status) {
    case 'reuse':
      return ['reused'];
    case 'infeasible':
      return ['infeasible'];
    case 'run':
      return ['built', 'failed', 'infeasible'];
    case 'same':
      return {
        built: ['reused'],
        reused: ['reused'],
        failed: ['skipped'],
        infeasible: ['infeasible', 'failed'],
      }[ends.get(as ?? '') ?? ''] as string[];
    case 'pending':
      return ENDS;
    case 'unknown':
      return [];
  }
}

/** What a make that changed nothing since would find, by what the make before it told. */
const AFTER: { readonly [end: string]: readonly Forecast['status'][] } = {
  built: ['reuse'],
  reused: ['reuse'],
  infeasible: ['infeasible'],
  failed: ['run', 'same'],
  skipped: ['same', 'run'],
};

const OUTCOMES: { readonly [end: string]: string } = {
  built: 'made',
  reused: 'made',
  infeasible: 'infeasible',
  failed: 'failed',
  skipped: 'skipped',
};

const runs = (one: Forecast | undefined): boolean =>
  one !== undefined && ['run', 'same', 'pending'].includes(one.status);

/** Archives and forecasts know how the tasks of a make ended. */
async function expectRemembered(rig: Rig, ends: ReadonlyMap<string, string>): Promise<void> {
  const { plan, pipeline } = await load(rig);
  const store = openStore(join(rig.folder, 'cache'), () => undefined);
  try {
    const policies = new Map([...pipeline.stages].map(([name, { policy }]) => [name, policy]));
    const outcomes = await finalOutcomes(plan, store, policies);
    const told = [...ends].map(([task, end]) => [task, OUTCOMES[end]]);
    expect([...outcomes].map(([task, { outcome }]) => [task, outcome]).sort()).toEqual(told.sort());
    const forecasts = await forecast(plan, store, new Set<TaskId>());
    for (const [task, one] of forecasts) {
      const end = ends.get(task) ?? '';
      // What failed is tried again, and what was made without it waits for that.
      const waits = one.status === 'pending' && one.after.every((id) => runs(forecasts.get(id)));
      expect([task, end, waits ? 'waits' : one.status]).toEqual([
        task,
        end,
        expect.toBeOneOf(['waits', ...(AFTER[end] ?? [])]),
      ]);
    }
  } finally {
    await store.close();
  }
}

/** What is foreseen of a make is what it does. Gives how its tasks ended. */
async function expectForeseen(rig: Rig, ...words: string[]): Promise<ReadonlyMap<string, string>> {
  const dry = await rig.make('--dry-run', ...words);
  const foreseen = dry.events.filter(({ event }) => event === 'forecast') as unknown as Foreseen[];
  const { events } = await rig.make('--keep-going', ...words);
  const ends = endsIn(events);
  expect(foreseen.map(({ task }) => task).sort()).toEqual([...ends.keys()].sort());
  for (const one of foreseen) {
    const end = ends.get(one.task ?? '');
    expect({ ...one, allowed: allowedEnds(one, ends) }).toEqual({
      ...one,
      allowed: expect.arrayContaining([end]),
    });
  }
  return ends;
}

test('a dry run foresees what make does, and archives know how it ended, whatever fails or is infeasible', async () => {
  const property = fc.asyncProperty(someModel, someEdit, async (model, { edits, forced }) => {
    const rig = makeRig(MODULES);
    rig.write('pipeline.yaml', pipelineOf(model));
    await expectRemembered(rig, await expectForeseen(rig));
    const next = edited(model, edits);
    rig.write('pipeline.yaml', pipelineOf(next));
    const names = forced.map((n) => `s${n % next.stages.length}`);
    const ends = await expectForeseen(rig, ...names.flatMap((name) => ['--force', name]));
    // A task that is forced and fails has its record from before.
    if (names.length === 0) await expectRemembered(rig, ends);
  });
  await fc.assert(property, { numRuns: FULL ? 40 : 1, endOnFailure: true });
});
