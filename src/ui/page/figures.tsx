/// <reference lib="dom" />
// figures.tsx — charts as SVG: curves, scatter plots, parallel coordinates; saved as SVG and PNG
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { headlineRank } from '../../analysis/order.ts';
import { isKnownProfile, paletteOf } from '../../report/markup/palette.ts';
import { extentOf, pathOf, type Scale, scaleOf, smoothed, thinned } from '../chart.ts';
import type { Curve } from '../forms.ts';
import { formatNumber } from '../numbers.ts';
import { save } from './bits.tsx';
import { setSettings, useShared } from './state.ts';

/** Colours that can be told apart, also by most who see few colours (Okabe and Ito), on light and on dark. */
const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#b58900',
  '#56b4e9',
  '#7a5195',
  '#888888',
];
export const colourAt = (at: number): string => COLOURS[at % COLOURS.length] ?? '#888888';

/**
 * The colours of several names, groups or tasks. Where each is of a profile of its own they are those of the report, so that a
 * profile looks the same on all pages; else they go by place.
 */
export function coloursOf(names: readonly string[]): readonly string[] {
  const keys = names.map((name) => profileIn(name) ?? name);
  const isFixed = new Set(keys).size === names.length && keys.some(isKnownProfile);
  const palette = isFixed ? paletteOf(keys) : undefined;
  return keys.map((key, at) => palette?.get(key)?.color ?? colourAt(at));
}

/** The profile that a group or a task is of: `uniform`, `rigl[mnist,0.9,erk,uniform,0]`. */
const profileIn = (name: string): string | undefined =>
  [name, ...(/\[(.*)\]$/s.exec(name)?.[1]?.split(',') ?? [])].find(isKnownProfile);

const MARGIN = { left: 58, right: 12, top: 10, bottom: 34 };

/** The width that there is. */
function useWidth(): readonly [ref: { current: HTMLDivElement | null }, width: number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(240, box.clientWidth)));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** A chart with its title and ways to save it. */
export function Figure({
  title,
  legend,
  children,
}: {
  readonly title: string;
  /** What stands beside the chart, and belongs into its file. */
  readonly legend?: LegendProps | undefined;
  readonly children: ComponentChildren;
}) {
  const box = useRef<HTMLElement>(null);
  const svg = (): SVGSVGElement | null => box.current?.querySelector('svg.chart') ?? null;
  const name = title.replace(/[^\w.-]+/g, '-').slice(0, 60) || 'plot';
  return (
    <figure ref={box}>
      <figcaption>
        {title}{' '}
        <span class="saves">
          <button type="button" onClick={() => saveSvg(svg(), legend, `${name}.svg`)}>
            SVG
          </button>{' '}
          <button type="button" onClick={() => void savePng(svg(), legend, `${name}.png`)}>
            PNG
          </button>
        </span>
      </figcaption>
      {children}
    </figure>
  );
}

/** What the style sheet says of an element is written into it: a file has no style sheet. */
const STYLED = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'paint-order',
  'font-size',
  'font-family',
  'opacity',
  'text-anchor',
];

function standalone(svg: SVGSVGElement, legend: LegendProps | undefined): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const own = [svg, ...svg.querySelectorAll('*')];
  for (const [at, element] of [copy, ...copy.querySelectorAll('*')].entries()) {
    const from = own[at];
    if (from === undefined) continue;
    const style = getComputedStyle(from);
    for (const property of STYLED) {
      const value = style.getPropertyValue(property);
      if (value !== '') element.setAttribute(property, value);
    }
    element.removeAttribute('class');
    element.removeAttribute('style');
  }
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const { width, height: charted } = svg.getBoundingClientRect();
  const names = legend && legend.names.length > 1 ? legend.names : [];
  const height = charted + names.length * LEGEND_ROW;
  for (const [at, name] of names.entries()) {
    const y = charted + at * LEGEND_ROW;
    copy.append(
      drawn('rect', { x: 8, y: y + 6, width: 14, height: 4, fill: legend?.colours[at] ?? '' }),
      drawn('text', { ...LEGEND_TEXT, x: 28, y: y + 12, fill: getComputedStyle(svg).color }, name),
    );
  }
  const paper = drawn('rect', {
    width,
    height,
    fill: getComputedStyle(document.body).backgroundColor,
  });
  copy.prepend(paper);
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  return new XMLSerializer().serializeToString(copy);
}

const LEGEND_ROW = 18;
const LEGEND_TEXT = { 'font-size': '12px', 'font-family': 'system-ui, sans-serif' };

function drawn(
  tag: 'rect' | 'text',
  attributes: { readonly [name: string]: string | number },
  text = '',
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.textContent = text;
  return element;
}

function saveSvg(svg: SVGSVGElement | null, legend: LegendProps | undefined, name: string): void {
  if (svg) save(name, new Blob([standalone(svg, legend)], { type: 'image/svg+xml' }));
}

