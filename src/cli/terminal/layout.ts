// layout.ts — a graph as SVG: layers from left to right, each sorted by where its neighbours stand

import { elementAt } from '../../present.ts';

/** Nodes with their labels, what is needed before what needs it, and edges between them. */
export interface Graph {
  readonly nodes: ReadonlyMap<string, string>;
  readonly edges: readonly (readonly [from: string, to: string, label: string])[];
}

interface Box {
  readonly id: string;
  /** Absent: a waypoint, at which edges pass a layer between boxes and not behind them. */
  readonly label?: string;
  readonly width: number;
  readonly height: number;
  /** Left edge and middle. */
  readonly x: number;
  y: number;
}

/** A piece of one or more edges, between neighbouring layers. */
interface Piece {
  readonly from: string;
  readonly to: string;
  /** What the edges through it are called. */
  readonly labels: Set<string>;
}

const BOX = { height: 26, gap: 14, padding: 12 };
const WAYPOINT_HEIGHT = 2;
/** Width of a letter of the font below, generously. */
const LETTER = 7.3;
const LAYER_GAP = 70;
const MARGIN = 16;
const SWEEPS = 12;

/** Draws a graph without cycles. Text can be selected, and every line has its tooltip. */
export function graphSvg({ nodes, edges }: Graph): string {
  const { layers, pieces } = layered(nodes, edges);
  const boxes = place(nodes, layers, pieces);
  const all = [...boxes.values()];
  const width = all.reduce((most, box) => Math.max(most, box.x + box.width), 0) + MARGIN;
  const height = all.reduce((most, { y }) => Math.max(most, y), 0) + BOX.height / 2 + MARGIN;
  const lines = pieces.map(({ from, to, labels }) => {
    const [a, b] = [boxes.get(from), boxes.get(to)];
    return a && b ? pieceSvg(a, b, [...labels].join('; ')) : '';
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    '<style>',
    'svg{background:#fffefb} text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#26251f}',
    'rect{fill:#f4f2ea;stroke:#6d6a60} path{fill:none;stroke:#8a867a} path:hover{stroke:#d55e00}',
    '</style>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
    '<path d="M0 0L8 4L0 8" /></marker></defs>',
    ...lines,
    ...all.map(boxSvg),
    '</svg>',
  ].join('\n');
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

function boxSvg({ label, x, y, width, height }: Box): string {
  if (label === undefined) return `<path d="M${x} ${y}H${x + width}" />`;
  const corner = `x="${x}" y="${y - height / 2}" width="${width}" height="${height}"`;
  const text = `<text x="${x + width / 2}" y="${y + 4}" text-anchor="middle">${escaped(label)}</text>`;
  return `<rect ${corner} rx="5" />${text}`;
}

function pieceSvg(from: Box, to: Box, label: string): string {
  const [x1, x2] = [from.x + from.width, to.x];
  const bend = (x2 - x1) / 2;
  const path = `M${x1} ${from.y}C${x1 + bend} ${from.y} ${x2 - bend} ${to.y} ${x2} ${to.y}`;
  const tip = to.label === undefined ? '' : ' marker-end="url(#tip)"';
  return `<path d="${path}"${tip}><title>${escaped(label)}</title></path>`;
}

/**
 * The layer of a node is the longest way to it from a node that needs nothing. Edges that pass layers get waypoints
 * there; those of one node share them.
 */
function layered(
  nodes: Graph['nodes'],
  edges: Graph['edges'],
): { readonly layers: readonly string[][]; readonly pieces: readonly Piece[] } {
  const needs = new Map<string, string[]>([...nodes.keys()].map((id) => [id, []]));
  for (const [from, to] of edges) needs.get(to)?.push(from);
  const layers: string[][] = [];
  const layerOf = new Map<string, number>();
  for (const [id, upstream] of needs) {
    const layer = upstream.reduce((most, need) => Math.max(most, (layerOf.get(need) ?? 0) + 1), 0);
    layerOf.set(id, layer);
    layers[layer] ??= [];
    layers[layer].push(id);
  }
  const pieces = new Map<string, Piece>();
  const waypoints = new Set<string>();
  for (const [from, to, label] of edges) {
    let before = from;
    const [first, last] = [(layerOf.get(from) ?? 0) + 1, layerOf.get(to) ?? 0];
    for (let layer = first; layer <= last; layer++) {
      const next = layer === last ? to : `${from}\n${layer}`;
      if (layer < last && !waypoints.has(next)) elementAt(layers, layer).push(next);
      if (layer < last) waypoints.add(next);
      const key = `${before}\0${next}`;
      const piece = pieces.get(key) ?? { from: before, to: next, labels: new Set() };
      piece.labels.add(`${from} → ${to} (${label})`);
      pieces.set(key, piece);
      before = next;
    }
  }
  return { layers, pieces: [...pieces.values()] };
}

function place(
  nodes: Graph['nodes'],
  layers: readonly string[][],
  pieces: readonly Piece[],
): ReadonlyMap<string, Box> {
  const boxes = new Map<string, Box>();
  let x = MARGIN;
  for (const ids of layers) {
    const longest = ids.reduce((most, id) => Math.max(most, nodes.get(id)?.length ?? 0), 0);
    const width = Math.round(longest * LETTER + 2 * BOX.padding);
    let y = 0;
    for (const id of ids) {
      const label = nodes.get(id);
      const height = label === undefined ? WAYPOINT_HEIGHT : BOX.height;
      boxes.set(id, { id, width, height, x, y, ...(label !== undefined && { label }) });
      y += height + BOX.gap;
    }
    x += width + LAYER_GAP;
  }
  arrange(layers, boxes, pieces);
  return boxes;
}

/** Moves every box toward the mean of its neighbours, layer by layer, forth and back, and keeps them apart. */
function arrange(
  layers: readonly string[][],
  boxes: ReadonlyMap<string, Box>,
  pieces: readonly Piece[],
): void {
  const neighbours = new Map<string, Box[]>([...boxes.keys()].map((id) => [id, []]));
  for (const { from, to } of pieces) {
    const [a, b] = [boxes.get(from), boxes.get(to)];
    if (a && b) {
      neighbours.get(from)?.push(b);
      neighbours.get(to)?.push(a);
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const ordered = sweep % 2 === 0 ? layers : [...layers].reverse();
    for (const ids of ordered) {
      const column = ids.flatMap((id) => boxes.get(id) ?? []);
      const wanted = new Map(column.map((box) => [box, meanOf(neighbours.get(box.id), box.y)]));
      column.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      spread(column, wanted);
    }
  }
  const tops = [...boxes.values()].map(({ y, height }) => y - height / 2);
  const top = tops.reduce((least, y) => Math.min(least, y), Number.POSITIVE_INFINITY) - MARGIN;
  for (const box of boxes.values()) box.y = Math.round(box.y - top);
}

const meanOf = (boxes: readonly Box[] | undefined, otherwise: number): number =>
  boxes === undefined || boxes.length === 0
    ? otherwise
    : boxes.reduce((sum, { y }) => sum + y, 0) / boxes.length;

/** Puts sorted boxes where they want to be, a gap apart, the column as a whole as near as can be. */
function spread(column: readonly Box[], wanted: ReadonlyMap<Box, number>): void {
  let least = Number.NEGATIVE_INFINITY;
  let off = 0;
  for (const box of column) {
    const want = wanted.get(box) ?? box.y;
    box.y = Math.max(want, least + box.height / 2);
    off += box.y - want;
    least = box.y + box.height / 2 + BOX.gap;
  }
  for (const box of column) box.y -= off / column.length;
}
