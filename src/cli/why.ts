// why.ts — pipeline why TASK: why it would run, or who made it, when and at what cost
import prettyBytes from 'pretty-bytes';
import { type Forecast, forecast } from '../pipeline/action.ts';
import type { TaskId } from '../pipeline/key.ts';
import { forecastJson } from './forecast.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  oneTask,
  openSession,
  tell,
  tellJson,
} from './session.ts';
import { absenceWords, changeWords, duration, reasonWords } from './words.ts';

/** Explains one task. */
export async function why(word: string, options: CommonOptions): Promise<number> {
  const session = await openSession(options);
  try {
    const task = oneTask(session.plan, word);
    const fates = forecast(session.plan, session.store, new Set());
    const fate = fates.get(task) as Forecast;
    if (options.json) tellJson(explainJson(fate));
    else if (fate.fate === 'reuse') tellHit(fate);
    else if (fate.fate === 'infeasible') tellInfeasible(fate);
    else tellMiss(fate, fates, new Set(), '');
    return EXIT.made;
  } finally {
    await session.store.close();
  }
}

function explainJson(fate: Forecast): object {
  if (fate.fate === 'follow') return forecastJson(fate);
  if (fate.fate === 'infeasible') {
    const { parts, made, cost } = fate.trace ?? {};
    return { ...forecastJson(fate), ...(fate.trace && { parts, made, cost }) };
  }
  const parts = fate.action.parts;
  if (fate.fate !== 'reuse') return { ...forecastJson(fate), parts };
  const { made, cost, tolerance } = fate.trace;
  const inexact = tolerance === undefined ? {} : { tolerance };
  return { ...forecastJson(fate), parts, made, cost, ...inexact };
}

function tellHit({ task, trace }: Extract<Forecast, { fate: 'reuse' }>): void {
  const { made, cost, outputs, parts, tolerance } = trace;
  const versions = Object.entries(made.versions).map(([name, version]) => `${name} ${version}`);
  tell(`${c.bold(task)} is up to date`);
  if (trace.task !== task)
    tell(`  same as  ${trace.task}, which has the same code, params and inputs`);
  tell(`  made     ${made.at} on ${made.host} (${versions.join(', ')})`);
  tell(`  run      ${made.run}`);
  tell(`  cost     ${duration(cost.seconds)}`);
  const tools = Object.entries(parts.tools ?? {}).map(([name, version]) => `${name} ${version}`);
  if (tools.length > 0) tell(`  tools    ${tools.join(', ')}`);
  if (tolerance !== undefined)
    tell(`  inexact  another run may differ by ${tolerance}, relatively`);
  tell(`  key      ${trace.key}`);
  for (const [name, { digest, bytes, kind }] of Object.entries(outputs)) {
    tell(`  output   ${name}: ${kind}, ${prettyBytes(bytes)}, ${digest.slice(0, 12)}`);
  }
}

function tellInfeasible({ task, absence, trace }: Extract<Forecast, { fate: 'infeasible' }>): void {
  tell(`${c.bold(task)} is ${absenceWords(task, absence)}`);
  if (trace) tell(`  found    ${trace.made.at} on ${trace.made.host}, run ${trace.made.run}`);
  else if (absence.because === task)
    tell('  found    when the pipeline was planned, by its params');
}

/** Why a task would run; for one that follows others, why those would. */
function tellMiss(
  fate: Forecast,
  fates: ReadonlyMap<TaskId, Forecast>,
  told: Set<TaskId>,
  indent: string,
): void {
  if (told.has(fate.task)) return;
  told.add(fate.task);
  if (fate.fate === 'run') {
    tell(`${indent}${c.bold(fate.task)} would run`);
    if (fate.reason.kind === 'changed') {
      for (const change of fate.reason.changes) tell(`${indent}  ${changeWords(change)}`);
    } else tell(`${indent}  ${reasonWords(fate.reason)}`);
  } else if (fate.fate === 'same') {
    tell(
      `${indent}${c.bold(fate.task)} would take the result of ${fate.as}, which has the same key`,
    );
  } else if (fate.fate === 'follow') {
    tell(
      `${indent}${c.bold(fate.task)} ${fate.sure ? 'was never made before; it would run after' : 'would run if what it needs comes out different'}:`,
    );
    const shown = fate.after.slice(0, 8);
    for (const task of shown) tellMiss(fates.get(task) as Forecast, fates, told, `${indent}  `);
    if (fate.after.length > shown.length) {
      tell(`${indent}  ${c.dim(`and ${fate.after.length - shown.length} more`)}`);
    }
  }
}
