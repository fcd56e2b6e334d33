// style.ts — the look of all pages: one style sheet, no fonts to fetch, light and dark
import { HUES, INK, PAPER } from './palette.ts';

/** The style sheet of every page. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: ${INK.light}; --soft: #6d6a60; --rule: #d9d5c9; --strong-rule: ${INK.light};
  --paper: ${PAPER.light}; --mark: #fff3c4; --link: #0b5a8a;
  --good: #00684a; --near: #7a5200; --bad: #a33b00;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "TeX Gyre Pagella", "URW Palladio L",
    "Book Antiqua", Georgia, serif;
  --sans: "Source Sans 3", "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 var(--serif); font-variant-numeric: lining-nums; hanging-punctuation: first;
}
.page { padding: 4rem 1.25rem 6rem; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: 0.4rem 0.9rem; background: var(--paper); }
.skip:focus { top: 0.5rem; z-index: 2; }
section > *, header > *, footer > * { max-width: 40rem; margin-inline: auto; }
section > .wide { max-width: 62rem; }
h1, h2, h3 { font-weight: 600; line-height: 1.2; margin-block: 0; text-wrap: balance; }
h1 { font-size: 2.5rem; letter-spacing: -0.015em; }
.kicker { margin: 0 auto 0.7rem; color: var(--soft); font-size: 1rem; font-variant-caps: all-small-caps;
  letter-spacing: 0.09em; }
.data { margin: 0.9rem auto 0; color: var(--soft); font-style: italic; } .kicker a { color: inherit; }
.number { font-weight: 400; color: var(--soft); margin-right: 0.35em; font-variant-numeric: lining-nums; }
h2 { font-size: 1.45rem; margin-block: 4.5rem 0.75rem; } main > section:first-child > h2 { margin-top: 2.75rem; }
h3 { font-size: 1.1rem; margin-block: 2rem 0.5rem; }
p { margin-block: 0 0.9rem; text-wrap: pretty; hyphens: manual; }
a { color: var(--link); text-decoration-thickness: 0.06em; text-underline-offset: 0.15em; }
ul.abstract { padding: 0; list-style: none; }
ul.abstract li { padding-left: 1.1rem; margin-block: 0.45rem; text-wrap: pretty; } ul.abstract li::before { content: "–"; float: left; margin-left: -1.1rem; color: var(--soft); }
.figure-list > summary { color: var(--soft); font-size: 0.95rem; } .figure-list ol { margin-block: 0.5rem 0; padding-left: 1.9rem; font-size: 0.95rem; line-height: 1.4; }
.figure-list li { margin-block: 0.3rem; } .figure-list li::marker { color: var(--soft); font-variant-numeric: tabular-nums lining-nums; } .figure-list a { text-decoration: none; }
.references { margin: 0; padding: 0; list-style: none; font-size: 0.95rem; line-height: 1.45; } .references li { padding-left: 1.1rem; text-indent: -1.1rem; margin-block: 0.25rem; }
.finding { margin-top: 1.4rem; font-size: 1.5rem; line-height: 1.3; font-weight: 600; text-wrap: balance; }
h2.small { font-size: 1.1rem; margin-top: 2.5rem; }
.glossary { font-size: 0.95rem; line-height: 1.45; } .glossary dt { color: var(--ink); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.sort { all: unset; cursor: pointer; } .sort:hover { color: var(--link); }
.sort:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
[aria-sort="ascending"] .sort::after { content: " ↑"; } [aria-sort="descending"] .sort::after { content: " ↓"; }
.filter { margin: 0 0 0.5rem; } input, select { font: 0.875rem/1.4 var(--sans); color: inherit; background: var(--paper);
  border: 1px solid var(--strong-rule); border-radius: 3px; padding: 0.15rem 0.4rem; max-width: 100%; }
.tip { position: fixed; z-index: 3; max-width: min(22rem, 90vw); font: 0.8rem/1.35 var(--sans); color: var(--paper); background: var(--ink);
  border-radius: 3px; padding: 0.25rem 0.5rem; pointer-events: none; }
.tip:empty { padding: 0; } .at { stroke: var(--ink) !important; stroke-width: 2.5px !important; }
.compare { position: fixed; right: 1rem; bottom: 1rem; z-index: 2; max-width: min(34rem, calc(100vw - 2rem)); max-height: 45vh; overflow: auto;
  background: var(--paper); border: 1px solid var(--strong-rule); border-radius: 3px; padding: 0.6rem; font-size: 0.9rem; }
.compare table { border: 0; } .compare .step { float: right; }
.highlight { margin-top: 1rem; color: var(--soft); line-height: 2; }
.dim { opacity: 0.08 !important; } tr.lit > * { background: var(--mark) !important; }
.permalink { visibility: hidden; margin-left: 0.15em; text-decoration: none; font-weight: 400; }
:is(h2, h3, figcaption, .panel-title):hover .permalink { visibility: visible; }
.scrolls { box-shadow: inset -0.7rem 0 0.5rem -0.6rem var(--rule); }
.files { display: block; margin-top: 0.3rem; font-size: 0.9em; }
.table-foot { margin: 0.35rem 0 0; font-size: 0.85rem; }
.symbol { display: inline-block; vertical-align: -0.05em; }
.claim-figure { width: 22.5rem; }
.outcome { font-size: 1.0625rem; }
.verdict { white-space: nowrap; font-variant-caps: all-small-caps; letter-spacing: 0.045em; font-weight: 600;
  font-size: 1.06em; margin-right: 0.35em; }
.reproduced { color: var(--good); } .refuted { color: var(--bad); }
.inconclusive { color: var(--near); } .not-assessed, .not-tested { color: var(--soft); }
.claims { width: 100%; }
.claims th, .claims td { padding-block: 0.65rem; vertical-align: top; font-variant-numeric: tabular-nums lining-nums; }
.claims tbody tr + tr > * { border-top: 0.05em solid var(--rule); }
.claims tbody th { width: 32%; } .claims td:nth-child(2) { width: 22%; }
.claims .verdict { display: block; margin-top: 0.4rem; white-space: normal; }
.effects { margin-top: 0.2rem; font-size: 0.85em; color: var(--soft); line-height: 1.35; }
.claims .effects b { display: inline; font-weight: 400; } .claims .effects li + li { margin-top: 0.1rem; }
.claims tbody th a { color: inherit; text-decoration: none; }
.claims tbody th a:hover, .claims tbody th a:focus-visible { color: var(--link); text-decoration: underline; }
.claims tbody th { text-wrap: pretty; }
.claims small { display: block; margin-top: 0.15rem; color: var(--soft); font-size: 0.85em; line-height: 1.35; }
.plain { list-style: none; margin: 0; padding: 0; } .plain b { font-weight: 600; display: block; }
.plain li + li { margin-top: 0.4rem; }
.extreme { color: var(--soft); font-size: 0.9em; display: block; }
nav .sign, .of-title { display: none; }
.claimed b { font-weight: 600; } .claimed { font-size: 0.95rem; line-height: 1.45; margin-block: 0 1.6rem; }
.where { color: var(--soft); }
.caveats { font-size: 0.95rem; line-height: 1.45; border-left: 0.15rem solid var(--rule); padding-left: 1.1rem;
  margin-block: 1.6rem 0; }
.caveats-title { margin: 0 0 0.3rem; font-size: 1rem; font-style: italic; font-weight: 400; color: var(--soft); }
.caveats ul { margin: 0; padding-left: 1.1rem; } .caveats li { margin-block: 0.15rem; }
summary { cursor: pointer; } summary:hover { color: var(--link); }
details.wide > summary, .more > summary { font-size: 0.95rem; color: var(--soft); }
details.wide > summary { max-width: 40rem; margin-inline: auto; }
.more > summary { text-align: center; margin-block: 1rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 1px; }
.note { color: var(--soft); font-size: 0.95rem; overflow-wrap: anywhere; }
.source { color: inherit; text-decoration: none; }
.source:hover, .source:focus-visible { color: var(--link); text-decoration: underline; }
:target { background: var(--mark); } :is(section, figure):target { background: none; }
:is(section:target > h2, figure:target > figcaption > b) { background: var(--mark); }
nav ul { list-style: none; margin-block: 1.75rem 0; padding: 0.55rem 0; display: flex; flex-wrap: wrap;
  gap: 0.2rem 1.2rem; border-block: 0.05em solid var(--rule); }
nav { font-size: 0.95rem; max-width: 40rem; margin-inline: auto; } nav a { text-decoration: none; } nav a:hover { text-decoration: underline; } nav a[aria-current] { color: var(--ink); text-decoration: underline; }

.table { margin-block: 1.75rem; }
.wide > .table { width: min-content; min-width: min(100%, 40rem); max-width: 100%; margin-inline: auto; }
.wide > .table:has(.claims, .sources, .tasks) { width: auto; }
/* Tables begin where text does, unless they need the room. */
:is(.claim, #results, #data) .wide > .table:not(:has(tr > :nth-child(13))) { margin-left: max(0px, (100% - 40rem) / 2);
  max-width: calc(100% - max(0px, (100% - 40rem) / 2)); }
