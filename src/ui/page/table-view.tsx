/// <reference lib="dom" />
// table-view.tsx — the matrix as a table: sorted, filtered, grouped, compared; only the rows in sight are in the page
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { csvOf, markdownOf } from '../../analysis/forms.ts';
import { type Cell, type Column, type Frame, metricOf } from '../../analysis/frame.ts';
import { listOf } from '../../analysis/tabulate.ts';
import { axesIn, formatCell, formatSpread, frameIn, rowOfTask, shownTable } from '../cells.ts';
import { rowsInSight } from '../chart.ts';
import type { TableAnswer } from '../forms.ts';
import { listIn, listText } from '../links.ts';
import { CopyButton, Empty, Problem, taskHash } from './bits.tsx';
import { setSettings, useAnswer, useShared, usualStage } from './state.ts';

const ROW = 30;

export function TableView() {
  const { overview, place } = useShared();
  const { value: stages } = useAnswer<readonly string[]>('/api/stages', {});
  const stage = place.settings.stage ?? usualStage(stages, overview);
  const at = place.settings.at ?? '';
  const { value, problem, isLoading } = useAnswer<TableAnswer>(
    '/api/table',
    stage === '' ? undefined : { stage, at },
    3000,
  );
  const frame = useMemo(() => (value ? frameIn(value) : undefined), [value]);
  return (
    <>
      <h1>Table</h1>
      <p class="controls">
        <label>
          Stage{' '}
          <select
            value={stage}
            onChange={({ currentTarget }) =>
              setSettings({ ...place, settings: {} }, { stage: currentTarget.value })
            }
          >
            {[...new Set([...(stages ?? []), ...(stage === '' ? [] : [stage])])].map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </p>
      <Problem text={problem} />
      {frame === undefined && isLoading && stage !== '' && <Empty>Reading …</Empty>}
      {stages?.length === 0 && <Empty>Nothing has been made yet.</Empty>}
      {value?.notes.map((note) => (
        <p key={note} class="brief">
          {note}
        </p>
      ))}
      {frame && frame.rows.length > 0 && <Tools frame={frame} />}
      {frame && frame.rows.length === 0 && (
        <Empty>No task of {stage} has given anything yet.</Empty>
      )}
    </>
  );
}

interface Settings {
  readonly where: string;
  readonly sort: readonly string[];
  readonly group: readonly string[];
  readonly columns: readonly string[];
  readonly base: string | undefined;
}

function useSettings(): Settings {
  const {
    place: { settings },
  } = useShared();
  return {
    where: settings.where ?? '',
    sort: listIn(settings.sort),
    group: listIn(settings.group),
    columns: listIn(settings.columns),
    base: settings.base,
  };
}

function Tools({ frame }: { readonly frame: Frame }) {
  const { place } = useShared();
  const { where, sort, group, columns, base } = useSettings();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(listIn(place.settings.tasks)));
  const request = {
    where: listOf(where),
    sort: sort.length > 0 ? sort : undefined,
    groupBy: group.length > 0 ? group : undefined,
    columns: columns.length > 0 ? ['task', ...columns] : undefined,
  };
  const key = JSON.stringify([where, sort, group, columns]);
  const shown = useMemo(() => shownTable(frame, request), [frame, key]);
  const hide = (name: string): void => {
    const all = frame.columns
      .filter(({ kind }) => kind !== 'task' && kind !== 'text')
      .map((column) => column.name);
    const own = columns.length > 0 ? columns : all;
    const next = own.includes(name) ? own.filter((one) => one !== name) : [...own, name];
    setSettings(place, {
      columns:
        next.length === all.length && next.every((one) => all.includes(one))
          ? undefined
          : listText(next),
    });
  };
  const tasks = [...chosen];
  const link = listText(tasks.slice(0, 24));
  return (
    <>
      <div class="controls">
        <Filter />
        {axesIn(frame.columns).length > 0 && (
          <fieldset>
            <legend>Group by</legend>
            {axesIn(frame.columns).map((axis) => (
              <label key={axis}>
                <input
                  type="checkbox"
                  checked={group.includes(axis)}
                  onChange={() =>
                    setSettings(place, {
                      group: listText(
                        group.includes(axis)
                          ? group.filter((one) => one !== axis)
                          : [...group, axis],
                      ),
                      sort: undefined,
                      base: undefined,
                    })
                  }
                />{' '}
                {axis}
              </label>
            ))}
          </fieldset>
        )}
        <details class="menu">
          <summary>Columns</summary>
          <div class="choices">
            {frame.columns
              .filter(({ kind }) => kind !== 'task')
              .map(({ name, kind }) => (
                <label key={name}>
                  <input
                    type="checkbox"
                    checked={columns.length > 0 ? columns.includes(name) : kind !== 'text'}
                    onChange={() => hide(name)}
                  />{' '}
                  {name}
                </label>
              ))}
          </div>
        </details>
        <CopyButton
          label="Copy as Markdown"
          text={() => (shown.ok ? markdownOf(shown.frame) : '')}
        />
        <CopyButton label="Copy as CSV" text={() => (shown.ok ? csvOf(shown.frame) : '')} />
        <CopyButton label="Copy the link" text={() => location.href} />
        {base !== undefined && (
          <button type="button" onClick={() => setSettings(place, { base: undefined })}>
            Unpin {base}
          </button>
        )}
        {chosen.size > 0 && (
          <span>
            {chosen.size} chosen:{' '}
            <a
              href={`#/plots?${new URLSearchParams({ kind: 'curves', stage: place.settings.stage ?? '', tasks: link })}`}
            >
              curves
            </a>
            ,{' '}
            <a
              href={`#/plots?${new URLSearchParams({ kind: 'scatter', stage: place.settings.stage ?? '', tasks: link })}`}
            >
              scatter
            </a>{' '}
            <button type="button" onClick={() => setChosen(new Set())}>
              none
            </button>
          </span>
        )}
      </div>
      {shown.ok ? (
        <Grid frame={shown.frame} whole={frame} base={base} chosen={chosen} setChosen={setChosen} />
      ) : (
        <Problem text={shown.message} />
      )}
    </>
  );
}

