// document.ts — what all pages have in common
import { type Content, type Html, html, rawHtml } from './html.ts';
import { SCRIPT, SCRIPT_SHA256 } from './script.ts';
import { STYLE } from './style.ts';

/** Nothing is fetched, and no script runs but ours: whatever a study calls its profiles. */
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${SCRIPT_SHA256}'`;

/** A whole HTML document around a page's content. */
export function page(title: string, content: Html): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${rawHtml(STYLE)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<div class="page">
${content}
</div>
<script>${rawHtml(SCRIPT)}</script>
</body>
</html>
`;
  return document.markup;
}

/** What heads a row: on one line, unless it is long. */
export const rowName = (name: Content): Html => html`<span class="name">${name}</span>`;

/** A table that scrolls by itself when the window is narrow, under a caption that stays where it is. */
export function tableFrame(
  label: string,
  caption: Html | null,
  table: Html,
  sources?: string,
): Html {
  return html`<div class="table">
${caption ? html`<p class="caption">${caption}</p>` : null}
<div class="scroll" role="region" tabindex="0" aria-label="${label} (table)">${table}</div>
${sources === undefined ? null : html`<p class="table-foot"><a href="${sources}">Sources<span class="hidden"> of ${label}</span></a></p>`}
</div>
`;
}
