// check.ts — pipeline check: everything that is wrong with a pipeline, and nothing else, for editors and CI
import { existsSync } from 'node:fs';
import { checkCommands } from '../pipeline/command-check.ts';
import type { Pipeline } from '../pipeline/config.ts';
import type { Plan } from '../pipeline/plan.ts';
import { logFile } from '../pipeline/stage-client.ts';
import {
  type CommonOptions,
  EXIT,
  loadFor,
  placesOf,
  shownPath,
  talk,
  tell,
  UsageError,
} from './session.ts';
import { count } from './words.ts';

/** Reads, bundles and plans, and looks at what commands will find. What is wrong ends with 2. */
export async function check(options: CommonOptions): Promise<number> {
  const { pipeline, plan } = await loadFor(options);
  const { root, cache } = placesOf(options);
  const problems = checkCommands(pipeline.stages, plan, root);
  if (problems.length > 0) throw new UsageError(problems);
  const printed = printedBy(pipeline, plan, cache);
  if (options.json) {
    const notes = printed.length > 0 ? { printed } : {};
    tell(JSON.stringify({ event: 'diagnostics', diagnostics: [], ...notes }));
  } else {
    for (const { run, log } of printed) {
      talk(`note: ${run} prints when it is loaded: see ${shownPath(log)}`);
    }
    const stages = count(pipeline.stages.size, 'stage');
    talk(`${options.file}: ${stages}, ${count(plan.tasks.size, 'task')}, nothing wrong`);
  }
  return EXIT.made;
}

/** Modules that print when they are loaded for planning, and where that is kept. */
function printedBy(
  { stages }: Pipeline,
  plan: Plan,
  cache: string,
): readonly { readonly run: string; readonly log: string }[] {
  const logs = new Map<string, string>();
  for (const { name, run, command } of stages.values()) {
    const code = plan.stages.get(name)?.code;
    if (command !== null || code === undefined) continue;
    const log = logFile(cache, code.digest);
    if (existsSync(log)) logs.set(run, log);
  }
  return [...logs].map(([run, log]) => ({ run, log }));
}
