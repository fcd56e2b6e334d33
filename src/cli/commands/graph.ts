// graph.ts — pipeline graph: stages or tasks and how they are connected

import { extname } from 'node:path';
import pc from 'picocolors';
import type { Pipeline } from '../../engine/config/config.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { entryOf } from '../../present.ts';
import { planFor } from '../session/named-tasks.ts';
import { checkOutput, writeOutput } from '../session/output-files.ts';
import { stdoutColors as c, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, loadFor } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration, TARGETS } from '../terminal/declaration.ts';
import { type Colors, count } from '../terminal/format.ts';
import { type Graph, graphSvg } from '../terminal/layout.ts';

export const command: CommandDeclaration = {
  name: 'graph',
  group: 'Look',
  about: 'show the stages and how they are connected',
  arguments: [TARGETS],
  options: [
    { flags: '--tasks', about: 'show tasks instead of stages' },
    {
      flags: '--format <form>',
      about: 'format (default: from the file extension, or text)',
      choices: ['text', 'mermaid', 'dot', 'svg', 'json'],
    },
    { flags: '-o, --output <file>', about: 'write to a file' },
    ...COMMON,
  ],
  examples: ['graph', 'graph --format mermaid', 'graph report --tasks', 'graph -o study.svg'],
};
export { graph as run };

interface GraphOptions extends CommonOptions {
  readonly tasks?: boolean;
  readonly format?: Form;
  readonly output?: string;
}

type Form = 'text' | 'mermaid' | 'dot' | 'svg' | 'json';

const BY_ENDING: { readonly [ending: string]: Form } = {
  '.txt': 'text',
  '.mmd': 'mermaid',
  '.mermaid': 'mermaid',
  '.dot': 'dot',
  '.gv': 'dot',
  '.svg': 'svg',
  '.json': 'json',
};

/** Draws the plan of some targets, or of everything. */
async function graph(targets: readonly string[], options: GraphOptions): Promise<number> {
  const form = formFor(options);
  if (options.output !== undefined) checkOutput(options.output);
  const { pipeline, plan: whole } = await loadFor(options, 'look');
  const plan = planFor(whole, targets);
  const drawn = options.tasks ? taskGraph(plan) : stageGraph(plan, pipeline);
  const { output } = options;
  if (output === undefined) writeStdout(inForm(form, drawn, c));
  else {
    await writeOutput(output, `${inForm(form, drawn, pc.createColors(false))}\n`);
    writeStderr(`written to ${output}`);
  }
  return EXIT.success;
}

/** The form that is asked for: by its name, or by the ending of the file. @throws UsageError for an unknown ending */
function formFor({ output, format, json }: GraphOptions): Form {
  if (json) return 'json';
  const ending = output === undefined ? '' : extname(output).toLowerCase();
  if (format !== undefined || ending === '') return format ?? 'text';
  if (Object.hasOwn(BY_ENDING, ending)) return entryOf(BY_ENDING, ending);
  const message = `a graph cannot be written as ${ending}`;
  const hint = `${Object.keys(BY_ENDING).join(', ')} can; or name a form with --format`;
  throw new UsageError([{ message, hint }]);
}

function inForm(form: Form, drawn: Graph, colors: Colors): string {
  switch (form) {
    case 'json': {
      const edges = drawn.edges.map(([from, to, label]) => ({ from, to, label }));
      const value = { nodes: [...drawn.nodes].map(([id, label]) => ({ id, label })), edges };
      return JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined);
    }
    case 'mermaid':
      return mermaid(drawn);
    case 'dot':
      return dot(drawn);
    case 'svg':
      return graphSvg(drawn);
    case 'text':
      return text(drawn, colors);
  }
}

function taskGraph(plan: Plan): Graph {
  const unknown = unknownIn(plan);
  const edges = [...plan.tasks.values()].flatMap(({ id, inputs }) =>
    Object.entries(inputs).flatMap(([port, { links }]) =>
      links.map((link) => [link.task as string, id as string, port] as const),
    ),
  );
  const nodes = [...plan.tasks.keys()].map(
    (id) => [id, unknown.has(id) ? `${id} (unknown)` : id] as const,
  );
  return { nodes: new Map(nodes), edges };
}

/** Tasks whose keys cannot be told here: of themselves, or as they need such a task. */
function unknownIn({ tasks }: Plan): ReadonlySet<string> {
  const unknown = new Set<string>();
  for (const { id, unknown: why, inputs } of tasks.values()) {
    const links = Object.values(inputs).flatMap((input) => input.links);
    if (why !== undefined || links.some(({ task }) => unknown.has(task))) unknown.add(id);
  }
  return unknown;
}

function stageGraph(plan: Plan, { stages }: Pipeline): Graph {
  const sizes = new Map<string, number>();
  for (const { stage } of plan.tasks.values()) sizes.set(stage, (sizes.get(stage) ?? 0) + 1);
  const unclear = new Map<string, number>();
  for (const id of unknownIn(plan)) {
    const stage = plan.tasks.get(id as TaskId)?.stage ?? '';
    unclear.set(stage, (unclear.get(stage) ?? 0) + 1);
  }
  const nodes = [...sizes].map(([stage, n]) => {
    const unknown = unclear.get(stage);
    const without = unknown === undefined ? '' : `, ${unknown} unknown`;
    return [stage, `${stage} (${count(n, 'task')}${without})`] as const;
  });
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
function text({ nodes, edges }: Graph, c: Colors): string {
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
