// provenance.ts — the sibling page: when, where and at what cost; unhashed, since it changes while results do not
import { group } from './data/arms.ts';
import { page, tableFrame } from './markup/document.ts';
import { count, counted, duration, shortDigest } from './markup/format.ts';
import { graphSvg, stageAnchor } from './figures/graph-figure.ts';
import { type Content, type Html, html } from './markup/html.ts';
import { taskAnchor } from './data/sources.ts';
import { PROFILE_HUES } from './markup/palette.ts';
import { timeline } from './figures/timeline-figure.ts';

/** What a port of a task was given: the task that made it, or a file, and its digest; null where there was nothing. */
export interface InputProvenance {
  readonly port: string;
  readonly from: string;
  readonly digest: string | null;
}

/** One task of the run, and the trace that answers for its outputs. */
export interface TaskProvenance {
  readonly task: string;
  readonly stage: string;
  /** Hex; null for a task without a trace. */
  readonly key: string | null;
  /** `reused`: its outputs were in the store already. */
  readonly outcome: 'built' | 'reused' | 'infeasible' | 'failed' | 'skipped';
  /** What making the outputs took, whenever that was: the cost if built, the saving if reused. */
  readonly seconds: number;
  /** When and where they were made, as the caller words it. */
  readonly madeAt: string;
  readonly host: string;
  /** Such as `v20.19.0`. */
  readonly node: string;
  /** Of the run that made them, and when it was done, in milliseconds. */
  readonly run: string;
  readonly endedAt: number;
  /** As canonical JSON. */
  readonly params: string;
  readonly inputs: readonly InputProvenance[];
}

/** What a claim rests on. */
export interface ClaimCost {
  readonly id: string;
  readonly title: string;
  /** Tasks without which it could not be judged, each key once. */
  readonly tasks: number;
  readonly seconds: number;
  /** Of these, what was in the store already. */
  readonly saved: number;
}

/** What the page tells. */
export interface ProvenancePage {
  readonly title: string;
  /** Facts about the run itself, by name, in the order given: id, command, started, host. */
  readonly run: { readonly [name: string]: string };
  /** Upstream ones first. */
  readonly tasks: readonly TaskProvenance[];
  /** Which stage reads from which. */
  readonly edges: readonly (readonly [from: string, to: string])[];
  readonly claims: readonly ClaimCost[];
  /** Names of the file that the page is about, and of the one that tells the same as data, in the same folder. */
  readonly artifact?: string;
  readonly data?: string;
}

/** The page `provenance.html`, which stands beside `report.html`. */
export function renderProvenance(told: ProvenancePage): string {
  const { title, run, tasks, edges, claims } = told;
  const { artifact = 'report.html', data = 'provenance.json' } = told;
  const facts = Object.entries(run).map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
  );
  const stages = group(tasks, ({ stage }) => stage);
  const content = html`<header>
<h1>${title}: provenance</h1>
<p class="abstract">${summary(tasks)}</p>
<p class="note">Costs and times say how the results of <a href="${artifact}">${artifact}</a> came to be. They
differ from run to run while results do not, and are in no digest. The same as data: <a href="${data}">${data}</a>.</p>
</header>
<main id="main">
${section('run', 'Run', html`<dl>${facts}</dl>`)}
${claims.length > 0 ? section('claims', 'Cost of each claim', claimTable(claims)) : null}
${section('graph', 'Graph', graph(stages, edges))}
${section('timeline', 'Timeline', timelines(tasks))}
${section(
  'tasks',
  'Tasks',
  stages.map((own) => stageDetails(own, tasks.length > PLAIN_ROWS)),
)}
</main>`;
  return page(`${title}: provenance`, content);
}

const section = (id: string, title: string, content: Content): Html =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>
`;

/** Each key once: tasks that share one ran once. */
function once(tasks: readonly TaskProvenance[]): readonly TaskProvenance[] {
  const seen = new Set<string>();
  return tasks.filter(({ key }) => key === null || (!seen.has(key) && seen.add(key)));
}

const secondsOf = (tasks: readonly TaskProvenance[]): number =>
  once(tasks).reduce((sum, { seconds }) => sum + seconds, 0);

function summary(tasks: readonly TaskProvenance[]): string {
  const of = (outcome: TaskProvenance['outcome']) =>
    tasks.filter((task) => task.outcome === outcome);
  const [built, reused] = [of('built'), of('reused')];
  const others = (['infeasible', 'failed', 'skipped'] as const).flatMap((outcome) => {
    const { length } = of(outcome);
    return length === 0 ? [] : [`${count(length)} ${outcome}`];
  });
  return [
    `${counted(tasks.length, 'task')}: ${count(built.length)} built in ${duration(secondsOf(built))} of work`,
    `${count(reused.length)} reused, which saved ${duration(secondsOf(reused))}`,
    ...others,
  ]
    .join(', ')
    .concat('.');
}

function claimTable(claims: readonly ClaimCost[]): Html {
  const rows = claims.map(
    ({
      id,
      title,
      tasks,
      seconds,
      saved,
    }) => html`<tr><th scope="row">${id} ${title}</th><td>${count(tasks)}</td>
<td>${duration(seconds)}</td><td>${duration(saved)}</td></tr>
`,
  );
  const caption = html`Everything that a claim needs, data sets and pilots included: what it took to make, whenever that
was, and how much of it this run found in the store. Claims share tasks, so costs do not add up.`;
  return tableFrame(
    'Cost of each claim',
    caption,
    html`<table class="numbers"><thead><tr><th scope="col">Claim</th><th scope="col">tasks</th>
