// completion-words.ts — what may stand at the end of a word: tasks, labels, outputs, params, columns
import { frameOf, readResults } from '../../analysis/results.ts';
import type { PipelineParts } from '../../engine/config/config.ts';
import { type Located, labelOf } from '../../engine/config/located.ts';
import { pointsOf } from '../../engine/config/matrix.ts';
import type { StageConfig } from '../../engine/config/stage-config.ts';
import { type TaskId, taskId } from '../../engine/model/key.ts';
import type { Store } from '../../engine/store/store.ts';
import { dottedStep } from '../../engine/text/dotted.ts';
import { placesOf } from './places.ts';
import { type CommonOptions, storeAt } from './session.ts';
import { readConfig } from './study.ts';

/** More candidates than this are no help. */
const CANDIDATES_MAX = 500;

/** Words for tasks: stages, then label by label, `stage[axis=label]`, and outputs after a colon. */
export async function completeTask(
  options: CommonOptions,
  begun: string,
): Promise<readonly string[]> {
  const parts = readConfig(options);
  if (parts === undefined) return [];
  const { stages } = parts.pipeline;
  const colon = begun.indexOf(':');
  if (colon >= 0) return await completeOutput(parts, options, begun.slice(0, colon));
  const name = /^[\w-]*/.exec(begun)?.[0] ?? '';
  const stage = stages.get(name);
  if (stage && begun.startsWith(`${name}[`)) return completeSelection(stage, begun);
  if (stage && begun.startsWith(`${name}/`)) return completeLabel(stage, begun);
  return [...stages.keys()].sort();
}

/** `rigl/a/` → `rigl/a/b/`: the next label, with a slash while more follow. */
function completeLabel(stage: StageConfig, begun: string): readonly string[] {
  const given = begun.split('/').slice(1, -1);
  const axes = [...stage.axes.keys()];
  const found = new Set<string>();
  for (const point of pointsOf(stage)) {
    const labels = axes.map((axis) => point.get(axis)?.label ?? '');
    if (!given.every((label, at) => label === labels[at])) continue;
    const next = labels.slice(0, given.length + 1);
    if (next.length > given.length) {
      const more = next.length < axes.length ? '/' : '';
      found.add(`${stage.name}/${next.join('/')}${more}`);
    }
    if (found.size >= CANDIDATES_MAX) break;
  }
  return [...found];
}

/** `rigl[profile=uniform,` → axes, and the labels of the one that is begun. */
function completeSelection(stage: StageConfig, begun: string): readonly string[] {
  const last = Math.max(begun.lastIndexOf(','), begun.indexOf('[')) + 1;
  const [before, part] = [begun.slice(0, last), begun.slice(last)];
  const equals = part.indexOf('=');
  if (equals < 0) {
    const used = new Set(before.match(/[\w-]+(?==)/g) ?? []);
    return [...stage.axes.keys()].flatMap((axis) => (used.has(axis) ? [] : [`${before}${axis}=`]));
  }
  const axis = part.slice(0, equals);
  const labels = (stage.axes.get(axis) ?? []).map(({ label }) => label);
  return labels.map((label) => `${before}${axis}=${label}]`);
}

/** The outputs that a task, or another of its stage, had when it was last made. */
async function completeOutput(
  { pipeline }: PipelineParts,
  options: CommonOptions,
  word: string,
): Promise<readonly string[]> {
  const stage = pipeline.stages.get(/^[\w-]*/.exec(word)?.[0] ?? '');
  if (stage === undefined) return [];
  const names = stage.command
    ? [...stage.command.outputs.keys()]
    : await recordedOutputs(stage, options);
  return [...names].sort().map((name) => `${word}:${name}`);
}

/** The first tasks of a stage: as many as are asked after. */
function idsOf(stage: StageConfig): readonly TaskId[] {
  const ids: TaskId[] = [];
  for (const point of pointsOf(stage)) {
    const labels = [...point.values()].map(({ label }) => label);
    ids.push(taskId(stage.name, labels));
    if (ids.length >= CANDIDATES_MAX) break;
  }
  return ids;
}

