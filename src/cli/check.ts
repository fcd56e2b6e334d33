// check.ts — pipeline check: everything that is wrong with a pipeline, and nothing else, for editors and CI
import { type CommonOptions, EXIT, loadFor, talk, tell } from './session.ts';
import { count } from './words.ts';

/** Reads, bundles and plans. What is wrong is thrown as for every command, and ends with 2. */
export async function check(options: CommonOptions): Promise<number> {
  const { pipeline, plan } = await loadFor(options);
  if (options.json) tell(JSON.stringify({ event: 'diagnostics', diagnostics: [] }));
  else {
    const stages = count(pipeline.stages.size, 'stage');
    talk(`${options.file}: ${stages}, ${count(plan.tasks.size, 'task')}, nothing wrong`);
  }
  return EXIT.made;
}
