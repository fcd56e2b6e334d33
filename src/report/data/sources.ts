// sources.ts — for every number, the tasks and blobs that it was computed from
import { createHash } from 'node:crypto';
import type { SourceRow } from './anchors.ts';
import { page, tableFrame } from '../markup/document.ts';
import { counted, shortDigest } from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';

/** Name of the sibling page, which changes while results do not. */
export const PROVENANCE_PAGE = 'provenance.html';

/** The id of a task on the provenance page: task ids hold nothing that an id cannot. */
export const taskAnchor = (task: string): string => `task-${task}`;

/** Where the provenance page tells of a task. */
export const taskLink = (task: string): string =>
  `${PROVENANCE_PAGE}#${encodeURIComponent(taskAnchor(task))}`;

/** Name of the sibling page that tells which tasks and blobs each number was computed from. It is a result like the report. */
export const SOURCES_PAGE = 'sources.html';

/** Where that page tells of a row. */
export const sourceLink = (anchor: string): string => `${SOURCES_PAGE}#${anchor}`;

/** The page that every linked number leads to. */
export function sourcesPage(title: string, rows: readonly SourceRow[]): string {
  const table = html`<table class="sources">
<thead><tr><th scope="col">Numbers about</th><th scope="col">where</th>
<th scope="col">Made by, holding, with SHA-256</th></tr></thead>
<tbody>
${rows.map(row)}
</tbody>
</table>`;
  const content = html`<header>
<h1>${title}: sources</h1>
<p class="abstract">Numbers in tables of <a href="report.html">report.html</a> link to their row here; figures draw the same values.
Open a row to see the tasks that made them and the SHA-256 of each blob that was read.</p>
<p class="note">Each task links to its params, inputs, key and cost on <a href="${PROVENANCE_PAGE}">${PROVENANCE_PAGE}</a>,
which may change while results do not.</p>
</header>
<main id="main">
<section id="sources" aria-labelledby="sources-title"><h2 id="sources-title">Where each number comes from</h2>
<div class="wide">${tableFrame('Sources', null, table)}</div>
</section>
</main>`;
  return page(`${title}: sources`, content);
}

/** A digest of everything that a report was made from: rows of sources, with their tasks and blobs. */
export function inputsDigest(rows: readonly SourceRow[], others: readonly unknown[]): string {
  const blobs = rows.flatMap(({ blobs: own }) =>
    own.map(({ holds, from }) => [from.task, holds, from.digest]),
  );
  return createHash('sha256')
    .update(JSON.stringify([blobs, others]))
    .digest('hex');
}

/** What stands below a report. */
export const foot = (digest: string): Html => html`<footer><p class="note">Digest of the inputs:
<code title="${digest}">${shortDigest(digest)}</code>, the SHA-256 of the tasks, blobs, claims and params that this report was made
from. The command, the place and the time are on <a href="${PROVENANCE_PAGE}">${PROVENANCE_PAGE}</a>.</p></footer>
`;

/** The section that tells of both pages. */
export function provenanceSection(graph: Html | null): Html {
  return html`<section id="provenance" aria-labelledby="provenance-title">
<h2 id="provenance-title">Provenance</h2>
<p>Numbers in tables link to <a href="${SOURCES_PAGE}">${SOURCES_PAGE}</a>, which lists the tasks that made them and the SHA-256
of each blob. <a href="${PROVENANCE_PAGE}">${PROVENANCE_PAGE}</a> lists the params, inputs, key and cost of each task, and the
preset, command, commit and versions of the run; it may change while results do not.</p>
${graph}
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
