// comparison.ts — two reports on one page: what changed and why, then verdicts, accuracies and figures
import {
  type ChangedValue,
  type ComparisonCauses,
  causesSection,
  finding,
} from './comparison-causes.ts';
import {
  type Both,
  type ComparedReport,
  comparisonPalette,
  type Metrics,
  metricsOf,
  profilesOf,
} from './comparison-data.ts';
import { hueSwatch, runSwatch } from './comparison-figure.ts';
import { accuracyOverlays, effectOverlays } from './comparison-overlays.ts';
import { accuracyTables, effectTables, verdictTables } from './comparison-tables.ts';
import { page } from './markup/document.ts';
import { count, sentence } from './markup/format.ts';
import { type Content, type Html, html } from './markup/html.ts';
import { type Palette, paintOf } from './markup/palette.ts';

export type { ChangedValue, ComparedReport, ComparisonCauses };

/** A page of its own: no network, and complete without scripts. */
export function renderComparison(
  before: ComparedReport,
  after: ComparedReport,
  causes: ComparisonCauses,
): string {
  const metrics: Both<Metrics> = [metricsOf(before), metricsOf(after)];
  const [{ title: from }, { title: to }] = metrics;
  const palette = comparisonPalette(metrics);
  const content = html`<header>
<h1>${from === to ? to : `${from} and ${to}`}, compared</h1>
<p class="data">Before: run ${before.name}. After: run ${after.name}.</p>
<p class="finding">${finding(metrics, causes)}</p>
</header>
<main id="main">
${section('causes', 'What changed and why', [causesSection(metrics, causes), legend(profilesOf(metrics), palette)])}
${section('claims', 'Verdicts', verdictTables(metrics))}
${section('accuracy', 'Test accuracy', [accuracyOverlays(metrics, palette), accuracyTables(metrics, palette)])}
${section('effects', 'Effects', [effectOverlays(metrics), effectTables(metrics)])}
${section('figures', 'Figures of the reports', figures([before, after], metrics))}
</main>`;
  return page(`${before.name} and ${after.name}`, content);
}

const section = (id: string, title: string, content: Content): Html =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${content}</section>
`;

/** More profiles than these are not listed: their hues repeat, and rows name them. */
const LEGEND_PROFILES = 24;

/** What marks and hues mean on the whole page. */
function legend(profiles: readonly string[], palette: Palette): Html {
  const rest = profiles.length - LEGEND_PROFILES;
  return html`<ul class="legend wide"><li>${runSwatch('before')} before</li><li>${runSwatch('after')} after</li>
${profiles
  .slice(0, LEGEND_PROFILES)
  .map((name) => html`<li>${hueSwatch(paintOf(palette, name).color)} ${name}</li>`)}${
  rest > 0 ? html`<li>and ${count(rest)} more</li>` : null
}</ul>`;
}

/** The figures that differ, side by side as each run drew them; those that are equal are named, and folded. */
function figures([before, after]: Both<ComparedReport>, [a, b]: Both<Metrics>): Content {
  const titles = [...new Set([...a.figures, ...b.figures].map(({ title }) => title))];
  const filesOf = (metrics: Metrics, title: string): readonly string[] =>
    metrics.figures.find((figure) => figure.title === title)?.files ?? [];
  const drawn = titles.map((title) => {
    const files = [...new Set([...filesOf(a, title), ...filesOf(b, title)])];
    const isSame = (file: string): boolean => before.files[file] === after.files[file];
    return { title, changed: files.filter((file) => !isSame(file)), same: files.filter(isSame) };
  });
  const same = drawn.flatMap((one) => one.same);
  const changed = drawn.filter((one) => one.changed.length > 0);
  return html`<p class="note">${
    changed.length === 0
      ? 'Every figure is the same in both reports.'
      : 'As each run drew them, so that their axes and hues can differ. Above, both are drawn on one axis.'
  }</p>
${changed.map(
  ({
    title,
    changed: files,
  }) => html`<details class="wide"><summary>${sentence(title)} (${count(files.length)})</summary><div class="panels large sides">
${files.map((file) => [panel('before', before, file), panel('after', after, file)])}</div></details>
`,
)}${
  same.length > 0
    ? html`<details class="wide more"><summary>The same in both (${count(same.length)})</summary><div class="panels large">
${same.map((file) => panel('both', after, file))}</div></details>`
    : null
}`;
}

const panel = (run: 'before' | 'after' | 'both', { files }: ComparedReport, file: string): Html =>
  html`<div><p class="panel-title">${file.replace(/^figures\/|\.svg$/g, '')} <small>${run}</small></p>${drawing(files[file], `${file}, ${run}`)}</div>
`;

/** As an image and not as markup: what a stored SVG says is not this page's. */
const drawing = (svg: string | undefined, label: string): Html =>
  svg === undefined
    ? html`<p class="note">not drawn in this run</p>`
    : html`<img class="drawing" alt="${label}" src="data:image/svg+xml,${encodeURIComponent(svg)}">`;