.numbers { font-size: 0.875rem; } .numbers :is(th, td):not(:first-child, :last-child) { padding-inline: 0.5rem; }

.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; border-top: 0.09em solid var(--strong-rule);
  border-bottom: 0.09em solid var(--strong-rule); font-size: 0.95rem; line-height: 1.35; }
.caption { color: var(--soft); font-size: 0.95rem; line-height: 1.45; margin-bottom: 0.6rem; }
.table:has(.claims) > .caption { max-width: 40rem; margin-inline: auto; }
.caption b, figcaption b { color: var(--ink); font-weight: 600; }
th, td { padding: 0.2rem 0.7rem; text-align: left; vertical-align: baseline; font-weight: 400; }
th:first-child, td:first-child { padding-left: 0.15rem; }
th:last-child, td:last-child { padding-right: 0.15rem; }
thead th { vertical-align: bottom; color: var(--soft); font-style: italic; }
thead tr:last-child > * { border-bottom: 0.05em solid var(--ink); padding-bottom: 0.35rem; }
thead tr:first-child > * { padding-top: 0.35rem; }
thead [rowspan] { border-bottom: 0.05em solid var(--ink); padding-bottom: 0.35rem; }
th[scope="colgroup"] { text-align: center; color: var(--ink); font-style: normal;
  border-bottom: 0.05em solid var(--rule); }