/** Conditions as `--where` takes them: `profile=uniform, loss<0.5`. */
function Filter() {
  const { place } = useShared();
  const [text, setText] = useState(place.settings.where ?? '');
  useEffect(() => setText(place.settings.where ?? ''), [place.settings.where]);
  useEffect(() => {
    if (text === (place.settings.where ?? '')) return;
    const timer = setTimeout(
      () => setSettings(place, { where: text === '' ? undefined : text }, 'replace'),
      250,
    );
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label>
      Filter{' '}
      <input
        type="search"
        size={24}
        placeholder="profile=uniform, loss<0.5"
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
    </label>
  );
}

interface GridProps {
  readonly frame: Frame;
  readonly whole: Frame;
  readonly base: string | undefined;
  readonly chosen: ReadonlySet<string>;
  setChosen(tasks: ReadonlySet<string>): void;
}

/** Columns that a grouped table shows: means with their SD beside them, and how many there were once. */
function visibleIn(
  columns: readonly Column[],
): readonly { readonly at: number; readonly sd: number; readonly head: string }[] {
  let hasCount = false;
  return columns.flatMap((column, at) => {
    const { statistic } = column;
    if (statistic === 'sd' || statistic === 'low' || statistic === 'high') return [];
    if (statistic === 'n') {
      if (hasCount) return [];
      hasCount = true;
      return [{ at, sd: -1, head: 'n' }];
    }
    const sd =
      statistic === 'mean'
        ? columns.findIndex(
            (one) =>
              one.statistic === 'sd' &&
              metricOf(one) === metricOf(column) &&
              one.label === column.label,
          )
        : -1;
    return [{ at, sd, head: statistic === 'mean' ? metricOf(column) : column.name }];
  });
}

function Grid({ frame, whole, base, chosen, setChosen }: GridProps) {
  const { place } = useShared();
  const { sort } = useSettings();
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    const see = (): void => setScroll({ top: current.scrollTop, height: current.clientHeight });
    const observer = new ResizeObserver(see);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const columns = visibleIn(frame.columns);
  const taskAt = frame.columns.findIndex(({ kind }) => kind === 'task');
  const baseline = base === undefined ? undefined : rowOfTask(whole, base);
  const baseOf = (at: number): Cell | undefined => {
    const name = frame.columns[at]?.name;
    const there = whole.columns.findIndex((column) => column.name === name);
    return frame.columns[at]?.kind === 'number' ? baseline?.[there] : undefined;
  };
  const text = (
    row: readonly Cell[],
    { at, sd }: { readonly at: number; readonly sd: number },
    isBase: boolean,
  ): string => {
    const mean = formatCell(row[at] ?? null, isBase ? undefined : baseOf(at));
    const spread = sd < 0 ? null : (row[sd] ?? null);
    return typeof spread === 'number' ? `${mean} ± ${formatSpread(spread)}` : mean;
  };
  const widths = useMemo(
    () =>
      columns.map((column) =>
        Math.min(
          44,
          Math.max(
            column.head.length + 3,
            ...frame.rows.slice(0, 100).map((row) => text(row, column, false).length),
          ) + 2,
        ),
      ),
    [frame, base],
  );
  const { from, to } = rowsInSight(frame.rows.length, { ...scroll, row: ROW });
  const turn = (name: string): void =>
    setSettings(place, {
      sort: sort[0] === name ? `-${name}` : sort[0] === `-${name}` ? undefined : listText([name]),
    });
  const pick = (task: string): void => {
    const next = new Set(chosen);
    if (!next.delete(task)) next.add(task);
    setChosen(next);
  };
  const width = widths.reduce((sum, one) => sum + one, taskAt < 0 ? 0 : 10);
  return (
    <>
      <p class="brief">
        {frame.rows.length} rows of {whole.rows.length} tasks
        {base !== undefined && baseline === undefined
          ? `; the baseline ${base} is not among them`
          : ''}
      </p>
      <div
        class="grid"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label="table of results"
        onScroll={({ currentTarget }) =>
          setScroll({ top: currentTarget.scrollTop, height: currentTarget.clientHeight })
        }
      >
        <table style={{ width: `${width}ch` }} aria-rowcount={frame.rows.length + 1}>
          <colgroup>
            {taskAt >= 0 && <col style={{ width: '10ch' }} />}
            {widths.map((one, at) => (
              <col key={at} style={{ width: `${one}ch` }} />
            ))}
          </colgroup>
          <thead>
            <tr>
              {taskAt >= 0 && <th>choose</th>}
              {columns.map(({ at, head }) => {
                const name = frame.columns[at]?.name ?? head;
                const order =
                  sort[0] === name ? 'ascending' : sort[0] === `-${name}` ? 'descending' : 'none';
                return (
                  <th key={at} aria-sort={order}>
                    <button type="button" class="link" title={name} onClick={() => turn(name)}>
                      {head}
                      {order === 'none' ? '' : order === 'ascending' ? ' ↑' : ' ↓'}
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {from > 0 && (
              <tr aria-hidden="true" style={{ height: `${from * ROW}px` }}>
                <td colSpan={columns.length + 1} />
              </tr>
            )}
            {frame.rows.slice(from, to).map((row, index) => {
              const task = taskAt < 0 ? '' : String(row[taskAt]);
              const isBase = task !== '' && task === base;
              return (
                <tr
                  key={from + index}
                  aria-rowindex={from + index + 2}
                  class={isBase ? 'base' : undefined}
                  style={{ height: `${ROW}px` }}
                >
                  {taskAt >= 0 && (
                    <td class="tools">
                      <input
                        type="checkbox"
                        aria-label={`choose ${task}`}
                        checked={chosen.has(task)}
                        onChange={() => pick(task)}
                      />
                      <button
                        type="button"
                        class="pin"
                        aria-pressed={isBase}
                        aria-label={`${task} as baseline`}
                        title="baseline"
                        onClick={() => setSettings(place, { base: isBase ? undefined : task })}
                      >
                        ⚓
                      </button>
                    </td>
                  )}
                  {columns.map((column) => (
                    <td
                      key={column.at}
                      class={typeof row[column.at] === 'number' ? 'number' : undefined}
                      title={text(row, column, isBase)}
                    >
                      {column.at === taskAt ? (
                        <a href={taskHash(task, '')}>{task}</a>
                      ) : (
                        text(row, column, isBase)
                      )}
                    </td>
                  ))}
                </tr>
              );
            })}
            {to < frame.rows.length && (
              <tr aria-hidden="true" style={{ height: `${(frame.rows.length - to) * ROW}px` }}>
                <td colSpan={columns.length + 1} />
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </>
  );
}
