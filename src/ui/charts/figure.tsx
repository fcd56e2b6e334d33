/// <reference lib="dom" />
// figure.tsx — what charts share: the frame with its buttons, axes, the legend
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Scale } from '../chart.ts';
import { formatNumber } from '../numbers.ts';
import { type LegendProps, savePng, saveSvg } from './save-chart.ts';

export const MARGIN = { left: 58, right: 12, top: 10, bottom: 34 };

/** The width that there is. */
export function useWidth(): readonly [ref: { current: HTMLDivElement | null }, width: number] {
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

export function Axes({
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

export const Legend = ({ names, colours }: LegendProps) => (
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
