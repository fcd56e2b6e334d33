// routes.ts — which question of the page is answered by what
import { contentState } from '../../engine/store/store-state.ts';
import type { Overview } from '../../ui/forms.ts';
import { UsageError } from '../session/usage-error.ts';
import { problemOf } from './brief-store.ts';
import { type OutputAsked, outputView, reportsOf } from './output-answers.ts';
import { comparison, runList, timeline, verification } from './run-answers.ts';
import { plotList, type StudySources, stageNames, tableAnswer } from './study-answers.ts';
import { taskDetail, taskList } from './task-answers.ts';
import { curvesOf, taskLog } from './task-output.ts';

/** Words of a question. */
export type Words = URLSearchParams;

/** An answer as JSON, or why there is none. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 404 | 422 | 503; readonly message: string };

const found = (value: unknown, what: string): Answer =>
  value === undefined
    ? { ok: false, status: 404, message: `${what} is not there (any more)` }
    : { ok: true, value };

const TASKS_MAX = 5000;
const NUMBER_MAX = 1e9;

/** What the answer to a question rests on. Of all others, what journals say is a part. */
const RESTS_ON: { readonly [path: string]: 'records' | 'records and states' | 'contents' } = {
  '/api/table': 'records',
  '/api/stages': 'records',
  '/api/plots': 'records',
  '/api/compare': 'records',
  '/api/reports': 'records',
  '/api/runs': 'records and states',
  '/api/timeline': 'records and states',
  '/api/verify': 'contents',
  '/api/output': 'contents',
};

type Route = (sources: StudySources, words: Words) => Promise<Answer>;

const ROUTES: { readonly [path: string]: Route } = {
  '/api/tasks': async (sources, words) =>
    found(
      await taskList(sources, {
        run: wordIn(words, 'run'),
        stage: wordIn(words, 'stage'),
        status: wordIn(words, 'status'),
        text: wordIn(words, 'text'),
        from: numberIn(words, 'from', 0),
        limit: Math.min(TASKS_MAX, numberIn(words, 'limit', 500)),
      }),
      'the list',
    ),
  '/api/task': async (sources, words) =>
    found(await taskDetail(sources, demanded(words, 'task'), wordIn(words, 'run')), 'this task'),
  '/api/log': async (sources, words) =>
    found(
      await taskLog(sources, demanded(words, 'task'), {
        run: wordIn(words, 'run'),
        from: numberIn(words, 'from', 0),
      }),
      'this log',
    ),
  '/api/curves': async (sources, words) =>
    found(await curvesOf(sources, words.getAll('task'), wordIn(words, 'run')), 'these curves'),
  '/api/stages': async (sources, words) =>
    found(await stageNames(sources, wordIn(words, 'run')), 'the list'),
  '/api/table': async (sources, words) =>
    found(
      await tableAnswer(sources, {
        stage: demanded(words, 'stage'),
        run: wordIn(words, 'run'),
        at: wordIn(words, 'at'),
      }),
      'this table',
    ),
  '/api/plots': async (sources) => found(plotList(sources), 'the list'),
  '/api/runs': async (sources) => found(await runList(sources), 'the list'),
  '/api/compare': async (sources, words) =>
    found(
      await comparison(sources, demanded(words, 'before'), demanded(words, 'after')),
      'one of these runs',
    ),
  '/api/timeline': async (sources, words) =>
    found(await timeline(sources, demanded(words, 'run')), 'this run'),
  '/api/verify': async (sources, words) =>
    found(await verification(sources, demanded(words, 'run')), 'this run'),
  '/api/reports': async ({ store }, words) =>
    found(await store.read((open) => reportsOf(open, demanded(words, 'run'))), 'this run'),
  '/api/output': async ({ store }, words) =>
    found(await store.read((open) => outputView(open, outputIn(words))), 'this output'),
};

/** Answers a question. Whatever goes wrong with the store is an answer, too. */
export async function answer(
  sources: StudySources,
  path: string,
  words: Words,
  overview: () => Promise<Overview>,
): Promise<Answer> {
  if (path === '/api/overview') return { ok: true, value: await overview() };
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (route === undefined) return { ok: false, status: 404, message: 'there is nothing here' };
  try {
    const version = versionFor(path, sources);
    const asked = { question: `${path}?${words}`, version, isBusy: sources.watch.isBusy };
    return await sources.kept.get(asked, () => route(sources, words));
  } catch (error) {
    if (error instanceof WordError) return { ok: false, status: 400, message: error.message };
    if (error instanceof UsageError) {
      const [first] = error.diagnostics;
      const hint = first?.hint === undefined ? '' : ` (${first.hint})`;
      return { ok: false, status: 422, message: `${first?.message ?? error.message}${hint}` };
    }
    return { ok: false, status: 503, message: problemOf(error) };
  }
}

/** Undefined where an answer is not kept: contents are read again each time. */
function versionFor(path: string, { places, plan, watch }: StudySources): string | undefined {
  const rests = Object.hasOwn(RESTS_ON, path) ? RESTS_ON[path] : 'journals';
  if (rests === 'contents') return undefined;
  const records = `${contentState(places.cache)} ${plan.version}`;
  if (rests === 'records') return records;
  return `${records} ${rests === 'journals' ? watch.revision : watch.states}`;
}

class WordError extends Error {}

const wordIn = (words: Words, name: string): string | undefined => {
  const word = words.get(name);
  return word === null || word === '' ? undefined : word;
};

function demanded(words: Words, name: string): string {
  const word = wordIn(words, name);
  if (word === undefined) throw new WordError(`\`${name}\` is missing`);
  return word;
}

function numberIn(words: Words, name: string, usual: number): number {
  const word = wordIn(words, name);
  const number = word === undefined ? usual : Number(word);
  if (Number.isInteger(number) && number >= 0 && number <= NUMBER_MAX) return number;
  throw new WordError(`\`${name}\` is not a count`);
}

/** Which output an address means. */
export const outputIn = (words: Words): OutputAsked => ({
  key: words.get('key') ?? '',
  name: words.get('name') ?? '',
  path: wordIn(words, 'path'),
  find: wordIn(words, 'find'),
});
