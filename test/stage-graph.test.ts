// What a task is made from, as stages that ask for it are told.
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { formatChange } from '../src/cli/terminal/format.ts';
import { readPipeline } from '../src/engine/config/config.ts';
import type { Task } from '../src/engine/planning/plan.ts';
import { makePlan } from '../src/engine/planning/planner.ts';
import { collect, defineStage, json } from '../src/engine/stage.ts';
import { liveModules } from './live-answers.ts';

const out = { out: json() };
const run = () => ({ out: null });
const Graph = z.record(
  z.string(),
  z.object({ tasks: z.array(z.string()), reads: z.array(z.string()) }),
);

const declarations: Readonly<Record<string, unknown>> = {
  'source.ts': defineStage({ params: z.object({}), inputs: {}, outputs: out, run }),
  'work.ts': defineStage({
    params: z.object({ seed: z.int() }),
    inputs: { from: json() },
    outputs: { out: json(), more: json() },
    run: () => ({ out: null, more: null }),
  }),
  'report.ts': defineStage({
    params: z.object({ title: z.string(), graph: Graph }),
    inputs: { runs: collect(json()), more: collect(json()) },
    outputs: out,
    graph: 'graph',
    run,
  }),
};

const STAGES = [
  'source: { run: source.ts }',
  'work: { run: work.ts, matrix: { seed: [2, 10] }, inputs: { from: source.out } }',
  'aside: { run: source.ts }',
  'report: { run: report.ts, inputs: { runs: work.out, more: work.more }, params: { title: x } }',
];

async function planned(stages: readonly string[]): Promise<ReadonlyMap<string, Task>> {
  const text = `stages:\n${stages.map((stage) => `  ${stage}\n`).join('')}`;
  const pipeline = readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });
  if (!pipeline.ok) throw new Error(JSON.stringify(pipeline.diagnostics));
  const { modules, answers } = liveModules(pipeline.value.stages, declarations);
  const plan = await makePlan(pipeline.value, modules, answers);
  if (!plan.ok) throw new Error(plan.diagnostics.map(({ message }) => message).join('\n'));
  return plan.value.tasks;
}

describe('a stage that asks for the graph', () => {
  test('is told which tasks it is made from, and what they read: as a param, so it is in the key', async () => {
    expect((await planned(STAGES)).get('report')?.params).toEqual({
      title: 'x',
      graph: {
        report: { tasks: ['report'], reads: ['work.more', 'work.out'] },
        source: { tasks: ['source'], reads: [] },
        work: { tasks: ['work[2]', 'work[10]'], reads: ['source.out'] },
      },
    });
  });

  test('is told the same whatever the order of stages, and nothing of what is beside it', async () => {
    const [source, work, aside, report] = STAGES;
    const graphOf = async (stages: readonly string[]): Promise<string> =>
      JSON.stringify((await planned(stages)).get('report')?.params);
    expect(await graphOf([report!, aside!, work!, source!])).toBe(await graphOf(STAGES));
    expect(await graphOf([source!, work!, report!])).toBe(await graphOf(STAGES));
    expect(await graphOf([source!, work!.replace('10]', '10, 3]'), report!])).not.toBe(
      await graphOf(STAGES),
    );
  });

  test('runs again for tasks that came or went, which are named however long the lists are', async () => {
    const ids = (...seeds: readonly number[]) =>
      seeds.map((seed) => `static[mnist,uniform,${seed}]`);
    const path = 'params.graph.static.tasks';
    expect(formatChange({ path, before: ids(0, 1, 2), after: ids(0, 1, 2, 3, 4) })).toBe(
      `${path}: with static[mnist,uniform,3] and 1 more`,
    );
    expect(formatChange({ path, before: ids(0, 1, 2), after: ids(0, 2, 3) })).toBe(
      `${path}: without static[mnist,uniform,1], with static[mnist,uniform,3]`,
    );
    expect(formatChange({ path, before: ['a'], after: ['a', 'b'] })).toBe(
      `${path}: ["a"] → ["a","b"]`,
    );
  });

  test('of others the params are what they were', async () => {
    const tasks = await planned(STAGES);
    expect(tasks.get('source')?.params).toEqual({});
    expect(tasks.get('work[2]')?.params).toEqual({ seed: 2 });
  });

  test('may not be given it, as a param or by an axis', async () => {
    const [source, work, , report] = STAGES;
    const given = report!.replace('title: x', 'title: x, graph: {}');
    await expect(planned([source!, work!, given])).rejects.toThrow(
      '`graph` is a param that the engine fills in for report.ts',
    );
    const swept = report!.replace('report.ts,', 'report.ts, matrix: { graph: [1] },');
    await expect(planned([source!, work!, swept])).rejects.toThrow(
      'axis `graph` is a param that the engine fills in for report.ts',
    );
  });
});
