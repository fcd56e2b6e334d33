// comparison.ts — two reports side by side: verdicts, accuracies and the same figures
import type { FileSet } from '../file-set.ts';
import { page, tableFrame } from './markup/document.ts';
import { fixed, NOTHING, ruleName, sentence, signed, sparsityName } from './markup/format.ts';
import { type Content, type Html, html } from './markup/html.ts';

/** One of the two: what its run is called, and the files of its report. */
export interface ComparedReport {
  readonly name: string;
  readonly files: FileSet;
}

type Value = string | number | boolean | null;
type Row = { readonly [column: string]: Value };

/** What is read of metrics.json. */
interface Metrics {
  readonly title: string;
  readonly figures: readonly { readonly title: string; readonly files: readonly string[] }[];
  readonly tables: { readonly [name: string]: readonly Row[] | undefined };
}

/** A page of its own: no scripts, no network. */
export function renderComparison(before: ComparedReport, after: ComparedReport): string {
  const [a, b] = [metricsOf(before), metricsOf(after)];
  const content = html`<header>
<h1>${a.title === b.title ? a.title : `${a.title} and ${b.title}`}, compared</h1>
<p class="data">Left: run ${before.name}. Right: run ${after.name}.</p>
</header>
<main id="main">
${section('claims', 'Verdicts', verdicts(a, b))}
${section('accuracy', 'Test accuracy', accuracies(a, b))}
${section('figures', 'Figures', [
  html`<p class="note">What is equal in both is drawn once. Colours and marks are told in the report of each run.</p>`,
  figures([before, after], [a, b]),
])}
</main>`;
  return page(`${before.name} and ${after.name}`, content);
}

const metricsOf = ({ files }: ComparedReport): Metrics => JSON.parse(files['metrics.json']!);

const section = (id: string, title: string, content: Content): Html =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${content}</section>
`;

/** Rows of both sides by what they are about, in the order of the first, then of the second. */
function paired(
  table: string,
  [a, b]: readonly [Metrics, Metrics],
  names: readonly string[],
): readonly (readonly [left: Row | undefined, right: Row | undefined])[] {
  const nameOf = (row: Row): string => JSON.stringify(names.map((name) => row[name]));
  const [left, right] = [a, b].map(
    ({ tables }) => new Map((tables[table] ?? []).map((row) => [nameOf(row), row])),
  );
  const all = new Set([...left!.keys(), ...right!.keys()]);
  return [...all].map((name) => [left!.get(name), right!.get(name)]);
}

function verdicts(a: Metrics, b: Metrics): Content {
  const rows = paired('claims', [a, b], ['claim']);
  if (rows.length === 0) return html`<p class="note">Neither run has claims.</p>`;
  const table = html`<table><thead><tr><th scope="col">Claim</th><th scope="col">left</th><th scope="col">right</th></tr></thead>
<tbody>
${rows.map(
  ([
    left,
    right,
  ]) => html`<tr><th scope="row">${text((left ?? right)?.claim)} ${text((left ?? right)?.title)}</th>
<td>${told(left)}</td><td>${told(right)}</td></tr>
`,
)}</tbody></table>`;
  return html`<div class="wide">${tableFrame('Verdicts of both runs', null, table)}</div>`;
}

const text = (value: Value | undefined): string => (value === undefined ? '' : String(value));

const told = (row: Row | undefined): Content =>
  row === undefined
    ? NOTHING
    : html`<b>${text(row.verdict)}${row.qualifiers ? `, ${text(row.qualifiers)}` : ''}</b>: ${text(row.reason)}`;

function accuracies(a: Metrics, b: Metrics): Content {
  const rows = paired('accuracy', [a, b], ['dataset', 'sparsity', 'rule', 'method', 'profile']);
  const caption = html`Mean (SD) over seeds in percent, number of seeds, and the difference of means in points.`;
  const table = html`<table class="numbers"><thead><tr><th scope="col">Arm</th><th scope="col">left</th><th scope="col">n</th>
<th scope="col">right</th><th scope="col">n</th><th scope="col">right less left</th></tr></thead>
<tbody>
${rows.map(
  ([
    left,
    right,
  ]) => html`<tr><th scope="row">${armName(left ?? right)}</th><td>${mean(left)}</td><td>${runsOf(left)}</td>
<td>${mean(right)}</td><td>${runsOf(right)}</td><td>${difference(left, right)}</td></tr>
`,
)}</tbody></table>`;
  return html`<div class="wide">${tableFrame('Test accuracy of both runs', caption, table)}</div>`;
}

function armName(row: Row | undefined): string {
  const [dataset, method, profile, sparsity, rule] = [
    ...['dataset', 'method', 'profile', 'sparsity', 'rule'].map((name) => text(row?.[name])),
  ];
  if (method === 'dense') return `${dataset}: dense`;
  return `${dataset}, ${sparsityName(sparsity!)}, ${ruleName(rule!)}: ${method} ${profile}`;
}

/** How many runs, and of how many where some are missing. */
const runsOf = (row: Row | undefined): string =>
  row === undefined || row.n === row.n_expected
    ? text(row?.n)
    : `${text(row.n)} of ${text(row.n_expected)}`;

const number = (value: Value | undefined): number | null =>
  typeof value === 'number' ? value : null;

function mean(row: Row | undefined): string {
  const [centre, sd] = [number(row?.mean), number(row?.sd)];
  if (centre === null) return NOTHING;
  return sd === null ? `${fixed(centre, 2)} (one seed)` : `${fixed(centre, 2)} (${fixed(sd, 2)})`;
}

function difference(left: Row | undefined, right: Row | undefined): string {
  const [a, b] = [number(left?.mean), number(right?.mean)];
  return a === null || b === null ? NOTHING : signed(b - a, 2);
}

/** Panels of one name side by side; what is equal in both is drawn once. */
function figures(
  [before, after]: readonly [ComparedReport, ComparedReport],
  [a, b]: readonly [Metrics, Metrics],
): Content {
  const titles = [...new Set([...a.figures, ...b.figures].map(({ title }) => title))];
  return titles.map((title) => {
    const of = (metrics: Metrics): readonly string[] =>
      metrics.figures.find((figure) => figure.title === title)?.files ?? [];
    const panels = [...new Set([...of(a), ...of(b)])].map((file) => {
      const [left, right] = [before.files[file], after.files[file]];
      const drawings =
        left === right
          ? html`<div><p class="panel-title">both</p>${drawing(left, file)}</div>`
          : html`<div><p class="panel-title">left</p>${drawing(left, file)}</div>
<div><p class="panel-title">right</p>${drawing(right, file)}</div>`;
      return html`<p class="row-title">${file.replace(/^figures\/|\.svg$/g, '')}</p>
<div class="panels large">${drawings}</div>
`;
    });
    return html`<figure class="wide"><h3>${sentence(title)}</h3>${panels}</figure>
`;
  });
}

/** As an image and not as markup: what a stored SVG says is not this page's. */
const drawing = (svg: string | undefined, file: string): Html =>
  svg === undefined
    ? html`<p class="note">not drawn in this run</p>`
    : html`<img class="drawing" alt="${file}" src="data:image/svg+xml,${encodeURIComponent(svg)}">`;
