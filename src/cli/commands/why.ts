// why.ts — pipeline why TASK: why it would run, or who made it, when and at what cost
import prettyBytes from 'pretty-bytes';
import type { Change } from '../../engine/model/event.ts';
import type { Digest, Json, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RecordResult } from '../../engine/model/record.ts';
import { restrict } from '../../engine/planning/target.ts';
import { latestRecord } from '../../engine/rebuilder/action.ts';
import {
  type Comparison,
  nearestTrace,
  predecessor,
  sourceChanges,
} from '../../engine/rebuilder/explain.ts';
import type { Forecast, Forecasts } from '../../engine/rebuilder/forecast.ts';
import { StoreError } from '../../engine/store/store.ts';
import { forecastJson, formatUnknown } from '../session/forecast.ts';
import { currentTask } from '../session/named-tasks.ts';
import { stdoutColors as c, writeJson, writeStdout } from '../session/printing.ts';
import { type CommonOptions, type Inspection, inspect, type Session } from '../session/session.ts';
import { COMMON, type CommandDeclaration, TASK } from '../terminal/declaration.ts';
import {
  brief,
  formatAbsence,
  formatChange,
  formatCost,
  formatReason,
} from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'why',
  group: 'Look',
  about: 'explain why a task would run, or who made it, when and at what cost',
  arguments: [TASK],
  options: COMMON,
  inspects: true,
  examples: ['why report', 'why rigl/synth-digits/128-64/0.9/erk/uniform/0'],
};
export { why as run };

/** Filled in by the build. */
declare const ESBUILD_VERSION: string;

type Hit = Extract<Forecast, { status: 'reuse' }>;

/** Explains one task. */
async function why(word: string, options: CommonOptions): Promise<number> {
  return inspect(options, async (session) => {
    const task = currentTask(session, word);
    const forecasts = await forecastsFor(session, task);
    const predicted = await whole(session, entryAt(forecasts, task));
    if (options.json) writeJson(await explainJson(session, predicted));
    else if (predicted.status === 'reuse') await tellHit(session, predicted);
    else if (predicted.status === 'infeasible') tellInfeasible(predicted);
    else if (predicted.status === 'unknown') await tellUnknown(session, predicted);
    else await tellMiss({ session, forecasts, told: new Set() }, predicted, '');
  });
}

/**
 * What is foreseen of a task and what it needs. A task that is made is so whatever becomes of others; one that is not may
 * take the result of any other.
 */
async function forecastsFor({ plan, foresee }: Inspection, task: TaskId): Promise<Forecasts> {
  const part = restrict(plan, [task]);
  const needed = await foresee(part, new Set());
  const isEnough = needed.get(task)?.status === 'reuse' || part.tasks.size === plan.tasks.size;
  return isEnough ? needed : foresee(plan, new Set());
}

function entryAt(forecasts: Forecasts, task: TaskId): Forecast<RecordResult> {
  const found = forecasts.get(task);
  if (found === undefined) throw new Error(`bug: there is no forecast for ${task}`);
  return found;
}

/** The forecast of a task, with its record as a whole. */
async function whole({ store }: Session, found: Forecast<RecordResult>): Promise<Forecast> {
  if (!('trace' in found) || found.trace === undefined) return found as Forecast;
  const trace = await store.actions.get(found.trace.key);
  // It was there when it was looked for.
  if (trace === undefined)
    throw new StoreError('the store has changed in the meantime: run the command again');
  return { ...found, trace };
}

// ---- for machines ----

async function explainJson(session: Session, predicted: Forecast): Promise<object> {
  if (predicted.status === 'pending') return forecastJson(predicted);
  if (predicted.status === 'unknown') {
    const last = await latestTrace(session, predicted.task);
    const { key, made, cost } = last ?? {};
    return { ...forecastJson(predicted), ...(last && { last: { key, made, cost } }) };
  }
  if (predicted.status === 'infeasible') {
    const { parts, made, cost } = predicted.trace ?? {};
    return { ...forecastJson(predicted), ...(predicted.trace && { parts, made, cost }) };
  }
  const { parts } = predicted.action;
  const told = { ...forecastJson(predicted), parts };
  if (predicted.status === 'reuse') {
    const { made, cost, tolerance, origin } = predicted.trace;
    const before = await predecessor(session.store, predicted.action);
    return {
      ...told,
      made,
      cost,
      ...(tolerance !== undefined && { tolerance }),
      ...(origin && { origin }),
      ...commandJson(session, predicted.trace),
      ...(before && { before: await comparisonJson(session, before) }),
    };
  }
  if (predicted.status === 'same' || !['new', 'changed'].includes(predicted.reason.kind))
    return told;
  const before = await latestTrace(session, predicted.task);
  if (before && predicted.reason.kind === 'changed') {
    const comparison = { trace: before, changes: predicted.reason.changes };
    return { ...told, before: await comparisonJson(session, comparison) };
  }
  const nearest = await nearestTrace(session.store.actions, predicted.action);
  return nearest ? { ...told, nearest: await comparisonJson(session, nearest) } : told;
}

