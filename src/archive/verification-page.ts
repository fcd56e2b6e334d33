// verification-page.ts — a verification as a page, to attach to a review

import { page } from '../report/markup/document.ts';
import { type Html, html } from '../report/markup/html.ts';
import type { TaskVerdict, Verification } from './checking/verdict.ts';
import { type WallKind, wallsInWords } from './rerun/walls.ts';

/** Rows of a table beyond this are counted and left to the JSON. */
const ROWS_MAX = 2000;

/** The text of verification.html. It has no date: who attaches it knows when. */
export function verificationPage(found: Verification): string {
  const { archive, digest, holds, rerun } = found;
  const name = archive.split(/[\\/]/).at(-1) ?? archive;
  const verdict = holds
    ? rerun
      ? 'Nothing is wrong, and nothing that was run again came out differently.'
      : 'Nothing is wrong. Nothing was run again.'
    : 'Something is wrong.';
  return page(
    `Verification of ${name}`,
    html`<header>
<h1>Verification of ${name}</h1>
<p class="abstract"><b>${verdict}</b></p>
<p class="note">Study digest <code>${digest ?? 'unknown'}</code></p>
</header>
${integrity(found)}
${reruns(found)}
${claims(found)}
${meaning(found)}`,
  );
}

function integrity({ findings, findingCount, tasks, absent, blobs, notes }: Verification): Html {
  const more = findingCount - findings.length;
  return html`<section>
<h2>Integrity</h2>
<p>${tasks} tasks${
    absent.failed > 0 ? `, of which ${absent.failed} failed and ${absent.skipped} were skipped` : ''
  }; ${blobs.here} blobs in the archive, ${blobs.leftOut} listed and left out. Nothing of the archive was run
for this: every digest was taken, every key computed from its parts, every input traced to the task that made it, every
claim held against the measurements that it cites.</p>
${
  findings.length === 0
    ? html`<p>No findings.</p>`
    : rows(
        ['Place', 'Finding'],
        findings.map(({ place, message }) => [place, message]),
      )
}
${more > 0 ? html`<p>and ${more} more</p>` : null}
${notes.map((note) => html`<p class="note">${note}</p>`)}
</section>`;
}

const verdictWords = ({ why, outputs = [] }: TaskVerdict): string =>
  [
    why ?? [],
    ...outputs.map(({ output, words, tolerance }) => {
      const within = tolerance === undefined ? '' : ` (within its tolerance of ${tolerance})`;
      return `${output}: ${words ?? ''}${within}`;
    }),
  ]
    .flat()
    .join('; ');

const seconds = (value: number | undefined): string =>
  value === undefined ? '' : `${value.toFixed(2)} s`;

/** What surrounded the code, where the system was asked. */
const behind = (walls: WallKind | undefined): string =>
  walls === undefined ? '' : ` It ran behind ${wallsInWords[walls]}.`;

function reruns({ rerun, taskVerdicts }: Verification): Html {
  if (rerun === null) {
    return html`<section><h2>Run again</h2><p>Nothing was run again.</p></section>`;
  }
  const order = ['different', 'within tolerance', 'identical', 'not tested'];
  const sorted = order.flatMap((verdict) =>
    taskVerdicts.filter((task) => task.verdict === verdict),
  );
  const counts = order
    .map(
      (verdict) => `${taskVerdicts.filter((task) => task.verdict === verdict).length} ${verdict}`,
    )
    .join(', ');
  const shown = sorted.slice(0, ROWS_MAX);
  return html`<section>
<h2>Run again</h2>
<p>${counts}. Budget ${rerun.budget_s} s; ${rerun.chosen} tasks chosen, ${rerun.drawn} of them at random (seed ${rerun.seed});
Node ${rerun.node}.${behind(rerun.walls)} Outputs were compared bit by bit.</p>
${rows(
  ['Task', 'Verdict', 'Recorded', 'Now', 'Why'],
  shown.map((task) => [
    task.task,
    task.verdict,
    seconds(task.recorded_s),
    seconds(task.seconds),
    verdictWords(task),
  ]),
)}
${sorted.length > shown.length ? html`<p>and ${sorted.length - shown.length} more</p>` : null}
</section>`;
}

function claims({ claims: judged }: Verification): Html | null {
  if (judged.length === 0) return null;
  return html`<section>
<h2>Claims</h2>
${rows(
  ['Claim', 'The study says', 'Verdict', 'Why'],
  judged.map(({ id, says, verdict, why }) => [id, says, verdict, why]),
)}
</section>`;
}

function meaning({ version, checker }: Verification): Html {
  return html`<section>
<h2>What this shows</h2>
<p>That the files belong together, and, where tasks were run again, that this code, given these inputs, gives these bits.
Not that the code does what a paper says, and not that nothing else was tried.</p>
<p class="note">Checked by pipeline ${version}. ${
    checker.own === null
      ? 'The checker was a verify.mjs: it is to be trusted only if its SHA-256 is the one that is published with this version.'
      : `The verify.mjs in the archive ${checker.words ?? 'was not run'}.`
  }</p>
</section>`;
}

function rows(heads: readonly string[], cells: readonly (readonly string[])[]): Html {
  return html`<div class="table"><div class="scroll" role="region" tabindex="0" aria-label="${heads.join(', ')}"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${cells.map(
    (row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
  )}</tbody>
</table></div></div>`;
}
