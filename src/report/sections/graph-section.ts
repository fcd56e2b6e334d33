// graph-section.ts — the graph of the study: stages drawn, each of which opens to its tasks
import { count, counted, listed } from '../markup/format.ts';
import { graphSvg, stageAnchor } from '../figures/graph-figure.ts';
import { ranksOf } from '../figures/graph-layout.ts';
import { type Html, html } from '../markup/html.ts';
import { taskLink } from '../data/sources.ts';
import type { Missing, StudyStage } from '../data/study.ts';

/** Tasks of a stage beyond these are left to the provenance page. */
const TASKS = 200;

/** The graph, and a list of tasks for each stage; null where nothing is told of it. */
export function graphSection(
  graph: readonly StudyStage[],
  missing: readonly Missing[],
): Html | null {
  if (graph.length === 0) return null;
  const kinds = new Map(missing.map(({ task, kind }) => [task, kind]));
  const nodes = graph.map(({ stage, tasks }) => ({
    name: stage,
    detail: counted(tasks.length, 'task'),
  }));
  const edges = graph.flatMap(({ stage, reads }) =>
    [...new Set(reads.map(stageOf))].map((from) => [from, stage] as const),
  );
  const names = graph.map(({ stage }) => stage);
  const ranks = ranksOf(names, edges);
  const rank = ({ stage }: StudyStage): number => ranks.get(stage) ?? 0;
  // As they are drawn: upstream ones first, and by name where neither is.
  const ordered = [...graph].sort((a, b) => rank(a) - rank(b) || (a.stage < b.stage ? -1 : 1));
  const tasks = graph.reduce((sum, one) => sum + one.tasks.length, 0);
  const lost = missing.length > 0 ? `, of which ${count(missing.length)} gave nothing` : '';
  return html`<h3 id="graph">What is made from what</h3>
<p>This report is made from ${counted(tasks - 1, 'task')} of ${counted(graph.length - 1, 'stage')}${lost}. A line leads down
from a stage to one that reads its outputs; where a longer way leads there too, the short one is left out. A stage is a
link to its tasks.</p>
<figure class="wide graph-figure" aria-labelledby="graph"><div class="chart">${graphSvg(nodes, edges)}</div></figure>
<div class="stages">
${ordered.map((stage) => stageDetails(stage, kinds))}</div>
`;
}

const stageOf = (output: string): string => output.slice(0, output.lastIndexOf('.'));

type Kinds = ReadonlyMap<string, Missing['kind']>;

// The anchor lies within what folds: a browser that is led to it unfolds it.
function stageDetails({ stage, tasks, reads }: StudyStage, kinds: Kinds): Html {
  const shown = tasks.slice(0, TASKS).map((task) => taskItem(task, kinds));
  const rest = tasks.length - shown.length;
  const from =
    reads.length === 0 ? 'Reads no other stage.' : html`Reads ${listed(reads.map(String))}.`;
  const more = rest > 0 ? html`<li>and ${count(rest)} more, on the page of provenance</li>` : null;
  return html`<details><summary><b>${stage}</b> ${counted(tasks.length, 'task')}</summary>
<div id="${stageAnchor(stage)}"><p>${from}</p><ul>${shown}${more}</ul></div></details>
`;
}

function taskItem(task: string, kinds: Kinds): Html {
  const kind = kinds.get(task);
  const mark = kind === undefined ? null : html` <small>${MARKS[kind]}</small>`;
  return html`<li><a href="${taskLink(task)}"><code>${task}</code></a>${mark}</li>
`;
}

const MARKS = { infeasible: 'cannot be done', failed: 'failed', skipped: 'not made' } as const;
