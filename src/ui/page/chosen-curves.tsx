/// <reference lib="dom" />
// chosen-curves.tsx — curves of chosen tasks, and again while they grow
import type { Frame } from '../../analysis/frame.ts';
import type { Curve } from '../forms.ts';
import { listText } from '../links.ts';
import { Empty, Problem, taskHash } from './bits.tsx';
import { CurvesFigure } from './curves-figure.tsx';
import { type Answered, setSettings, useAsked, useRun, useShared } from './state.ts';

const TASKS_MAX = 24;

export function ChosenCurves({
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
