/// <reference lib="dom" />
// log-panel.tsx — what a task prints, as it comes: with search, and only the lines in sight in the page
import { useEffect, useRef, useState } from 'preact/hooks';
import { rowsInSight } from '../chart.ts';
import type { LogPart } from '../forms.ts';
import { CopyButton, Empty, Problem, SearchField } from './bits.tsx';
import { useShared, whenSeen } from './state.ts';

const ROW = 18;
const HEIGHT = 360;
const PAUSE_MS = 1000;
/** The page keeps so many lines. */
const LINES_MAX = 100_000;

interface Line {
  readonly number: number;
  readonly text: string;
}

interface Log {
  readonly lines: readonly Line[];
  readonly total: number;
  readonly isOpen: boolean;
}

const NOTHING: Log = { lines: [], total: 0, isOpen: true };

/** Takes new lines; a log that has become shorter is another one. */
function grown(log: Log, part: LogPart, asked: number): Log {
  const before = part.total < log.total ? [] : log.lines.filter(({ number }) => number < asked);
  const more: Line[] = [];
  let number = part.gapAt === 0 ? asked : part.first;
  for (const [at, text] of part.lines.entries()) {
    if (at === part.gapAt) {
      const gap = part.total - (part.lines.length - at) - number;
      more.push({ number, text: `… ${gap} lines were not kept …` });
      number += gap;
    }
    more.push({ number, text });
    number += 1;
  }
  return { lines: [...before, ...more].slice(-LINES_MAX), total: part.total, isOpen: part.isOpen };
}

function useLog(
  task: string,
  run: string,
): { readonly log: Log; readonly problem: string | undefined } {
  const { source } = useShared();
  const [log, setLog] = useState<Log>(NOTHING);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let from = 0;
    const look = async (): Promise<void> => {
      let isOpen = true;
      try {
        const words = from === 0 ? { task, run } : { task, run, from: String(from) };
        const part = await source.ask<LogPart>('/api/log', words);
        if (isOver) return;
        const asked = from;
        if (part.total !== from || !part.isOpen) setLog((before) => grown(before, part, asked));
        from = part.total < from ? 0 : part.total;
        isOpen = part.isOpen;
        setProblem(undefined);
      } catch (error) {
        if (isOver) return;
        setProblem(error instanceof Error ? error.message : String(error));
      }
      if (source.isCopy || isOver) return;
      timer = setTimeout(
        () => {
          callOff = whenSeen(() => void look());
        },
        isOpen ? PAUSE_MS : 5 * PAUSE_MS,
      );
    };
    let callOff = (): void => undefined;
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
      callOff();
    };
  }, [source, task, run]);
  return { log, problem };
}

export function LogPanel({ task, run }: { readonly task: string; readonly run: string }) {
  const { log, problem } = useLog(task, run);
  const [text, setText] = useState('');
  const [top, setTop] = useState(0);
  const [isFollowing, setFollowing] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const lower = text.toLowerCase();
  const lines =
    lower === '' ? log.lines : log.lines.filter((line) => line.text.toLowerCase().includes(lower));
  useEffect(() => {
    if (isFollowing && box.current && log.isOpen) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.length, isFollowing, log.isOpen]);
  const { from, to } = rowsInSight(lines.length, { top, height: HEIGHT, row: ROW });
  const scroll = ({ currentTarget }: { readonly currentTarget: HTMLDivElement }): void => {
    setTop(currentTarget.scrollTop);
    setFollowing(
      currentTarget.scrollTop + currentTarget.clientHeight >= currentTarget.scrollHeight - 2 * ROW,
    );
  };
  return (
    <section aria-labelledby="log">
      <h2 id="log">Log</h2>
      <p class="controls">
        <SearchField text={text} onText={setText} />
        <span>
          {lower === '' ? '' : `${lines.length} of `}
          {log.total === 1 ? '1 line' : `${log.total} lines`}
          {log.total > 0 && log.isOpen ? ', it goes on' : ''}
        </span>
        {log.lines.length > 0 && (
          <CopyButton label="Copy" text={() => lines.map((line) => line.text).join('\n')} />
        )}
      </p>
      <Problem text={problem} />
      {log.lines.length === 0 ? (
        <Empty>Nothing was printed.</Empty>
      ) : (
        <div
          class="log"
          ref={box}
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={`log of ${task}`}
          onScroll={scroll}
          style={{ height: `${Math.min(HEIGHT, lines.length * ROW + 20)}px` }}
        >
          <div style={{ height: `${from * ROW}px` }} />
          {lines.slice(from, to).map(({ number, text: line }) => (
            <div key={number} class="line">
              <span class="at">{number + 1}</span>
              {line}
            </div>
          ))}
          <div style={{ height: `${(lines.length - to) * ROW}px` }} />
        </div>
      )}
    </section>
  );
}
