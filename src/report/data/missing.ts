// missing.ts — what the report ought to show and cannot, and why
import { group } from './arms.ts';
import { counted } from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';
import { taskLink } from './sources.ts';
import type { Missing } from './study.ts';

const KINDS = {
  failed: 'failed',
  skipped: 'skipped, because a task that they need failed',
  infeasible: 'infeasible',
} as const;

/** What is missing, by reason; null when all is there. */
export function missingNotice(missing: readonly Missing[]): Html | null {
  if (missing.length === 0) return null;
  const reasons = group(missing, ({ kind, reason }) => JSON.stringify([kind, reason]));
  const lost = missing.filter(({ kind }) => kind !== 'infeasible').length;
  const words =
    lost === 0
      ? 'Infeasible tasks, and tasks that need their results, are left out.'
      : 'Means are over the runs that have results; where some are missing, n says so.';
  return html`<section id="missing" class="missing" aria-labelledby="missing-title">
<h2 id="missing-title">What is missing</h2>
<p><strong>${counted(missing.length, 'task')} ${missing.length === 1 ? 'has' : 'have'} no result.</strong> ${words}</p>
<ul>${reasons.map(reasonItem)}</ul>
</section>
`;
}

function reasonItem(all: readonly Missing[]): Html {
  const [{ kind, reason }] = all as readonly [Missing];
  const tasks = all.map(
    ({ task }) => html`<li><a href="${taskLink(task)}"><code>${task}</code></a></li>
`,
  );
  const list =
    all.length > 3
      ? html`<details><summary>${counted(all.length, 'task')}</summary><ul>${tasks}</ul></details>`
      : html`<ul>${tasks}</ul>`;
  return html`<li><strong>${KINDS[kind]}:</strong> ${reason}${list}</li>
`;
}
