/// <reference lib="dom" />
// scatter-figure.tsx — a scatter plot: one point for each task
import { scaleOf } from '../chart.ts';
import { formatNumber } from '../numbers.ts';
import { coloursOf } from './chart-colours.ts';
import { Axes, Figure, Legend, MARGIN, useWidth } from './figure.tsx';

export interface Point {
  readonly task: string;
  readonly x: number;
  readonly y: number;
  readonly group: string;
}

/** Points that are drawn; of more, every so many. */
const POINTS_MAX = 4000;

export function ScatterFigure({
  points,
  xName,
  yName,
  open,
}: {
  readonly points: readonly Point[];
  readonly xName: string;
  readonly yName: string;
  open(task: string): void;
}) {
  const [ref, width] = useWidth();
  const height = 380;
  const every = Math.ceil(points.length / POINTS_MAX);
  const shown = points.filter((_, at) => at % every === 0);
  const groups = [...new Set(points.map(({ group }) => group))];
  const colours = coloursOf(groups);
  const x = scaleOf(
    points.map((point) => point.x),
    [MARGIN.left, width - MARGIN.right],
  );
  const y = scaleOf(
    points.map((point) => point.y),
    [height - MARGIN.bottom, MARGIN.top],
  );
  return (
    <Figure title={`${yName} over ${xName}`} legend={{ names: groups.slice(0, 24), colours }}>
      <div ref={ref}>
        <svg
          class="chart"
          width={width}
          height={height}
          role="img"
          aria-label={`${yName} over ${xName}, ${points.length} points`}
        >
          <Axes x={x} y={y} width={width} height={height} xName={xName} yName={yName} />
          {shown.map((point) => (
            <circle
              key={point.task}
              class="point"
              cx={x.at(point.x)}
              cy={y.at(point.y)}
              r="3.5"
              fill={colours[groups.indexOf(point.group)]}
              onClick={() => open(point.task)}
            >
              <title>{`${point.task}: ${xName} ${formatNumber(point.x)}, ${yName} ${formatNumber(point.y)}`}</title>
            </circle>
          ))}
        </svg>
      </div>
      {groups.length > 1 && <Legend names={groups.slice(0, 24)} colours={colours} />}
      {every > 1 && <p class="empty">Every {every}th point is drawn.</p>}
    </Figure>
  );
}
