// external-inputs.ts — external inputs of tasks: files of the project, the environment, versions of tools

import { join } from 'node:path';
import { plainName } from '../../plain-text.ts';
import { elementAt, entryOf } from '../../present.ts';
import type { Sources } from '../bundler/code.ts';
import { CODECS } from '../config/codecs.ts';
import { type CommandConfig, looksLikePath, type Word } from '../config/command.ts';
import type { InputConfig } from '../config/input.ts';
import { EVENTS_PLACE, withoutSlash } from '../config/outputs.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { EnvironmentPlace } from '../environments/environment.ts';
import { fileStat } from '../files/files.ts';
import { isSystemError, systemHint, systemSentence } from '../files/system-error.ts';
import { type Diagnostic, failure, inReadingOrder, type Result, success } from '../model/event.ts';
import type { Named, TaskId } from '../model/key.ts';
import { askProgram } from '../process/ask-program.ts';
import type { Arity, CodecKind } from '../stage.ts';
import { listFile, listsIn } from './command-line.ts';
import { secondForm } from './command-module.ts';
import { Environments } from './environments.ts';
import { typedValues } from './params-schema.ts';
import { type Binding, fillPattern, type Invocation, type Plan, type Task } from './plan.ts';
import { type ProjectFile, ProjectFiles } from './project-files.ts';
import { PYTHON_PORT, PythonCodeFinder } from './python-code.ts';
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

const isList = (arity: Arity): boolean => arity === 'many' || arity === 'partial';

class ExternalInputResolver {
  readonly files: ProjectFiles;
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  /** What is no mistake and should be known, by its place. */
  readonly warnings = new Map<string, Diagnostic>();
  python: PythonCodeFinder | undefined;
  private readonly scripts: ScriptImports;
  private readonly environments: Environments;
  /** The first external input that the current task lacks. */
  private lacking: string | undefined;
  private readonly said = new Map<string, Promise<string | Diagnostic>>();
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
    this.checkLayout(stage, command, all);
    this.checkLists(stage, command, all);
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

  private say(diagnostic: Diagnostic): void {
    const { place, message } = diagnostic;
    this.problems.set(`${place?.file}:${place?.start}:${message}`, diagnostic);
  }

