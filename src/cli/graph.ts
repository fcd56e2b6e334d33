// graph.ts — pipeline graph: stages or tasks and how they are connected
import type { Pipeline } from '../pipeline/config.ts';
import type { Plan } from '../pipeline/plan.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  openSession,
  planFor,
  tell,
  tellJson,
} from './session.ts';
import { count } from './words.ts';

interface GraphOptions extends CommonOptions {
  readonly tasks?: boolean;
  readonly format: 'text' | 'mermaid' | 'dot';
}

/** Nodes in the plan's order, and edges from what is needed to what needs it. */
interface Graph {
  readonly nodes: ReadonlyMap<string, string>;
  readonly edges: readonly (readonly [from: string, to: string, label: string])[];
}

/** Draws the plan of some targets, or of everything. */
export async function graph(targets: readonly string[], options: GraphOptions): Promise<number> {
  const session = await openSession(options);
  try {
    const plan = planFor(session.plan, targets);
    const drawn = options.tasks ? taskGraph(plan) : stageGraph(plan, session.pipeline);
    if (options.json) {
      const edges = drawn.edges.map(([from, to, label]) => ({ from, to, label }));
      tellJson({ nodes: [...drawn.nodes].map(([id, label]) => ({ id, label })), edges });
    } else if (options.format === 'mermaid') tell(mermaid(drawn));
    else if (options.format === 'dot') tell(dot(drawn));
    else tell(text(drawn));
    return EXIT.made;
  } finally {
    await session.store.close();
  }
}

function taskGraph(plan: Plan): Graph {
  const edges = [...plan.tasks.values()].flatMap(({ id, inputs }) =>
    Object.entries(inputs).flatMap(([port, { links }]) =>
      links.map((link) => [link.task as string, id as string, port] as const),
    ),
  );
  return { nodes: new Map([...plan.tasks.keys()].map((id) => [id, id])), edges };
}

function stageGraph(plan: Plan, { stages }: Pipeline): Graph {
  const sizes = new Map<string, number>();
  for (const { stage } of plan.tasks.values()) sizes.set(stage, (sizes.get(stage) ?? 0) + 1);
  const nodes = [...sizes].map(([stage, n]) => [stage, `${stage} (${count(n, 'task')})`] as const);
  const edges = [...sizes.keys()].flatMap((name) =>
    [...(stages.get(name)?.inputs ?? [])].flatMap(([port, { from }]) =>
      from
        .filter(({ stage }) => sizes.has(stage))
        .map(({ stage, output }) => [stage, name, `${port}: ${output}`] as const),
    ),
  );
  return { nodes: new Map(nodes), edges };
}

/** Each node with what it needs below it. */
function text({ nodes, edges }: Graph): string {
  const needs = new Map<string, string[]>();
  for (const [from, to, label] of edges) {
    const line = `  ${c.dim('←')} ${from} ${c.dim(`(${label})`)}`;
    needs.set(to, [...(needs.get(to) ?? []), line]);
  }
  return [...nodes].flatMap(([id, label]) => [c.bold(label), ...(needs.get(id) ?? [])]).join('\n');
}

function numbered(nodes: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...nodes.keys()].map((id, index) => [id, `n${index}`]));
}

function mermaid({ nodes, edges }: Graph): string {
  const names = numbered(nodes);
  const boxes = [...nodes].map(([id, label]) => `  ${names.get(id)}["${label}"]`);
  const arrows = edges.map(
    ([from, to, label]) => `  ${names.get(from)} -->|"${label}"| ${names.get(to)}`,
  );
  return ['graph LR', ...boxes, ...arrows].join('\n');
}

function dot({ nodes, edges }: Graph): string {
  const names = numbered(nodes);
  const boxes = [...nodes].map(
    ([id, label]) => `  ${names.get(id)} [label=${JSON.stringify(label)}];`,
  );
  const arrows = edges.map(
    ([from, to, label]) =>
      `  ${names.get(from)} -> ${names.get(to)} [label=${JSON.stringify(label)}];`,
  );
  return ['digraph pipeline {', '  rankdir=LR; node [shape=box];', ...boxes, ...arrows, '}'].join(
    '\n',
  );
}