tbody tr:first-child > * { padding-top: 0.45rem; }
tbody tr:last-child > * { padding-bottom: 0.45rem; }
tbody + tbody tr:first-child > * { border-top: 0.05em solid var(--rule); }
.group th { font-style: italic; color: var(--soft); }
.numbers { font-variant-numeric: tabular-nums lining-nums; white-space: nowrap; }
.numbers th[scope="row"] { position: sticky; left: 0; background: var(--paper); white-space: normal; overflow-wrap: break-word; }
.numbers th[scope="row"] code { white-space: nowrap; }
.tasks { width: 100%; } .tasks td.all { white-space: normal; min-width: 18rem; overflow-wrap: anywhere; font-size: 0.8em; }
.numbers :where(td, thead th:not(:first-child):not([scope="colgroup"])) { text-align: right; }
.numbers .words { text-align: left; }
.numbers .first:not(:first-child) { padding-left: 1.3rem; } .contrasts .first:not(:first-child) { padding-left: 1.1rem; }
.numbers tbody th[scope="row"] { min-width: 8rem; }
.name { display: inline-block; width: max-content; max-width: 19rem; vertical-align: top; }
.claim .contrasts .name { max-width: 15.5rem; }
.whole { white-space: nowrap; }
.outcomes { font-size: 0.875rem; font-variant-numeric: tabular-nums lining-nums; } .outcomes td { white-space: nowrap; } .outcomes td.why { white-space: normal; min-width: min(18rem, 60vw); }
.mean { font-weight: 600; }

figure { margin-block: 2.5rem; margin-inline: auto; }
figure > h3 { text-align: center; }
figcaption { max-width: 40rem; margin: 1rem auto 0; color: var(--soft); font-size: 0.95rem; line-height: 1.45; }
.panels { display: grid; gap: 1.6rem 1.75rem; justify-content: center; align-items: start; }
.panels > * { margin: 0; min-width: 0; }
.panel-title { width: 0; min-width: 100%; font-family: var(--sans); font-size: 0.8rem; line-height: 1.3; margin: 0 0 0.3rem;
  font-weight: 600; color: var(--ink); overflow-wrap: anywhere; }
.panel-title small { display: block; font-size: 0.75rem; font-weight: 400; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.panels.large { grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), max-content)); }
.panels.medium { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), max-content)); }
.panels.paired { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), max-content)); max-width: 36rem;
  margin-inline: auto; }
