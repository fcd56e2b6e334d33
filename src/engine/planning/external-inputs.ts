// external-inputs.ts — external inputs of tasks: files of the project, the environment, versions of tools

import { join } from 'node:path';
import { entryOf } from '../../present.ts';
import type { Sources } from '../bundler/code.ts';
import { type CommandConfig, looksLikePath } from '../config/command.ts';
import type { InputConfig } from '../config/input.ts';
import type { StageConfig } from '../config/stage-config.ts';
import {
  type CommandVariables,
  passedOn,
  searchPath,
  withPrograms,
} from '../environments/command-variables.ts';
import { Fingerprints } from '../environments/fingerprints.ts';
import { fileStat } from '../files/files.ts';
import { isSystemError, systemHint, systemSentence } from '../files/system-error.ts';
import { type Diagnostic, failure, inReadingOrder, type Result, success } from '../model/event.ts';
import type { Named, TaskId } from '../model/key.ts';
import { listsIn } from './command-line.ts';
import { secondForm } from './command-module.ts';
import { Environments } from './environments.ts';
import { typedValues } from './params-schema.ts';
import { type Binding, fillPattern, type Invocation, type Plan, type Task } from './plan.ts';
import { type ProjectFile, ProjectFiles } from './project-files.ts';
import { PYTHON_PORT, PythonCodeFinder } from './python-code.ts';
import { checkLayout, checkLists, inputPlaces } from './scratch-layout.ts';
import { ScriptImports } from './script-imports.ts';

/** Where external inputs are resolved. */
export interface ExternalInputOptions {
  readonly root: string;
  readonly cache: string;
  readonly clock: () => number;
  /** The environment of this process. */
  readonly environment: NodeJS.ProcessEnv;
  /** Whether the plan is only inspected: a task whose external inputs cannot be resolved stays in it, as unknown. */
  readonly looking?: boolean;
}

/** Whether a plan depends on more than pipeline.yaml, its stages' code and the store. */
export const hasExternalInputs = (stages: ReadonlyMap<string, StageConfig>): boolean =>
  [...stages.values()].some(
    ({ command, inputs }) => command !== null || [...inputs.values()].some(({ files }) => files),
  );

/** A plan, and what was found on the way to it. */
export interface ResolvedPlan extends Plan {
  /** What is no mistake and should be known. */
  readonly warnings?: readonly Diagnostic[];
  /** Names that imports of Python sources asked for, by folder, and what was found. */
  readonly lookups?: Sources['lookups'] | undefined;
}

/** The plan, with the files, variables and versions that its tasks take from outside. A plan without any costs nothing. */
export async function resolveExternalInputs(
  plan: Plan,
  stages: ReadonlyMap<string, StageConfig>,
  options: ExternalInputOptions,
): Promise<Result<ResolvedPlan>> {
  if (!hasExternalInputs(stages)) return success(plan);
  const resolver = new ExternalInputResolver(plan, stages, options);
  const tasks = new Map<TaskId, Task>();
  for (const task of plan.tasks.values()) tasks.set(task.id, await resolver.resolve(task));
  await resolver.files.close();
  await resolver.python?.close();
  const problems = [...resolver.problems.values()];
  if (problems.length > 0) return failure(...inReadingOrder(problems));
  const warnings = [...resolver.warnings.values()];
  return success({ ...plan, tasks, warnings, lookups: resolver.python?.look.lookups() });
}

class ExternalInputResolver {
  readonly files: ProjectFiles;
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  /** What is no mistake and should be known, by its place. */
  readonly warnings = new Map<string, Diagnostic>();
  python: PythonCodeFinder | undefined;
  private readonly scripts: ScriptImports;
  private readonly environments: Environments;
  private readonly tools: Fingerprints;
  /** The first external input that the current task lacks. */
  private lacking: string | undefined;
  private readonly there = new Map<string, Promise<boolean>>();
  private readonly plan: Plan;
  private readonly stages: ReadonlyMap<string, StageConfig>;
  private readonly options: ExternalInputOptions;

