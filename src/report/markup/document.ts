// document.ts — what all pages have in common
import { type Html, html, rawHtml } from './html.ts';
import { STYLE } from './style.ts';

/** A whole HTML document around a page's content. */
export function page(title: string, content: Html): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${rawHtml(STYLE)}</style>
</head>
<body>
<div class="page">
${content}
</div>
</body>
</html>
`;
  return document.markup;
}

/** A table that scrolls by itself when the window is narrow, under a caption that stays where it is. */
export function tableFrame(label: string, caption: Html | null, table: Html): Html {
  return html`<div class="table">
${caption ? html`<p class="caption">${caption}</p>` : null}
<div class="scroll" role="region" tabindex="0" aria-label="${label}">${table}</div>
</div>
`;
}
