/// <reference lib="dom" />
// plots-view.tsx — curves of chosen tasks, scatter plots, parallel coordinates, and the plots that pipeline.yaml names
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Frame } from '../../analysis/frame.ts';
import { listOf } from '../../analysis/tabulate.ts';
import { axesIn, frameIn, numbersIn, shownTable } from '../cells.ts';
import type { Curve, PlotLine, TableAnswer } from '../forms.ts';
import { listIn, listText } from '../links.ts';
import { Empty, Filter, Problem, taskHash } from './bits.tsx';
import { CurvesFigure, ParallelFigure, ScatterFigure, savePicture } from './figures.tsx';
import {
  type Answered,
  setSettings,
  useAnswer,
  useAsked,
  useRun,
  useShared,
  usualStage,
} from './state.ts';

const KINDS: { readonly [kind: string]: string } = {
  curves: 'Curves',
  scatter: 'Scatter',
  parallel: 'Parallel coordinates',
  study: 'Of the study',
};

export function PlotsView() {
  const { overview, place } = useShared();
  const kind = place.settings.kind ?? 'scatter';
  const { value: stages } = useAnswer<readonly string[]>('/api/stages', {});
  const stage = place.settings.stage || usualStage(stages, overview);
  return (
    <>
      <h1>Plots</h1>
      <p class="controls">
        <label>
          What{' '}
          <select
            value={kind}
            onChange={({ currentTarget }) => setSettings(place, { kind: currentTarget.value })}
          >
            {Object.entries(KINDS).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        {kind !== 'study' && (
          <label>
            Stage{' '}
            <select
              value={stage}
              onChange={({ currentTarget }) =>
                setSettings(place, {
                  stage: currentTarget.value,
                  tasks: undefined,
                  x: undefined,
                  y: undefined,
                  color: undefined,
                  ...{ axes: undefined, where: undefined, number: undefined },
                })
              }
            >
              {[...new Set([...(stages ?? []), ...(stage === '' ? [] : [stage])])].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </p>
      {kind === 'study' ? (
        <StudyPlots />
      ) : stage === '' ? (
        <Empty>Nothing has been made yet.</Empty>
      ) : (
        <StagePlots stage={stage} kind={kind} />
      )}
    </>
  );
}

function StagePlots({ stage, kind }: { readonly stage: string; readonly kind: string }) {
  const { place } = useShared();
  const { value, problem, isLoading } = useAnswer<TableAnswer>(
    '/api/table',
    { stage, at: '' },
    3000,
  );
  const frame = useMemo(() => (value ? frameIn(value) : undefined), [value]);
  const where = place.settings.where ?? '';
  const shown = useMemo(
    () => frame && shownTable(frame, { where: listOf(where), columns: undefined }),
    [frame, where],
  );
  const chosen = listIn(place.settings.tasks);
  if (kind === 'curves') {
    const all = shown?.ok ? shown.frame : undefined;
    return (
      <>
        <Which />
        {shown?.ok === false && <Problem text={shown.message} />}
        <ChosenCurves stage={stage} tasks={chosen} all={all} />
      </>
    );
  }
  if (shown === undefined) return isLoading ? <Empty>Reading …</Empty> : <Problem text={problem} />;
  if (!shown.ok)
    return (
      <>
        <Which />
        <Problem text={shown.message} />
      </>
    );
  if (shown.frame.rows.length === 0)
    return <Empty>No task of {stage} has given anything yet.</Empty>;
  const rows = chosen.length > 0 ? onlyTasks(shown.frame, chosen) : shown.frame;
  return (
    <>
      <Which />
      {kind === 'parallel' ? <Parallel frame={rows} stage={stage} /> : <Scatter frame={rows} />}
    </>
  );
}

/** Which tasks are drawn: a filter, or those that were chosen in the table. */
function Which() {
  const { place } = useShared();
  const chosen = listIn(place.settings.tasks);
  return (
    <p class="controls">
      <Filter />
      {chosen.length > 0 && place.settings.kind !== 'curves' && (
        <span>
          {chosen.length} chosen tasks{' '}
          <button type="button" onClick={() => setSettings(place, { tasks: undefined })}>
            all
          </button>
        </span>
      )}
    </p>
  );
}

const onlyTasks = ({ columns, rows }: Frame, tasks: readonly string[]): Frame => {
  const at = columns.findIndex(({ kind }) => kind === 'task');
  return { columns, rows: rows.filter((row) => tasks.includes(String(row[at]))) };
};

const TASKS_MAX = 24;

function ChosenCurves({
  stage,
  tasks,
  all,
}: {
  readonly stage: string;
  readonly tasks: readonly string[];
  readonly all: Frame | undefined;
}) {
  const { place } = useShared();
  const { id: run } = useRun();
  const at = all?.columns.findIndex(({ kind }) => kind === 'task') ?? -1;
  const names = all?.rows.map((row) => String(row[at])) ?? [];
  const running =
    useRun()
      .progress?.running.map(({ task }) => task)
      .filter((task) => task.startsWith(`${stage}[`) || task === stage)
      .filter(() => !place.settings.where) ?? [];
  const shown = (tasks.length > 0 ? tasks : [...new Set([...running, ...names])].slice(0, 6)).slice(
    0,
    TASKS_MAX,
  );
  const { value: curves = [], problem, isLoading } = useCurves(shown, run);
  return (
    <>
      <p class="controls">
        <label>
          Add a task{' '}
          <input
            list="tasks-of-stage"
            onChange={({ currentTarget }) => {
              if (currentTarget.value === '') return;
              setSettings(place, {
                tasks: listText([...new Set([...shown, currentTarget.value])].slice(0, TASKS_MAX)),
              });
              currentTarget.value = '';
            }}
          />
        </label>
        <datalist id="tasks-of-stage">
          {[...new Set([...running, ...names])].slice(0, 2000).map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {tasks.length > 0 && (
          <button type="button" onClick={() => setSettings(place, { tasks: undefined })}>
            The first six
          </button>
        )}
      </p>
      <ul class="chosen">
        {shown.map((task) => (
          <li key={task}>
            <a href={taskHash(task, run)}>{task}</a>{' '}
            <button
              type="button"
              aria-label={`leave out ${task}`}
              onClick={() =>
                setSettings(place, { tasks: listText(shown.filter((one) => one !== task)) })
              }
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <Problem text={problem} />
      {curves.length > 0 ? (
        <CurvesFigure curves={curves} title={`Curves of ${stage}`} />
      ) : isLoading ? (
        <Empty>Reading …</Empty>
      ) : (
        <Empty>
          These tasks have given no series yet: lists of numbers in JSON outputs, or steps by{' '}
          <code>$PIPELINE_EVENTS</code>.
        </Empty>
      )}
    </>
  );
}

const CURVES_EVERY_MS = 1500;

/** Curves of several tasks, and again while they grow. */
function useCurves(tasks: readonly string[], run: string): Answered<readonly Curve[]> {
  const { source } = useShared();
  const curvesOf = (task: string): Promise<readonly Curve[]> =>
    source.ask<readonly Curve[]>('/api/curves', { task, run }).catch(() => []);
  return useAsked(
    tasks.length === 0 ? undefined : `curves ${run} ${tasks.join('\n')}`,
    async () => (await Promise.all(tasks.map(curvesOf))).flat(),
    CURVES_EVERY_MS,
  );
}

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

function Scatter({ frame }: { readonly frame: Frame }) {
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

function Parallel({ frame, stage }: { readonly frame: Frame; readonly stage: string }) {
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

function StudyPlots() {
  const { value, problem } = useAnswer<readonly PlotLine[]>('/api/plots', {});
  if (value === undefined) return <Problem text={problem} />;
  if (value.length === 0) {
    return (
      <Empty>
        pipeline.yaml names no plots: <code>plots:</code> does.
      </Empty>
    );
  }
  return (
    <>
      {value.map((plot) => (
        <StudyPlot key={plot.name} plot={plot} />
      ))}
    </>
  );
}

/** A plot that the server draws: Vega is not in the page. */
function StudyPlot({ plot: { name, title } }: { readonly plot: PlotLine }) {
  const { source, overview } = useShared();
  const [problem, setProblem] = useState<string>();
  const image = useRef<HTMLImageElement>(null);
  const address = source.address('/plot.svg', { name });
  const version = source.isCopy ? '' : `&version=${hashText(overview?.version ?? '')}`;
  const why = async (): Promise<void> => {
    if (address === undefined || source.isCopy) return;
    const text = await fetch(address).then((answer) => answer.text());
    setProblem(text.startsWith('<svg') ? undefined : text);
  };
  useEffect(() => setProblem(undefined), [version]);
  return (
    <figure>
      <figcaption>
        {title}{' '}
        {address && (
          <a href={address} download={`${name}.svg`}>
            SVG
          </a>
        )}{' '}
        {address && !source.isCopy && problem === undefined && (
          <button
            type="button"
            onClick={() => image.current && savePicture(image.current, `${name}.png`)}
          >
            PNG
          </button>
        )}
      </figcaption>
      {address && problem === undefined ? (
        <img
          ref={image}
          class="plot"
          src={`${address}${version}`}
          alt={title}
          onError={() => void why().catch(() => undefined)}
        />
      ) : (
        <Empty>It could not be drawn{problem === undefined ? '' : `: ${problem}`}.</Empty>
      )}
    </figure>
  );
}

const hashText = (text: string): number => {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (31 * hash + text.charCodeAt(at)) | 0;
  return hash;
};