  constructor(plan: Plan, stages: ReadonlyMap<string, StageConfig>, options: ExternalInputOptions) {
    this.plan = plan;
    this.stages = stages;
    this.options = options;
    this.scripts = new ScriptImports(options.root);
    this.files = new ProjectFiles(options.root, options.cache, options.clock);
    this.environments = new Environments(options, this.files);
    this.tools = new Fingerprints(options);
  }

  async resolve(task: Task): Promise<Task> {
    this.lacking = undefined;
    const resolved = await this.resolveTask(task);
    const unknown = this.lacking;
    return unknown === undefined ? resolved : { ...resolved, unknown };
  }

  private async resolveTask(task: Task): Promise<Task> {
    const stage = this.stages.get(task.stage);
    if (stage === undefined) return task;
    const inputs: Record<string, Binding> = { ...task.inputs };
    for (const [port, config] of stage.inputs) {
      const binding = inputs[port];
      if (config.files && binding) {
        inputs[port] = { ...binding, files: await this.find(task, stage, port, config) };
      }
    }
    if (stage.command === null) return { ...task, inputs };
    const all = await this.withCode(stage, stage.command, inputs);
    const command = await this.invocation(stage, stage.command, all, task.floats);
    checkLayout(stage, command, all, this.report);
    checkLists(stage, command, all, this.report);
    return { ...task, inputs: all, command };
  }

  /** The inputs of a command with the Python code that it runs, where that is asked for. */
  private async withCode(
    stage: StageConfig,
    command: CommandConfig,
    inputs: Named<Binding>,
  ): Promise<Named<Binding>> {
    if (command.code === 'files') {
      for (const needed of this.scripts.check(stage, { inputs })) this.warn(needed);
      return inputs;
    }
    const { root, cache, environment } = this.options;
    this.python ??= new PythonCodeFinder(root, cache, this.files);
    const around = environment.PYTHONPATH;
    const isPassed = command.env.has('PYTHONPATH') || command.pass.includes('PYTHONPATH');
    const path = isPassed ? (command.env.get('PYTHONPATH') ?? around) : undefined;
    const found = await this.python.find(stage, command, inputs, path);
    for (const problem of found.problems) this.reportMissing(problem);
    for (const warning of found.warnings) this.warn(warning);
    return found.inputs;
  }

  private warn(warning: Diagnostic): void {
    const { place, message } = warning;
    this.warnings.set(`${place?.file}:${place?.start}:${message}`, warning);
  }

  private readonly report = (problem: Diagnostic): void => {
    const { place, message } = problem;
    this.problems.set(`${place?.file}:${place?.start}:${message}`, problem);
  };

  /** Reports an external input that cannot be resolved. In a plan that is only inspected the task becomes unknown. */
  private reportMissing(diagnostic: Diagnostic): void {
    if (this.options.looking) this.lacking ??= diagnostic.message;
    else this.report(diagnostic);
  }

  private async find(
    task: Task,
    stage: StageConfig,
    port: string,
    { files }: InputConfig,
  ): Promise<readonly ProjectFile[]> {
    if (files === null) return [];
    const pattern = fillPattern(files.pattern, task.at);
    const found = await this.files.find(pattern, files.outside).catch((error: unknown) => {
      if (!isSystemError(error)) throw error;
      return { message: systemSentence(error), hint: systemHint(error) };
    });
    if ('message' in found) {
      const message = `input \`${port}\` of stage \`${stage.name}\`: ${found.message}`;
      this.reportMissing({ message, place: files.place, hint: found.hint });
      return [];
    }
    const single = ['one', 'optional'].includes(entryOf(task.inputs, port).arity);
    if (found.length > 1 && single && !stage.command) {
      const message = `input \`${port}\` of stage \`${stage.name}\` takes one file, but ${found.length} fit \`${pattern}\``;
      this.report({
        message,
        place: files.place,
        hint: 'name one, or declare it as a list: collect(…)',
      });
    }
    return found;
  }