.panels.full { grid-template-columns: minmax(0, max-content); }
/* Four stand two by two, not three and one. */
@media screen and (min-width: 40rem) {
  .panels.medium:has(> :nth-child(4):last-child) { grid-template-columns: repeat(2, minmax(15rem, max-content)); }
}
/* Figures begin where text does, as tables do. */
@media screen and (min-width: 64rem) {
  figure.wide > :is(.panels, .legend, .row-title, .more) { margin-left: max(0px, (100% - 40rem) / 2); }
  figure.wide :is(.panels, .legend) { justify-content: start; } figure.wide :is(.row-title, .more > summary) { text-align: left; }
  .panels.large { column-gap: 0.75rem; } .panels.paired { margin-inline: 0; } .more .panels { margin-left: 0; }
  /* But three in a row need all the room. */
  figure.wide:has(.medium > :nth-child(3)):not(:has(.medium > :nth-child(4):last-child)) > :is(.panels, .row-title, .more) { margin-left: 0; }
}
.chart { overflow-x: auto; } .full svg { min-width: 44rem; }
.row-title { margin: 1.6rem 0 0.9rem; text-align: center; font: italic 1rem/1.3 var(--serif); color: var(--soft); }
.legend + .row-title { margin-top: 0.4rem; }
.drawing { display: block; max-width: 100%; background: ${PAPER.light}; }
svg { display: block; max-width: 100%; } svg:not(.band) { height: auto; }
svg text { font-family: var(--sans); font-variant-numeric: tabular-nums; }
.legend { list-style: none; margin: 0 0 1.1rem; padding: 0; display: flex; flex-wrap: wrap; justify-content: center;
  gap: 0.15rem 1.3rem; font: 0.85rem/1.5 var(--sans); color: var(--ink); }
.legend li { display: flex; align-items: center; gap: 0.45em; }

dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1.5rem; margin-block: 1rem; }
dt { color: var(--soft); font-style: italic; }
dd { margin: 0; overflow-wrap: anywhere; }
dl.terms { display: block; }
dl.terms dt { color: var(--ink); font-style: normal; font-weight: 600; margin-top: 0.8rem; }
dt .ours { margin-left: 0.4em; }
dl.terms dd { margin: 0.1rem 0 0; }
.ours { font: 0.75rem var(--sans); color: var(--soft); border: 1px solid var(--rule); border-radius: 0.6em;
  padding: 0.05em 0.5em; font-weight: 400; white-space: nowrap; }
.sources { width: 100%; font-size: 0.875rem; table-layout: fixed; }
.sources th, .sources td { vertical-align: top; overflow-wrap: anywhere; }
.sources thead th:first-child { width: 25%; } .sources thead th:nth-child(2) { width: 25%; }
tr:target details:not([open])::details-content { content-visibility: visible; block-size: auto; }
.sources tbody tr + tr > * { border-top: 0.05em solid var(--rule); }
.sources ul { list-style: none; margin: 0; padding: 0; }
.sources li { display: grid; grid-template-columns: minmax(0, 1fr) 8.5rem 6.5rem; gap: 0 1rem; align-items: baseline; }
.sources li span { color: var(--soft); }
code { font-family: var(--mono); font-size: 0.82em; overflow-wrap: anywhere; }
code[title] { color: var(--soft); }
.missing ul { margin-block: 0.3rem 0; padding-left: 1.1rem; font-size: 0.95rem; line-height: 1.45; }
.missing > ul { margin-inline: auto; } .missing li { margin-block: 0.3rem; }
.graph { margin-inline: auto; } .graph.large, .bands { min-width: 38rem; }
.band { max-width: none; }
.band-name { position: sticky; left: 0; width: max-content; margin: 0.35rem 0 0.1rem; font: 0.8rem/1.3 var(--sans); color: var(--soft); }
.band-name b { color: var(--ink); font-weight: 600; }
.zoom { text-align: right; margin-bottom: 0.3rem; font-size: 0.9rem; color: var(--soft); }
button.step { font: 0.875rem/1.4 var(--sans); color: inherit; background: var(--paper); border: 1px solid var(--strong-rule);
  border-radius: 3px; padding: 0.15rem 0.6rem; min-width: 1.9rem; cursor: pointer; }
