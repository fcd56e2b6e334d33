// report-page.ts — sections as one page: contents, what is missing, and where everything comes from
import { AnalysisError } from '../analysis/frame.ts';
import type { Named } from '../engine/model/key.ts';
import type { GraphStage } from '../engine/stage.ts';
import { page } from '../report/markup/document.ts';
import { counted, shortDigest } from '../report/markup/format.ts';
import { type Html, html } from '../report/markup/html.ts';
import { graphSection } from '../report/sections/graph-section.ts';
import { claimsSection } from './claims-section.ts';
import type { ReportResults } from './collected.ts';
import { markdown } from './markdown.ts';
import { plotSection } from './plot-section.ts';
import type { Section } from './section-params.ts';
import { tableSection } from './table-section.ts';

/** What a page is made from. */
export interface ReportDraft {
  readonly title: string;
  readonly abstract?: string | undefined;
  readonly sections: readonly Section[];
  readonly graph: Named<GraphStage>;
  readonly given: ReportResults;
  /** Markdown of files, by port. */
  readonly files: ReadonlyMap<string, string | null>;
  /** Of all inputs. */
  readonly digest: string;
}

const NAMES = { text: 'text', table: 'table', plot: 'plot', claims: 'claims' } as const;

/** Draws the page. @throws AnalysisError with everything that sections ask for and that is not there */
export async function reportPage(
  draft: ReportDraft,
  progress: (done: number, of: number) => void,
): Promise<string> {
  const { title, abstract, sections, given } = draft;
  const faults: string[] = [];
  const drawn: Html[] = [];
  let figures = 0;
  for (const [at, section] of sections.entries()) {
    progress(at, sections.length);
    try {
      if (section.kind === 'plot') figures += 1;
      drawn.push(await sectionOf(section, at, figures, draft));
    } catch (error) {
      if (!(error instanceof AnalysisError)) throw error;
      const { message, hint } = error.diagnostic;
      const which = section.title === undefined ? '' : ` “${section.title}”`;
      faults.push(
        `section ${at + 1}${which} (${NAMES[section.kind]}): ${message}${hint ? ` (${hint})` : ''}`,
      );
    }
  }
  if (faults.length > 0) throw new AnalysisError(faults.join('\n'));
  return page(
    title,
    html`<header>
<h1>${title}</h1>
${abstract === undefined ? null : html`<div class="abstract prose">${markdown(abstract)}</div>`}
</header>
${contentsOf(sections)}
<main id="main">
${missingOf(given)}
${drawn}
${provenanceOf(draft)}
</main>
<footer><p class="note">Inputs of this report: <code title="${draft.digest}">${shortDigest(draft.digest)}</code>, the SHA-256 of their names and digests.
<a href="provenance.html">provenance.html</a> tells when, where and by which command they were made.</p></footer>`,
  );
}

const anchorOf = (at: number): string => `section-${at + 1}`;

async function sectionOf(
  section: Section,
  at: number,
  figure: number,
  { given, files }: ReportDraft,
): Promise<Html> {
  const { title } = section;
  const content = await contentOf(section, figure, given, files);
  const id = anchorOf(at);
  if (title === undefined) return html`<section id="${id}">${content}</section>\n`;
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`;
}

async function contentOf(
  section: Section,
  figure: number,
  given: ReportResults,
  files: ReportDraft['files'],
): Promise<Html> {
  switch (section.kind) {
    case 'text': {
      const text = section.markdown ?? files.get(section.port ?? '') ?? '';
      const note = section.note === undefined ? null : html`<p class="note">${section.note}</p>`;
      return html`<div class="prose">${markdown(text, section.title === undefined ? 2 : 3)}</div>${note}`;
    }
    case 'table':
      return tableSection(section, given);
    case 'plot':
      return await plotSection(section, given, figure);
    case 'claims':
      return claimsSection(section, given);
  }
}

function contentsOf(sections: readonly Section[]): Html {
  const items = sections.flatMap(({ title }, at) =>
    title === undefined ? [] : [html`<li><a href="#${anchorOf(at)}">${title}</a></li>`],
  );
  return html`<nav aria-label="Contents"><ul>${items}<li><a href="#provenance">Provenance</a></li></ul></nav>`;
}

const MISSING_MAX = 20;

function missingOf({ missing }: ReportResults): Html | null {
  if (missing.length === 0) return null;
  const shown = missing
    .slice(0, MISSING_MAX)
    .map(({ task, reason }) => html`<li><code>${task}</code>: ${reason.message}</li>\n`);
  const more = missing.length - shown.length;
  return html`<section class="missing" id="missing" aria-labelledby="missing-title"><h2 class="small" id="missing-title">What is missing</h2>
<p>${counted(missing.length, 'task')} ${missing.length === 1 ? 'has' : 'have'} no result; no number here includes ${missing.length === 1 ? 'it' : 'them'}.</p>
<ul>${shown}${more > 0 ? html`<li>and ${counted(more, 'other')}</li>` : null}</ul></section>`;
}

function provenanceOf({ graph }: ReportDraft): Html {
  const stages = Object.entries(graph).map(([stage, told]) => ({ stage, ...told }));
  return html`<section id="provenance" aria-labelledby="provenance-title">
<h2 id="provenance-title">Provenance</h2>
<p><a href="provenance.html">provenance.html</a> lists the params, inputs, key and cost of each task,
and the command, host and time of the run.</p>
${graphSection(stages, [])}
</section>
`;
}
