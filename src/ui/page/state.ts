/// <reference lib="dom" />
// state.ts — what all parts of the page share: the place, the overview, answers that stay fresh
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
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
  return placeIn(hash);
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

/** Answers are asked for again at most so often. */
const FRESH_MS = 2000;

/** An answer; a new one when the store has changed. What was there stays until the new one comes. */
export function useAnswer<T>(
  path: string,
  words: Words | undefined,
  every = FRESH_MS,
): Answered<T> {
  const { source, overview } = useShared();
  const [answered, setAnswered] = useState<Answered<T> & { readonly question: string }>();
  const question = words === undefined ? '' : `${path} ${JSON.stringify(words)}`;
  const version = overview?.version ?? '';
  const live = overview?.runs.some(isLive) ? revisionOf(overview) : '';
  const asked = useRef({ question: '', at: 0 });
  useEffect(() => {
    if (words === undefined) return;
    let isOver = false;
    const isNew = asked.current.question !== question;
    const wait = isNew ? 0 : Math.max(0, asked.current.at + every - Date.now());
    const timer = setTimeout(() => {
      asked.current = { question, at: Date.now() };
      source.ask<T>(path, words).then(
        (value) => {
          if (!isOver) setAnswered({ value, problem: undefined, isLoading: false, question });
        },
        (error: Error) => {
          if (isOver) return;
          setAnswered((before) => ({
            value: before?.question === question ? before.value : undefined,
            problem: error.message,
            isLoading: false,
            question,
          }));
        },
      );
    }, wait);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [question, version, live, source]);
  if (answered?.question === question) return answered;
  return { value: undefined, problem: undefined, isLoading: words !== undefined };
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
  const sizes = new Map(overview?.runs[0]?.stages.map(({ stage, of }) => [stage, of ?? 0]));
  let usual = '';
  for (const stage of stages ?? []) {
    if (usual === '' || (sizes.get(stage) ?? 0) >= (sizes.get(usual) ?? 0)) usual = stage;
  }
  return usual;
}
