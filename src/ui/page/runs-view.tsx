/// <reference lib="dom" />
// runs-view.tsx — runs: the history, and where to look further
import { useState } from 'preact/hooks';
import type { RunLine } from '../forms.ts';
import { formatSeconds, formatTime } from '../numbers.ts';
import { Empty, Problem } from './bits.tsx';
import { OneRun } from './one-run.tsx';
import { Compared } from './run-comparison.tsx';
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
