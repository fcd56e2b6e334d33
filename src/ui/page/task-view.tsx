/// <reference lib="dom" />
// task-view.tsx — one task: what it was given and gave, what it said, why it ran, what is around it
import type { Curve, TaskDetail, TaskLine } from '../forms.ts';
import { CopyButton, Empty, Problem, Status, TaskLink } from './bits.tsx';
import { CurvesFigure } from './curves-figure.tsx';
import { LogPanel } from './log-panel.tsx';
import { OutputPanel, ValueTree } from './output-panel.tsx';
import { useAnswer, useRun, useShared } from './state.ts';

export function TaskView() {
  const { place } = useShared();
  const task = place.settings.task ?? '';
  const { id: run } = useRun();
  const { value, problem, isLoading } = useAnswer<TaskDetail>(
    '/api/task',
    task === '' ? undefined : { task, run },
  );
  const { value: curves } = useAnswer<readonly Curve[]>(
    '/api/curves',
    task === '' ? undefined : { task, run },
  );
  if (value === undefined) {
    return (
      <>
        <h1>{task || 'No task is named'}</h1>
        {isLoading ? <Empty>Reading …</Empty> : <Problem text={problem} />}
      </>
    );
  }
  return (
    <article class="task">
      <h1>{value.task}</h1>
      <p class="facts">
        <Status status={value.status} />
        <span>
          in <a href={`#/overview?stage=${encodeURIComponent(value.stage)}`}>{value.stage}</a>
        </span>
      </p>
      <Problem text={problem} />
      <p class="why">{value.why}</p>
      <Changes detail={value} />
      {value.error && (
        <section class="failures" aria-labelledby="error">
          <h2 id="error">
            Error {value.error.cause && <span class="tag">{value.error.cause}</span>}
          </h2>
          <pre tabIndex={0} aria-label="error">
            {value.error.stack?.includes(value.error.message)
              ? value.error.stack
              : `${value.error.message}\n${value.error.stack ?? ''}`}
          </pre>
        </section>
      )}
      <p class="command">
        <code>{value.command}</code>{' '}
        <CopyButton label="Copy the command" text={() => value.command} />
      </p>
      {curves && curves.length > 0 && <CurvesFigure curves={curves} title="Curves" limit={4} />}
      <LogPanel key={`${task} ${run}`} task={task} run={run} />
      <section aria-labelledby="outputs">
        <h2 id="outputs">Outputs</h2>
        {value.outputs.length === 0 && <Empty>None yet.</Empty>}
        {value.key !== null &&
          value.outputs.map((output) => (
            <OutputPanel key={output.name} actionKey={value.key ?? ''} output={output} />
          ))}
      </section>
      <section aria-labelledby="params">
        <h2 id="params">Params</h2>
        {value.params === null || Object.keys(value.params).length === 0 ? (
          <Empty>None.</Empty>
        ) : (
          <ValueTree value={value.params} />
        )}
        {value.argv && (
          <p>
            Runs <code>{value.argv.join(' ')}</code>
          </p>
        )}
      </section>
      <Inputs detail={value} />
      <Around detail={value} />
      <section aria-labelledby="facts">
        <h2 id="facts">Made</h2>
        {value.facts.length === 0 ? (
          <Empty>Not yet.</Empty>
        ) : (
          <dl>
            {value.facts.map(([label, text]) => (
              <>
                <dt>{label}</dt>
                <dd>{text}</dd>
              </>
            ))}
          </dl>
        )}
      </section>
    </article>
  );
}

function Changes({ detail }: { readonly detail: TaskDetail }) {
  if (detail.changes.length === 0) return null;
  return (
    <div class="wide" tabIndex={0} role="group" aria-label="what has changed">
      <table class="plain">
        <thead>
          <tr>
            <th>changed</th>
            <th>before</th>
            <th>after</th>
          </tr>
        </thead>
        <tbody>
          {detail.changes.map(({ path, before, after }) => (
            <tr key={path}>
              <td>{path}</td>
              <td>{before}</td>
              <td>{after}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Inputs({ detail }: { readonly detail: TaskDetail }) {
  return (
    <section aria-labelledby="inputs">
      <h2 id="inputs">Inputs</h2>
      {detail.inputs.length === 0 && <Empty>None.</Empty>}
      {detail.inputs.map(({ port, items, more }) => (
        <details key={port} open={items.length <= 6}>
          <summary>
            {port} <span class="brief">{items.length + more}</span>
          </summary>
          <ul>
            {items.map(({ from, isTask, digest }) => (
              <li key={from}>
                {isTask ? <TaskLink task={from} /> : from} <code>{digest?.slice(0, 12)}</code>
              </li>
            ))}
            {more > 0 && <li>and {more} more</li>}
          </ul>
        </details>
      ))}
    </section>
  );
}

const Lines = ({
  title,
  tasks,
}: {
  readonly title: string;
  readonly tasks: readonly TaskLine[];
}) => (
  <details open={tasks.length <= 8}>
    <summary>
      {title} <span class="brief">{tasks.length}</span>
    </summary>
    <ul class="tasks">
      {tasks.map(({ task, status }) => (
        <li key={task}>
          <Status status={status} /> <TaskLink task={task} />
        </li>
      ))}
    </ul>
  </details>
);

function Around({ detail }: { readonly detail: TaskDetail }) {
  return (
    <section aria-labelledby="around">
      <h2 id="around">Around it</h2>
      <Lines title="It needs" tasks={detail.needs} />
      <Lines title="Needed by" tasks={detail.neededBy} />
      {detail.neighbours.map(({ axis, tasks }) => (
        <p key={axis} class="axis">
          <strong>{axis}</strong>{' '}
          {tasks.map(({ task, label, status }) =>
            task === detail.task ? (
              <span key={task} class="here" aria-current="true">
                {label}
              </span>
            ) : (
              <a key={task} class={status} href={`#/task?${new URLSearchParams({ task })}`}>
                {label}
              </a>
            ),
          )}
        </p>
      ))}
    </section>
  );
}
