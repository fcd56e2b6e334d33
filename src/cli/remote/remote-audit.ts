// remote-audit.ts — pipeline audit --remote: runs a sample of what others made again, and says whose results differ
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Outputs } from '../../archive/rerun/audit.ts';
import {
  auditRecord,
  type RecordOfOthers,
  type RemoteFinding,
  sampleOf,
} from '../../archive/rerun/remote-audit.ts';
import type { Key } from '../../engine/model/key.ts';
import type { Action } from '../../engine/rebuilder/action.ts';
import type { Forecast } from '../../engine/rebuilder/forecast.ts';
import type { Store } from '../../engine/store/store.ts';
import { plainName } from '../../plain-text.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { EXIT } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { count } from '../terminal/format.ts';

/** What is run again. */
export interface SampleRequest {
  /** As it was given: `1%`. */
  readonly share: string;
  readonly seed: number | undefined;
  readonly json: boolean;
}

/** What a sample is taken from, and how an action is run. */
export interface SampleParts {
  readonly forecasts: Iterable<Forecast>;
  readonly store: Store;
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** @param scratch a folder of this run alone */
  readonly rerun: (action: Action, index: number, scratch: string) => Promise<Outputs>;
}

interface Candidate {
  readonly key: Key;
  readonly action: Action;
  readonly record: RecordOfOthers;
}

/** Runs a sample again. Exit code 1 when one differs beyond its tolerance, or could not be run. @throws UsageError */
export async function auditSample(
  { share, seed = randomInt(2 ** 31), json }: SampleRequest,
  { forecasts, store, scratch, signal, rerun }: SampleParts,
): Promise<number> {
  const all = candidatesIn(forecasts);
  const chosen = sampleOf(all, shareIn(share), seed);
  if (!json) {
    const seconds = chosen.reduce((sum, { record }) => sum + record.cost.seconds, 0);
    if (all.length === 0) writeStderr(NOTHING);
    else {
      const what = `${chosen.length} of ${count(all.length, 'result')} that others made`;
      writeStderr(`running ${what} again (${seconds.toFixed(0)} s of work), seed ${seed}`);
    }
  }
  const findings: RemoteFinding[] = [];
  for (const { action, record, key } of chosen) {
    const folder = join(scratch, key);
    const finding = await auditRecord({
      record,
      blobs: store.blobs,
      tolerance: record.tolerance,
      rerun: (index) => rerun(action, index, folder),
    });
    if (signal.aborted) return EXIT.interrupted;
    findings.push(finding);
    if (!json) tell(finding);
  }
  const bad = findings.filter(({ verdict }) => verdict === 'different' || verdict === 'failed');
  if (json) writeJson({ of: all.length, seed, findings });
  else if (chosen.length > 0) summarize(findings);
  return bad.length > 0 ? EXIT.failed : EXIT.success;
}

const NOTHING =
  'nothing to run again: no result here was made by others (`pipeline remote pull` takes what they have)';

/** What others made, each key once. */
function candidatesIn(forecasts: Iterable<Forecast>): readonly Candidate[] {
  const found = new Map<Key, Candidate>();
  for (const one of forecasts) {
    if (one.status !== 'reuse' || one.trace.infeasible !== undefined) continue;
    const { trace, action } = one;
    const { origin } = trace;
    if (origin !== undefined) {
      found.set(trace.key, { key: trace.key, action, record: { ...trace, origin } });
    }
  }
  return [...found.values()];
}

/** @throws UsageError */
function shareIn(text: string): number {
  const percent = /^\d{1,3}(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) : 0;
  if (percent > 0 && percent <= 100) return percent / 100;
  const message = `--remote \`${text}\` is no share of what others made`;
  throw new UsageError([{ message, hint: 'such as 1%, 0.5% or 100%' }]);
}

const PAINT = {
  same: c.green,
  'within tolerance': c.yellow,
  different: c.red,
  failed: c.red,
} as const;

function tell({ task, by, made, verdict, outputs, repeatable, message }: RemoteFinding): void {
  writeStdout(`${PAINT[verdict](verdict)}  ${task}, made by ${by} on ${plainName(made.host)}`);
  for (const { output, words } of outputs) writeStdout(`  ${output}: ${words}`);
  if (message !== undefined) writeStdout(`  ${plainName(message)}`);
  if (repeatable === null) return;
  writeStdout(
    repeatable
      ? `  two runs here agree, and not with what ${by} made at ${made.at}`
      : '  two runs here differ, too: the stage is not deterministic',
  );
}

function summarize(findings: readonly RemoteFinding[]): void {
  const has = (verdict: RemoteFinding['verdict']) =>
    findings.filter((finding) => finding.verdict === verdict);
  const parts = [
    `${has('same').length} the same`,
    ...(['within tolerance', 'different', 'failed'] as const).flatMap((verdict) =>
      has(verdict).length > 0 ? [`${has(verdict).length} ${verdict}`] : [],
    ),
  ];
  writeStderr(parts.join(', '));
  const makers = new Set(has('different').map(({ by }) => by));
  for (const by of makers) {
    writeStderr(`\`pipeline invalidate --by ${by}\` forgets everything that ${by} brought in`);
  }
}
