/// <reference lib="dom" />
// one-run.tsx — one run: when what ran, its reports, whether it is whole
import { useState } from 'preact/hooks';
import type { ReportLine, RunLine, Timeline, VerifyAnswer } from '../forms.ts';
import { formatSeconds, formatTime } from '../numbers.ts';
import { Empty, Problem, taskHash } from './bits.tsx';
import { useAnswer, useShared } from './state.ts';

export function OneRun({
  run,
  line,
}: {
  readonly run: string;
  readonly line: RunLine | undefined;
}) {
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
