/// <reference lib="dom" />
// stage-scatter.tsx — scatter plots and parallel coordinates of the tasks of a stage
import type { Frame } from '../../analysis/frame.ts';
import { axesIn, numbersIn } from '../cells.ts';
import { ParallelFigure } from '../charts/parallel-figure.tsx';
import { ScatterFigure } from '../charts/scatter-figure.tsx';
import { listIn, listText } from '../links.ts';
import { Empty, taskHash } from './bits.tsx';
import { setSettings, useShared } from './state.ts';

function Choice({
  label,
  name,
  value,
  options,
}: {
  readonly label: string;
  readonly name: string;
  readonly value: string;
  readonly options: readonly string[];
}) {
  const { place } = useShared();
  return (
    <label>
      {label}{' '}
      <select
        value={value}
        onChange={({ currentTarget }) => setSettings(place, { [name]: currentTarget.value })}
      >
        {options.map((one) => (
          <option key={one} value={one}>
            {one === '' ? 'nothing' : one}
          </option>
        ))}
      </select>
    </label>
  );
}

const open = (task: string): void => {
  location.hash = taskHash(task, '');
};

export function Scatter({ frame }: { readonly frame: Frame }) {
  const {
    place: { settings },
  } = useShared();
  const numbers = numbersIn(frame.columns);
  const axes = axesIn(frame.columns);
  const numeric = axes.filter((axis) =>
    cellsOf(frame, axis).every((cell) => Number.isFinite(Number(cell))),
  );
  const all = [...numbers, ...numeric];
  const y = settings.y ?? headline(numbers);
  const x =
    settings.x ??
    numeric.find((axis) => new Set(cellsOf(frame, axis)).size > 1) ??
    numbers.find((name) => name !== y) ??
    y;
  const color =
    settings.color ??
    axes.find((axis) => axis !== x && between(new Set(cellsOf(frame, axis)).size, 2, 8)) ??
    '';
  if (y === '') return <Empty>This stage gives no numbers.</Empty>;
  const [xs, ys, groups, tasks] = [
    cellsOf(frame, x),
    cellsOf(frame, y),
    cellsOf(frame, color),
    cellsOf(frame, 'task'),
  ];
  const points = tasks.flatMap((task, at) => {
    const [a, b] = [numberOf(xs[at]), numberOf(ys[at])];
    return Number.isFinite(a) && Number.isFinite(b)
      ? [{ task: String(task), x: a, y: b, group: String(groups[at] ?? '') }]
      : [];
  });
  return (
    <>
      <p class="controls">
        <Choice label="Across" name="x" value={x} options={all} />
        <Choice label="Up" name="y" value={y} options={all} />
        <Choice label="Colour" name="color" value={color} options={['', ...axes]} />
      </p>
      {points.length === 0 ? (
        <Empty>No task has both numbers.</Empty>
      ) : (
        <ScatterFigure points={points} xName={x} yName={y} open={open} />
      )}
    </>
  );
}

const between = (value: number, low: number, high: number): boolean =>
  value >= low && value <= high;
const numberOf = (cell: unknown): number =>
  cell === null || cell === undefined || cell === '' ? Number.NaN : Number(cell);

/** The number that tells most of a task, by its name. */
const headline = (names: readonly string[]): string =>
  names.find((name) => /accuracy/i.test(name)) ??
  names.find((name) => /loss|score|error/i.test(name)) ??
  names[0] ??
  '';

function cellsOf({ columns, rows }: Frame, name: string): readonly (number | string | null)[] {
  const at = columns.findIndex((column) => column.name === name);
  return rows.map((row) => row[at] ?? null);
}

export function Parallel({ frame, stage }: { readonly frame: Frame; readonly stage: string }) {
  const { place } = useShared();
  const numbers = numbersIn(frame.columns);
  const varied = axesIn(frame.columns).filter((axis) => new Set(cellsOf(frame, axis)).size > 1);
  const names = place.settings.axes
    ? listIn(place.settings.axes)
    : [...varied, headline(numbers)].filter((name) => name !== '');
  const toggle = (name: string): void =>
    setSettings(place, {
      axes: listText(names.includes(name) ? names.filter((one) => one !== name) : [...names, name]),
    });
  if (axesIn(frame.columns).length + numbers.length === 0)
    return <Empty>This stage has no axes and gives no numbers.</Empty>;
  const axes = names.map((name) => ({
    name,
    isNumber: frame.columns.some((column) => column.name === name && column.kind === 'number'),
  }));
  const columns = names.map((name) => cellsOf(frame, name));
  const lines = cellsOf(frame, 'task').map((task, at) => ({
    task: String(task),
    cells: columns.map((column) => column[at] ?? null),
  }));
  return (
    <>
      <details class="menu">
        <summary>Axes</summary>
        <div class="choices">
          {[...axesIn(frame.columns), ...numbers].map((name) => (
            <label key={name}>
              <input type="checkbox" checked={names.includes(name)} onChange={() => toggle(name)} />{' '}
              {name}
            </label>
          ))}
        </div>
      </details>
      <ParallelFigure
        axes={axes}
        lines={lines}
        title={`${stage}: ${names.at(-1) ?? ''}`}
        open={open}
      />
    </>
  );
}
