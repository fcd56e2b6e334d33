/// <reference lib="dom" />
// bits.tsx — small parts that all views use: statuses, links to tasks, progress bars, buttons
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { STATUSES, type TaskStatus } from '../forms.ts';
import { hashOf } from '../links.ts';
import { setSettings, useShared } from './state.ts';

/** A status never stands by its colour alone. */
const MARKS: { readonly [status in TaskStatus]: string } = {
  failed: '✕',
  running: '▶',
  waiting: '…',
  built: '✓',
  reused: '↺',
  skipped: '⤼',
  interrupted: '‖',
  infeasible: '∅',
  unmade: '○',
};

export const Status = ({ status }: { readonly status: TaskStatus }) => (
  <span class={`status ${status}`}>
    <span aria-hidden="true">{MARKS[status]}</span> {status === 'unmade' ? 'not yet' : status}
  </span>
);

export const taskHash = (task: string, run: string): string =>
  hashOf({ view: 'task', settings: { task, run } });

export const TaskLink = ({ task, run }: { readonly task: string; readonly run?: string }) => {
  const { place } = useShared();
  return <a href={taskHash(task, run ?? place.settings.run ?? '')}>{task}</a>;
};

type Counts = { readonly [status in TaskStatus]?: number };

export const countsText = (counts: Counts): string =>
  STATUSES.flatMap((status) => {
    const count = counts[status] ?? 0;
    return count > 0 ? [`${count} ${status === 'unmade' ? 'not yet' : status}`] : [];
  }).join(', ');

/** A bar of all tasks by status. */
export function Bar({ counts, of }: { readonly counts: Counts; readonly of: number | null }) {
  const sum = Object.values(counts).reduce((total, count) => total + count, 0);
  const whole = Math.max(sum, of ?? 0, 1);
  return (
    <div class="stack" role="img" aria-label={countsText(counts) || 'nothing yet'}>
      {STATUSES.map((status) => {
        const share = (counts[status] ?? 0) / whole;
        return share > 0 ? (
          <span key={status} class={`part ${status}`} style={{ width: `${100 * share}%` }} />
        ) : null;
      })}
    </div>
  );
}

export const Problem = ({ text }: { readonly text: string | undefined }) =>
  text === undefined ? null : <p class="problem">{text}</p>;

export const Empty = ({ children }: { readonly children: ComponentChildren }) => (
  <p class="empty">{children}</p>
);

/** Copies a text, and says so. */
export function CopyButton({
  text,
  label,
}: {
  readonly text: () => string;
  readonly label: string;
}) {
  const [said, setSaid] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid('copied');
    } catch {
      setSaid(copyOld(text()) ? 'copied' : 'the browser does not allow it');
    }
    setTimeout(() => setSaid(''), 2000);
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {said === '' ? label : said}
    </button>
  );
}

/** For pages that are not on loopback: browsers give them no clipboard. */
function copyOld(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

/** A field to search in what is shown beside it. */
export const SearchField = ({
  text,
  onText,
}: {
  readonly text: string;
  readonly onText: (text: string) => void;
}) => (
  <label>
    Search{' '}
    <input
      type="search"
      value={text}
      onInput={({ currentTarget }) => onText(currentTarget.value)}
    />
  </label>
);

/** Conditions as `--where` takes them: `profile=uniform, loss<0.5`. */
export function Filter() {
  const { place } = useShared();
  const [text, setText] = useState(place.settings.where ?? '');
  useEffect(() => setText(place.settings.where ?? ''), [place.settings.where]);
  useEffect(() => {
    if (text === (place.settings.where ?? '')) return;
    const timer = setTimeout(
      () => setSettings(place, { where: text === '' ? undefined : text }, 'replace'),
      250,
    );
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label>
      Filter{' '}
      <input
        type="search"
        size={24}
        placeholder="profile=uniform, loss<0.5"
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
    </label>
  );
}
