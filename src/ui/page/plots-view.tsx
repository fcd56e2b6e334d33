/// <reference lib="dom" />
// plots-view.tsx — plots: which stage and kind of plot, and which tasks
import { useMemo } from 'preact/hooks';
import type { Frame } from '../../analysis/frame.ts';
import { listOf } from '../../analysis/tabulate.ts';
import { frameIn, shownTable } from '../cells.ts';
import type { TableAnswer } from '../forms.ts';
import { listIn } from '../links.ts';
import { Empty, Filter, Problem } from './bits.tsx';
import { ChosenCurves } from './chosen-curves.tsx';
import { Parallel, Scatter } from './stage-scatter.tsx';
import { setSettings, useAnswer, useShared, usualStage } from './state.ts';
import { StudyPlots } from './study-plots.tsx';

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
