// check.ts — pipeline check: everything that is wrong with a pipeline, and nothing else, for editors and CI
import {
  type CommonOptions,
  EXIT,
  loadFor,
  stderrColors,
  talk,
  tell,
  UsageError,
} from './session.ts';
import { count, diagnosticJson, drawDiagnostic } from './words.ts';

interface CheckOptions extends CommonOptions {
  /** Whether a warning counts as an error. */
  readonly strict?: boolean;
}

/** Reads, bundles and plans. What is wrong is thrown as for every command, and ends with 2. */
export async function check(options: CheckOptions): Promise<number> {
  const { pipeline, plan } = await loadFor(options);
  const { warnings } = pipeline;
  if (options.strict && warnings.length > 0) throw new UsageError(warnings);
  if (options.json) {
    const said = { diagnostics: [], warnings: warnings.map(diagnosticJson) };
    tell(JSON.stringify({ event: 'diagnostics', ...said }));
    return EXIT.made;
  }
  for (const warning of warnings) talk(`${drawDiagnostic(warning, stderrColors, 'warning')}\n`);
  const stages = count(pipeline.stages.size, 'stage');
  const wrong = warnings.length > 0 ? `${count(warnings.length, 'warning')}` : 'nothing wrong';
  talk(`${options.file}: ${stages}, ${count(plan.tasks.size, 'task')}, ${wrong}`);
  return EXIT.made;
}