async function comparisonJson({ cache }: Session, { trace, changes }: Comparison): Promise<object> {
  const { task, key, made } = trace;
  const code = changes.find(({ path }) => path === 'code');
  const sources = code && (await sourceChanges(cache, trace.parts.code, code.after as Digest));
  return { task, key, made, changes, ...(sources && { sources }) };
}

const latestTrace = ({ store }: Session, task: TaskId): Promise<ActionRecord | undefined> =>
  latestRecord(store.actions, task);

const runOf = ({ store }: Session, { made }: ActionRecord) => store.history.run(made.run);

function commandJson(session: Session, trace: ActionRecord): object {
  const run = runOf(session, trace);
  return run ? { command: run.command } : {};
}

// ---- for people: a task that is made ----

async function tellHit(session: Session, { task, trace, action }: Hit): Promise<void> {
  const { made, cost, outputs, parts, tolerance } = trace;
  const versions = Object.entries(made.versions).map(([name, version]) => `${name} ${version}`);
  writeStdout(`${c.bold(task)} is up to date`);
  if (trace.task !== task)
    writeStdout(`  same as  ${trace.task}, which has the same code, params and inputs`);
  writeStdout(`  made     ${made.at} on ${made.host} (${versions.join(', ')})`);
  const { origin } = trace;
  if (origin) writeStdout(`  by       ${origin.by}, from the remote, signed with ${origin.signer}`);
  writeStdout(`  run      ${made.run}`);
  const run = runOf(session, trace);
  if (run) writeStdout(`  command  pipeline ${run.command}`);
  writeStdout(`  cost     ${formatCost(cost)}`);
  const tools = Object.entries(parts.tools ?? {}).map(([name, version]) => `${name} ${version}`);
  if (tools.length > 0) writeStdout(`  tools    ${tools.join(', ')}`);
  if (tolerance !== undefined)
    writeStdout(`  inexact  another run may differ by ${tolerance}, relatively`);
  writeStdout(`  key      ${trace.key}`);
  for (const [name, { digest, bytes, kind }] of Object.entries(outputs)) {
    writeStdout(`  output   ${name}: ${kind}, ${prettyBytes(bytes)}, ${digest.slice(0, 12)}`);
  }
  const before = await predecessor(session.store, action);
  if (before === undefined) return;
  writeStdout(`  changed  since ${before.trace.made.at}, run ${before.trace.made.run}:`);
  await tellChanges(session, before, '    ');
}

function tellInfeasible({
  task,
  missingOutput,
  trace,
}: Extract<Forecast, { status: 'infeasible' }>): void {
  writeStdout(`${c.bold(task)} is ${formatAbsence(task, missingOutput)}`);
  if (trace)
    writeStdout(`  found    ${trace.made.at} on ${trace.made.host}, run ${trace.made.run}`);
  else if (missingOutput.because === task)
    writeStdout('  found    when the pipeline was planned, by its params');
}

async function tellUnknown(
  session: Session,
  predicted: Extract<Forecast, { status: 'unknown' }>,
): Promise<void> {
  writeStdout(`${c.bold(predicted.task)} is unknown here: whether it would run is not known`);
  writeStdout(`  because  ${formatUnknown(predicted)}`);
  const last = await latestTrace(session, predicted.task);
  if (last === undefined) return;
  writeStdout(`  made     last ${last.made.at} on ${last.made.host}, run ${last.made.run}`);
  for (const [name, { digest, bytes, kind }] of Object.entries(last.outputs)) {
    writeStdout(`  output   ${name}: ${kind}, ${prettyBytes(bytes)}, ${digest.slice(0, 12)}`);
  }
}

// ---- for people: a task that would run ----

interface Telling {
  readonly session: Session;
  readonly forecasts: Forecasts;
  /** Tasks that need not be told again. */
  readonly told: Set<TaskId>;
}

/** Why a task would run; for one that follows others, why those would. */
async function tellMiss(
  telling: Telling,
  predicted: Forecast<RecordResult>,
  indent: string,
): Promise<void> {
  if (telling.told.has(predicted.task)) return;
  telling.told.add(predicted.task);
  if (predicted.status === 'run') await tellRun(telling, predicted, indent);
  else if (predicted.status === 'same') {
    writeStdout(
      `${indent}${c.bold(predicted.task)} would take the result of ${predicted.as}, which has the same key`,
    );
  } else if (predicted.status === 'pending') await tellFollow(telling, predicted, indent);
}

async function tellRun(
  { session, told }: Telling,
  { task, action, reason }: Extract<Forecast<RecordResult>, { status: 'run' }>,
  indent: string,
): Promise<void> {
  writeStdout(`${indent}${c.bold(task)} would run`);
  const before = await latestTrace(session, task);
  if (reason.kind === 'changed' && before && reason.changes.length > 0) {
    await tellChanges(session, { trace: before, changes: reason.changes }, `${indent}  `);
    return;
  }
  writeStdout(`${indent}  ${formatReason(reason)}`);
  // Of a task that another one waits for, the reason is enough.
  if (reason.kind !== 'new' || told.size > 1) return;
  const nearest = await nearestTrace(session.store.actions, action);
  if (nearest === undefined) return;
  const { made, task: other } = nearest.trace;
  writeStdout(
    `${indent}  the nearest that was made is ${other} (${made.at}, run ${made.run}); from there:`,
  );
  await tellChanges(session, nearest, `${indent}    `);
}

