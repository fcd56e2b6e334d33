// graph-layout.ts — where the boxes of a graph stand, and which way lines go between them
import { group } from '../data/arms.ts';

/** From one name to another. */
export type Edge = readonly [from: string, to: string];

/** A graph in layers, each with what stands in it from left to right. */
export interface GraphLayout {
  /** Middle of each box. */
  readonly boxes: ReadonlyMap<string, { readonly x: number; readonly layer: number }>;
  /** For each edge the middles at which it passes the layers from its beginning to its end, both included. */
  readonly lines: readonly (readonly { readonly x: number; readonly layer: number }[])[];
  readonly layers: number;
  readonly width: number;
}

/** How wide things are that stand in a layer, and what is free between two of them. */
export interface Widths {
  readonly box: number;
  /** Of a line that passes a layer. */
  readonly line: number;
  readonly gap: number;
}

/** A box, or a place at which a line passes a layer: between boxes and not behind them. */
interface Node {
  readonly id: string;
  readonly width: number;
  readonly above: Node[];
  readonly below: Node[];
  /** Middle. */
  x: number;
}

const SWEEPS = 12;

/** Layers by the longest way from a source, lines with as few crossings as a few sweeps find. Acyclic. */
export function layoutOf(
  names: readonly string[],
  edges: readonly Edge[],
  widths: Widths,
): GraphLayout {
  const ranks = ranksOf(names, edges);
  const drawn = withoutShortcuts(edges);
  const boxes = new Map(names.map((id) => [id, nodeOf(id, widths.box)]));
  const layers: Node[][] = [];
  const put = (node: Node, layer: number): Node => {
    layers[layer] = [...(layers[layer] ?? []), node];
    return node;
  };
  for (const [id, node] of boxes) put(node, ranks.get(id) ?? 0);
  const lines = drawn.flatMap(([from, to]): Node[][] => {
    const [start, end] = [boxes.get(from), boxes.get(to)];
    if (start === undefined || end === undefined) return [];
    const between: Node[] = [];
    for (let layer = (ranks.get(from) ?? 0) + 1; layer < (ranks.get(to) ?? 0); layer++) {
      between.push(put(nodeOf(`${from} ${to} ${layer}`, widths.line), layer));
    }
    return [joined([start, ...between, end])];
  });
  arrange(layers, widths.gap);
  const left = layers.flat().reduce((least, { x, width }) => Math.min(least, x - width / 2), 0);
  const right = layers.flat().reduce((most, { x, width }) => Math.max(most, x + width / 2), 0);
  const place = (node: Node, layer: number) => ({ x: Math.round(node.x - left), layer });
  return {
    boxes: new Map([...boxes].map(([id, node]) => [id, place(node, ranks.get(id) ?? 0)])),
    lines: lines.map((line) => {
      const first = ranks.get(line[0]!.id) ?? 0;
      return line.map((node, i) => place(node, first + i));
    }),
    layers: layers.length,
    width: Math.round(right - left),
  };
}

const nodeOf = (id: string, width: number): Node => ({ id, width, above: [], below: [], x: 0 });

/** A way from node to node. */
function joined(way: Node[]): Node[] {
  for (let i = 1; i < way.length; i++) {
    way[i]!.above.push(way[i - 1]!);
    way[i - 1]!.below.push(way[i]!);
  }
  return way;
}

/** The longest way to each name, in steps. No way is longer than there are names. */
export function ranksOf(
  names: readonly string[],
  edges: readonly Edge[],
): ReadonlyMap<string, number> {
  const ranks = new Map(names.map((name) => [name, 0]));
  for (let pass = 0; pass < names.length; pass++) {
    let moved = false;
    for (const [from, to] of edges) {
      const least = (ranks.get(from) ?? 0) + 1;
      if ((ranks.get(to) ?? 0) >= least) continue;
      ranks.set(to, least);
      moved = true;
    }
    if (!moved) break;
  }
  return ranks;
}

/** Edges without those that a longer way goes beside. */
function withoutShortcuts(edges: readonly Edge[]): readonly Edge[] {
  const next = new Map(
    group(edges, ([from]) => from).map((all) => [all[0]![0], all.map(([, to]) => to)]),
  );
  const reached = new Map<string, ReadonlySet<string>>();
  const reach = (name: string): ReadonlySet<string> => {
    const known = reached.get(name);
    if (known) return known;
    const found = new Set((next.get(name) ?? []).flatMap((to) => [to, ...reach(to)]));
    reached.set(name, found);
    return found;
  };
  return edges.filter(
    ([from, to]) => !(next.get(from) ?? []).some((via) => via !== to && reach(via).has(to)),
  );
}

/** Orders every layer by where its neighbours stand, then moves its members as near to them as there is room. */
function arrange(layers: Node[][], gap: number): void {
  for (const layer of layers) spread(layer, gap, () => 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      const centre = new Map(
        layer.map((node) => [node, meanX(down ? node.above : node.below) ?? node.x]),
      );
      layer.sort((a, b) => (centre.get(a) ?? 0) - (centre.get(b) ?? 0));
      spread(layer, gap, (node) => centre.get(node) ?? 0);
    }
  }
  for (let sweep = 0; sweep < 4 * SWEEPS; sweep++) {
    for (const layer of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      spread(layer, gap, (node) => meanX([...node.above, ...node.below]) ?? node.x);
    }
  }
}

const meanX = (nodes: readonly Node[]): number | null =>
  nodes.length === 0 ? null : nodes.reduce((sum, { x }) => sum + x, 0) / nodes.length;

/**
 * Moves the members of a layer, which keep their order and their distance, to where they are wanted, as nearly as that
 * can be in least squares: neighbours that want to stand in each other's place stand side by side about their mean.
 */
function spread(layer: readonly Node[], gap: number, wanted: (node: Node) => number): void {
  let offset = 0;
  const offsets = layer.map((node, i) => {
    if (i > 0) offset += layer[i - 1]!.width / 2 + gap + node.width / 2;
    return offset;
  });
  const blocks: { sum: number; count: number }[] = [];
  layer.forEach((node, i) => {
    let block = { sum: wanted(node) - offsets[i]!, count: 1 };
    for (let last = blocks.at(-1); last; last = blocks.at(-1)) {
      if (last.sum / last.count <= block.sum / block.count) break;
      block = { sum: last.sum + block.sum, count: last.count + block.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  let at = 0;
  for (const { sum, count } of blocks) {
    for (let i = 0; i < count; i++, at++) layer[at]!.x = sum / count + offsets[at]!;
  }
}
