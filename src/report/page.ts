// page.ts — a study as a report: one HTML file, and files for papers and programs
import type { FileSet } from '../file-set.ts';
import { abstract, finding } from './sections/abstract.ts';
import { anchorsOf, sourceRows } from './data/anchors.ts';
import { type DatasetResults, gather, gatherPlaced, gatherSweep, profilesOf } from './data/arms.ts';
import { type Catalogue, catalogueOf } from './figures/catalogue.ts';
import { claimSection, commonCaveats } from './sections/claim-section.ts';
import { claimAnchor, claimsTable, verdictSign } from './sections/claims-table.ts';
import { page } from './markup/document.ts';
import { filesOf } from './exports/exports.ts';
import { drawFigure, type Figure, type FigureDraft, figureList } from './charts/figure.ts';

import { listed, widths } from './markup/format.ts';
import { graphSection } from './sections/graph-section.ts';
import { type Content, type Html, html, listing } from './markup/html.ts';
import { datasets, glossary, methods } from './sections/methods.ts';
import { paperLink } from './sections/references.ts';
import { missingNotice } from './data/missing.ts';
import { paletteOf } from './markup/palette.ts';
import {
  foot,
  inputsDigest,
  provenanceSection,
  SOURCES_PAGE,
  sourcesPage,
} from './data/sources.ts';
import { datasetAt, type Study } from './data/study.ts';
import {
  type AccuracyRows,
  accuracyTable,
  equilibriumTable,
  fanInTables,
} from './sections/tables.ts';

/** A report, drawn. */
export interface Report {
  /** The page: no scripts, no network, no fonts to fetch. */
  readonly html: string;
  /** report.md, metrics.json, tables/ as CSV and LaTeX, figures/ as SVG. */
  readonly files: FileSet;
}

/** Equal studies give equal bytes, on every machine and Node version. `tell` hears how many figures are drawn. */
export async function renderReport(
  study: Study,
  tell: (done: number, of: number) => void = () => undefined,
): Promise<Report> {
  const results = gather(study);
  const palette = paletteOf(namesOf(study));
  const catalogue = catalogueOf(study, results, palette);
  const figures = await drawAll(catalogue, tell);
  const rows = sourceRows(study, results);
  const anchors = anchorsOf(rows);
  const lead = abstract(study, results);
  const found = finding(study);
  const claims = study.claims?.claims ?? [];
  const notice = missingNotice(study.missing);
  // What failed stands before the results that lack it; what cannot exist is part of the design.
  const lost = hasLost(study);
  const sections = claims.map((claim) => {
    const drafts = catalogue.ofClaim.get(claim.id) ?? [];
    return claimSection(claim, drawn(drafts, figures), anchors);
  });
  const markup = page(
    study.title,
    html`<header>
<p class="kicker">Reproduction of ${paperLink()}</p>
<h1>${study.title}</h1>
${found && html`<p class="finding">${found}</p>`}
<p class="data">${dataLine(study)}</p>
</header>
${contents(study, catalogue)}
<main id="main">
${study.claims && section('claims', 'Claims and verdicts', [claimsTable(study.claims, anchors), commonCaveats(study.claims)])}
${section('summary', 'Summary', [lead, figureList([...figures.values()])])}
${study.claims && glossary()}
${lost ? notice : null}
${sections}
${section('results', 'Results in numbers', tables(study, results))}
${furtherFigures(catalogue, figures)}
${lost ? null : notice}
${datasets(study)}
${methods(study)}
${provenanceSection(graphSection(study.graph, study.missing))}
</main>
${foot(inputsDigest(rows, [study.title, study.hidden, study.training, study.rigl, study.claims, study.missing, study.graph]))}`,
  );
  const files = filesOf(study, results, { finding: found, abstract: lead }, [...figures.values()]);
  return { html: markup, files: { ...files, [SOURCES_PAGE]: sourcesPage(study.title, rows) } };
}

const hasLost = ({ missing }: Study): boolean => missing.some(({ kind }) => kind !== 'infeasible');