async function savePng(
  svg: SVGSVGElement | null,
  legend: LegendProps | undefined,
  name: string,
): Promise<void> {
  if (svg === null) return;
  const image = new Image();
  const drawing = new Blob([standalone(svg, legend)], { type: 'image/svg+xml' });
  image.src = URL.createObjectURL(drawing);
  await image.decode();
  savePicture(image, name);
  URL.revokeObjectURL(image.src);
}

/** A picture as PNG, with two points for each of its own. */
export function savePicture(image: HTMLImageElement, name: string): void {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [2 * image.naturalWidth, 2 * image.naturalHeight];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => {
    if (blob) save(name, blob);
  });
}

function Axes({
  x,
  y,
  width,
  height,
  xName,
  yName,
}: {
  readonly x: Scale;
  readonly y: Scale;
  readonly width: number;
  readonly height: number;
  readonly xName: string;
  readonly yName: string;
}) {
  const bottom = height - MARGIN.bottom;
  return (
    <g>
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line
            class="grid"
            x1={MARGIN.left}
            x2={width - MARGIN.right}
            y1={y.at(tick)}
            y2={y.at(tick)}
          />
          <text class="tick" x={MARGIN.left - 6} y={y.at(tick) + 4} text-anchor="end">
            {formatNumber(tick)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <text key={tick} class="tick" x={x.at(tick)} y={bottom + 16} text-anchor="middle">
          {formatNumber(tick)}
        </text>
      ))}
      <line class="axis" x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} />
      <text class="tick" x={width - MARGIN.right} y={height - 4} text-anchor="end">
        {xName}
      </text>
      <text class="tick" x={4} y={MARGIN.top + 2} text-anchor="start">
        {yName.length > 30 ? `…${yName.slice(-29)}` : yName}
      </text>
    </g>
  );
}

/** Curves by name: one chart for each number, one line for each task. What tells most comes first. */
export function CurvesFigure({
  curves,
  title,
  limit = 12,
}: {
  readonly curves: readonly Curve[];
  readonly title: string;
  /** So many charts at once. */
  readonly limit?: number;
}) {
  const { place } = useShared();
  const only = place.settings.number ?? '';
  const weight = Math.min(0.99, Math.max(0, Number(place.settings.smooth) || 0));
  const names = [...new Set(curves.map(({ name }) => name))].sort(
    (a, b) => headlineRank(a) - headlineRank(b),
  );
  const tasks = [...new Set(curves.map(({ task }) => task))];
  const shown = names.includes(only) ? [only] : names.slice(0, limit);
  return (
    <section aria-labelledby="curves">
      <h2 id="curves">{title}</h2>
      <p class="controls">
        {names.length > 1 && (
          <label>
            Number{' '}
            <select
              value={only}
              onChange={({ currentTarget }) =>
                setSettings(place, { number: currentTarget.value || undefined }, 'replace')
              }
            >
              <option value="">{names.length > limit ? `the first ${limit}` : 'all'}</option>
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          Smoothing{' '}
          <input
            type="range"
            min="0"
            max="0.99"
            step="0.01"
            value={weight}
            onInput={({ currentTarget: { value } }) =>
              setSettings(place, { smooth: value === '0' ? undefined : value }, 'replace')
            }
          />
        </label>
      </p>
      <div class="charts">
        {shown.map((name) => (
          <CurveChart
            key={name}
            name={name}
            weight={weight}
            tasks={tasks}
            curves={curves.filter((curve) => curve.name === name)}
          />
        ))}
      </div>
      {names.length > limit && shown.length > 1 && (
        <p class="empty">{names.length - shown.length} more numbers: choose one above</p>
      )}
      {tasks.length > 1 && <Legend names={tasks} colours={coloursOf(tasks)} />}
    </section>
  );
}

export interface LegendProps {
  readonly names: readonly string[];
  readonly colours: readonly string[];
}

const Legend = ({ names, colours }: LegendProps) => (
  <ul class="legend">
    {names.map((name, at) => (
      <li key={name}>
        <svg width="14" height="10" aria-hidden="true">
          <rect width="14" height="4" y="3" fill={colours[at]} />
        </svg>{' '}
        {name}
      </li>
    ))}
  </ul>
);

function CurveChart({
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

/** From blue by grey to orange. */
function rampAt(share: number): string {
  const [a, b] =
    share < 0.5
      ? [
          [0, 114, 178],
          [136, 136, 136],
        ]
      : [
          [136, 136, 136],
          [213, 94, 0],
        ];
  const part = share < 0.5 ? 2 * share : 2 * share - 1;
  const mixed = [0, 1, 2].map((at) =>
    Math.round((a[at] ?? 0) + part * ((b[at] ?? 0) - (a[at] ?? 0))),
  );
  return `rgb(${mixed.join(',')})`;
}
