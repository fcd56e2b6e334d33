/// <reference lib="dom" />
// table-grid.tsx — the rows of a table: only those in sight are in the page, and scrolling draws only those that come
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Cell, type Column, type Frame, metricOf } from '../../analysis/frame.ts';
import { formatCell, formatSpread, rowNamed, rowNames } from '../cells.ts';
import { rowsInSight } from '../chart.ts';
import { listIn, listText } from '../links.ts';
import { taskHash } from './bits.tsx';
import { setSettings, useShared } from './state.ts';

const ROW = 30;
/** Rows come and go so many at a time: most steps of a scroll change nothing. */
const STEP = 8;
/** Columns are as wide as the longest cell of so many rows. */
const MEASURED = 100;

interface GridProps {
  readonly frame: Frame;
  readonly whole: Frame;
  readonly base: string | undefined;
  readonly chosen: ReadonlySet<string>;
  choose(task: string): void;
}

interface ShownColumn {
  readonly at: number;
  /** The column of its standard deviation, or -1. */
  readonly sd: number;
  readonly head: string;
}

/** Columns that a grouped table shows: means with their SD beside them, and how many there were once. */
function visibleIn(columns: readonly Column[]): readonly ShownColumn[] {
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

/** How all rows of a table are drawn. */
interface Look {
  readonly columns: readonly ShownColumn[];
  readonly names: readonly string[];
  /** The column of task names, or -1. */
  readonly taskAt: number;
  textOf(row: readonly Cell[], column: ShownColumn, isBase: boolean): string;
  choose(task: string): void;
  pin(name: string | undefined): void;
}

function lookOf(
  { frame, whole, base, choose }: GridProps,
  pin: Look['pin'],
): Look & { readonly hasBase: boolean } {
  const columns = visibleIn(frame.columns);
  const taskAt = frame.columns.findIndex(({ kind }) => kind === 'task');
  // A task that is filtered out is still a baseline; groups are compared as they are shown.
  const source = taskAt < 0 ? frame : whole;
  const baseline = base === undefined ? undefined : rowNamed(source, base);
  const baseCells = frame.columns.map(({ name, kind, statistic }) => {
    if (kind !== 'number' || statistic === 'n') return undefined;
    return baseline?.[source.columns.findIndex((column) => column.name === name)];
  });
  return {
    ...{ columns, taskAt, choose, pin },
    names: rowNames(frame),
    hasBase: base === undefined || baseline !== undefined,
    textOf(row, { at, sd }, isBase) {
      const mean = formatCell(row[at] ?? null, isBase ? undefined : baseCells[at]);
      const spread = sd < 0 ? null : (row[sd] ?? null);
      return typeof spread === 'number' ? `${mean} ± ${formatSpread(spread)}` : mean;
    },
  };
}

const widthsOf = ({ columns, textOf }: Look, { rows }: Frame): readonly number[] =>
  columns.map((column) => {
    const measured = rows.slice(0, MEASURED).map((row) => textOf(row, column, false).length);
    return Math.min(44, Math.max(column.head.length + 3, ...measured) + 2);
  });

export function Grid(props: GridProps) {
  const { frame, whole, base, chosen, choose } = props;
  const { place } = useShared();
  const box = useRef<HTMLDivElement>(null);
  const [{ top, height }, setScroll] = useState({ top: 0, height: 600 });
  const see = (): void => {
    const { current } = box;
    if (current === null) return;
    const step = STEP * ROW;
    const next = {
      top: Math.floor(current.scrollTop / step) * step,
      height: current.clientHeight + step,
    };
    setScroll((before) =>
      before.top === next.top && before.height === next.height ? before : next,
    );
  };
  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    const observer = new ResizeObserver(see);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const look = useMemo(
    () => lookOf(props, (name) => setSettings(place, { base: name })),
    [frame, whole, base, place, choose],
  );
  const widths = useMemo(() => widthsOf(look, frame), [frame, base]);
  const { from, to } = rowsInSight(frame.rows.length, { top, height, row: ROW });
  const tools = look.taskAt < 0 ? 5 : 10;
  return (
    <>
      <p class="brief">
        {frame.rows.length} {look.taskAt < 0 ? 'groups' : 'rows'} of {whole.rows.length} tasks
        {look.hasBase ? '' : `; the baseline ${base} is not among them`}
      </p>
      <div
        class="grid"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label="table of results"
        onScroll={see}
      >
        <table
          aria-rowcount={frame.rows.length + 1}
          style={{
            width: `${widths.reduce((sum, one) => sum + one, tools)}ch`,
          }}
        >
          <colgroup>
            <col style={{ width: `${tools}ch` }} />
            {widths.map((one, at) => (
              <col key={at} style={{ width: `${one}ch` }} />
            ))}
          </colgroup>
          <Head frame={frame} look={look} />
          <tbody>
            <Gap rows={from} />
            {frame.rows.slice(from, to).map((row, index) => {
              const name = look.names[from + index] ?? '';
              return (
                <Row
                  key={from + index}
                  at={from + index}
                  row={row}
                  look={look}
                  widths={widths}
                  isBase={name === base}
                  isChosen={chosen.has(name)}
                />
              );
            })}
            <Gap rows={frame.rows.length - to} />
          </tbody>
        </table>
      </div>
    </>
  );
}

/** The place of rows that are out of sight. */
const Gap = ({ rows }: { readonly rows: number }) =>
  rows === 0 ? null : (
    <tr aria-hidden="true" style={{ height: `${rows * ROW}px` }}>
      <td />
    </tr>
  );

function Head({ frame, look }: { readonly frame: Frame; readonly look: Look }) {
  const { place } = useShared();
  const sort = listIn(place.settings.sort);
  /** Up, down, as it was; with shift after those by which it is sorted already. */
  const turn = (name: string, isMore: boolean): void => {
    const next = sort.includes(name) ? [`-${name}`] : sort.includes(`-${name}`) ? [] : [name];
    const others = sort.filter((one) => one !== name && one !== `-${name}`);
    setSettings(place, { sort: listText(isMore ? [...others, ...next] : next) });
  };
  return (
    <thead>
      <tr>
        <th>{look.taskAt < 0 ? 'pin' : 'choose'}</th>
        {look.columns.map(({ at, head }) => {
          const name = frame.columns[at]?.name ?? head;
          const order = sort.includes(name)
            ? 'ascending'
            : sort.includes(`-${name}`)
              ? 'descending'
              : 'none';
          return (
            <th key={at} aria-sort={order}>
              <button
                type="button"
                class="link"
                title={`${name}: sort (with shift: as well)`}
                onClick={({ shiftKey }) => turn(name, shiftKey)}
              >
                {head}
                {order === 'none' ? '' : order === 'ascending' ? ' ↑' : ' ↓'}
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

interface RowProps {
  readonly at: number;
  readonly row: readonly Cell[];
  readonly look: Look;
  /** Of the columns, in characters. */
  readonly widths: readonly number[];
  readonly isBase: boolean;
  readonly isChosen: boolean;
}

/** Few numbers are longer than their column: to cut all cells costs much while one scrolls. */
const classOf = (cell: Cell | undefined, isCut: boolean): string =>
  typeof cell !== 'number' ? 'cut' : isCut ? 'number cut' : 'number';

/** A row is drawn once, as long as nothing of it changes. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { row, look, widths, isBase, isChosen } = this.props;
    return (
      next.row !== row ||
      next.look !== look ||
      next.widths !== widths ||
      next.isBase !== isBase ||
      next.isChosen !== isChosen
    );
  }

  override render(): ComponentChildren {
    const { at, row, look, widths, isBase, isChosen } = this.props;
    const name = look.names[at] ?? '';
    return (
      <tr aria-rowindex={at + 2} class={isBase ? 'base' : undefined} style={{ height: `${ROW}px` }}>
        <td class="tools">
          {look.taskAt >= 0 && (
            <input
              type="checkbox"
              aria-label={`choose ${name}`}
              checked={isChosen}
              onChange={() => look.choose(name)}
            />
          )}
          <button
            type="button"
            class="pin"
            aria-pressed={isBase}
            aria-label={`${name} as baseline`}
            title="baseline"
            onClick={() => look.pin(isBase ? undefined : name)}
          >
            ⚓
          </button>
        </td>
        {look.columns.map((column, order) => {
          const text = look.textOf(row, column, isBase);
          return (
            <td
              key={column.at}
              class={classOf(row[column.at], text.length + 2 > (widths[order] ?? 0))}
              title={text}
            >
              {column.at === look.taskAt ? <a href={taskHash(name, '')}>{name}</a> : text}
            </td>
          );
        })}
      </tr>
    );
  }
}
