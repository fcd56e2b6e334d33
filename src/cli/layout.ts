// layout.ts — a graph as SVG: layers from left to right, each sorted by where its neighbours stand

/** Nodes with their labels, what is needed before what needs it, and edges between them. */
export interface Graph {
  readonly nodes: ReadonlyMap<string, string>;
  readonly edges: readonly (readonly [from: string, to: string, label: string])[];
}

interface Box {
  readonly id: string;
  readonly label: string;
  readonly layer: number;
  readonly width: number;
  /** Left edge and middle. */
  x: number;
  y: number;
}

const BOX = { height: 26, gap: 14, padding: 12 };
/** Width of a letter of the font below, generously. */
const LETTER = 7.3;
const LAYER_GAP = 70;
const MARGIN = 16;
const SWEEPS = 8;

/** Draws a graph without cycles. Text can be selected, and every line has its tooltip. */
export function graphSvg({ nodes, edges }: Graph): string {
  const boxes = place(nodes, edges);
  const all = [...boxes.values()];
  const width = Math.max(...all.map((box) => box.x + box.width)) + MARGIN;
  const height = Math.max(...all.map((box) => box.y)) + BOX.height / 2 + MARGIN;
  const lines = edges.map(([from, to, label]) => {
    const [a, b] = [boxes.get(from), boxes.get(to)];
    return a && b ? edgeSvg(a, b, label) : '';
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

function boxSvg({ label, x, y, width }: Box): string {
  const corner = `x="${x}" y="${y - BOX.height / 2}" width="${width}" height="${BOX.height}"`;
  const text = `<text x="${x + width / 2}" y="${y + 4}" text-anchor="middle">${escaped(label)}</text>`;
  return `<rect ${corner} rx="5" />${text}`;
}

function edgeSvg(from: Box, to: Box, label: string): string {
  const [x1, x2] = [from.x + from.width, to.x];
  const bend = Math.max(30, (x2 - x1) / 2);
  const path = `M${x1} ${from.y}C${x1 + bend} ${from.y} ${x2 - bend} ${to.y} ${x2} ${to.y}`;
  return `<path d="${path}" marker-end="url(#tip)"><title>${escaped(label)}</title></path>`;
}

function place(nodes: Graph['nodes'], edges: Graph['edges']): ReadonlyMap<string, Box> {
  const layers = layersOf(nodes, edges);
  const boxes = new Map<string, Box>();
  let x = MARGIN;
  for (const [layer, ids] of layers.entries()) {
    const widths = ids.map((id) => (nodes.get(id) ?? id).length * LETTER + 2 * BOX.padding);
    const width = Math.round(Math.max(...widths));
    ids.forEach((id, row) => {
      const label = nodes.get(id) ?? id;
      boxes.set(id, { id, label, layer, width, x, y: row });
    });
    x += width + LAYER_GAP;
  }
  arrange(layers, boxes, edges);
  return boxes;
}

/** The layer of a node is the longest way to it from a node that needs nothing. */
function layersOf(nodes: Graph['nodes'], edges: Graph['edges']): readonly string[][] {
  const needs = new Map<string, string[]>();
  for (const [from, to] of edges) needs.set(to, [...(needs.get(to) ?? []), from]);
  const layers: string[][] = [];
  const layerOf = new Map<string, number>();
  for (const id of nodes.keys()) {
    const layer = Math.max(-1, ...(needs.get(id) ?? []).map((need) => layerOf.get(need) ?? -1)) + 1;
    layerOf.set(id, layer);
    layers[layer] ??= [];
    layers[layer].push(id);
  }
  return layers;
}

/** Moves every node toward the mean of its neighbours, layer by layer, forth and back, and keeps them apart. */
function arrange(
  layers: readonly string[][],
  boxes: ReadonlyMap<string, Box>,
  edges: Graph['edges'],
): void {
  const step = BOX.height + BOX.gap;
  for (const box of boxes.values()) box.y = MARGIN + BOX.height / 2 + box.y * step;
  const neighbours = new Map<string, Box[]>();
  const join = (id: string, other: string): void => {
    const box = boxes.get(other);
    const known = neighbours.get(id);
    if (box && known) known.push(box);
    else if (box) neighbours.set(id, [box]);
  };
  for (const [from, to] of edges) {
    join(from, to);
    join(to, from);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const ordered = sweep % 2 === 0 ? layers : [...layers].reverse();
    for (const ids of ordered) {
      const column = ids.flatMap((id) => boxes.get(id) ?? []);
      const wanted = new Map(column.map((box) => [box, meanOf(neighbours.get(box.id), box.y)]));
      column.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      spread(column, wanted, step);
    }
  }
  const top = Math.min(...[...boxes.values()].map(({ y }) => y)) - BOX.height / 2 - MARGIN;
  for (const box of boxes.values()) box.y = Math.round(box.y - top);
}

const meanOf = (boxes: readonly Box[] | undefined, otherwise: number): number =>
  boxes === undefined ? otherwise : boxes.reduce((sum, { y }) => sum + y, 0) / boxes.length;

/** Puts sorted boxes where they want to be, at least a step apart, the column as a whole as near as can be. */
function spread(column: readonly Box[], wanted: ReadonlyMap<Box, number>, step: number): void {
  let least = Number.NEGATIVE_INFINITY;
  let off = 0;
  for (const box of column) {
    const want = wanted.get(box) ?? box.y;
    box.y = Math.max(want, least);
    off += box.y - want;
    least = box.y + step;
  }
  for (const box of column) box.y -= off / column.length;
}
