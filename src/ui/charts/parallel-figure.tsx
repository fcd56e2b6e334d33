/// <reference lib="dom" />
// parallel-figure.tsx — parallel coordinates: each task as a line through its labels and numbers
import { pathOf, scaleOf } from '../chart.ts';
import { formatNumber } from '../numbers.ts';
import { rampAt } from './chart-colours.ts';
import { Figure, useWidth } from './figure.tsx';

export interface ParallelAxis {
  readonly name: string;
  readonly isNumber: boolean;
}

export interface ParallelLine {
  readonly task: string;
  readonly cells: readonly (number | string | null)[];
}

const LINES_MAX = 2000;

/** Each task as a line through its labels and numbers; coloured by the last of them. */
export function ParallelFigure({
  axes,
  lines,
  title,
  open,
}: {
  readonly axes: readonly ParallelAxis[];
  readonly lines: readonly ParallelLine[];
  readonly title: string;
  open(task: string): void;
}) {
  const [ref, width] = useWidth();
  const height = 380;
  const every = Math.ceil(lines.length / LINES_MAX);
  const shown = lines.filter((_, at) => at % every === 0);
  const range = [height - 20, 40] as const;
  const scales = axes.map(({ isNumber }, at) =>
    axisScale(
      isNumber,
      lines.map(({ cells }) => cells[at] ?? null),
      range,
    ),
  );
  const xAt = (at: number): number => 40 + (at * (width - 110)) / Math.max(1, axes.length - 1);
  const last = scales.at(-1);
  return (
    <Figure title={title}>
      <div ref={ref}>
        <svg
          class="chart"
          width={width}
          height={height}
          role="img"
          aria-label={`${title}, ${lines.length} tasks`}
        >
          {shown.map(({ task, cells }) => (
            <path
              key={task}
              class="strand"
              onClick={() => open(task)}
              stroke={rampAt(last?.share(cells.at(-1) ?? null) ?? 0)}
              d={pathOf(
                cells.map((cell, at) => {
                  const y = scales[at]?.at(cell);
                  return y === undefined ? null : ([xAt(at), y] as const);
                }),
              )}
            >
              <title>{task}</title>
            </path>
          ))}
          {axes.map(({ name }, at) => (
            <g key={name}>
              <line class="axis" x1={xAt(at)} x2={xAt(at)} y1={range[1]} y2={range[0]} />
              <text class="tick" x={xAt(at)} y={at % 2 === 0 ? 14 : 28} text-anchor="middle">
                {name.length > 18 ? `…${name.slice(-17)}` : name}
              </text>
              {scales[at]?.ticks.map(([label, y]) => (
                <text key={label} class="tick" x={xAt(at) + 4} y={y + 3}>
                  {label.length > 16 ? `${label.slice(0, 15)}…` : label}
                </text>
              ))}
            </g>
          ))}
        </svg>
      </div>
      {every > 1 && <p class="empty">Every {every}th task is drawn.</p>}
    </Figure>
  );
}

interface AxisScale {
  readonly ticks: readonly (readonly [label: string, y: number])[];
  at(cell: number | string | null): number | undefined;
  share(cell: number | string | null): number;
}

function axisScale(
  isNumber: boolean,
  cells: readonly (number | string | null)[],
  [low, high]: readonly [number, number],
): AxisScale {
  if (isNumber) {
    const scale = scaleOf(
      cells.map((cell) => (typeof cell === 'number' ? cell : null)),
      [low, high],
    );
    const at = (cell: number | string | null) =>
      typeof cell === 'number' && Number.isFinite(cell) ? scale.at(cell) : undefined;
    return {
      at,
      share: (cell) => ((at(cell) ?? low) - low) / (high - low),
      ticks: scale.ticks.map((tick) => [formatNumber(tick), scale.at(tick)]),
    };
  }
  const labels = [...new Set(cells.filter((cell) => cell !== null).map(String))];
  const yOf = (label: string): number | undefined => {
    const place = labels.indexOf(label);
    return place < 0 ? undefined : low + ((place + 0.5) / labels.length) * (high - low);
  };
  const at = (cell: number | string | null) => (cell === null ? undefined : yOf(String(cell)));
  return {
    at,
    share: (cell) => ((at(cell) ?? low) - low) / (high - low),
    ticks: labels.slice(0, 20).map((label) => [label, yOf(label) ?? low]),
  };
}