.plot > svg { margin-inline: auto; min-width: 30rem; }
.prose > :first-child { margin-top: 0; } .prose blockquote { margin: 0 0 0.9rem; padding-left: 1.1rem;
  border-left: 0.15rem solid var(--rule); color: var(--soft); }
.prose pre { margin: 0 0 0.9rem; font-size: 0.95em; } .prose pre code { overflow-wrap: normal; }
.prose table { width: auto; } td.right, th.right { text-align: right; } .prose hr { border: 0; border-top: 0.05em solid var(--rule); }
header > .abstract { margin-top: 1.4rem; }
footer { margin-top: 4rem; }
footer p { border-top: 0.05em solid var(--rule); padding-top: 1rem; }

@media screen and (min-width: 78rem) {
  .page:has(> nav) { padding-left: 14rem; }
  nav { position: fixed; left: 1.5rem; top: 3.2rem; bottom: 0.5rem; width: 12rem; overflow-y: auto; font-size: 0.875rem; line-height: 1.3; }
  nav ul { margin: 0; padding: 0; border: 0; flex-direction: column; gap: 0.32rem; }
  .highlight { margin-top: 0.8rem; line-height: 1.7; }
  .of-claim { padding-left: 1.2rem; text-indent: -1.2rem; } .of-title { display: inline; font-size: 0.94em; }
  nav .sign { display: inline-block; width: 1.2rem; text-indent: 0; font-size: 0.85em; }
}
@media (hover: none) { .permalink { visibility: visible; } }
@media screen and (max-width: 56rem) {
  .sources, .sources tbody, .sources tr, .sources th, .sources td { display: block; width: auto; }
  .sources thead { display: none; }
  .sources th, .sources td, .sources tbody tr + tr > td { padding: 0.1rem 0; border-top: 0; text-align: left; }
  .sources tbody th { width: auto; padding-top: 0.7rem; }
  .sources tbody tr + tr > th { margin-top: 0.7rem; }
}
@media screen and (max-width: 34rem) {
  .chart > svg, .chart > .graph.large { min-width: var(--least, 0); }
  body { font-size: 1rem; }
  .page { padding-block: 2rem; }
  .name { max-width: 9rem; }
  h1 { font-size: 1.65rem; }
  h2 { margin-top: 3rem; }
  .claims, .claims tbody, .claims tr, .claims th, .claims td { display: block; width: auto !important; }
  .claims thead { display: none; }
  .claims th, .claims td, .claims tbody tr + tr > td { padding: 0.15rem 0; border: 0; }
  .claims tbody th { font-size: 1.05em; padding-top: 0.7rem; }
  .claims td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); font-style: italic; }
  .claims tbody tr { padding-bottom: 0.7rem; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: 0.5rem; }
  .sources li { display: block; margin-bottom: 0.3rem; }
}
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: ${INK.dark}; --soft: #a8a498; --rule: #3a3934; --strong-rule: #a8a498; --paper: ${PAPER.dark};
    --mark: #3d3719; --link: #7dbfe8; --good: #4fd0a4; --near: #f0b73a; --bad: #ff9a5c; }