  /** Reports an external input that cannot be resolved. In a plan that is only inspected the task becomes unknown. */
  private reportMissing(diagnostic: Diagnostic): void {
    if (this.options.looking) this.lacking ??= diagnostic.message;
    else this.say(diagnostic);
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
      this.say({
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
    const env = [...command.env].map(([name, value]) => [name, value ?? environment[name] ?? null]);
    for (const [name, value] of command.env) {
      // Node has decoded it: what was not UTF-8 is lost.
      if (value !== null || !environment[name]?.includes('\ufffd')) continue;
      const message = `the variable ${name} around us is not UTF-8: it cannot be passed on as it is`;
      this.say({ message, place: stage.place });
    }
    const layout = [...stage.inputs].map(([port, config]): [string, string | null] => [
      port,
      config.files ? null : this.placeOf(port, config, entryOf(inputs, port)),
    ]);
    if (command.code === 'python') layout.push([PYTHON_PORT, null]);
    const invocation = { path, env: Object.fromEntries(env) as Named<string | null> };
    const surroundings = { ...found?.place.variables, ...passedOn(command.pass, environment) };
    const fingerprints: Record<string, string> = {};
    const fingerprintWords: Record<string, readonly string[]> = {};
    for (const words of command.fingerprints) {
      const name = words.map(({ text }) => text).join(' ');
      fingerprintWords[name] = words.map(({ text }) => text);
      const said = await this.fingerprint(words, invocation, surroundings);
      if (said !== undefined) fingerprints[name] = said;
    }
    return {
      ...invocation,
      argv: command.argv.map(({ text }) => text),
      inputs: Object.fromEntries(layout) as Named<string | null>,
      ends: this.endsOf(stage, inputs),
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
      fingerprints,
      fingerprintWords,
      notes: await this.notesOn(stage, command, inputs),
    };
  }

  private isTyped({ name }: StageConfig): boolean {
    return this.plan.stages.get(name)?.schemas?.isTyped === true;
  }

  private stageOf(task: TaskId): StageConfig | undefined {
    return this.stages.get(this.plan.tasks.get(task)?.stage ?? '');
  }

  /** Where an input from a stage lies: `data.json`, `model/` for a folder, or `runs/` for a list. */
  private placeOf(port: string, { as, from }: InputConfig, { arity }: Binding): string {
    const { ending } = CODECS[this.kindOf(elementAt(from, 0))];
    const named = typeof as?.value === 'string' ? as.value : undefined;
    if (isList(arity)) return `${withoutSlash(named ?? port)}/`;
    if (ending === '/') return `${withoutSlash(named ?? port)}/`;
    if (named?.endsWith('/')) {
      const message = `input \`${port}\` is one file, and \`${named}\` names a folder`;
      this.say({ message, place: as?.place, hint: withoutSlash(named) });
    }
    return named ?? `${port}${ending}`;
  }

  private endsOf(stage: StageConfig, inputs: Named<Binding>): Named<string> {
    const lists = [...stage.inputs].filter(
      ([port, { files }]) => files === null && isList(entryOf(inputs, port).arity),
    );
    return Object.fromEntries(
      lists.map(([port, { from }]) => [port, CODECS[this.kindOf(elementAt(from, 0))].ending]),
    );
  }

  private kindOf({ stage, output }: InputConfig['from'][number]): CodecKind {
    return this.plan.stages.get(stage)?.declaration.outputs[output]?.kind ?? 'bytes';
  }

  /** Two files on one path would hide each other; what lies in a folder of another would become part of it. */
  private checkLayout(stage: StageConfig, command: Invocation, inputs: Named<Binding>): void {
    const owners = new Map<string, string>([['params.json', 'the params']]);
    const outputs = Object.entries(command.outputs).flatMap(([name, { file }]) =>
      file === EVENTS_PLACE ? [] : [['output', name, file]],
    );
    const given = Object.entries(command.inputs).flatMap(([port, place]) =>
      place === null
        ? (entryOf(inputs, port).files ?? []).map(
            ({ name }) => ['input', port, scratchName(port, name)] as const,
          )
        : [['input', port, place] as const],
    );
    const lists = command.lists.map((port) => ['list of input', port, listFile(port)] as const);
    const folders = new Map<string, string>();
    for (const [noun = '', name = '', path = ''] of [...given, ...lists, ...outputs]) {
      const owner = owners.get(withoutSlash(path));
      const who = `${noun} \`${name}\``;
      const place = stage.inputs.get(name)?.place ?? stage.place;
      if (owner !== undefined) {
        const message = `${owner} and ${who} of stage \`${stage.name}\` would both be \`${withoutSlash(path)}\` in its scratch folder`;
        this.say({ message, place, hint: 'give one of them another `file`' });
      }
      owners.set(withoutSlash(path), who);
      const isList = noun === 'input' && Object.hasOwn(command.ends, name);
      if (path.endsWith('/') && !isList) folders.set(path, who);
    }
    if (folders.size > 0) this.checkFolders(stage, folders, owners);
  }

  /** @param owners whose each path of the scratch folder is */
  private checkFolders(
    stage: StageConfig,
    folders: ReadonlyMap<string, string>,
    owners: ReadonlyMap<string, string>,
  ): void {
    for (const [folder, owner] of folders) {
      for (const [path, who] of owners) {
        if (!path.startsWith(folder)) continue;
        const message = `${who} (${path}) of stage \`${stage.name}\` lies in the folder of ${owner} (${folder})`;
        this.say({ message, place: stage.place, hint: 'give one of them another `file`' });
      }
    }
  }

  /** A list has one path a line. */
  private checkLists(stage: StageConfig, { lists }: Invocation, inputs: Named<Binding>): void {
    for (const port of lists) {
      const odd = entryOf(inputs, port).files?.find(({ name }) => name.includes('\n'));
      if (odd === undefined) continue;
      const message = `\`${plainName(odd.name)}\` has a line break in its name, and cannot stand in the list of input \`${port}\` of stage \`${stage.name}\``;
      this.say({
        message,
        place: stage.inputs.get(port)?.place,
        hint: 'give the file another name',
      });
    }
  }

  /** What a tool says of its version: asked once a plan. */
  private async fingerprint(
    words: readonly Word[],
    { env, path }: Pick<Invocation, 'env' | 'path'>,
    surroundings: Named<string>,
  ): Promise<string | undefined> {
    const argv = words.map(({ text }) => text);
    const memo = JSON.stringify([argv, env, path, surroundings]);
    const known = this.said.get(memo) ?? this.ask(words, argv, { env, path }, surroundings);
    this.said.set(memo, known);
    const said = await known;
    if (typeof said === 'string') return said;
    this.reportMissing(said);
    return undefined;
  }

  private async ask(
    words: readonly Word[],
    argv: readonly string[],
    given: Pick<Invocation, 'env' | 'path'>,
    surroundings: Named<string>,
  ): Promise<string | Diagnostic> {
    const { root, cache } = this.options;
    const env = { ...surroundings, ...environmentOf(given, cache, cache) };
    const { text, end, excess } = await askProgram({ argv, env, folder: root });
    if (excess !== undefined) {
      const message = `\`${argv.join(' ')}\` ${excess}, so that the version of the tool is unknown`;
      const hint = 'a fingerprint is a command that prints a version, such as [python3, --version]';
      return { message, place: words[0]?.place, hint };
    }
    if (text.includes('\ufffd')) {
      const message = `what \`${argv.join(' ')}\` prints is not UTF-8, so that the version of the tool is unknown`;
      return { message, place: words[0]?.place };
    }
    if (end.code === 0 && text !== '') return text;
    const how =
      end.code === 0 ? 'printed nothing' : `ended with ${end.signal ?? `exit code ${end.code}`}`;
    const message = `\`${argv.join(' ')}\` ${how}, so that the version of the tool is unknown`;
    return { message, place: words[0]?.place, hint: end.last.at(-1) };
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

/** Where programs are looked for, those of an environment first. */
export const withPrograms = (place: EnvironmentPlace | undefined, path: string): string =>
  place ? `${place.programs}:${path}` : path;

/** The variables that a command is passed. One that is not set is not set for it either. */
export const passedOn = (names: readonly string[], environment: NodeJS.ProcessEnv): Named<string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** Where programs of commands are looked for. */
export const searchPath = ({ PATH }: { readonly PATH?: string | undefined }): string =>
  PATH ?? '/usr/local/bin:/usr/bin:/bin';

/** Where a file of the project lies in a scratch folder: under its own name, or below the port's when it is outside. */
export const scratchName = (port: string, name: string): string =>
  /^(\/|\.\.\/|[A-Za-z]:)/.test(name) ? `${port}/${name.replace(/^.*[\\/]/, '')}` : name;

/**
 * The environment of a command: PATH, folders of its own, what makes tools say the same everywhere, and the variables
 * that pipeline.yaml names.
 */
export function environmentOf(
  { env, path }: Pick<Invocation, 'env' | 'path'>,
  home: string,
  temporary: string,
): Named<string> {
  const named = Object.entries(env).filter(([, value]) => value !== null) as [string, string][];
  return {
    PATH: path,
    HOME: home,
    TMPDIR: temporary,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    SOURCE_DATE_EPOCH: '0',
    PYTHONHASHSEED: '0',
    ...Object.fromEntries(named),
  };
}
