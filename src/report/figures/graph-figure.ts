// graph-figure.ts — stages and what they read from each other, in layers from top to bottom
import { type Edge, type GraphLayout, layoutOf } from './graph-layout.ts';
import { escapeHtml, type Html, rawHtml } from '../markup/html.ts';
import { FAINT, INK, PAPER, SOFT } from '../markup/palette.ts';

/** A stage, with a line of small print. */
export interface GraphNode {
  readonly name: string;
  readonly detail: string;
}

/** Id of a stage's tasks on the page. */
export const stageAnchor = (stage: string): string => `stage-${stage}`;

const [W, H, GAP_Y, EDGE] = [132, 40, 34, 4];
const WIDTHS = { box: W, line: 6, gap: 18 };

/** The graph as an SVG whose nodes are links to the stages' tasks, on this page or on another. Acyclic. */
export function graphSvg(
  nodes: readonly GraphNode[],
  edges: readonly Edge[],
  pageOfTasks = '',
): Html {
  const names = nodes.map(({ name }) => name);
  const { boxes, lines, layers, width } = layoutOf(names, edges, WIDTHS);
  const [w, h] = [width + 2 * EDGE, layers * (H + GAP_Y) - GAP_Y + 2 * EDGE];
  const drawn = nodes.map((node) => boxOf(node, boxes.get(node.name), pageOfTasks));
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="graph${w > 608 ? ' large' : ''}" style="--least: ${Math.ceil(w * 0.91)}px" role="group" aria-label="Stages and what they read from each other" ` +
      `width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">${lines.map(lineOf).join('')}${drawn.join('')}</svg>`,
  );
}

const top = (layer: number): number => EDGE + layer * (H + GAP_Y);

/** Down from a box, straight through the layers between, to another box. */
function lineOf(line: GraphLayout['lines'][number]): string {
  const pieces = line.slice(1).map((to, i) => {
    const from = line[i]!;
    const [x1, x2, y1, y2] = [from.x + EDGE, to.x + EDGE, top(from.layer) + H, top(to.layer)];
    const through = i < line.length - 2 ? `V${y2 + H}` : '';
    return `${x1 === x2 ? `V${y2}` : `C${x1} ${y1 + GAP_Y / 2} ${x2} ${y2 - GAP_Y / 2} ${x2} ${y2}`}${through}`;
  });
  const start = `M${line[0]!.x + EDGE} ${top(line[0]!.layer) + H}`;
  return `<path d="${start}${pieces.join('')}" fill="none" stroke="${FAINT.light}" stroke-width="1.2"/>`;
}

type Place = { readonly x: number; readonly layer: number } | undefined;

function boxOf({ name, detail }: GraphNode, place: Place, pageOfTasks: string): string {
  if (place === undefined) return '';
  const [x, y] = [place.x + EDGE, top(place.layer)];
  const text = (dy: number, size: number, fill: string, words: string): string =>
    `<text x="${x}" y="${y + dy}" text-anchor="middle" font-family="sans-serif" font-size="${size}" fill="${fill}">${escapeHtml(words)}</text>`;
  return (
    `<a href="${escapeHtml(`${pageOfTasks}#${stageAnchor(name)}`)}"${pageOfTasks === '' ? '' : ' tabindex="-1"'}><rect x="${x - W / 2}" y="${y}" width="${W}" height="${H}" rx="3" fill="${PAPER.light}" stroke="${SOFT.light}"/>` +
    `${text(17, 12.5, INK.light, name)}${text(31, 10.5, SOFT.light, detail)}</a>`
  );
}
