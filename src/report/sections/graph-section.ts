// graph-section.ts — the graph of the study: its stages, each a link to its tasks
import { count, counted } from '../markup/format.ts';
import { graphSvg } from '../figures/graph-figure.ts';
import { type Html, html } from '../markup/html.ts';
import { PROVENANCE_PAGE } from '../data/sources.ts';
import type { Missing, StudyStage } from '../data/study.ts';

/** The graph; null where nothing is told of it. */
export function graphSection(
  graph: readonly StudyStage[],
  missing: readonly Missing[],
): Html | null {
  if (graph.length === 0) return null;
  const nodes = graph.map(({ stage, tasks }) => ({
    name: stage,
    detail: counted(tasks.length, 'task'),
  }));
  const edges = graph.flatMap(({ stage, reads }) =>
    [...new Set(reads.map(stageOf))].map((from) => [from, stage] as const),
  );
  const tasks = graph.reduce((sum, one) => sum + one.tasks.length, 0);
  const lost =
    missing.length > 0
      ? `; ${count(missing.length)} of them ${missing.length === 1 ? 'has' : 'have'} no result`
      : '';
  return html`<h3 id="graph">How stages are connected</h3>
<p>This report is made from ${counted(tasks - 1, 'task')} of ${counted(graph.length - 1, 'stage')}${lost}. A line leads
down from a stage to one that reads its outputs; it is left out where a longer path leads there. Each stage links to its tasks
on ${PROVENANCE_PAGE}.</p>
<figure class="wide graph-figure" aria-labelledby="graph"><div class="chart" tabindex="0" role="group" aria-label="The graph">${graphSvg(nodes, edges, PROVENANCE_PAGE)}</div></figure>
`;
}

const stageOf = (output: string): string => output.slice(0, output.lastIndexOf('.'));
