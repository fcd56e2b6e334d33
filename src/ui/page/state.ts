/// <reference lib="dom" />
// state.ts — what all parts of the page share: the place, the overview, answers that stay fresh
import { createContext } from 'preact';
import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Overview, RunProgress } from '../forms.ts';
import { changed, hashOf, type Place, placeIn } from '../links.ts';
import type { Connection, Source, Words } from './source.ts';

export interface Shared {
  readonly source: Source;
  readonly overview: Overview | undefined;
  readonly connection: Connection;
  readonly place: Place;
}

export const SharedContext = createContext<Shared | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === undefined) throw new Error('bug: there is no page');
  return shared;
}

/** The place that the address names, as it changes. */
export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const hear = (): void => setHash(location.hash);
    addEventListener('hashchange', hear);
    return () => removeEventListener('hashchange', hear);
  }, []);
  return useMemo(() => placeIn(hash), [hash]);
}

/** Changes settings of the place in the address. A change of the same thing again makes no new entry in the history. */
export function setSettings(
  place: Place,
  changes: { readonly [name: string]: string | undefined },
  how: 'enter' | 'replace' = 'enter',
): void {
  const hash = hashOf(changed(place, changes));
  if (how === 'enter') location.hash = hash;
  else {
    history.replaceState(null, '', hash);
    dispatchEvent(new HashChangeEvent('hashchange'));
  }
}

/** The run that the page is about: the one that the address names, or the first of those that go on. */
export function useRun(): { readonly id: string; readonly progress: RunProgress | undefined } {
  const { overview, place } = useShared();
  const named = place.settings.run;
  const progress = overview?.runs.find(({ id }) => named === undefined || id === named);
  return { id: named ?? progress?.id ?? '', progress };
}

export const isLive = ({ state }: RunProgress): boolean =>
  state === 'running' || state === 'unknown';

export interface Answered<T> {
  readonly value: T | undefined;
  readonly problem: string | undefined;
  readonly isLoading: boolean;
}

/** Does something now, or when the page becomes visible: hidden pages send no requests. Returns a function that cancels it. */
export function whenSeen(action: () => void): () => void {
  const look = (): void => {
    if (document.hidden) return;
    stop();
    action();
  };
  const stop = (): void => document.removeEventListener('visibilitychange', look);
  if (document.hidden) document.addEventListener('visibilitychange', look);
  else action();
  return stop;
}

/** Answers are asked for again at most so often. */
const FRESH_MS = 2000;

/** An answer; a new one when the store has changed. What was there stays until the new one comes. */
export function useAnswer<T>(
  path: string,
  words: Words | undefined,
  every = FRESH_MS,
): Answered<T> {
  const { source } = useShared();
  const question = words === undefined ? undefined : `${path} ${JSON.stringify(words)}`;
  return useAsked(question, () => source.ask<T>(path, words ?? {}), every);
}

interface Asking {
  readonly question: string | undefined;
  /** When it was asked last. */
  at: number;
  isAsked: boolean;
  /** Whether something has changed since it was asked. */
  isStale: boolean;
}

const asking = (question: string | undefined): Asking => ({
  ...{ question, at: Number.NEGATIVE_INFINITY },
  ...{ isAsked: false, isStale: false },
});

/**
 * What a question gives, asked again as things change. An answer counts though something has changed since it was asked:
 * on a busy machine there would never be one.
 */
export function useAsked<T>(
  question: string | undefined,
  ask: () => Promise<T>,
  every: number,
): Answered<T> {
  const { source, overview } = useShared();
  const [answered, setAnswered] = useState<Answered<T> & { readonly question: string }>();
  const [turn, setTurn] = useState(0);
  const version = overview?.version ?? '';
  const live = overview?.runs.some(isLive) ? revisionOf(overview) : '';
  const now = useRef(asking(undefined));
  useEffect(
    () => () => {
      now.current = asking(undefined);
    },
    [],
  );
  useEffect(() => {
    if (now.current.question !== question) now.current = asking(question);
    const mine = now.current;
    if (question === undefined) return;
    if (mine.isAsked) {
      mine.isStale = true;
      return;
    }
    const take = (given: Pick<Answered<T>, 'value' | 'problem'>): void => {
      mine.isAsked = false;
      if (now.current !== mine) return;
      setAnswered((before) => ({
        value: given.value ?? (before?.question === question ? before.value : undefined),
        problem: given.problem,
        isLoading: false,
        question,
      }));
      if (mine.isStale) setTurn((before) => before + 1);
      mine.isStale = false;
    };
    let callOff = (): void => undefined;
    const askNow = (): void => {
      mine.isAsked = true;
      mine.at = Date.now();
      ask().then(
        (value) => take({ value, problem: undefined }),
        (error: Error) => take({ value: undefined, problem: error.message }),
      );
    };
    const timer = setTimeout(
      () => {
        callOff = whenSeen(askNow);
      },
      Math.max(0, mine.at + every - Date.now()),
    );
    return () => {
      clearTimeout(timer);
      callOff();
    };
  }, [question, version, live, source, turn]);
  if (answered !== undefined && answered.question === question) return answered;
  return { value: undefined, problem: undefined, isLoading: question !== undefined };
}

/** Changes while runs go on. */
const revisionOf = ({ runs }: Overview): string =>
  runs
    .map(({ id, tally, measured, running }) => JSON.stringify([id, tally, measured, running]))
    .join();

/** The time, every second while something goes on. */
export function useNow(isOn: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isOn]);
  return now;
}

/** The stage that is shown where none is named: the one with the most tasks, the later of equals. */
export function usualStage(
  stages: readonly string[] | undefined,
  overview: Overview | undefined,
): string {
  // Before there is a plan, what has been made tells the sizes.
  const sizes = new Map(
    overview?.runs[0]?.stages.map(({ stage, of, counts }) => [
      stage,
      of ?? Object.values(counts).reduce((sum, count) => sum + count, 0),
    ]),
  );
  let usual = '';
  for (const stage of stages ?? []) {
    if (usual === '' || (sizes.get(stage) ?? 0) >= (sizes.get(usual) ?? 0)) usual = stage;
  }
  return usual;
}
