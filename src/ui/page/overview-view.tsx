/// <reference lib="dom" />
// overview-view.tsx — what runs now, what failed, what is done: the stages as a graph, unfolding to tasks
import { useRef, useState } from 'preact/hooks';
import { rowsInSight } from '../chart.ts';
import type {
  FailedTask,
  RunningTask,
  RunProgress,
  StageProgress,
  TaskList,
  TaskStatus,
} from '../forms.ts';
import { STATUSES } from '../forms.ts';
import { formatSeconds, formatTime } from '../numbers.ts';
import { Bar, countsText, Empty, Problem, Status, TaskLink } from './bits.tsx';
import type { Words } from './source.ts';
import { StageGraph } from './stage-graph.tsx';
import { isLive, setSettings, useAnswer, useNow, useRun, useShared } from './state.ts';

export function OverviewView() {
  const { overview, place } = useShared();
  const { progress, id } = useRun();
  if (overview === undefined) return <h1>Reading the study …</h1>;
  if (progress === undefined) {
    return (
      <>
        <h1>{id === '' ? 'No run yet' : `Run ${id} is not one that goes on`}</h1>
        <Empty>
          {id === '' ? (
            <>
              Start one: <code>pipeline make</code>. This page follows it.
            </>
          ) : (
            <a href={`#/runs?run=${id}`}>Look at it among the runs</a>
          )}
        </Empty>
      </>
    );
  }
  const stage = place.settings.stage;
  const chosen = progress.stages.find((one) => one.stage === stage);
  return (
    <>
      {overview.runs.length > 1 && (
        <p class="runs">
          {overview.runs.filter(isLive).length} of these runs go on:{' '}
          {overview.runs.map((run) => (
            <a
              key={run.id}
              href={`#/overview?run=${run.id}`}
              aria-current={run.id === progress.id ? 'true' : undefined}
            >
              {run.name ?? run.command}
            </a>
          ))}
        </p>
      )}
      <Head run={progress} />
      {progress.failures.length > 0 && <Failures failures={progress.failures} run={progress} />}
      {progress.running.length > 0 && <Running running={progress.running} run={progress} />}
      <section aria-labelledby="stages">
        <h2 id="stages">Stages</h2>
        <StageGraph
          stages={progress.stages}
          edges={overview.edges}
          chosen={stage}
          choose={(name) =>
            setSettings(place, { stage: name === stage ? undefined : name, status: undefined })
          }
        />
        <StageTable stages={progress.stages} />
      </section>
      {chosen && <Tasks stage={chosen} run={progress.id} />}
      {progress.warnings.length > 0 && (
        <section aria-labelledby="warnings">
          <h2 id="warnings">Warnings</h2>
          <ul>
            {progress.warnings.map((text, at) => (
              <li key={at}>{text}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const STATES: { readonly [state in RunProgress['state']]: string } = {
  running: 'running',
  finished: 'finished',
  interrupted: 'interrupted by its user',
  aborted: 'aborted',
  killed: 'killed: its process is gone',
  unknown: 'unknown: its process cannot be seen from here',
};

function Head({ run }: { readonly run: RunProgress }) {
  const live = isLive(run);
  const now = useNow(live);
  const { running = 0, waiting = 0, ...over } = run.tally;
  const done = Object.values(over).reduce((sum, count) => sum + count, 0);
  const took =
    run.started === null ? null : ((live ? now : (run.ended ?? now)) - run.started) / 1000;
  return (
    <section aria-labelledby="run">
      <h1 id="run">{run.name ?? `pipeline ${run.command}`}</h1>
      <p class="facts">
        <span class={`state ${run.state}`}>
          {STATES[run.state]}
          {run.error ? `: ${run.error}` : ''}
        </span>
        <span>
          run <a href={`#/runs?run=${run.id}`}>{run.id}</a>
        </span>
        <span>on {run.host}</span>
        {run.started !== null && <span>began {formatTime(run.started)} UTC</span>}
        {took !== null && (
          <span>
            {live ? 'for' : 'took'} {formatSeconds(took)}
          </span>
        )}
      </p>
      <p class="big" data-done={done}>
        {done}
        {run.total !== null && <> of {run.total}</>} tasks
        {run.total !== null && run.total > 0 && <> · {Math.floor((100 * done) / run.total)} %</>}
        {run.rate !== null && <> · {run.rate} a minute</>}
        {live && run.left !== null && <> · about {formatSeconds(run.left)} left at this rate</>}
      </p>
      <Bar
        counts={{ ...run.tally, unmade: Math.max(0, (run.total ?? 0) - done - running - waiting) }}
        of={run.total}
      />
      <p class="counts">{countsText(run.tally)}</p>
    </section>
  );
}

function Failures({
  failures,
  run,
}: {
  readonly failures: readonly FailedTask[];
  readonly run: RunProgress;
}) {
  const all = run.tally.failed ?? failures.length;
  return (
    <section class="failures" aria-labelledby="failures">
      <h2 id="failures">{all} failed</h2>
      {failures.map(({ task, message, cause, lines }) => (
        <details key={task} open={failures.length <= 3}>
          <summary>
            <Status status="failed" /> {task}
            {cause && (
              <>
                {' '}
                <span class="tag">{cause}</span>
              </>
            )}
            <span class="brief"> {message.split('\n', 1)[0]}</span>
          </summary>
          <p>
            <TaskLink task={task} run={run.id} />: {message}
          </p>
          {lines.length > 0 && (
            <pre tabIndex={0} aria-label={`last lines of ${task}`}>
              {lines.join('\n')}
            </pre>
          )}
        </details>
      ))}
    </section>
  );
}

function Running({
  running,
  run,
}: {
  readonly running: readonly RunningTask[];
  readonly run: RunProgress;
}) {
  const now = useNow(isLive(run));
  return (
    <section aria-labelledby="running">
      <h2 id="running">Running now</h2>
      <div class="wide" tabIndex={0} role="group" aria-label="tasks that run">
        <table class="plain running">
          <thead>
            <tr>
              <th>task</th>
              <th>where</th>
              <th>for</th>
              <th>progress</th>
              <th>why</th>
            </tr>
          </thead>
          <tbody>
            {running.map((one) => (
              <tr key={one.task}>
                <td>
                  <TaskLink task={one.task} run={run.id} />
                </td>
                <td>{one.node ?? (one.slot === null ? '' : `slot ${one.slot + 1}`)}</td>
                <td>{one.since === null ? '' : formatSeconds((now - one.since) / 1000)}</td>
                <td>
                  <Progress one={one} />
                </td>
                <td class="brief">
                  {one.waitsFor ? `waits for ${one.waitsFor}` : (one.retry ?? one.why ?? '')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Progress({ one }: { readonly one: RunningTask }) {
  const { done, of, note } = one;
  if (done === undefined) return null;
  return (
    <>
      {of !== undefined && of > 0 && (
        <progress value={done} max={of} aria-label={`progress of ${one.task}`} />
      )}{' '}
      {note}
    </>
  );
}

function StageTable({ stages }: { readonly stages: readonly StageProgress[] }) {
  const { place } = useShared();
  return (
    <div class="wide" tabIndex={0} role="group" aria-label="stages">
      <table class="plain">
        <thead>
          <tr>
            <th>stage</th>
            <th>tasks</th>
            <th class="wider">progress</th>
            <th>how far</th>
            <th>waits for</th>
          </tr>
        </thead>
        <tbody>
          {stages.map(({ stage, of, counts, waitsFor }) => (
            <tr key={stage} class={place.settings.stage === stage ? 'chosen' : undefined}>
              <td>
                <button
                  type="button"
                  class="link"
                  aria-expanded={place.settings.stage === stage}
                  onClick={() =>
                    setSettings(place, {
                      stage: place.settings.stage === stage ? undefined : stage,
                      status: undefined,
                    })
                  }
                >
                  {stage}
                </button>
              </td>
              <td class="number">{of ?? ''}</td>
              <td>
                <Bar counts={counts} of={of} />
              </td>
              <td>{countsText(counts)}</td>
              <td class="brief">{waitsFor.join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Tasks({ stage, run }: { readonly stage: StageProgress; readonly run: string }) {
  const { place } = useShared();
  const [text, setText] = useState('');
  const status = place.settings.status ?? '';
  return (
    <section aria-labelledby="tasks">
      <h2 id="tasks">Tasks of {stage.stage}</h2>
      <p class="controls">
        <label>
          Status{' '}
          <select
            value={status}
            onChange={({ currentTarget }) =>
              setSettings(place, { status: currentTarget.value || undefined })
            }
          >
            <option value="">all</option>
            {STATUSES.filter((one) => (stage.counts[one] ?? 0) > 0).map((one: TaskStatus) => (
              <option key={one} value={one}>
                {one === 'unmade' ? 'not yet' : one} ({stage.counts[one]})
              </option>
            ))}
          </select>
        </label>
        <label>
          Labels{' '}
          <input
            type="search"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <a href={`#/table?stage=${encodeURIComponent(stage.stage)}`}>as a table of numbers</a>
      </p>
      <TaskRows
        key={`${stage.stage} ${status} ${text}`}
        words={{ run, stage: stage.stage, status, text }}
      />
    </section>
  );
}

const ROW = 28;
const HEIGHT = 15 * ROW;
/** Tasks that are asked for at once: those in sight are among the middle ones. */
const PART = 150;

/** Tasks of a list of any length: those in sight are asked for. */
function TaskRows({ words }: { readonly words: Words & { readonly run: string } }) {
  const [top, setTop] = useState(0);
  const from = Math.max(0, PART * Math.floor(top / ROW / PART - 0.5));
  const asked = { ...words, from: String(from), limit: String(2 * PART) };
  const { value, problem } = useAnswer<TaskList>('/api/tasks', asked);
  const total = useRef(0);
  if (value) total.current = value.total;
  const sight = rowsInSight(total.current, { top, height: HEIGHT, row: ROW });
  const shown = value?.tasks.slice(Math.max(0, sight.from - from), Math.max(0, sight.to - from));
  const before = shown === undefined ? 0 : Math.max(sight.from, from);
  const after = total.current - before - (shown?.length ?? 0);
  return (
    <>
      <Problem text={problem} />
      {value?.total === 0 && <Empty>No task fits.</Empty>}
      {total.current > 0 && (
        <ul
          class="tasks rows"
          tabIndex={0}
          aria-label={`${total.current} tasks`}
          style={{ height: `${Math.min(HEIGHT, total.current * ROW) + 2}px` }}
          onScroll={({ currentTarget }) => setTop(currentTarget.scrollTop)}
        >
          {before > 0 && <li aria-hidden="true" style={{ height: `${before * ROW}px` }} />}
          {shown?.map(({ task, status, seconds }) => (
            <li key={task}>
              <Status status={status} /> <TaskLink task={task} run={words.run} />
              {seconds !== undefined && <span class="brief"> {formatSeconds(seconds)}</span>}
            </li>
          ))}
          {after > 0 && <li aria-hidden="true" style={{ height: `${after * ROW}px` }} />}
        </ul>
      )}
    </>
  );
}
