/// <reference lib="dom" />
// curve-chart.tsx — one number over steps: one line for each task, read off at the pointer
import { useState } from 'preact/hooks';
import { extentOf, pathOf, scaleOf, smoothed, thinned } from '../chart.ts';
import type { Curve } from '../forms.ts';
import { formatNumber } from '../numbers.ts';
import { coloursOf } from './chart-colours.ts';
import { Axes, Figure, MARGIN, useWidth } from './figure.tsx';

export function CurveChart({
  name,
  curves,
  tasks,
  weight,
}: {
  readonly name: string;
  readonly curves: readonly Curve[];
  readonly tasks: readonly string[];
  readonly weight: number;
}) {
  const [ref, width] = useWidth();
  const [at, setAt] = useState<number>();
  const height = 220;
  const lines = curves.map((curve) => ({ ...curve, values: smoothed(curve.values, weight) }));
  const x = scaleOf(
    lines.flatMap(({ steps }) => extentOf(steps) ?? []),
    [MARGIN.left, width - MARGIN.right],
  );
  const y = scaleOf(
    lines.flatMap(({ values }) => extentOf(values) ?? []),
    [height - MARGIN.bottom, MARGIN.top],
  );
  const step =
    at === undefined
      ? undefined
      : x.low + ((at - MARGIN.left) / (width - MARGIN.right - MARGIN.left)) * (x.high - x.low);
  return (
    <Figure title={name} legend={{ names: tasks, colours: coloursOf(tasks) }}>
      <div ref={ref}>
        <svg
          class="chart"
          width={width}
          height={height}
          role="img"
          aria-label={`${name} over steps, ${curves.length} curves, ${curves[0]?.values.length ?? 0} points`}
          data-points={curves[0]?.values.length}
          onPointerMove={(event) =>
            setAt(event.clientX - event.currentTarget.getBoundingClientRect().left)
          }
          onPointerLeave={() => setAt(undefined)}
        >
          <Axes x={x} y={y} width={width} height={height} xName="step" yName="" />
          {lines.map(({ task, steps, values }) => (
            <path
              key={task}
              class="curve"
              stroke={coloursOf(tasks)[tasks.indexOf(task)]}
              d={pathOf(
                thinned(steps, values, width).map(([s, value]) =>
                  value === null ? null : ([x.at(s), y.at(value)] as const),
                ),
              )}
            />
          ))}
          {lines.map(
            ({ task, steps, values }) =>
              steps.length === 1 &&
              values[0] !== null &&
              values[0] !== undefined && (
                <circle
                  key={task}
                  cx={x.at(steps[0] ?? 0)}
                  cy={y.at(values[0])}
                  r="3"
                  fill={coloursOf(tasks)[tasks.indexOf(task)]}
                />
              ),
          )}
          {at !== undefined && (
            <line class="axis" x1={at} x2={at} y1={MARGIN.top} y2={height - MARGIN.bottom} />
          )}
        </svg>
        {step !== undefined && (
          <p class="read">
            {lines.slice(0, 8).map(({ task, steps, values }) => (
              <ReadAt
                key={task}
                task={task}
                steps={steps}
                values={values}
                step={step}
                isNamed={lines.length > 1}
              />
            ))}
          </p>
        )}
      </div>
    </Figure>
  );
}

function ReadAt({
  task,
  steps,
  values,
  step,
  isNamed,
}: {
  readonly task: string;
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
  readonly step: number;
  readonly isNamed: boolean;
}) {
  let nearest = 0;
  for (const [at, one] of steps.entries())
    if (Math.abs(one - step) < Math.abs((steps[nearest] ?? 0) - step)) nearest = at;
  const value = values[nearest];
  return (
    <span>
      {isNamed ? `${task}: ` : ''}step {steps[nearest]}:{' '}
      {value === null || value === undefined ? '–' : formatNumber(value)}{' '}
    </span>
  );
}
