/// <reference lib="dom" />
// table-view.tsx — the matrix as a table: which stage, which rows, which columns, and what to do with them
import { useMemo, useState } from 'preact/hooks';
import { csvOf, markdownOf } from '../../analysis/forms.ts';
import { type Frame, pick } from '../../analysis/frame.ts';
import { listOf } from '../../analysis/tabulate.ts';
import { axesIn, frameIn, type Shown, shownTable } from '../cells.ts';
import type { TableAnswer } from '../forms.ts';
import { changed, hashOf, listIn, listText } from '../links.ts';
import { CopyButton, Empty, Filter, Problem, SearchField } from './bits.tsx';
import { setSettings, useAnswer, useShared, usualStage } from './state.ts';
import { Grid } from './table-grid.tsx';

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
      {frame && frame.rows.length > 0 && <Tools frame={frame} stage={stage} />}
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

/** The table as the settings want it. A page hides each column that is not chosen: axes, too. */
function useShown(frame: Frame): Shown {
  const { where, sort, group, columns } = useSettings();
  const key = JSON.stringify([where, sort, group, columns]);
  return useMemo(() => {
    const shown = shownTable(frame, {
      where: listOf(where),
      sort: sort.length > 0 ? sort : undefined,
      groupBy: group.length > 0 ? group : undefined,
      columns: columns.length > 0 ? ['task', ...columns] : undefined,
    });
    if (!shown.ok || columns.length === 0 || group.length > 0) return shown;
    return { ok: true, frame: columnsIn(shown.frame, new Set(columns)) };
  }, [frame, key]);
}

function columnsIn(frame: Frame, names: ReadonlySet<string>): Frame {
  const kept = frame.columns.flatMap(({ name, kind }, at) =>
    kind === 'task' || names.has(name) ? [at] : [],
  );
  return kept.length === frame.columns.length ? frame : pick(frame, kept);
}

/** The address holds no more. */
const CHOSEN_MAX = 200;

function Tools({ frame, stage }: { readonly frame: Frame; readonly stage: string }) {
  const { place } = useShared();
  const { base } = useSettings();
  const shown = useShown(frame);
  const chosen = useMemo(() => new Set(listIn(place.settings.tasks)), [place.settings.tasks]);
  const choose = (task: string): void => {
    const next = new Set(chosen);
    if (!next.delete(task)) next.add(task);
    setSettings(place, { tasks: listText([...next].slice(-CHOSEN_MAX)) }, 'replace');
  };
  /** With the stage, which may be another one by default some day. */
  const link = (): string => {
    const { href, hash } = location;
    return href.slice(0, href.length - hash.length) + hashOf(changed(place, { stage }));
  };
  return (
    <>
      <div class="controls">
        <Filter />
        <GroupBy frame={frame} />
        <ColumnChoice frame={frame} />
        <CopyButton
          label="Copy as Markdown"
          text={() => (shown.ok ? markdownOf(shown.frame) : '')}
        />
        <CopyButton label="Copy as CSV" text={() => (shown.ok ? csvOf(shown.frame) : '')} />
        <CopyButton label="Copy the link" text={link} />
        {base !== undefined && (
          <button type="button" onClick={() => setSettings(place, { base: undefined })}>
            Unpin {base}
          </button>
        )}
        <PlotLinks stage={stage} chosen={[...chosen]} />
      </div>
      {shown.ok ? (
        <Grid frame={shown.frame} whole={frame} base={base} chosen={chosen} choose={choose} />
      ) : (
        <Problem text={shown.message} />
      )}
    </>
  );
}

/** Plots of the chosen tasks, or of all that the filter leaves. */
function PlotLinks({
  stage,
  chosen,
}: {
  readonly stage: string;
  readonly chosen: readonly string[];
}) {
  const { place } = useShared();
  const { where = '' } = place.settings;
  const tasks = listText(chosen);
  const plot = (kind: string): string =>
    hashOf({ view: 'plots', settings: { kind, stage, ...(tasks === '' ? { where } : { tasks }) } });
  return (
    <span>
      {chosen.length > 0 ? `${chosen.length} chosen` : 'Plot these rows'}:{' '}
      <a href={plot('curves')}>curves</a>, <a href={plot('scatter')}>scatter</a>,{' '}
      <a href={plot('parallel')}>parallel</a>{' '}
      {chosen.length > 0 && (
        <button type="button" onClick={() => setSettings(place, { tasks: undefined }, 'replace')}>
          none
        </button>
      )}
    </span>
  );
}

function GroupBy({ frame }: { readonly frame: Frame }) {
  const { place } = useShared();
  const { group } = useSettings();
  const axes = axesIn(frame.columns);
  if (axes.length === 0) return null;
  const toggle = (axis: string): void =>
    setSettings(place, {
      group: listText(
        group.includes(axis) ? group.filter((one) => one !== axis) : [...group, axis],
      ),
      ...{ sort: undefined, base: undefined },
    });
  return (
    <fieldset>
      <legend>Group by</legend>
      {axes.map((axis) => (
        <label key={axis}>
          <input type="checkbox" checked={group.includes(axis)} onChange={() => toggle(axis)} />{' '}
          {axis}
        </label>
      ))}
    </fieldset>
  );
}

/** Where no column is chosen, the names of tasks stay. */
const NO_COLUMN = 'task';
/** Of more columns than these, one looks for the name. */
const OFFERED_AT_ONCE = 12;

function ColumnChoice({ frame }: { readonly frame: Frame }) {
  const { place } = useShared();
  const { group, columns } = useSettings();
  const [text, setText] = useState('');
  // Groups are told apart by their axes, and hold numbers.
  const offered = frame.columns.filter(({ kind }) =>
    group.length > 0 ? kind === 'number' : kind !== 'task',
  );
  const usual = offered.filter(({ kind }) => kind !== 'text').map(({ name }) => name);
  const own = columns.length > 0 ? columns.filter((one) => one !== NO_COLUMN) : usual;
  const toggle = (name: string): void => {
    const next = own.includes(name) ? own.filter((one) => one !== name) : [...own, name];
    const isUsual = next.length === usual.length && next.every((one) => usual.includes(one));
    choose(isUsual ? undefined : next);
  };
  const choose = (names: readonly string[] | undefined): void =>
    setSettings(place, { columns: names && (listText(names) || NO_COLUMN) });
  const lower = text.toLowerCase();
  return (
    <details class="menu">
      <summary>Columns</summary>
      <div class="choices">
        <p class="controls">
          {offered.length > OFFERED_AT_ONCE && <SearchField text={text} onText={setText} />}
          <button type="button" onClick={() => choose(undefined)}>
            as at first
          </button>
          <button type="button" onClick={() => choose([])}>
            none
          </button>
        </p>
        {offered
          .filter(({ name }) => name.toLowerCase().includes(lower))
          .map(({ name }) => (
            <label key={name}>
              <input type="checkbox" checked={own.includes(name)} onChange={() => toggle(name)} />{' '}
              {name}
            </label>
          ))}
      </div>
    </details>
  );
}
