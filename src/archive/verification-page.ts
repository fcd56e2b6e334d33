// verification-page.ts — a verification as a page, to attach to a review

import { page, tableFrame } from '../report/markup/document.ts';
import { counted, listed } from '../report/markup/format.ts';
import { type Html, html } from '../report/markup/html.ts';
import type { TaskVerdict, Verification } from './checking/verdict.ts';
import { type WallKind, wallsInWords } from './rerun/walls.ts';

/** Rows of a table beyond this are counted and left to the JSON. */
const ROWS_MAX = 2000;

/** More identical tasks than this are told stage by stage. */
const IDENTICAL_MAX = 12;

/** When and where a verification was done. Absent from a page that is to be the same bytes everywhere. */
export interface VerifiedAt {
  /** Such as `2026-11-29`. */
  readonly date: string;
  /** Such as `linux x64, Node v24.1.0`. */
  readonly platform: string;
}

/** The text of verification.html: the finding, what it rests on, and what was not tested. */
export function verificationPage(found: Verification, at?: VerifiedAt): string {
  const { archive, digest, version } = found;
  const name = archive.split(/[\\/]/).at(-1) ?? archive;
  const facts = [
    ['Archive', name],
    ['Study digest', digest ?? 'unknown'],
    ...(at ? [['Date', at.date] as const, ['Platform', at.platform] as const] : []),
    ['Checked by', `pipeline ${version}`],
  ] as const;
  return page(
    `Verification of ${name}`,
    html`<header>
<h1>Verification of ${name}</h1>
<p class="finding">${headline(found)}</p>
<dl>${facts.map(([fact, value]) => html`<dt>${fact}</dt><dd>${value}</dd>`)}</dl>
</header>
<main id="main">
${claims(found)}
${integrity(found)}
${reruns(found)}
${meaning(found)}
</main>`,
  );
}

/** The finding in a sentence: `Integrity verified; 49 of 378 tasks (13 %) re-run, all identical.` */
export function headline({
  findingCount,
  tasks,
  rerun,
  taskVerdicts,
  holds,
}: Verification): string {
  const of = (verdict: TaskVerdict['verdict']): number =>
    taskVerdicts.filter((one) => one.verdict === verdict).length;
  const integrity =
    findingCount === 0
      ? 'Integrity verified'
      : `Integrity not verified: ${counted(findingCount, 'finding')}`;
  if (rerun === null) return `${integrity}; nothing was re-run.`;
  const [identical, within, different] = [of('identical'), of('within tolerance'), of('different')];
  const ran = identical + within + different;
  const share = tasks === 0 ? 0 : Math.round((100 * ran) / tasks);
  const outcomes = [
    ...(identical > 0 ? [`${identical === ran ? 'all' : identical} identical`] : []),
    ...(within > 0 ? [`${within} within tolerance`] : []),
    ...(different > 0 ? [`${different} different`] : []),
  ];
  const wrong = holds || findingCount > 0 || different > 0 ? '' : ' Something is wrong.';
  return `${integrity}; ${ran} of ${counted(tasks, 'task')} (${share} %) re-run${outcomes.length > 0 ? `, ${listed(outcomes)}` : ''}.${wrong}`;
}

