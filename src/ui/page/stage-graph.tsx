/// <reference lib="dom" />
// stage-graph.tsx — the stages and how they hang together, with counts that fill

import { layersOf, withoutShortcuts } from '../chart.ts';
import type { StageProgress } from '../forms.ts';
import { STATUSES } from '../forms.ts';
import { countsText } from './bits.tsx';

const BOX = { width: 178, height: 46, across: 60, down: 14 };

interface Props {
  readonly stages: readonly StageProgress[];
  readonly edges: readonly (readonly [from: string, to: string])[];
  readonly chosen: string | undefined;
  choose(stage: string): void;
}

export function StageGraph({ stages, edges, chosen, choose }: Props) {
  const layers = layersOf(
    stages.map(({ stage }) => stage),
    edges,
  );
  const most = Math.max(1, ...layers.map((layer) => layer.length));
  const height = most * (BOX.height + BOX.down) + BOX.down;
  const width = layers.length * (BOX.width + BOX.across) - BOX.across + 4;
  const places = new Map<string, readonly [x: number, y: number]>();
  for (const [at, layer] of layers.entries()) {
    const free = height - layer.length * (BOX.height + BOX.down) + BOX.down;
    for (const [row, stage] of layer.entries()) {
      places.set(stage, [
        2 + at * (BOX.width + BOX.across),
        free / 2 + row * (BOX.height + BOX.down),
      ]);
    }
  }
  return (
    <div class="wide graph" tabIndex={0} role="group" aria-label="graph of the stages">
      <svg width={width} height={height} role="group" aria-label="stages and what they need">
        {withoutShortcuts(edges).map(([from, to]) => (
          <path key={`${from} ${to}`} class="edge" d={edgePath(places.get(from), places.get(to))} />
        ))}
        {stages.map((stage) => (
          <Box
            key={stage.stage}
            stage={stage}
            place={places.get(stage.stage) ?? [0, 0]}
            isChosen={chosen === stage.stage}
            choose={choose}
          />
        ))}
      </svg>
    </div>
  );
}

function edgePath(
  from: readonly [number, number] | undefined,
  to: readonly [number, number] | undefined,
): string {
  if (from === undefined || to === undefined) return '';
  const [x1, y1] = [from[0] + BOX.width, from[1] + BOX.height / 2];
  const [x2, y2] = [to[0], to[1] + BOX.height / 2];
  const middle = Math.min(BOX.across / 2, Math.max(12, (x2 - x1) / 2));
  return `M${x1} ${y1}C${x1 + middle} ${y1} ${x2 - middle} ${y2} ${x2} ${y2}`;
}

function Box({
  stage: { stage, of, counts },
  place: [x, y],
  isChosen,
  choose,
}: {
  readonly stage: StageProgress;
  readonly place: readonly [number, number];
  readonly isChosen: boolean;
  choose(stage: string): void;
}) {
  const whole = Math.max(
    1,
    of ?? 0,
    Object.values(counts).reduce((sum, count) => sum + count, 0),
  );
  const { running = 0, waiting = 0, unmade = 0, ...over } = counts;
  const done = Object.values(over).reduce((sum, count) => sum + count, 0);
  const inner = BOX.width - 16;
  let from = x + 8;
  const parts = STATUSES.flatMap((status) => {
    const size = ((counts[status] ?? 0) / whole) * inner;
    if (size === 0) return [];
    const part = (
      <rect
        key={status}
        class={`part ${status}`}
        x={from}
        y={y + BOX.height - 14}
        width={size}
        height={7}
      />
    );
    from += size;
    return [part];
  });
  const name = stage.length > 17 ? `${stage.slice(0, 16)}…` : stage;
  return (
    <g
      class={`box${isChosen ? ' chosen' : ''}${(counts.failed ?? 0) > 0 ? ' failing' : ''}`}
      role="button"
      tabIndex={0}
      aria-pressed={isChosen}
      aria-label={`${stage}: ${countsText(counts) || 'no task'}`}
      onClick={() => choose(stage)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          choose(stage);
        }
      }}
    >
      <title>{`${stage}: ${countsText(counts)}`}</title>
      <rect class="frame" x={x} y={y} width={BOX.width} height={BOX.height} rx={6} />
      <text x={x + 8} y={y + 20}>
        {name}
      </text>
      <text class="count" x={x + BOX.width - 8} y={y + 20} text-anchor="end">
        {done}/{of ?? whole}
      </text>
      {parts}
    </g>
  );
}
