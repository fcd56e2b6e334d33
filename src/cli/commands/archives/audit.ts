// audit.ts — pipeline audit: a task run twice, in surroundings that have little in common

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditError, auditAction, SURROUNDINGS } from '../../../archive/rerun/audit.ts';
import { writeAtomically } from '../../../engine/files/files.ts';
import type { TaskId } from '../../../engine/model/key.ts';
import type { ActionRecord } from '../../../engine/model/record.ts';
import { forecast } from '../../../engine/rebuilder/forecast.ts';
import type { StageModule } from '../../../engine/worker/declaration.ts';
import { withRemoteBlobs } from '../../remote/far-blobs.ts';
import {
  type CommonOptions,
  stderrColors as c,
  EXIT,
  oneTask,
  openSession,
  planFor,
  UsageError,
  writeStderr,
  writeStdout,
} from '../../session/session.ts';
import { COMMON, type CommandDeclaration } from '../../terminal/declaration.ts';
import { checkerFile } from './archive.ts';

export const command: CommandDeclaration = {
  name: 'audit',
  group: 'Archives',
  about: 'run a task twice, in different environments, and compare the bits',
  arguments: [{ name: '<task>' }],
  options: COMMON,
  examples: ['audit report', 'audit static/synth-digits/128-64/0.9/erk/uniform/0'],
};
export { audit as run };

/** Runs a task twice and tells whether its bits are the same. */
async function audit(word: string, options: CommonOptions): Promise<number> {
  const opened = await openSession(options);
  const session = { ...opened, store: withRemoteBlobs(opened.store, opened) };
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'pipeline-audit-')));
  try {
    const id = oneTask(session.plan, word);
    const plan = planFor(session.plan, [id]);
    const forecasts = await forecast(plan, session.store, new Set());
    const predicted = forecasts.get(id);
    if (predicted === undefined || !('action' in predicted)) {
      throw new UsageError([
        { message: `what ${id} reads is not made`, hint: `pipeline make ${word}` },
      ]);
    }
    if (predicted.action.task.command !== null) {
      throw new UsageError([{ message: `${id} is a command: only modules are audited` }]);
    }
    const traces = new Map<TaskId, ActionRecord>();
    for (const [task, other] of forecasts)
      if ('trace' in other && other.trace) traces.set(task, other.trace);
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    writeStderr(
      c.dim(
        `running ${id} twice: ${SURROUNDINGS.map(({ TZ, LANG, OMP_NUM_THREADS }) => `${TZ}, ${LANG}, ${OMP_NUM_THREADS} threads`).join('; then ')}`,
      ),
    );
    const found = await auditAction({
      action: predicted.action,
      module: plan.stages.get(predicted.action.task.stage) as StageModule,
      store: session.store,
      traces,
      node: process.execPath,
      script: checkerFile,
      root: session.root,
      scratch,
      signal: stop.signal,
      environment: process.env.PATH ? { PATH: process.env.PATH } : {},
    });
    const record = { ...found, node: process.version, surroundings: SURROUNDINGS };
    const path = join(session.cache, 'audits', `${found.key}.json`);
    await writeAtomically(path, `${JSON.stringify(record, null, 1)}\n`);
    if (options.json) writeStdout(JSON.stringify(record));
    else {
      const paint =
        found.verdict === 'bit-exact' ? c.green : found.verdict === 'different' ? c.red : c.yellow;
      writeStdout(`${paint(found.verdict)}  ${found.task}`);
      for (const { output, words } of found.outputs) writeStdout(`  ${output}: ${words}`);
      if (found.asStored === false)
        writeStdout('  the store holds other bits than the first run gave');
    }
    return found.verdict === 'different' ? EXIT.failed : EXIT.success;
  } catch (error) {
    if (error instanceof AuditError) throw new UsageError([{ message: error.message }]);
    throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    await session.store.close();
  }
}