/** Everything that has a colour, in the order in which it gets one. */
function namesOf(study: Study): readonly string[] {
  return [...profilesOf(study), ...study.sweep.map(({ coordinates }) => coordinates.profile)];
}

/** Figures are numbered in the order in which they stand. */
async function drawAll(
  { ofClaim, others }: Catalogue,
  tell: (done: number, of: number) => void,
): Promise<ReadonlyMap<FigureDraft, Figure>> {
  const drafts = [...[...ofClaim.values()].flat(), ...others];
  const figures = new Map<FigureDraft, Figure>();
  for (const [i, draft] of drafts.entries()) {
    tell(i, drafts.length);
    figures.set(draft, await drawFigure(draft, i + 1));
  }
  return figures;
}

const drawn = (
  drafts: readonly FigureDraft[],
  figures: ReadonlyMap<FigureDraft, Figure>,
): readonly Figure[] => drafts.flatMap((draft) => figures.get(draft) ?? []);

function dataLine({ datasets: all, hidden }: Study): Html {
  const names = all.map(({ name, synthetic }) => (synthetic ? `${name} (synthetic)` : name));
  const networks = hidden.map((one) => html`<span class="whole">${widths(one)}</span>`);
  return html`${listed(names)}${all.length > 0 ? '; ' : ''}hidden layers of ${listing(networks)} neurons`;
}

function contents(study: Study, { others }: Catalogue): Html {
  const claims = study.claims?.claims ?? [];
  const entry = (id: string, name: Content): Html => html`<li><a href="#${id}">${name}</a></li>`;
  const missing = study.missing.length > 0 ? entry('missing', 'What is missing') : null;
  const isLost = hasLost(study);
  const items = [
    study.claims && entry('claims', 'Claims'),
    entry('summary', 'Summary'),
    isLost ? missing : null,
    claims.map((claim) => {
      const { id, title } = claim;
      // Beside the text there is room for titles; above it their ids stand in a row.
      return html`<li class="of-claim">${verdictSign(claim)}<a href="#${claimAnchor(id)}">${id}<span class="of-title"> ${title}</span></a></li>`;
    }),
    entry('results', 'Numbers'),
    others.length > 0 ? entry('figures', 'Further figures') : null,
    isLost ? null : missing,
    entry('data', 'Data sets'),
    entry('methods', 'Methods'),
    entry('provenance', 'Provenance'),
  ];
  return html`<nav aria-label="Contents"><ul>${items}</ul></nav>`;
}

function section(id: string, title: string, content: Content): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`;
}

function tables(study: Study, results: readonly DatasetResults[]): Content {
  if (results.length === 0) return html`<p class="note">No run is there to be shown.</p>`;
  const settings = results.flatMap((result) => result.settings);
  const [sweep, placed] = [gatherSweep(study, results), gatherPlaced(study, results)];
  const names = [...new Set(results.map(({ dataset }) => datasetAt(dataset)))];
  const accuracies = names.map((dataset): AccuracyRows => {
    const own = (one: { readonly dataset: string }): boolean => datasetAt(one.dataset) === dataset;
    return {
      dataset,
      results: results.filter(own),
      sweep: sweep.filter(own),
      placed: placed.filter(own),
    };
  });
  return [
    accuracies.map((rows) => wide(accuracyTable(rows))),
    fanInTables(settings).map(wide),
    wide(equilibriumTable(study.equilibria)),
  ];
}

const wide = (content: Html | null): Html | null =>
  content && html`<div class="wide">${content}</div>`;

function furtherFigures(catalogue: Catalogue, figures: ReadonlyMap<FigureDraft, Figure>): Content {
  const { others, absent } = catalogue;
  const without =
    absent.length > 0
      ? html`<p class="note">Not drawn, since this study holds no data for it: ${listed(absent)}.</p>`
      : null;
  if (others.length === 0 && without === null) return null;
  const content = [drawn(others, figures).map(({ html: figure }) => figure), without];
  return section('figures', 'Further figures', content);
}