/** At most this many upstream tasks are listed below a pending one. */
const FOLLOWED_SHOWN = 8;

async function tellFollow(
  telling: Telling,
  { task, sure, after, changes }: Extract<Forecast<RecordResult>, { status: 'pending' }>,
  indent: string,
): Promise<void> {
  const words = sure
    ? 'was never made before; it would run after'
    : changes.length > 0
      ? 'changed itself, and would run after'
      : 'would run if its inputs change';
  writeStdout(`${indent}${c.bold(task)} ${words}:`);
  const before = await latestTrace(telling.session, task);
  if (before && changes.length > 0) {
    await tellChanges(telling.session, { trace: before, changes }, `${indent}  `);
  }
  for (const upstream of after.slice(0, FOLLOWED_SHOWN)) {
    await tellMiss(telling, entryAt(telling.forecasts, upstream), `${indent}  `);
  }
  if (after.length > FOLLOWED_SHOWN) {
    writeStdout(`${indent}  ${c.dim(`and ${after.length - FOLLOWED_SHOWN} more`)}`);
  }
}

// ---- changes, one by one ----

/** Changed sources that are named. */
const SOURCES_SHOWN = 8;
/** Items of a collected input that are told one by one. */
const ITEMS_SHOWN = 12;

async function tellChanges(
  session: Session,
  { trace, changes }: Comparison,
  indent: string,
): Promise<void> {
  if (changes.length === 0) writeStdout(`${indent}nothing but the form of keys`);
  for (const change of changes) {
    if (change.path === 'code') {
      const words = await formatCode(session, trace, change.after as Digest);
      writeStdout(`${indent}${formatChange(change)}${words}`);
    } else if (change.path.startsWith('inputs.')) {
      for (const line of inputLines(change)) writeStdout(`${indent}${line}`);
    } else writeStdout(`${indent}${formatChange(change)}`);
  }
}

/** Which sources are different, or that the bundler is. */
async function formatCode(
  { cache }: Session,
  { parts, made }: ActionRecord,
  now: Digest,
): Promise<string> {
  const sources = await sourceChanges(cache, parts.code, now);
  if (sources === undefined) return '';
  const words = Object.entries(sources).flatMap(([how, paths]: [string, readonly string[]]) =>
    paths.map((path) => (how === 'changed' ? path : `${path} (${how})`)),
  );
  const more = words.length - SOURCES_SHOWN;
  if (more > 0) return `: ${words.slice(0, SOURCES_SHOWN).join(', ')} and ${more} more`;
  if (words.length > 0) return `: ${words.join(', ')}`;
  const { esbuild } = made.versions;
  return esbuild === ESBUILD_VERSION
    ? ': sources are equal, the settings of the bundler are not'
    : `: sources are equal, bundled by esbuild ${esbuild} then and ${ESBUILD_VERSION} now`;
}

/** An input that is one blob in a line; a list item by item. */
function inputLines({ path, before, after, through }: Change): readonly string[] {
  const port = path.slice('inputs.'.length);
  if (!Array.isArray(before) || !Array.isArray(after)) {
    const from = through?.[0] === undefined ? '' : ` (${through[0]})`;
    return [`input ${port}${from}: ${formatItem(before)} → ${formatItem(after)}`];
  }
  const [then, now] = [itemsOf(before), itemsOf(after)];
  const lines = [...new Set([...then.keys(), ...now.keys()])].flatMap((name) => {
    const [a, b] = [then.get(name), now.get(name)];
    if (a === b) return [];
    if (a === undefined) return [`input ${port}: ${name} is new`];
    if (b === undefined) return [`input ${port}: ${name} is no longer there`];
    return [`input ${port}: ${name}: ${a} → ${b}`];
  });
  if (lines.length === 0) return [`input ${port}: other labels, or another order`];
  const more = lines.length - ITEMS_SHOWN;
  return more > 0 ? [...lines.slice(0, ITEMS_SHOWN), `input ${port}: and ${more} more`] : lines;
}

/** What each item of a list holds, by the task or file that gave it. */
function itemsOf(list: readonly Json[]): ReadonlyMap<string, string> {
  return new Map(
    list.map((item): [string, string] =>
      Array.isArray(item) ? [String(item[0]), formatItem(item.slice(1))] : ['', formatItem(item)],
    ),
  );
}

/** A digest, short; whatever else it is, briefly. */
function formatItem(value: Json): string {
  if (value === null) return 'nothing';
  const parts = Array.isArray(value) ? value : [value];
  const digest = parts.find((part) => typeof part === 'string' && /^[0-9a-f]{64}$/.test(part));
  return brief(digest ?? value);
}
