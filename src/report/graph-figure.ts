// graph-figure.ts — stages and what they read from each other, in layers from top to bottom
import { escapeHtml, type Html, rawHtml } from './html.ts';
import { FAINT, INK, PAPER, SOFT } from './palette.ts';

/** A stage, with a line of small print. */
export interface GraphNode {
  readonly name: string;
  readonly detail: string;
}

/** Id of a stage's tasks on the page. */
export const stageAnchor = (stage: string): string => `stage-${stage}`;

const [W, H, GAP_X, GAP_Y] = [150, 40, 26, 44];

/** The graph as an SVG whose nodes are links to the stages' tasks. Acyclic. */
export function graphSvg(
  nodes: readonly GraphNode[],
  edges: readonly (readonly [from: string, to: string])[],
): Html {
  const layers = layersOf(
    nodes.map(({ name }) => name),
    edges,
  );
  const widest = layers.reduce((most, layer) => Math.max(most, layer.length), 1);
  const width = widest * (W + GAP_X) - GAP_X + 8;
  const height = layers.length * (H + GAP_Y) - GAP_Y + 8;
  const places = new Map<string, readonly [x: number, y: number]>();
  layers.forEach((layer, row) => {
    const left = (width - (layer.length * (W + GAP_X) - GAP_X)) / 2;
    layer.forEach((name, i) => {
      places.set(name, [Math.round(left + i * (W + GAP_X)), 4 + row * (H + GAP_Y)]);
    });
  });
  const lines = withoutShortcuts(edges).map(([from, to]) =>
    edgePath(places.get(from), places.get(to)),
  );
  const boxes = nodes.map((node) => boxOf(node, places.get(node.name)));
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="group" aria-label="Stages and what they read from each other" ` +
      `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${lines.join('')}${boxes.join('')}</svg>`,
  );
}

/** Edges without those that a longer way goes beside. */
function withoutShortcuts(
  edges: readonly (readonly [from: string, to: string])[],
): readonly (readonly [from: string, to: string])[] {
  const next = new Map<string, string[]>();
  for (const [from, to] of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const reached = new Map<string, ReadonlySet<string>>();
  const reach = (name: string): ReadonlySet<string> => {
    const known = reached.get(name);
    if (known) return known;
    const ways = next.get(name) ?? [];
    const found = new Set(ways.flatMap((to) => [to, ...reach(to)]));
    reached.set(name, found);
    return found;
  };
  return edges.filter(
    ([from, to]) => !(next.get(from) ?? []).some((via) => via !== to && reach(via).has(to)),
  );
}

type Place = readonly [x: number, y: number] | undefined;

function edgePath(from: Place, to: Place): string {
  if (from === undefined || to === undefined) return '';
  const [x1, y1, x2, y2] = [from[0] + W / 2, from[1] + H, to[0] + W / 2, to[1]];
  const bend = Math.max(18, (y2 - y1) / 2);
  return `<path d="M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}" fill="none" stroke="${FAINT.light}" stroke-width="1.2"/>`;
}

function boxOf({ name, detail }: GraphNode, place: Place): string {
  if (place === undefined) return '';
  const [x, y] = place;
  const text = (dy: number, size: number, fill: string, words: string): string =>
    `<text x="${x + W / 2}" y="${y + dy}" text-anchor="middle" font-family="sans-serif" font-size="${size}" fill="${fill}">${escapeHtml(words)}</text>`;
  return (
    `<a href="#${escapeHtml(stageAnchor(name))}"><rect x="${x}" y="${y}" width="${W}" height="${H}" rx="3" fill="${PAPER.light}" stroke="${SOFT.light}"/>` +
    `${text(17, 12.5, INK.light, name)}${text(31, 10.5, SOFT.light, detail)}</a>`
  );
}

/** Names by their longest way from a source; within a layer near those that they read from. */
function layersOf(
  names: readonly string[],
  edges: readonly (readonly [from: string, to: string])[],
): readonly (readonly string[])[] {
  const rank = new Map(names.map((name) => [name, 0]));
  // No way is longer than there are names.
  for (let pass = 0; pass < names.length; pass++) {
    let moved = false;
    for (const [from, to] of edges) {
      const least = (rank.get(from) ?? 0) + 1;
      if ((rank.get(to) ?? 0) >= least) continue;
      rank.set(to, least);
      moved = true;
    }
    if (!moved) break;
  }
  const layers: string[][] = [];
  for (const name of names) {
    const at = rank.get(name) ?? 0;
    layers[at] = [...(layers[at] ?? []), name];
  }
  const present = layers.filter((layer) => layer !== undefined);
  for (let pass = 0; pass < 4; pass++) {
    for (const layer of pass % 2 === 0 ? present : [...present].reverse()) {
      sortByNeighbours(layer, present, edges, pass % 2 === 0);
    }
  }
  return present;
}

/** Orders a layer by the mean place of what its members are joined with, above or below. */
function sortByNeighbours(
  layer: string[],
  layers: readonly (readonly string[])[],
  edges: readonly (readonly [from: string, to: string])[],
  above: boolean,
): void {
  const place = new Map(
    layers.flatMap((row) => row.map((name, i) => [name, (i + 0.5) / row.length] as const)),
  );
  const centre = new Map(
    layer.map((name) => {
      const near = edges.flatMap(([from, to]) => {
        if (above) return to === name ? [place.get(from) ?? 0.5] : [];
        return from === name ? [place.get(to) ?? 0.5] : [];
      });
      const mean = near.reduce((sum, at) => sum + at, 0) / Math.max(1, near.length);
      return [name, near.length === 0 ? (place.get(name) ?? 0.5) : mean];
    }),
  );
  layer.sort((a, b) => (centre.get(a) ?? 0) - (centre.get(b) ?? 0));
}