async function recordedOutputs(
  stage: StageConfig,
  options: CommonOptions,
): Promise<readonly string[]> {
  return await withStore(options, async (store) => {
    const latest = await store.actions.latest(idsOf(stage));
    for (const key of latest.values()) {
      const record = await store.actions.get(key);
      if (record && record.infeasible === undefined) return Object.keys(record.outputs);
    }
    return [];
  });
}

async function withStore<T>(
  options: CommonOptions,
  read: (store: Store) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  try {
    const store = storeAt(placesOf(options).cache, 'read');
    try {
      return await read(store);
    } finally {
      await store.close();
    }
  } catch {
    return []; // A shell that completes a word is no place for errors.
  }
}

/** Options whose values are axes, labels, columns or params. */
const AXIS_OPTIONS = new Set(['--group-by', '--pivot', '--facet', '--band']);
const COLUMN_OPTIONS = new Set(['--columns', '--sort', '--x', '--y', '--color', '--where']);

/** Words for the value of an option. @param before the words of the command before it */
export async function completeOption(
  options: CommonOptions,
  option: string,
  before: readonly string[],
  begun: string,
): Promise<readonly string[]> {
  const parts = readConfig(options);
  if (parts === undefined) return [];
  const { stages, params } = parts.pipeline;
  if (option === '--set') return completeSet(params, begun);
  if (option === '--stage') return [...stages.keys()];
  const word = before.find((one) => stages.has(/^[\w-]*/.exec(one)?.[0] ?? ''));
  const stage = word === undefined ? undefined : stages.get(/^[\w-]*/.exec(word)?.[0] ?? '');
  if (stage === undefined) return [];
  const comma = begun.lastIndexOf(',') + 1;
  const [head, part] = [begun.slice(0, comma), begun.slice(comma)];
  const axes = [...stage.axes.keys()];
  if (AXIS_OPTIONS.has(option)) return axes.map((axis) => head + axis);
  if (!COLUMN_OPTIONS.has(option)) return [];
  if (option === '--where') {
    const equals = /^([\w-]+)(!?=)/.exec(part);
    const labels = equals ? (stage.axes.get(equals[1] ?? '') ?? []) : [];
    if (equals) return labels.map(({ label }) => `${head}${equals[0]}${label}`);
    const numbers = await completeColumn(stage, options);
    return [...axes.map((axis) => `${head}${axis}=`), ...numbers.map((name) => head + name)];
  }
  const sign = option === '--sort' && part.startsWith('-') ? '-' : '';
  const numbers = await completeColumn(stage, options);
  return [...axes, ...numbers].map((name) => `${head}${sign}${name}`);
}

/** The numbers of a task of a stage that was made. */
async function completeColumn(
  stage: StageConfig,
  options: CommonOptions,
): Promise<readonly string[]> {
  return await withStore(options, async (store) => {
    const latest = await store.actions.latest(idsOf(stage));
    for (const [task, key] of latest) {
      const record = await store.actions.get(key);
      if (record === undefined || record.infeasible !== undefined) continue;
      const { results } = await readResults(store.blobs, [{ task, at: {}, record }]);
      const { columns } = frameOf(results, { kind: 'last' });
      return columns.flatMap(({ kind, name }) => (kind === 'number' ? [name] : []));
    }
    return [];
  });
}

/** Paths into params: a part that holds others ends with a dot, a value with `=`. */
function completeSet(params: Located, begun: string): readonly string[] {
  if (begun.includes('=')) return [];
  const steps = begun.split('.').slice(0, -1);
  let part: Located | undefined = params;
  for (const step of steps) {
    part =
      part.fields?.get(step) ??
      part.items?.find((item, at) => labelOf(item) === step || String(at) === step);
    if (part === undefined) return [];
  }
  const head = steps.map((step) => `${step}.`).join('');
  const named = part.items
    ? part.items.map((item, at) => [(item.fields && labelOf(item)) ?? String(at), item] as const)
    : [...(part.fields ?? [])];
  return named.flatMap(([name, item]) => {
    const path = `${head}${dottedStep(name)}`;
    const isOpen = item.fields !== undefined || item.items?.some(({ fields }) => fields) === true;
    return isOpen ? [`${path}.`, `${path}=`] : [`${path}=`];
  });
}