function integrity({ findings, findingCount, tasks, absent, blobs, notes }: Verification): Html {
  const more = findingCount - findings.length;
  return html`<section>
<h2>Integrity</h2>
<p>${tasks} tasks${
    absent.failed > 0 ? `, of which ${absent.failed} failed and ${absent.skipped} were skipped` : ''
  }; ${blobs.here} blobs in the archive, ${blobs.leftOut} listed and left out. No code of the archive was run
for this: every digest was recomputed, every key was computed from its parts, every input was traced to the task that made
it, and every claim was compared with the measurements that it cites.</p>
${
  findings.length === 0
    ? html`<p>No findings.</p>`
    : rows(
        'Findings',
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
  const order = ['different', 'within tolerance', 'identical'] as const;
  const ran = order.flatMap((verdict) => taskVerdicts.filter((task) => task.verdict === verdict));
  const identical = ran.filter(({ verdict }) => verdict === 'identical');
  const isLong = identical.length > IDENTICAL_MAX;
  return html`<section>
<h2>Run again</h2>
<p>Budget ${rerun.budget_s} s; ${rerun.chosen} tasks chosen, ${rerun.drawn} of them at random (seed ${rerun.seed});
Node ${rerun.node}.${behind(rerun.walls)} Outputs were compared bit by bit.</p>
${ran.length === 0 ? html`<p>No task was run.</p>` : null}
${outcomes('Tasks that were run again', isLong ? ran.filter((one) => one.verdict !== 'identical') : ran)}
${isLong ? identicalByStage(identical) : null}
${untested(taskVerdicts)}
</section>`;
}

/** One row a task, beyond a limit counted. */
function outcomes(label: string, tasks: readonly TaskVerdict[]): Html | null {
  if (tasks.length === 0) return null;
  const shown = tasks.slice(0, ROWS_MAX);
  const table = rows(
    label,
    ['Task', 'Verdict', 'Recorded', 'Now', 'Why'],
    shown.map((task) => [
      task.task,
      task.verdict,
      seconds(task.recorded_s),
      seconds(task.seconds),
      verdictWords(task),
    ]),
  );
  const left = tasks.length - shown.length;
  return html`${table}${left > 0 ? html`<p>and ${left} more</p>` : null}`;
}

/** Tasks that gave the same bits: a row a stage, and each of them below, folded. */
function identicalByStage(tasks: readonly TaskVerdict[]): Html {
  const sum = (all: readonly TaskVerdict[], of: (one: TaskVerdict) => number | undefined) =>
    seconds(all.reduce((total, one) => total + (of(one) ?? 0), 0));
  const stages = [...byStage(tasks)].map(([stage, all]) => [
    stage,
    String(all.length),
    sum(all, ({ recorded_s }) => recorded_s),
    sum(all, (one) => one.seconds),
  ]);
  return html`${rows('Identical tasks by stage', ['Stage', 'Identical', 'Recorded', 'Now'], stages)}
<details class="wide"><summary>All ${counted(tasks.length, 'identical task')}</summary>
${outcomes('Identical tasks', tasks)}</details>`;
}

const stageOf = (task: string): string => task.replace(/\[.*/s, '');

function byStage(tasks: readonly TaskVerdict[]): ReadonlyMap<string, readonly TaskVerdict[]> {
  const stages = new Map<string, TaskVerdict[]>();
  for (const one of tasks) {
    const stage = stageOf(one.task);
    const known = stages.get(stage);
    if (known) known.push(one);
    else stages.set(stage, [one]);
  }
  return stages;
}

/** What was not run, by stage and reason. */
function untested(verdicts: readonly TaskVerdict[]): Html | null {
  const groups = new Map<string, { stage: string; why: string; tasks: string[] }>();
  for (const { task, verdict, why = '' } of verdicts) {
    if (verdict !== 'not tested') continue;
    const stage = stageOf(task);
    const name = JSON.stringify([stage, why]);
    const known = groups.get(name) ?? { stage, why, tasks: [] };
    known.tasks.push(task);
    groups.set(name, known);
  }
  if (groups.size === 0) return null;
  const all = [...groups.values()].slice(0, ROWS_MAX);
  return html`<h3>Not run</h3>
${rows(
  'Tasks that were not run',
  ['Stage', 'Tasks', 'Such as', 'Why'],
  all.map(({ stage, why, tasks }) => [stage, String(tasks.length), tasks[0] ?? '', why]),
)}`;
}

function claims({ claims: judged }: Verification): Html | null {
  if (judged.length === 0) return null;
  return html`<section>
<h2>Claims</h2>
${rows(
  'Claims',
  ['Claim', 'The study says', 'Re-judged', 'Tasks re-run', 'Why'],
  judged.map(({ id, says, verdict, why, behind: share }) => [
    id,
    says,
    verdict,
    share ? `${share.tested} of ${share.tasks}` : '',
    // That it was judged again, and with how many tasks, stands in the columns before.
    verdict === 'identical' ? '' : why,
  ]),
)}
</section>`;
}

function meaning({ checker }: Verification): Html {
  return html`<section>
<h2>What this shows</h2>
<p>The files belong together, and where tasks were run again, this code makes these bits from these inputs. This does not show
that the code does what a paper says, or that nothing else was tried.</p>
<p class="note">${
    checker.own === null
      ? 'The checker was a verify.mjs: trust it only if its SHA-256 is the one published with this version.'
      : `The verify.mjs in the archive ${checker.words ?? 'was not run'}.`
  }</p>
</section>`;
}

/** A table of words: a column of reasons wraps, one without any is left out. */
function rows(
  label: string,
  heads: readonly string[],
  cells: readonly (readonly string[])[],
): Html {
  const isEmpty = (i: number): boolean => cells.every((row) => row[i] === '');
  const columns = heads.flatMap((head, i) => (isEmpty(i) ? [] : [{ head, i }]));
  const isNumeric = (i: number): boolean =>
    cells.every((row) => /^(?:\d+(?:\.\d+ s)?)?$/.test(row[i] ?? ''));
  const right = new Set(columns.flatMap(({ i }) => (isNumeric(i) ? [i] : [])));
  const classOf = (i: number): Html | null => (right.has(i) ? html` class="right"` : null);
  const cell = (text: string, head: string, i: number): Html =>
    head === 'Why' || head === 'Finding'
      ? html`<td class="why">${text}</td>`
      : html`<td${classOf(i)}>${text}</td>`;
  const table = html`<table class="outcomes">
<thead><tr>${columns.map(({ head, i }) => html`<th scope="col"${classOf(i)}>${head}</th>`)}</tr></thead>
<tbody>${cells.map(
    (row) => html`<tr>${columns.map(({ head, i }) => cell(row[i] ?? '', head, i))}</tr>
`,
  )}</tbody>
</table>`;
  return html`<div class="wide">${tableFrame(label, null, table)}</div>`;
}
