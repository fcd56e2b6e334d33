/// <reference lib="dom" />
// app.tsx — the frame of the page: views, the state of the connection, light and dark
import type { FunctionComponent } from 'preact';
import { useEffect, useErrorBoundary, useState } from 'preact/hooks';
import type { Overview } from '../forms.ts';
import { hashOf } from '../links.ts';
import { OverviewView } from './overview-view.tsx';
import { PlotsView } from './plots-view.tsx';
import { RunsView } from './runs-view.tsx';
import type { Connection, Source } from './source.ts';
import { isLive, SharedContext, usePlace } from './state.ts';
import { TableView } from './table-view.tsx';
import { TaskView } from './task-view.tsx';

const VIEWS: { readonly [view: string]: readonly [title: string, view: FunctionComponent] } = {
  overview: ['Overview', OverviewView],
  table: ['Table', TableView],
  plots: ['Plots', PlotsView],
  runs: ['Runs', RunsView],
};

export function App({ source }: { readonly source: Source }) {
  const place = usePlace();
  const [overview, setOverview] = useState<Overview>();
  const [connection, setConnection] = useState<Connection>('open');
  useEffect(() => source.follow(setOverview, setConnection), [source]);
  useEffect(() => {
    document.title = titleOf(overview);
  }, [overview]);
  const view = place.view === '' ? 'overview' : place.view;
  const about = `${view} ${place.settings.task ?? ''}`;
  // Whoever follows a link from the end of one view begins at the beginning of the next.
  useEffect(() => scrollTo(0, 0), [about]);
  const [, View] = view === 'task' ? ['', TaskView] : (VIEWS[view] ?? ['', Nowhere]);
  return (
    <SharedContext.Provider value={{ source, overview, connection, place }}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector('main')?.focus();
        }}
      >
        Skip to the content
      </a>
      <header class="bar">
        <strong class="study" title={overview?.root}>
          {overview?.title ?? 'pipeline'}
        </strong>
        <nav aria-label="Views">
          {Object.entries(VIEWS).map(([name, [title]]) => (
            <a
              key={name}
              href={hashOf({ view: name, settings: {} })}
              aria-current={name === view ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <State overview={overview} connection={connection} />
        <Theme />
      </header>
      <Notices overview={overview} connection={connection} />
      <main id="main" tabIndex={-1}>
        <Guarded key={view}>
          <View />
        </Guarded>
      </main>
    </SharedContext.Provider>
  );
}

/** An error in a view leaves the rest of the page as it is. */
function Guarded({ children }: { readonly children: preact.ComponentChildren }) {
  const [error, reset] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <section>
      <h1>This view has failed</h1>
      <p class="problem">{error instanceof Error ? error.message : String(error)}</p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </section>
  );
}

const Nowhere = () => <h1>There is no such view</h1>;

function titleOf(overview: Overview | undefined): string {
  const [run] = overview?.runs ?? [];
  const name = overview?.title ?? 'pipeline';
  if (run === undefined || !isLive(run)) return `${name} – pipeline`;
  const { failed = 0, running = 0, waiting = 0, ...rest } = run.tally;
  const done = failed + Object.values(rest).reduce((sum, count) => sum + count, 0);
  return `${failed > 0 ? `✕${failed} ` : ''}${done}${run.total === null ? '' : `/${run.total}`} ${name}`;
}

function State({
  overview,
  connection,
}: {
  readonly overview: Overview | undefined;
  readonly connection: Connection;
}) {
  if (connection !== 'open')
    return <span class="live lost">{connection === 'lost' ? 'connecting …' : 'ended'}</span>;
  if (overview?.isCopy) return <span class="live">copy</span>;
  return <span class="live">{overview?.runs.some(isLive) ? 'live' : 'at rest'}</span>;
}

/** What is wrong with what the page is about. */
function Notices({
  overview,
  connection,
}: {
  readonly overview: Overview | undefined;
  readonly connection: Connection;
}) {
  const said = [
    ...(connection === 'lost'
      ? ['`pipeline ui` does not answer: what you see may be old. It is tried again.']
      : []),
    ...(connection === 'ended'
      ? ['`pipeline ui` has ended or was started anew: open the link that it prints.']
      : []),
    ...(overview?.store.state === 'none'
      ? ['There is no store: nothing has been made yet, or it was removed.']
      : []),
    ...(overview?.store.state === 'unreadable'
      ? [`The store cannot be read: ${overview.store.problem}`]
      : []),
    ...(overview?.foreign?.length
      ? [
          `Another version of pipeline makes run ${overview.foreign.join(', ')}, in a form that this one cannot follow: start \`pipeline ui\` of that version.`,
        ]
      : []),
    ...(overview?.plan.state === 'failed'
      ? [`The pipeline cannot be loaded: ${overview.plan.problem}`]
      : []),
  ];
  return (
    <div aria-live="polite">
      {said.map((text) => (
        <p key={text} class="notice">
          {text}
        </p>
      ))}
    </div>
  );
}

const THEMES = ['', 'light', 'dark'];

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? '');
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? '';
  const turn = (): void => {
    document.documentElement.dataset.theme = next;
    setTheme(next);
    try {
      localStorage.setItem('theme', next);
    } catch {
      // It holds for this page.
    }
  };
  return (
    <button
      type="button"
      class="theme"
      onClick={turn}
      aria-label={`Colours: ${theme === '' ? 'as the system' : theme}. Change`}
    >
      <span aria-hidden="true">{theme === '' ? '◐' : theme === 'light' ? '☀' : '☾'}</span>
    </button>
  );
}
