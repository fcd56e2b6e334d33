// sources.ts — for every number, the tasks and blobs that it was computed from
import { type Arm, allArms, type DatasetResults, type Source, sourcesOf } from './arms.ts';
import { tableFrame } from './document.ts';
import { counted, shortDigest } from './format.ts';
import { type Content, type Html, html } from './html.ts';
import { datasetAnchor } from './methods.ts';
import type { Missing, Study } from './study.ts';
import { METHOD_NAMES, settingName } from './tables.ts';

/** Name of the sibling page, which changes while results do not. */
export const PROVENANCE_PAGE = 'provenance.html';

/** Id of an equilibrium's row in the provenance table, by its place in the study. */
export const equilibriumAnchor = (index: number): string => `equilibrium-${index + 1}`;

/** The section that every linked number leads to. */
export function sources(study: Study, results: readonly DatasetResults[]): Html {
  const table = html`<table class="sources">
<thead><tr><th scope="col">Numbers about</th><th scope="col">tasks</th>
<th scope="col">Made by, holding, with SHA-256</th></tr></thead>
<tbody>
${allArms(results).map((arm) => row(arm.anchor, armName(arm), sourcesOf(arm)))}
${study.equilibria.map((equilibrium, i) =>
  row(
    equilibriumAnchor(i),
    html`Equilibrium<br>${equilibrium.dataset}, ${settingName(equilibrium)}`,
    [
      { holds: 'fit', from: equilibrium.fit.from },
      ...equilibrium.pilots.map(({ from }) => ({ holds: 'fan-in after', from })),
    ],
  ),
)}
${study.datasets.map(({ name, from }, i) =>
  row(datasetAnchor(i), html`Data set ${name}`, [{ holds: 'shape and counts', from }]),
)}
</tbody>
</table>`;
  return html`<section id="provenance" aria-labelledby="provenance-title">
<h2 id="provenance-title">Provenance</h2>
<p>Every result in the abstract and in a table is a link to its row below, and figures draw the same values. A row names
the tasks that made them and the SHA-256 of each blob that was read; point at a digest to see the whole of it. Keys, times,
hosts and costs may change while results do not: they are on the page
<a href="${PROVENANCE_PAGE}">${PROVENANCE_PAGE}</a> beside this one.</p>
<div class="wide">${tableFrame('Provenance', null, table)}</div>
</section>
`;
}

/** What the report ought to show and cannot; null when all is there. */
export function missingNotice(missing: readonly Missing[]): Html | null {
  if (missing.length === 0) return null;
  const items = missing.map(
    ({ task, reason }) => html`<li><code>${task}</code>: ${reason}</li>
`,
  );
  return html`<div id="missing" class="missing" role="note">
<p><strong>${counted(missing.length, 'result')} missing.</strong> Means below are over the runs that are there.</p>
<ul>${items}</ul>
</div>
`;
}

function armName(arm: Arm): Html {
  if (arm.method === 'dense') return html`Dense<br>${arm.dataset}`;
  return html`${METHOD_NAMES[arm.method]}, ${arm.profile}<br>${arm.dataset}, ${settingName(arm)}`;
}

function row(anchor: string, name: Content, all: readonly Source[]): Html {
  const tasks = new Set(all.map(({ from }) => from.task));
  return html`<tr id="${anchor}"><th scope="row">${name}</th><td>${tasks.size}</td>
<td><ul>${all.map(blob)}</ul></td></tr>
`;
}

function blob({ holds, from }: Source): Html {
  return html`<li><code>${from.task}</code> <span>${holds}</span>
<code title="${from.digest}">${shortDigest(from.digest)}</code></li>
`;
}