${darkCharts()}
}
@media print {
  :root { color-scheme: light; --paper: #fff; font-size: 9.8px; }
  @page { margin: 13mm 14mm 14mm; }
  body { line-height: 1.42; orphans: 3; widows: 3; }
  .page { padding: 0; }
  /* One left edge: text, tables, figures and their captions. */
  section > *, header > *, footer > *, section > .wide { max-width: none; margin-inline: 0; }
  header > :is(.finding, .data), p, .claimed, .caveats { max-width: 52rem; }
  .wide > .table { width: max-content; max-width: 100% !important; min-width: 0; margin-inline: 0 !important; }
  .table > .caption { max-width: 52rem; width: 0; min-width: min(100%, 52rem); margin-inline: 0 !important; }
  .scroll, .chart { overflow: visible; }

  details:not([open])::details-content { content-visibility: visible; block-size: auto; }
  summary, .claim details.wide > summary { display: none; }
  details.wide > summary { display: block; list-style: none; max-width: none; margin: 0.9rem 0 0.2rem; break-after: avoid; }
  :is(.sources, .tasks) details:not([open])::details-content, .more:not([open])::details-content { content-visibility: hidden; block-size: 0; }
  .sources summary, .more > summary { display: block; list-style: none; }
  .more > summary { text-align: left; font-size: 0.85rem; margin-block: 0.4rem 0; }
  .more > summary::after { content: " in the file"; }

  .numbers, .contrasts { font-size: 0.85rem; line-height: 1.3; }
  .numbers thead th, .numbers .words { white-space: normal; } .numbers .words { min-width: 7.5rem; } .tasks .words { min-width: 0; } .name { max-width: 22rem; }
  th, td, .numbers :is(th, td):not(:first-child, :last-child) { padding: 0.14rem 0.45rem; }
  .numbers .first:not(:first-child), .contrasts .first:not(:first-child) { padding-left: 0.9rem; }
  .numbers th[scope="row"] { position: static; }
  thead { display: table-header-group; break-inside: avoid; } thead tr, .group { break-after: avoid; }
  tr, .panels > *, .caveats, .claimed, svg { break-inside: avoid; }
  .contrasts, .numbers:not(.accuracy, .tasks) tbody { break-inside: avoid; }
  .claims { font-size: 0.95rem; line-height: 1.3; } .claims th, .claims td { padding-block: 0.3rem; }
  .claims :is(small, .effects, .verdict) { margin-top: 0.1rem; } .claim-figure { width: 22.5rem; }

  figure { margin: 1.3rem 0; } .table { margin-block: 1.1rem; } figure > h3 { text-align: left; }
  figure:not(:has(.row-title, .panels > :nth-child(4))), .table:has(.contrasts), .caption, #methods dl:not(.terms) { break-inside: avoid; }
  figcaption { max-width: 52rem; margin: 0.5rem 0 0; font-size: 0.9rem; line-height: 1.38; break-before: avoid; break-inside: avoid; }
  .legend { justify-content: flex-start; margin-bottom: 0.6rem; } .row-title { text-align: left; margin: 0.8rem 0 0.4rem; }
  .row-title, .legend { break-after: avoid; }
  .panels { gap: 0.8rem 1.2rem; justify-content: start; } .panels.paired { margin-inline: 0; }
  .panels:is(.large, .medium) { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .panels.paired { grid-template-columns: repeat(4, minmax(0, 1fr)); max-width: none; }
  figure:not(:has(.panels > :nth-child(5))) .panels.medium:has(> :nth-child(4)) { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  figure:not(:has(.panels > :nth-child(5))) .panels.large:has(> :nth-child(4)) { grid-template-columns: repeat(2, minmax(0, 21rem)); }
  .panels.sides, #figure-masks .panels { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  .panels.full { grid-template-columns: repeat(2, minmax(0, max-content)); }
  .full svg, .graph.large, .bands, .plot > svg { min-width: 0; } svg { max-height: 22cm; }

  h1 { font-size: 2.2rem; } .kicker, .data { margin-inline: 0; } h2 { margin-top: 2.2rem; font-size: 1.4rem; } .finding { margin-top: 1rem; font-size: 1.35rem; }
  .caveats { margin-top: 0.9rem; } .claimed { margin-bottom: 0.9rem; gap: 0.15rem 1.5rem; }
  h2, h3, .caption, .outcome, .missing > p { break-after: avoid; }
  dl.terms { columns: 2; column-gap: 2.5rem; font-size: 0.95rem; line-height: 1.38; }
  dl.terms dd { break-inside: avoid; } dl.terms dt { break-after: avoid; }
  .missing ul ul { columns: 2; font-size: 0.85em; list-style: none; padding: 0; } .missing ul ul li { margin-block: 0; }
  #provenance svg { max-height: 8cm; }
  /* Short definitions stand in two columns, read across. */
  :is(.glossary, #methods dl:not(.terms)) { grid-template-columns: max-content minmax(0, 1fr) max-content minmax(0, 1fr); gap: 0.2rem 1.2rem; }
  .tasks :is(th, td):nth-child(8), .table-foot, .filter, .zoom, .highlight, .permalink, .skip, .tip, .compare, .figure-list, nav { display: none; }
  footer { margin-top: 1.2rem; }
}
`;

/** Charts are drawn in literal colours of light paper; a rule outweighs an attribute, so here they change. */
function darkCharts(): string {
  return HUES.flatMap(({ light, dark }) => [
    `  svg [fill="${light}"] { fill: ${dark}; }`,
    `  svg [stroke="${light}"] { stroke: ${dark}; }`,
  ]).join('\n');
}
