// check.ts — pipeline check: everything that is wrong with a pipeline, and nothing else, for editors and CI
import { checkCommands } from '../pipeline/command-check.ts';
import { type CommonOptions, EXIT, loadFor, placesOf, talk, tell, UsageError } from './session.ts';
import { count } from './words.ts';

/** Reads, bundles and plans, and looks at what commands will find. What is wrong ends with 2. */
export async function check(options: CommonOptions): Promise<number> {
  const { pipeline, plan } = await loadFor(options);
  const problems = checkCommands(pipeline.stages, plan, placesOf(options).root);
  if (problems.length > 0) throw new UsageError(problems);
  if (options.json) tell(JSON.stringify({ event: 'diagnostics', diagnostics: [] }));
  else {
    const stages = count(pipeline.stages.size, 'stage');
    talk(`${options.file}: ${stages}, ${count(plan.tasks.size, 'task')}, nothing wrong`);
  }
  return EXIT.made;
}
