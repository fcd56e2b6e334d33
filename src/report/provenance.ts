// provenance.ts — the sibling page: when, where and at what cost; unhashed, since it changes while results do not
import { page, tableFrame } from './document.ts';
import { count, counted, duration, shortDigest } from './format.ts';
import { type Html, html } from './html.ts';

/** One task of the run, and the trace that answers for its outputs. */
export interface TaskProvenance {
  readonly task: string;
  /** Hex. */
  readonly key: string;
  /** `reused`: its outputs were in the store already. */
  readonly outcome: 'built' | 'reused';
  /** What making the outputs took, whenever that was: the cost if built, the saving if reused. */
  readonly seconds: number;
  /** When and where they were made, as the caller words it. */
  readonly madeAt: string;
  readonly host: string;
  /** Such as `v20.19.0`. */
  readonly node: string;
}

/** What the page tells. */
export interface ProvenancePage {
  readonly title: string;
  /** Facts about the run itself, by name, in the order given: id, command, started, host. */
  readonly run: { readonly [name: string]: string };
  readonly tasks: readonly TaskProvenance[];
}

/** The page `provenance.html`, which stands beside `report.html`. */
export function renderProvenance({ title, run, tasks }: ProvenancePage): string {
  const facts = Object.entries(run).map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
  );
  const content = html`<header>
<h1>${title}: provenance</h1>
<p class="abstract">${summary(tasks)}</p>
<p class="note">Costs and times say how the results of <a href="report.html">report.html</a> came to be. They
differ from run to run while results do not, and are in no digest.</p>
</header>
<main>
<section aria-labelledby="run-title"><h2 id="run-title">Run</h2><dl>${facts}</dl></section>
<section aria-labelledby="tasks-title"><h2 id="tasks-title">Tasks</h2>
<div class="wide">${tableFrame('Tasks', null, taskTable(tasks))}</div></section>
</main>`;
  return page(`${title}: provenance`, content);
}

function summary(tasks: readonly TaskProvenance[]): string {
  const seconds = (outcome: TaskProvenance['outcome']) =>
    tasks.reduce((sum, task) => sum + (task.outcome === outcome ? task.seconds : 0), 0);
  const built = tasks.filter(({ outcome }) => outcome === 'built').length;
  const reused = tasks.length - built;
  return (
    `${counted(tasks.length, 'task')}: ${count(built)} built in ${duration(seconds('built'))} of work, ` +
    `${count(reused)} reused, which saved ${duration(seconds('reused'))}.`
  );
}

function taskTable(tasks: readonly TaskProvenance[]): Html {
  return html`<table class="numbers tasks">
<thead><tr><th scope="col">Task</th><th scope="col" class="words">outcome</th><th scope="col">cost</th>
<th scope="col" class="words">made</th><th scope="col" class="words">host</th><th scope="col" class="words">Node</th>
<th scope="col" class="words">key</th></tr></thead>
<tbody>
${tasks.map(
  ({
    task,
    outcome,
    seconds,
    madeAt,
    host,
    node,
    key,
  }) => html`<tr><th scope="row"><code>${task}</code></th>
<td class="words">${outcome}</td><td>${duration(seconds)}</td><td class="words">${madeAt}</td>
<td class="words">${host}</td><td class="words">${node}</td>
<td class="words"><code title="${key}">${shortDigest(key)}</code></td></tr>
`,
)}
</tbody>
</table>`;
}
