/// <reference lib="dom" />
// runs-view.tsx — the history: what each run was, two of them compared, when what ran, its report, whether it is whole
import { useState } from 'preact/hooks';
import type { ReportLine, RunComparison, RunLine, Timeline, VerifyAnswer } from '../forms.ts';
import { formatNumber, formatSeconds, formatSigned, formatTime } from '../numbers.ts';
import { Empty, Problem, TaskLink, taskHash } from './bits.tsx';
import { setSettings, useAnswer, useShared } from './state.ts';

export function RunsView() {
  const { place } = useShared();
  const { run, before, after } = place.settings;
  const { value, problem, isLoading } = useAnswer<readonly RunLine[]>('/api/runs', {});
  const chosen = value?.find(({ id }) => id === run);
  return (
    <>
      <h1>Runs</h1>
      <Problem text={problem} />
      {before && after && <Compared before={before} after={after} />}
      {run && <OneRun run={run} line={chosen} />}
      {value === undefined && isLoading && <Empty>Reading …</Empty>}
      {value?.length === 0 && <Empty>No run is known yet.</Empty>}
      {value && value.length > 0 && <History runs={value} />}
    </>
  );
}

function History({ runs }: { readonly runs: readonly RunLine[] }) {
  const { place } = useShared();
  const [text, setText] = useState('');
  const { before = runs[1]?.id ?? '', after = runs[0]?.id ?? '' } = place.settings;
  const lower = text.toLowerCase();
  const shown = runs.filter((run) => JSON.stringify(run).toLowerCase().includes(lower));
  const [a, setA] = useState(before);
  const [b, setB] = useState(after);
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <p class="controls">
        <label>
          Find{' '}
          <input
            type="search"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        {runs.length > 1 && (
          <button type="button" onClick={() => setSettings(place, { before: a, after: b })}>
            Compare {short(a)} with {short(b)}
          </button>
        )}
      </p>
      <div class="wide" tabIndex={0} role="group" aria-label="runs">
        <table class="plain">
          <thead>
            <tr>
              <th>before</th>
              <th>after</th>
              <th>run</th>
              <th>state</th>
              <th>ended</th>
              <th>took</th>
              <th>tasks</th>
              <th>command</th>
              <th>changed</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((run) => (
              <tr key={run.id} class={run.id === place.settings.run ? 'chosen' : undefined}>
                <td>
                  <input
                    type="radio"
                    name="before"
                    aria-label={`before: ${run.id}`}
                    checked={a === run.id}
                    onChange={() => setA(run.id)}
                  />
                </td>
                <td>
                  <input
                    type="radio"
                    name="after"
                    aria-label={`after: ${run.id}`}
                    checked={b === run.id}
                    onChange={() => setB(run.id)}
                  />
                </td>
                <td>
                  <button
                    type="button"
                    class="link"
                    onClick={() => setSettings(place, { run: run.id })}
                  >
                    {run.id}
                  </button>
                  {run.name && (
                    <>
                      {' '}
                      <strong>{run.name}</strong>
                    </>
                  )}
                  {run.tags.map((tag) => (
                    <span key={tag} class="tag">
                      #{tag}
                    </span>
                  ))}
                  {run.pinned && <span class="tag">pinned</span>}
                </td>
                <td>
                  <span class={`state ${run.state}`}>
                    {run.state}
                    {run.error ? `: ${run.error}` : ''}
                  </span>
                </td>
                <td>{formatTime(Date.parse(run.at))}</td>
                <td class="number">{formatSeconds(run.seconds)}</td>
                <td>
                  {Object.entries(run.tally)
                    .flatMap(([status, count]) => (count > 0 ? [`${count} ${status}`] : []))
                    .join(', ')}
                </td>
                <td>
                  <code>{run.command}</code>
                </td>
                <td class="brief">
                  {run.changes.slice(0, 3).join(', ')}
                  {run.changes.length > 3 ? `, and ${run.changes.length - 3} more` : ''}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const short = (id: string): string => id.split('-').at(-1) ?? id;

function Compared({ before, after }: { readonly before: string; readonly after: string }) {
  const { value, problem, isLoading } = useAnswer<RunComparison>('/api/compare', { before, after });
  return (
    <section aria-labelledby="compared">
      <h2 id="compared">
        {before} → {after}
      </h2>
      {value === undefined && (isLoading ? <Empty>Comparing …</Empty> : <Problem text={problem} />)}
      {value && <Comparison value={value} />}
    </section>
  );
}

function Comparison({ value }: { readonly value: RunComparison }) {
  const { causes, effects, moreEffects, outputs, only, forgotten } = value;
  return (
    <>
      <h3>Causes</h3>
      {causes.length === 0 && <Empty>Nothing differs in params, code, inputs and tools.</Empty>}
      {causes.map(({ kind, lines }) => (
        <div key={kind} class="wide" tabIndex={0} role="group" aria-label={`causes: ${kind}`}>
          <table class="plain even">
            <thead>
              <tr>
                <th>{kind}</th>
                <th>before</th>
                <th>after</th>
              </tr>
            </thead>
            <tbody>
              {lines.map((line) => (
                <tr key={line.path}>
                  <td>{line.path.replace(/^\.(?!\.?\/)/, '')}</td>
                  <td>{line.before}</td>
                  <td>{line.after}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
      <h3>Effects</h3>
      {effects.length === 0 && <Empty>No number differs.</Empty>}
      {effects.length > 0 && (
        <div class="wide tall" tabIndex={0} role="group" aria-label="effects">
          <table class="plain">
            <thead>
              <tr>
                <th>task</th>
                <th>number</th>
                <th>before</th>
                <th>after</th>
                <th>difference</th>
              </tr>
            </thead>
            <tbody>
              {effects.map(({ task, name, before, after }) => (
                <tr key={`${task} ${name}`}>
                  <td>
                    <TaskLink task={task} run={value.after} />
                  </td>
                  <td>{name}</td>
                  <td class="number">{before === null ? '–' : formatNumber(before)}</td>
                  <td class="number">{after === null ? '–' : formatNumber(after)}</td>
                  <td class="number">
                    {before === null || after === null ? '' : formatSigned(after - before)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="brief">
        {moreEffects > 0 && <>{moreEffects} more numbers differ. </>}
        {outputs} outputs differ.{' '}
        {only.before.length > 0 && <>Only before: {only.before.length} tasks. </>}
        {only.after.length > 0 && <>Only after: {only.after.length} tasks. </>}
        {forgotten > 0 && <>gc has dropped the records of {forgotten} tasks.</>}
      </p>
    </>
  );
}

function OneRun({ run, line }: { readonly run: string; readonly line: RunLine | undefined }) {
  const { value, problem } = useAnswer<Timeline>('/api/timeline', { run });
  return (
    <section aria-labelledby="one-run">
      <h2 id="one-run">
        Run {run}
        {line?.name ? `, ${line.name}` : ''}
      </h2>
      {line && (
        <p class="facts">
          <span class={`state ${line.state}`}>{line.state}</span>
          <span>on {line.host}</span>
          <code>pipeline {line.command}</code>
        </p>
      )}
      {line && line.changes.length > 0 && (
        <details>
          <summary>
            Changed since the run before <span class="brief">{line.changes.length}</span>
          </summary>
          <ul>
            {line.changes.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      )}
      <Problem text={problem} />
      {value && <TimelineChart timeline={value} />}
      <Verify run={run} />
      <Reports run={run} />
    </section>
  );
}

/** Nobody goes from key to key through more tasks than these: the overview lists them. */
const STOPS_MAX = 100;

function TimelineChart({ timeline: { run, lanes, spans, more } }: { readonly timeline: Timeline }) {
  if (spans.length === 0) return <Empty>Nothing was computed in this run.</Empty>;
  const from = Math.min(...spans.slice(0, 50_000).map((span) => span.from));
  const to = Math.max(...spans.slice(0, 50_000).map((span) => span.to), from + 1);
  const [width, row, left] = [1000, lanes.length > 40 ? 8 : 18, 150];
  const x = (at: number): number => left + ((at - from) / (to - from)) * (width - left);
  const shown = spans.slice(0, 5000);
  return (
    <>
      <h3>Timeline</h3>
      <div class="wide tall" tabIndex={0} role="group" aria-label="timeline">
        <svg
          class="chart timeline"
          width={width}
          height={lanes.length * row + 24}
          role="group"
          aria-label={`when ${spans.length} tasks ran, in ${lanes.length} lanes`}
        >
          {lanes.map(
            (lane, at) =>
              row > 10 && (
                <text key={lane} class="tick" x={0} y={at * row + 13}>
                  {lane.slice(0, 24)}
                </text>
              ),
          )}
          {shown.map((span) => (
            <a
              key={span.task}
              href={taskHash(span.task, run)}
              aria-label={span.task}
              tabIndex={shown.length > STOPS_MAX ? -1 : undefined}
            >
              <rect
                class={`part ${span.status}`}
                x={x(span.from)}
                y={span.lane * row + 2}
                width={Math.max(1, x(span.to) - x(span.from) - 0.5)}
                height={row - 3}
              >
                <title>{`${span.task}: ${formatSeconds((span.to - span.from) / 1000)}`}</title>
              </rect>
            </a>
          ))}
          <text class="tick" x={left} y={lanes.length * row + 18}>
            {formatTime(from)}
          </text>
          <text class="tick" x={width} y={lanes.length * row + 18} text-anchor="end">
            {formatTime(to)} UTC
          </text>
        </svg>
      </div>
      {(more > 0 || shown.length < spans.length) && (
        <Empty>{more + spans.length - shown.length} more tasks are not drawn.</Empty>
      )}
    </>
  );
}

/** Reads all that a run made: only when somebody asks for it. */
function Verify({ run }: { readonly run: string }) {
  const { source } = useShared();
  const [isAsked, ask] = useState(source.isCopy);
  const { value, problem, isLoading } = useAnswer<VerifyAnswer>(
    '/api/verify',
    isAsked ? { run } : undefined,
    600_000,
  );
  return (
    <>
      <h3>Verification</h3>
      {!isAsked && (
        <p>
          <button type="button" onClick={() => ask(true)}>
            Read all outputs of this run and check them
          </button>
        </p>
      )}
      {isAsked && isLoading && <Empty>Reading …</Empty>}
      <Problem text={problem} />
      {value && (
        <>
          <p class={value.lost.length === 0 ? 'good' : 'problem'}>
            {value.lost.length === 0
              ? `All ${value.whole} outputs are whole: each has the digest that its record names.`
              : `${value.lost.length} outputs are lost or damaged; ${value.whole} are whole.`}
          </p>
          {value.lost.length > 0 && (
            <ul>
              {value.lost.map((name) => (
                <li key={name}>{name}</li>
              ))}
            </ul>
          )}
          <p class="brief">
            Whether the same code gives the same bits again: <code>pipeline archive</code>, then{' '}
            <code>pipeline verify --rerun</code>.
          </p>
        </>
      )}
    </>
  );
}

function Reports({ run }: { readonly run: string }) {
  const { source } = useShared();
  const { value } = useAnswer<readonly (ReportLine & { readonly key: string })[]>(
    '/api/reports',
    { run },
    10_000,
  );
  const [shown, setShown] = useState<number>();
  if (value === undefined || value.length === 0) return null;
  const one = shown === undefined ? undefined : value[shown];
  const address =
    one && source.address('/frame', { key: one.key, name: one.output, path: one.path });
  return (
    <>
      <h3>Reports</h3>
      <ul class="tasks">
        {value.map(({ task, output, path }, at) => (
          <li key={`${task} ${output} ${path}`}>
            <button
              type="button"
              class="link"
              aria-expanded={shown === at}
              onClick={() => setShown(shown === at ? undefined : at)}
            >
              {path || output}
            </button>{' '}
            <span class="brief">of {task}</span>
          </li>
        ))}
      </ul>
      {address && (
        <iframe
          class="report"
          title={`${one.path || one.output} of ${one.task}`}
          src={address}
          sandbox=""
        />
      )}
    </>
  );
}
