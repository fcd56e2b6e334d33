// points.ts — what is drawn: values of tasks, and their means over an axis with 95 % intervals
import type { TaskId } from '../../engine/model/key.ts';
import { elementAt } from '../../present.ts';
import { mean } from '../../stats/summary.ts';
import { meanInterval } from '../../stats/t-test.ts';
import { type Cell, cellAt, type Frame, numberIn } from '../frame.ts';
import { TASK } from '../results.ts';
import type { Series } from '../values.ts';
import type { PlotPlan } from './plan.ts';

/** A point of a plot. Vega reads its fields by name. */
export interface Point {
  readonly x: number | string;
  readonly y: number | string;
  readonly color?: number | string;
  readonly facet?: string;
  /** Which line it belongs to. */
  readonly line: string;
  readonly task?: string;
  /** Of a mean. */
  readonly n?: number;
  readonly low?: number;
  readonly high?: number;
}

/** The points of a plot. */
export interface Points {
  readonly tasks: readonly Point[];
  readonly means: readonly Point[];
  /** Values that are no finite numbers, and are not drawn. */
  readonly left: number;
}

/** A line of more points than this is thinned. */
const LINE_POINTS_MAX = 1000;

interface Place {
  readonly color?: number | string;
  readonly facet?: string;
  readonly line: string;
  readonly task: string;
}

/** Where the tasks of a frame stand in a plot. */
function places({ columns, rows }: Frame, plan: PlotPlan): readonly Place[] {
  const indexOf = (name: string | undefined): number =>
    columns.findIndex((column) => column.name === name);
  const [color, facet, task] = [plan.color, plan.facet, TASK].map(indexOf);
  const apart = plan.apart.map(indexOf);
  return rows.map((row) => {
    const cell = (at: number | undefined): Cell =>
      at === undefined || at < 0 ? null : cellAt(row, at);
    const own = { color: cell(color), facet: cell(facet) };
    const line = JSON.stringify([own.color, own.facet, ...apart.map(cell)]);
    return {
      ...(own.color !== null && { color: own.color }),
      ...(own.facet !== null && { facet: String(own.facet) }),
      line,
      task: String(cell(task) ?? ''),
    };
  });
}

/** The points of curves. */
export function curvePoints(
  frame: Frame,
  series: ReadonlyMap<TaskId, Series>,
  plan: PlotPlan,
): Points {
  const lines = new Map<string, Sample>();
  const tasks: Point[] = [];
  let left = 0;
  for (const place of places(frame, plan)) {
    const own = series.get(place.task as TaskId);
    if (own === undefined) continue;
    const every = Math.ceil(own.values.length / LINE_POINTS_MAX);
    for (const [at, y] of own.values.entries()) {
      if (at % every !== 0 && at !== own.values.length - 1) continue;
      if (y === null || !Number.isFinite(y)) {
        left += 1;
        continue;
      }
      const x = own.steps?.[at] ?? at + 1;
      tasks.push({ x, y, ...place, line: plan.over.length > 0 ? place.line : place.task });
      add(lines, place, x, y);
    }
  }
  return { tasks, means: plan.over.length > 0 ? meansOf(lines) : [], left };
}

/** The points of dots, scatter plots and heat maps. @param value the column of what is averaged */
export function taskPoints(frame: Frame, plan: PlotPlan, isXNumber: boolean): Points {
  const { columns, rows } = frame;
  const value = plan.kind === 'heatmap' ? plan.color : plan.y;
  const [x, y] = [plan.x, value].map((name) => columns.findIndex((one) => one.name === name));
  const second = columns.findIndex(({ name }) => name === plan.y);
  const lines = new Map<string, Sample>();
  const tasks: Point[] = [];
  let left = 0;
  const where = places(frame, plan.kind === 'heatmap' ? withoutColor(plan) : plan);
  for (const [at, row] of rows.entries()) {
    const place = elementAt(where, at);
    const [across, number] = [cellAt(row, x ?? -1), cellAt(row, y ?? -1)];
    const placed = isXNumber ? numberOf(across) : String(across ?? '');
    if (typeof number !== 'number' || !Number.isFinite(number) || placed === undefined) {
      left += 1;
      continue;
    }
    tasks.push({ x: placed, y: number, ...place });
    const line = plan.kind === 'heatmap' ? String(cellAt(row, second) ?? '') : place.line;
    add(lines, { ...place, line }, placed, number);
  }
  return { tasks, means: meansOf(lines), left };
}

function withoutColor({ color: _, ...plan }: PlotPlan): PlotPlan {
  return plan;
}

function numberOf(cell: Cell): number | undefined {
  const number = typeof cell === 'string' ? numberIn(cell) : cell;
  return number === null || !Number.isFinite(number) ? undefined : number;
}

/** The values at one x of one line. */
interface Sample {
  readonly at: Point;
  readonly values: number[];
}

function add(
  lines: Map<string, Sample>,
  { task: _, ...place }: Place,
  x: number | string,
  y: number,
): void {
  const name = JSON.stringify([place.line, place.facet ?? null, x]);
  const sample = lines.get(name);
  if (sample) sample.values.push(y);
  else lines.set(name, { at: { x, y, ...place }, values: [y] });
}

function meansOf(lines: ReadonlyMap<string, Sample>): readonly Point[] {
  return [...lines.values()].map(({ at, values }) => {
    const { ci } = meanInterval(values);
    const interval = ci ? { low: ci[0], high: ci[1] } : {};
    return { ...at, y: mean(values), n: values.length, ...interval };
  });
}
