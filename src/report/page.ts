// page.ts — the report: one HTML file, the same bytes for the same study
import { abstract } from './abstract.ts';
import { type DatasetResults, gather, profilesOf, type Setting } from './arms.ts';
import { claimsTable } from './claims-table.ts';
import { page } from './document.ts';
import { accuracyFigure, curvesFigure, equilibriumFigure, fanInFigure } from './figures.ts';
import { type Content, type Html, html } from './html.ts';
import { methods } from './methods.ts';
import { type Palette, paletteOf } from './palette.ts';
import { equilibriumAnchor, missingNotice, sources } from './sources.ts';
import type { Study } from './study.ts';
import { accuracyTable, equilibriumTable, fanInTable } from './tables.ts';

/**
 * The report of a study as one self-contained HTML page: no scripts, no network, no fonts to fetch. Equal studies give
 * equal bytes, on every machine and Node version. Takes about a second for sixty runs.
 */
export async function renderReport(study: Study): Promise<string> {
  const results = gather(study);
  const settings = results.flatMap((result) => result.settings);
  const palette = paletteOf(profilesOf(study));
  return page(
    study.title,
    html`<header>
<h1>${study.title}</h1>
${abstract(study, results)}
</header>
${contents(study)}
<main>
${study.claims && section('claims', 'Claims', claimsTable(study.claims))}${await accuracySection(study, results, palette)}
${await curvesSection(settings, palette)}
${await fanInSection(settings, palette)}
${await equilibriumSection(study)}
${methods(study)}
${sources(study, results)}
</main>`,
  );
}

function contents(study: Study): Html {
  const entries = [
    ...(study.claims ? [['claims', 'Claims']] : []),
    ['accuracy', 'Accuracy'],
    ['curves', 'Learning curves'],
    ['fan-in', 'Fan-in'],
    ...(study.equilibria.length > 0 ? [['equilibrium', 'Equilibrium']] : []),
    ['methods', 'Methods and definitions'],
    ['provenance', 'Provenance'],
  ];
  const items = entries.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`);
  return html`<nav aria-label="Contents"><ul>${items}</ul></nav>`;
}

function section(id: string, title: string, content: Content): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`;
}

async function accuracySection(
  study: Study,
  results: readonly DatasetResults[],
  palette: Palette,
): Promise<Html> {
  const parts: Content[] = [missingNotice(study.missing)];
  for (const result of results) {
    parts.push(accuracyTable(result), await accuracyFigure(result, palette));
  }
  return section(
    'accuracy',
    'Accuracy',
    results.length > 0 ? parts : [...parts, nothing('No run')],
  );
}

async function curvesSection(settings: readonly Setting[], palette: Palette): Promise<Html> {
  const figures: Html[] = [];
  for (const setting of settings) figures.push(await curvesFigure(setting, palette));
  return section(
    'curves',
    'Learning curves',
    figures.length > 0 ? figures : nothing('No sparse run'),
  );
}

async function fanInSection(settings: readonly Setting[], palette: Palette): Promise<Html> {
  const parts: Html[] = [];
  for (const setting of settings) {
    const [table, figure] = [fanInTable(setting), await fanInFigure(setting, palette)];
    if (table && figure) parts.push(table, figure);
  }
  return section(
    'fan-in',
    'Fan-in before and after RigL',
    parts.length > 0 ? parts : nothing('No run of RigL'),
  );
}

async function equilibriumSection(study: Study): Promise<Html | null> {
  if (study.equilibria.length === 0) return null;
  const parts: Content[] = [];
  for (const [i, row] of study.equilibria.entries()) {
    const anchor = equilibriumAnchor(i);
    parts.push(equilibriumTable(row, anchor), await equilibriumFigure(row, anchor));
  }
  return section('equilibrium', 'The equilibrium of fan-in', parts);
}

function nothing(what: string): Html {
  return html`<p class="note">${what} is there to be shown.</p>`;
}
