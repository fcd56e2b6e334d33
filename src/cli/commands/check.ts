// check.ts — pipeline check: everything that is wrong with a pipeline, and nothing else, for editors and CI
import { existsSync } from 'node:fs';
import type { Pipeline } from '../../engine/config/config.ts';
import { inReadingOrder } from '../../engine/model/event.ts';
import { logFile } from '../../engine/modules/stage-client.ts';
import { checkCommands } from '../../engine/planning/command-check.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { resourcesHere, shortages } from '../../engine/scheduler/machine-resources.ts';
import {
  formatPlacements,
  placementsJson,
  placementsOf,
  problemsIn,
} from '../cluster/placements.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, loadFor } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration, ON } from '../terminal/declaration.ts';
import { count, diagnosticJson, drawDiagnostic, shownPath } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'check',
  group: 'Look',
  about: 'validate the pipeline without running it',
  options: [{ flags: '--strict', about: 'treat warnings as errors' }, ON, ...COMMON],
  examples: ['check', 'check --strict', 'check --on cluster', 'check --json'],
};
export { check as run };

interface CheckOptions extends CommonOptions {
  /** Whether a warning counts as an error. */
  readonly strict?: boolean;
  readonly on?: string;
}

/** Reads, bundles and plans, and looks at what commands will find. What is wrong ends with 2. */
async function check(options: CheckOptions): Promise<number> {
  const { pipeline, plan } = await loadFor(options);
  const { root, cache } = placesOf(options);
  const placements = placementsOf(pipeline, options.on);
  const problems = [
    ...problemsIn(placements, pipeline.stages.keys()),
    ...checkCommands(pipeline.stages, plan, root),
    ...shortages(pipeline, resourcesHere(pipeline, process.env), process.env),
  ];
  // What a script needs is a mistake here, and a warning of a make.
  const said = new Set(problems.map(({ message }) => message));
  const warnings = [...pipeline.warnings, ...placements.warnings].filter(
    ({ message }) => !said.has(message),
  );
  const wrong = options.strict ? [...problems, ...warnings] : problems;
  if (wrong.length > 0) throw new UsageError(inReadingOrder(wrong));
  const printed = printedBy(pipeline, plan, cache);
  if (options.json) {
    const notes = printed.length > 0 ? { printed } : {};
    const told = {
      ...{ diagnostics: [], warnings: warnings.map(diagnosticJson), ...notes },
      ...placementsJson(placements),
    };
    writeStdout(JSON.stringify({ event: 'diagnostics', ...told }));
    return EXIT.success;
  }
  for (const { run, log } of printed) {
    writeStderr(`note: ${run} prints when it is loaded: see ${shownPath(log)}`);
  }
  for (const warning of warnings)
    writeStderr(`${drawDiagnostic(warning, stderrColors, 'warning')}\n`);
  for (const line of formatPlacements(placements)) writeStderr(line);
  const stages = count(pipeline.stages.size, 'stage');
  const verdict = warnings.length > 0 ? `${count(warnings.length, 'warning')}` : 'nothing wrong';
  writeStderr(`${options.file}: ${stages}, ${count(plan.tasks.size, 'task')}, ${verdict}`);
  return EXIT.success;
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
