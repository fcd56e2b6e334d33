// draw.ts — a plot as an SVG, the same text on every machine, or as a page that needs no network
import type { LoggerInterface, Spec } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import type { PlotSpec } from './spec.ts';

/** What vega's type declarations leave out. */
interface TextMetrics {
  readonly textMetrics: { canvas(use: boolean): void };
}

/** Vega's own form of a plot. */
export async function compiled(spec: PlotSpec): Promise<Spec> {
  const { compile } = await import('vega-lite');
  return compile(spec as unknown as TopLevelSpec, { logger: strictLogger() }).spec;
}

/** Draws a plot. No font is measured, and numbers are rounded: the text depends on nothing but the plot. */
export async function drawSvg(spec: PlotSpec): Promise<string> {
  const vega = await import('vega');
  (vega as unknown as TextMetrics).textMetrics.canvas(false);
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(await compiled(spec)), {
    renderer: 'none',
    logger: strictLogger(),
  });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg.replace(/<[a-z][^>]*>/g, rounded)}\n`;
}

const rounded = (tag: string): string =>
  tag.replace(/ (?:transform|d|x|y|x1|x2|y1|y2|width|height)="[^"]*"/g, (attribute) =>
    attribute.replace(/-?\d+\.\d+(?:e[-+]?\d+)?/g, (number) =>
      String(Math.round(Number(number) * 100) / 100),
    ),
  );

/** Vega tells a logger about errors and goes on; here they stop. */
function strictLogger(): LoggerInterface {
  const logger: LoggerInterface = {
    level: () => logger,
    error(...messages) {
      throw messages[0] instanceof Error ? messages[0] : new Error(messages.join(' '));
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** JSON within a script: nothing in it ends the script. */
const inScript = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** A plot on a page. */
export interface PlotOnPage {
  readonly title: string;
  readonly spec: PlotSpec;
}

/** A page with plots that tell their values under the pointer. @param library Vega, as a script */
export async function drawPage(
  title: string,
  plots: readonly PlotOnPage[],
  library: string,
): Promise<string> {
  const specs: Spec[] = [];
  for (const { spec } of plots) specs.push(await compiled(spec));
  const places = plots.map(({ title: label }, at) => {
    return `<div class="plot" id="plot${at}" role="img" aria-label="${escaped(label)}"></div>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(title)}</title>
<style>
body { font: 14px/1.4 sans-serif; margin: 1.5em; color: #26251f; background: #fff; }
.plot { margin-bottom: 2em; }
.plot svg { max-width: 100%; height: auto; }
#tip { position: fixed; display: none; pointer-events: none; background: #26251f; color: #fff; padding: .4em .6em; border-radius: 4px; font-size: 12px; max-width: 40em; white-space: pre; }
p { color: #6d6a60; font-size: 12px; }
</style>
</head>
<body>
${places.join('\n')}
<p>Point at a mark for its values. Click a label of the legend to show it alone, with Shift to add another; double-click to show all.</p>
<div id="tip"></div>
<script>${library.replaceAll('</script', '<\\/script')}</script>
<script>
const tip = document.getElementById('tip');
for (const [at, spec] of ${inScript(specs)}.entries()) {
  const view = new vega.View(vega.parse(spec), { renderer: 'svg', container: '#plot' + at, hover: true });
  view.tooltip((handler, event, item, value) => {
    if (value === null || value === undefined || value === '') { tip.style.display = 'none'; return; }
    tip.textContent = typeof value === 'object' ? Object.entries(value).map(([name, text]) => name + ': ' + text).join('\\n') : String(value);
    tip.style.display = 'block';
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';
  });
  view.run();
}
</script>
</body>
</html>
`;
}
