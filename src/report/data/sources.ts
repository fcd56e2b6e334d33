// sources.ts — for every number, the tasks and blobs that it was computed from
import type { SourceRow } from './anchors.ts';
import { tableFrame } from '../markup/document.ts';
import { counted, shortDigest } from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';

/** Name of the sibling page, which changes while results do not. */
export const PROVENANCE_PAGE = 'provenance.html';

/** The id of a task on the provenance page: task ids hold nothing that an id cannot. */
export const taskAnchor = (task: string): string => `task-${task}`;

/** Where the provenance page tells of a task. */
export const taskLink = (task: string): string =>
  `${PROVENANCE_PAGE}#${encodeURIComponent(taskAnchor(task))}`;

/** The section that every linked number leads to. */
export function sources(rows: readonly SourceRow[], graph: Html | null): Html {
  const table = html`<table class="sources">
<thead><tr><th scope="col">Numbers about</th><th scope="col">where</th>
<th scope="col">Made by, holding, with SHA-256</th></tr></thead>
<tbody>
${rows.map(row)}
</tbody>
</table>`;
  return html`<section id="provenance" aria-labelledby="provenance-title">
<h2 id="provenance-title">Provenance</h2>
<p>Every result in the abstract and in a table is a link to its row below, and figures draw the same values. A row opens
to the tasks that made them and the SHA-256 of each blob that was read; point at a digest to see the whole of it. A task
leads on to its params, the digests of its inputs, its key and its cost, on the page
<a href="${PROVENANCE_PAGE}">${PROVENANCE_PAGE}</a> beside this one. That page may change while results do not.</p>
${graph}
<h3>Where each number comes from</h3>
<div class="wide">${tableFrame('Provenance', null, table)}</div>
</section>
`;
}

function row({ anchor, name, detail, blobs }: SourceRow): Html {
  const tasks = new Set(blobs.map(({ from }) => from.task)).size;
  return html`<tr id="${anchor}"><th scope="row">${name}</th><td>${detail}</td>
<td><details><summary>${counted(blobs.length, 'blob')} of ${counted(tasks, 'task')}</summary>
<ul>${blobs.map(blob)}</ul></details></td></tr>
`;
}

function blob({ holds, from }: SourceRow['blobs'][number]): Html {
  return html`<li><a href="${taskLink(from.task)}"><code>${from.task}</code></a> <span>${holds}</span>
<code title="${from.digest}">${shortDigest(from.digest)}</code></li>
`;
}
