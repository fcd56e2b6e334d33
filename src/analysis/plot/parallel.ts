// parallel.ts — parallel coordinates: a line for each task, through its labels and to its number
import { type Cell, cellAt, type Frame, numberIn } from '../frame.ts';
import { TASK } from '../results.ts';
import type { PlotSpec } from './spec.ts';

/** More lines than this are a carpet. */
const LINES_MAX = 5000;

/** One coordinate: where its labels or numbers stand, from 0 to 1. */
interface Coordinate {
  readonly name: string;
  readonly placeOf: (cell: Cell) => number | null;
  readonly marks: readonly { readonly text: string; readonly place: number }[];
}

/** A Vega-Lite specification of the tasks of a frame, coloured by a number. */
export function parallelSpec(
  frame: Frame,
  axes: readonly string[],
  metric: string,
  title: PlotSpec,
): PlotSpec {
  const { columns, rows } = frame;
  const indexOf = (name: string): number => columns.findIndex((column) => column.name === name);
  const coordinates = [...axes, metric].map((name) => coordinateOf(frame, indexOf(name), name));
  const [task, number] = [indexOf(TASK), indexOf(metric)];
  const shown = rows.filter((row) => Number.isFinite(cellAt(row, number))).slice(0, LINES_MAX);
  const lines = shown.flatMap((row) =>
    coordinates.flatMap(({ name, placeOf }) => {
      const cell = cellAt(row, indexOf(name));
      const place = placeOf(cell);
      if (place === null) return [];
      return [
        {
          of: 'line',
          axis: name,
          place,
          task: cellAt(row, task),
          value: cellAt(row, number),
          label: String(cell),
        },
      ];
    }),
  );
  const marks = coordinates.flatMap(({ name, marks: own }) =>
    own.map(({ text, place }) => ({ of: 'mark', axis: name, place, text })),
  );
  const x = {
    field: 'axis',
    type: 'nominal',
    sort: [...axes, metric],
    title: null,
    axis: { labelAngle: 0, domain: false, grid: true },
  };
  const y = { field: 'place', type: 'quantitative', axis: null, scale: { domain: [0, 1] } };
  return {
    ...title,
    width: Math.max(400, 130 * coordinates.length),
    height: 340,
    data: { values: [...lines, ...marks] },
    layer: [
      {
        transform: [{ filter: "datum.of === 'line'" }],
        mark: { type: 'line', strokeWidth: 1.4, opacity: 0.6 },
        encoding: {
          x,
          y,
          detail: { field: 'task', type: 'nominal' },
          color: {
            field: 'value',
            type: 'quantitative',
            title: metric,
            scale: { scheme: 'viridis' },
          },
          tooltip: [{ field: 'task' }, { field: 'value', type: 'quantitative', title: metric }],
        },
      },
      {
        transform: [{ filter: "datum.of === 'mark'" }],
        mark: {
          type: 'text',
          align: 'left',
          dx: 5,
          fontSize: 10,
          fill: '#26251f',
          stroke: '#ffffff',
          strokeWidth: 0.2,
        },
        encoding: { x, y, text: { field: 'text', type: 'nominal' } },
      },
    ],
  };
}

function coordinateOf({ columns, rows }: Frame, at: number, name: string): Coordinate {
  const cells = rows.map((row) => cellAt(row, at)).filter((cell) => cell !== null);
  const numbers = cells.map((cell) => (typeof cell === 'number' ? cell : numberIn(String(cell))));
  const isMetric = columns[at]?.kind === 'number';
  if (isMetric) {
    const finite = numbers.filter(Number.isFinite);
    const low = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const span = high - low || 1;
    const marks = [low, high].map((value) => ({
      text: String(Number(value.toPrecision(4))),
      place: (value - low) / span,
    }));
    return {
      name,
      marks,
      placeOf: (cell) => (Number.isFinite(cell) ? (Number(cell) - low) / span : null),
    };
  }
  const labels = [...new Set(cells.map(String))];
  const isNumber = labels.every((label) => !Number.isNaN(numberIn(label)));
  const order = isNumber ? [...labels].sort((a, b) => numberIn(a) - numberIn(b)) : labels;
  const place = (label: string): number =>
    order.length < 2 ? 0.5 : order.indexOf(label) / (order.length - 1);
  const every = Math.ceil(order.length / 12);
  const marks = order
    .filter((_, n) => n % every === 0)
    .map((text) => ({ text, place: place(text) }));
  return { name, marks, placeOf: (cell) => (cell === null ? null : place(String(cell))) };
}