<th scope="col">cost</th><th scope="col">saved by reuse</th></tr></thead><tbody>
${rows}</tbody></table>`,
  );
}

function graph(
  stages: readonly (readonly TaskProvenance[])[],
  edges: ProvenancePage['edges'],
): Html {
  const all = stages.flat();
  const nodes = stages.map((tasks) => ({
    name: tasks[0]!.stage,
    detail: `${counted(tasks.length, 'task')}, ${duration(secondsOf(tasks))}`,
  }));
  return html`<figure class="wide"><div class="chart" tabindex="0" role="group" aria-label="The graph">${graphSvg(nodes, edges)}</div>
<figcaption><b>${counted(stages.length, 'stage')} with ${counted(all.length, 'task')}, ${duration(secondsOf(all))} of work.</b> A line leads to a stage
that reads outputs of the one above; it is left out where a longer path leads there. A stage links to its tasks below.</figcaption></figure>
`;
}

/** Runs beyond these are left out. */
const RUNS = 4;

function timelines(tasks: readonly TaskProvenance[]): Html {
  const made = once(tasks).filter(({ key }) => key !== null);
  const all = [...group(made, ({ run }) => run)].sort((a, b) => secondsOf(b) - secondsOf(a));
  const order = [...new Set(tasks.map(({ stage }) => stage))];
  const left = all.length - RUNS;
  return html`${all.slice(0, RUNS).map((own) => timelineOf(own, order))}
${left > 0 ? html`<p class="note">${counted(left, 'other run')} made the rest: the tasks below tell when.</p>` : null}`;
}

function timelineOf(all: readonly TaskProvenance[], order: readonly string[]): Html {
  const [{ run, madeAt }] = all as readonly [TaskProvenance];
  const hosts = new Set(all.map(({ host }) => host));
  return html`<figure class="wide"><ul class="legend"><li><svg width="22" height="9" aria-hidden="true"><rect width="22" height="9" fill="${PROFILE_HUES[0]!.light}"/></svg>a task, from its start to its end</li>
<li>bars below each other ran at once; each stage has a band of its own</li></ul>
<div class="chart timeline" tabindex="0" role="group" aria-label="Timeline of run ${run}">${timeline(all, order)}</div>
<figcaption><b>${counted(all.length, 'task')} made by run ${run}, ${madeAt.slice(0, 10)}, on ${counted(hosts.size, 'host')}:
${duration(secondsOf(all))} of work.</b> Time runs from left to right, from the start of the first of them.</figcaption></figure>
`;
}

/** With more tasks than this, rows are short: a page of 5000 opens at once, and whole digests are in the data beside it. */
const PLAIN_ROWS = 1000;

function stageDetails(tasks: readonly TaskProvenance[], isPlain: boolean): Html {
  const [{ stage }] = tasks as readonly [(typeof tasks)[number]];
  const reused = tasks.filter(({ outcome }) => outcome === 'reused').length;
  const head = isPlain
    ? html`<tr><th scope="col">Task</th><th scope="col">cost</th><th scope="col" class="words">made; key, params and inputs</th></tr>`
    : html`<tr><th scope="col">Task</th><th scope="col" class="words">outcome</th><th scope="col">cost</th>
<th scope="col" class="words">made</th><th scope="col" class="words">host</th><th scope="col" class="words">Node</th>
<th scope="col" class="words">key</th><th scope="col" class="words">params and inputs</th></tr>`;
  const table = html`<table class="numbers tasks">
<thead>${head}</thead>
<tbody>
${tasks.map(isPlain ? plainRow : taskRow)}
</tbody>
</table>`;
  // The anchor lies within what folds: a browser that is led to it unfolds it.
  return html`<details class="wide">
<summary><b>${stage}</b> ${counted(tasks.length, 'task')}, ${count(reused)} reused, ${duration(secondsOf(tasks))}</summary>
<div id="${stageAnchor(stage)}">${tableFrame(`Tasks of ${stage}`, null, table)}</div></details>
`;
}

/** A row of few elements. */
function plainRow({
  task,
  outcome,
  seconds,
  madeAt,
  host,
  node,
  key,
  params,
  inputs,
}: TaskProvenance): Html {
  const from = inputs.map(
    ({ port, from: maker, digest }) =>
      `${port}: ${maker} ${digest === null ? 'nothing' : shortDigest(digest)}`,
  );
  const made = `${outcome}, ${madeAt} on ${host}${node === '' ? '' : `, Node ${node}`}`;
  return html`<tr id="${taskAnchor(task)}"><th scope="row">${task}</th><td>${duration(seconds)}</td><td class="words all">${[made, `key ${key === null ? '–' : shortDigest(key)}`, params, ...from].join('; ')}</td></tr>
`;
}

function taskRow(told: TaskProvenance): Html {
  const { task, outcome, seconds, madeAt, host, node, key, params, inputs } = told;
  const from = inputs.map(
    ({ port, from: maker, digest }) => html`<li>${port}: <code>${maker}</code>
${digest === null ? 'nothing' : html`<code title="${digest}">${shortDigest(digest)}</code>`}</li>
`,
  );
  return html`<tr id="${taskAnchor(task)}"><th scope="row"><code>${task}</code></th>
<td class="words">${outcome}</td><td>${duration(seconds)}</td><td class="words">${madeAt}</td>
<td class="words">${host}</td><td class="words">${node}</td>
<td class="words">${key === null ? '–' : html`<code title="${key}">${shortDigest(key)}</code>`}</td>
<td class="words"><details><summary>show</summary><p><code>${params}</code></p><ul class="plain">${from}</ul></details></td></tr>
`;
}
