// claims-table.ts — what the paper claims, and what became of it: the report opens with this
import type { ClaimsResult, Contrast, JudgedClaim } from '../claims/result.ts';
import { tableFrame } from './document.ts';
import { type Html, html } from './html.ts';

/** A row for each claim, and below them its contrasts, folded away. */
export function claimsTable({ claims }: ClaimsResult): Html {
  const caption = html`What the paper claims, and what became of it by the test that was declared for it. Verdicts are
computed. <i>Illustrated</i> is shown and never counted: the data are synthetic, or the seeds too few.`;
  const table = html`<table>
<thead><tr><th scope="col">Claim</th><th scope="col">Published</th><th scope="col">Verdict</th><th scope="col">Because</th></tr></thead>
<tbody>
${claims.map(claimRow)}</tbody>
</table>`;
  return html`${tableFrame('Claims and verdicts', caption, table)}
${claims.filter(({ contrasts }) => contrasts.length > 0).map(contrastsOf)}`;
}

const claimRow = ({ id, title, paper, verdict, reason }: JudgedClaim): Html =>
  html`<tr><th scope="row">${id} ${title}</th><td>${paper.value}</td><td>${verdict}</td><td>${reason}</td></tr>
`;

function contrastsOf({ id, title, statement, rule, contrasts }: JudgedClaim): Html {
  const table = html`<table>
<thead><tr><th scope="col">Data set</th><th scope="col">Contrast</th><th scope="col">n</th><th scope="col">Verdict</th><th scope="col">Found</th></tr></thead>
<tbody>
${contrasts.map(contrastRow)}</tbody>
</table>`;
  return html`<details id="claim-${id}">
<summary>${id} ${title}</summary>
${tableFrame(`Contrasts of ${id}`, html`${statement} ${rule}`, table)}
</details>
`;
}

const contrastRow = ({ dataset, label, seeds, verdict, reason }: Contrast): Html =>
  html`<tr><td>${dataset}</td><td>${label}</td><td>${seeds}</td><td>${verdict}</td><td>${reason}</td></tr>
`;
