// What a task is made from, as stages that ask for it are told.
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { changeWords } from '../src/cli/words.ts';
import type { StageModule } from '../src/pipeline/code.ts';
import { readPipeline } from '../src/pipeline/config.ts';
import { digestOf } from '../src/pipeline/key.ts';
import { makePlan, type Task } from '../src/pipeline/plan.ts';
import { collect, defineStage, json, type StageDeclaration } from '../src/pipeline/stage.ts';

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

function planned(stages: readonly string[]): ReadonlyMap<string, Task> {
  const text = `stages:\n${stages.map((stage) => `  ${stage}\n`).join('')}`;
  const pipeline = readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });
  if (!pipeline.ok) throw new Error(JSON.stringify(pipeline.diagnostics));
  const modules = [...pipeline.value.stages.values()].map(({ name, run: file }) => {
    const declaration = declarations[file] as StageDeclaration;
    return [name, { code: { digest: digestOf(file), file }, declaration }] as [string, StageModule];
  });
  const plan = makePlan(pipeline.value, new Map(modules));
  if (!plan.ok) throw new Error(plan.diagnostics.map(({ message }) => message).join('\n'));
  return plan.value.tasks;
}

describe('a stage that asks for the graph', () => {
  test('is told which tasks it is made from, and what they read: as a param, so it is in the key', () => {
    expect(planned(STAGES).get('report')?.params).toEqual({
      title: 'x',
      graph: {
        report: { tasks: ['report'], reads: ['work.more', 'work.out'] },
        source: { tasks: ['source'], reads: [] },
        work: { tasks: ['work[2]', 'work[10]'], reads: ['source.out'] },
      },
    });
  });

  test('is told the same whatever the order of stages, and nothing of what is beside it', () => {
    const [source, work, aside, report] = STAGES;
    const graphOf = (stages: readonly string[]): string =>
      JSON.stringify(planned(stages).get('report')?.params);
    expect(graphOf([report, aside, work, source])).toBe(graphOf(STAGES));
    expect(graphOf([source, work, report])).toBe(graphOf(STAGES));
    expect(graphOf([source, work.replace('10]', '10, 3]'), report])).not.toBe(graphOf(STAGES));
  });

  test('runs again for tasks that came or went, which are named however long the lists are', () => {
    const ids = (...seeds: readonly number[]) =>
      seeds.map((seed) => `static[mnist,uniform,${seed}]`);
    const path = 'params.graph.static.tasks';
    expect(changeWords({ path, before: ids(0, 1, 2), after: ids(0, 1, 2, 3, 4) })).toBe(
      `${path}: with static[mnist,uniform,3] and 1 more`,
    );
    expect(changeWords({ path, before: ids(0, 1, 2), after: ids(0, 2, 3) })).toBe(
      `${path}: without static[mnist,uniform,1], with static[mnist,uniform,3]`,
    );
    expect(changeWords({ path, before: ['a'], after: ['a', 'b'] })).toBe(
      `${path}: ["a"] → ["a","b"]`,
    );
  });

  test('of others the params are what they were', () => {
    const tasks = planned(STAGES);
    expect(tasks.get('source')?.params).toEqual({});
    expect(tasks.get('work[2]')?.params).toEqual({ seed: 2 });
  });

  test('may not be given it, as a param or by an axis', () => {
    const [source, work, , report] = STAGES;
    const given = report.replace('title: x', 'title: x, graph: {}');
    expect(() => planned([source, work, given])).toThrow(
      '`graph` is a param that the engine fills in for report.ts',
    );
    const swept = report.replace('report.ts,', 'report.ts, matrix: { graph: [1] },');
    expect(() => planned([source, work, swept])).toThrow(
      'axis `graph` is a param that the engine fills in for report.ts',
    );
  });
});