  private async invocation(
    stage: StageConfig,
    command: CommandConfig,
    inputs: Named<Binding>,
    floats: readonly string[] | undefined,
  ): Promise<Invocation> {
    const { environment } = this.options;
    const around = command.environment && (await this.environments.find(command.environment));
    if (around && 'message' in around) this.reportMissing(around);
    const found = around && 'parts' in around ? around : null;
    const path = withPrograms(found?.place, searchPath(environment));
    const variables = { path, env: this.variables(stage, command) };
    const surroundings = { ...found?.place.variables, ...passedOn(command.pass, environment) };
    const places = inputPlaces(this.plan, stage, inputs, this.report);
    return {
      ...variables,
      argv: command.argv.map(({ text }) => text),
      inputs: command.code === 'python' ? { ...places.inputs, [PYTHON_PORT]: null } : places.inputs,
      ends: places.ends,
      outputs: Object.fromEntries(command.outputs),
      lists: listsIn(command.argv.map(({ text }) => text)),
      checkpoint: command.checkpoint,
      pass: command.pass,
      environment: found,
      second: {
        ...secondForm(command, found?.parts),
        ...(this.isTyped(stage) && {
          typed: typedValues(floats, inputs, (task) => this.stageOf(task)),
        }),
      },
      ...(await this.fingerprints(command, variables, surroundings)),
      notes: await this.notesOn(stage, command, inputs),
    };
  }

  /** The variables that pipeline.yaml names; null for one that is not set. */
  private variables(stage: StageConfig, command: CommandConfig): Named<string | null> {
    const { environment } = this.options;
    const named = [...command.env].map(([name, value]): [string, string | null] => {
      const around = environment[name];
      // Node has decoded it: what was not UTF-8 is lost.
      if (value === null && around?.includes('\ufffd')) {
        const message = `the variable ${name} around us is not UTF-8: it cannot be passed on as it is`;
        this.report({ message, place: stage.place });
      }
      return [name, value ?? around ?? null];
    });
    return Object.fromEntries(named);
  }

  private async fingerprints(
    command: CommandConfig,
    variables: CommandVariables,
    surroundings: Named<string>,
  ): Promise<Pick<Invocation, 'fingerprints' | 'fingerprintWords'>> {
    const fingerprints: Record<string, string> = {};
    const fingerprintWords: Record<string, readonly string[]> = {};
    for (const words of command.fingerprints) {
      const argv = words.map(({ text }) => text);
      const name = argv.join(' ');
      fingerprintWords[name] = argv;
      const said = await this.tools.find(words, variables, surroundings);
      if (typeof said === 'string') fingerprints[name] = said;
      else this.reportMissing(said);
    }
    return { fingerprints, fingerprintWords };
  }

  private isTyped({ name }: StageConfig): boolean {
    return this.plan.stages.get(name)?.schemas?.isTyped === true;
  }

  private stageOf(task: TaskId): StageConfig | undefined {
    return this.stages.get(this.plan.tasks.get(task)?.stage ?? '');
  }

  private isFile(name: string): Promise<boolean> {
    const known = this.there.get(name);
    if (known) return known;
    const found = fileStat(join(this.options.root, name)).then(
      (stamp) => stamp !== undefined,
      // A word too long for a path, or below a folder that cannot be searched.
      () => false,
    );
    this.there.set(name, found);
    return found;
  }

  /** Scripts that the command names and that it will not find, as they are no inputs. */
  private async notesOn(
    stage: StageConfig,
    command: CommandConfig,
    inputs: Named<Binding>,
  ): Promise<readonly string[]> {
    const declared = new Set(
      Object.values(inputs).flatMap(({ files }) => (files ?? []).map(({ name }) => name)),
    );
    const notes: string[] = [];
    for (const { text } of command.argv) {
      if (!looksLikePath(text) || declared.has(text.replace(/^\.\//, ''))) continue;
      if (!(await this.isFile(text))) continue;
      notes.push(
        `stage \`${stage.name}\` names ${text}, a file of the project that is not an input: ` +
          `inputs: { script: { file: ${text} } } adds it to the scratch folder and to the key`,
      );
    }
    return notes;
  }
}
