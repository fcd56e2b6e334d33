// load.ts — from a folder with a pipeline.yaml to a plan, or everything that is wrong on the way
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandModule } from './command-module.ts';
import { type Pipeline, readPipeline } from './config.ts';
import type { StageModule } from './declaration.ts';
import { type Diagnostic, failure, type Result, success } from './event.ts';
import { type Digest, digestOf } from './key.ts';
import type { Sources } from './memo.ts';
import { withOutside } from './outside.ts';
import { makePlan, type Plan } from './plan.ts';
import type { StageConfig } from './section.ts';
import { bundleAnywhere } from './spare-bundles.ts';
import { type ClientOptions, StageClient } from './stage-client.ts';
import { withTools } from './tools.ts';

/** What to load. */
export interface LoadOptions extends ClientOptions {
  /** Name of the pipeline file within `root`. */
  readonly file: string;
  readonly presets: readonly string[];
  readonly sets: readonly string[];
  readonly clock: () => number;
  /** The environment of this process: commands may name variables of it. */
  readonly environment: NodeJS.ProcessEnv;
  /** Whether the plan is only looked at, and not made: what cannot be told of a task leaves it unknown. */
  readonly looking?: boolean;
  /** Makes an empty folder that goes when the process ends: for bundles, where the cache cannot be written. */
  readonly newFolder: () => string;
}

/** A pipeline that is ready to be made. */
export interface Loaded {
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  /** Of the pipeline file, as it was read. */
  readonly text: Digest;
  /** What the stages' bundles were made from. */
  readonly sources: Sources;
}

/** Reads, bundles and plans. Diagnostics of one step come all together. */
export async function loadPipeline(options: LoadOptions): Promise<Result<Loaded>> {
  const { root, file, presets, sets } = options;
  const text = await readFile(join(root, file), 'utf8').catch(() => undefined);
  if (text === undefined) {
    const hint = 'run this in the folder of a pipeline, or name it with -C DIR';
    return failure({ message: `there is no ${file} in ${root}`, hint });
  }
  const pipeline = readPipeline({ text, file, presets, sets });
  if (!pipeline.ok) return pipeline;
  const client = new StageClient(options);
  try {
    const modules = await loadModules(pipeline.value, options, client);
    if (!modules.ok) return modules;
    const { stages, sources } = modules.value;
    const made = await makePlan(pipeline.value, stages, client);
    const tooled = made.ok ? await withTools(made.value, client, options.looking === true) : made;
    const plan = tooled.ok
      ? await withOutside(tooled.value, pipeline.value.stages, options)
      : tooled;
    if (!plan.ok) return plan;
    return success({ pipeline: pipeline.value, plan: plan.value, text: digestOf(text), sources });
  } finally {
    await client.close();
  }
}

async function loadModules(
  { stages }: Pipeline,
  { root, cache, clock, newFolder }: LoadOptions,
  client: StageClient,
): Promise<Result<{ stages: ReadonlyMap<string, StageModule>; sources: Sources }>> {
  const requestOf = ({ run, runPlace }: StageConfig) => ({ run, place: runPlace });
  const bundled = [...stages.values()].filter(({ command }) => command === null);
  const bundles = await bundleAnywhere(root, cache, bundled.map(requestOf), clock, newFolder);
  if (!bundles.ok) return bundles;
  const modules = new Map<string, StageModule>();
  const problems: Diagnostic[] = [];
  const declared = [...stages.values()].map(async (stage) => {
    const code = bundles.value.codes.get(stage.run);
    if (stage.command) return success(commandModule(stage, stage.command, stages));
    return code && (await client.declaration(code, requestOf(stage)));
  });
  const names = [...stages.keys()];
  for (const [at, module] of (await Promise.all(declared)).entries()) {
    if (module?.ok) modules.set(names[at], module.value);
    else problems.push(...(module?.diagnostics ?? []));
  }
  if (problems.length > 0) return failure(...problems);
  return success({ stages: modules, sources: bundles.value.sources });
}
