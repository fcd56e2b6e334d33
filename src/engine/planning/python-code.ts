// python-code.ts — `code: python`: a script and the modules of the project that it imports, as an input of a command
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { plainName } from '../../plain-text.ts';
import type { CommandConfig } from '../config/command.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { readShortcut } from '../files/bounded-file.ts';
import { writeAtomically } from '../files/files.ts';
import { escapeGlob } from '../files/glob.ts';
import { readSealedJson, sealedJson } from '../files/hint.ts';
import type { Diagnostic, Place } from '../model/event.ts';
import { byCodeUnit, type Digest, digestOf, type Named } from '../model/key.ts';
import {
  type Closure,
  type ClosureSources,
  closureOf,
  type DynamicImportAt,
} from '../python/closure.ts';
import { sourceText } from '../python/code-form.ts';
import { entriesOf } from '../python/command-entries.ts';
import { isInstalled } from '../python/module-search.ts';
import { FolderLook } from '../python/project-look.ts';
import { FACTS_FORM, type SourceFacts, sourceFacts } from '../python/source-facts.ts';
import type { Binding } from './plan.ts';
import type { ProjectFile, ProjectFiles } from './project-files.ts';

/** The port at which modules are that the engine found. No input of pipeline.yaml can be called so. */
export const PYTHON_PORT = '_python';

/** What a command of Python reads as code. */
export interface PythonCode {
  /** The inputs of the task: those that were declared, and the modules that were found. */
  readonly inputs: Named<Binding>;
  readonly warnings: readonly Diagnostic[];
  /** What is in the way. */
  readonly problems: readonly Diagnostic[];
}

/** Finds the code of commands. What sources say is remembered by their digests from one plan to the next. */
export class PythonCodeFinder {
  readonly look: FolderLook;
  private readonly root: string;
  private readonly files: ProjectFiles;
  private readonly memory: FactsMemory;
  private readonly found = new Map<string, Promise<Closure | undefined>>();

  /** @param root folder of pipeline.yaml @param files finds and digests them */
  constructor(root: string, cache: string, files: ProjectFiles) {
    this.root = root;
    this.files = files;
    this.look = new FolderLook(root);
    this.memory = new FactsMemory(join(cache, 'python.json'));
  }

  /** Adds the code of a command to its inputs. @param env the variables that it will have, as far as they are known */
  async find(
    stage: StageConfig,
    command: CommandConfig,
    inputs: Named<Binding>,
    pythonPath: string | undefined,
  ): Promise<PythonCode> {
    const argv = command.argv.map(({ text }) => text);
    const declared = new Map(
      Object.entries(inputs).flatMap(([port, { files }]) =>
        files ? [[port, files.map(({ name }) => name)] as const] : [],
      ),
    );
    const memo = JSON.stringify([argv, pythonPath, [...declared]]);
    const known = this.found.get(memo) ?? this.closure(argv, declared, pythonPath);
    this.found.set(memo, known);
    const closure = await known;
    if (closure === undefined) {
      const place = command.argv.find(({ text }) => text.endsWith('.py'))?.place ?? stage.place;
      const message = `the command of stage \`${stage.name}\` runs no Python file of the project`;
      const hint =
        '`code: python` needs one: [python3, train.py] or [python3, -m, package.module], relative to the folder of pipeline.yaml';
      const none: Binding = { arity: 'many', links: [], files: [] };
      const bound = { ...inputs, [PYTHON_PORT]: none };
      return { inputs: bound, warnings: [], problems: [{ message, place, hint }] };
    }
    const found = await this.inputsWith(stage, inputs, closure);
    const astray = this.astray(stage, pythonPath);
    return { ...found, warnings: [...found.warnings, ...astray] };
  }

  /** Folders of the project that PYTHONPATH names absolutely: Python reads them where they lie. */
  private astray(stage: StageConfig, pythonPath: string | undefined): readonly Diagnostic[] {
    const root = resolve(this.root);
    const folders = (pythonPath ?? '').split(':').filter((folder) => folder.startsWith('/'));
    return folders
      .map((folder) => ({ folder, name: relative(root, folder) || '.' }))
      .filter(({ name }) => !name.startsWith('..') && !isInstalled(`${name}/`))
      .map(({ folder, name }) => ({
        message: `PYTHONPATH of stage \`${stage.name}\` names ${plainName(folder)}: modules there are read in place, and are not inputs`,
        place: stage.place,
        hint: `env: { PYTHONPATH: ${name} } is the same folder, and is followed`,
      }));
  }

  /** Keeps what was read for the next command. */
  close(): Promise<void> {
    return this.memory.close();
  }

  private async closure(
    argv: readonly string[],
    declared: ReadonlyMap<string, readonly string[]>,
    pythonPath: string | undefined,
  ): Promise<Closure | undefined> {
    const entries = entriesOf({ argv, inputs: declared }, this.look);
    const closure = await closureOf(entries, foldersIn(pythonPath), this.sources());
    return closure.code.size > 0 || entries.some((entry) => 'text' in entry) ? closure : undefined;
  }

  private sources(): ClosureSources {
    const { look } = this;
    return {
      kindOf: (name) => look.kindOf(name),
      list: (folder) => look.list(folder),
      facts: async (name) => {
        if (/\.(?:so|pyc)$/.test(name)) return undefined;
        const file = await this.fileAt(name);
        return 'message' in file ? undefined : this.memory.factsOf(file);
      },
    };
  }

  private async fileAt(name: string): Promise<ProjectFile | { message: string; hint?: string }> {
    const found = await this.files.find(escapeGlob(name), false);
    if ('message' in found) return found;
    return found[0] ?? { message: `there is no file ${name}` };
  }

  private async inputsWith(
    stage: StageConfig,
    inputs: Named<Binding>,
    closure: Closure,
  ): Promise<PythonCode> {
    const problems: Diagnostic[] = [];
    const asCode = (file: ProjectFile): ProjectFile => {
      const isCode = closure.code.has(file.name) && !closure.named.has(file.name);
      if (!isCode || closure.readsSources || /\.(?:so|pyc)$/.test(file.name)) return file;
      const { code, codeBytes } = this.memory.factsOf(file);
      return code === file.digest ? file : { ...file, digest: code, codeBytes };
    };
    const declared = new Set<string>();
    const bound: Record<string, Binding> = {};
    for (const [port, binding] of Object.entries(inputs)) {
      for (const { name } of binding.files ?? []) declared.add(name);
      bound[port] = binding.files ? { ...binding, files: binding.files.map(asCode) } : binding;
    }
    const files: ProjectFile[] = [];
    for (const name of [...closure.code].sort(byCodeUnit)) {
      if (declared.has(name)) continue;
      const file = await this.fileAt(name);
      if ('message' in file) {
        const message = `${plainName(name)}, which stage \`${stage.name}\` imports, cannot be an input: ${file.message}`;
        problems.push({ message, place: stage.place, hint: file.hint });
      } else files.push(asCode(file));
    }
    bound[PYTHON_PORT] = { arity: 'many', links: [], files };
    const hasOwn = [...declared].some((name) => name.endsWith('.py') && !closure.code.has(name));
    return { inputs: bound, warnings: hasOwn ? [] : this.warningsOf(closure), problems };
  }

  private warningsOf({ dynamic }: Closure): readonly Diagnostic[] {
    const warnings = new Map<string, Diagnostic>();
    for (const one of dynamic) {
      warnings.set(`${one.file}:${one.start}`, this.warningOf(one));
    }
    return [...warnings.values()];
  }

  private warningOf({ file, how, start, end, module }: DynamicImportAt): Diagnostic {
    const place = file === '-c' ? undefined : this.placeIn(file, start, end);
    const what =
      how === 'sys.path'
        ? 'changes sys.path: modules that it then imports are not found'
        : how.endsWith('exec') || how === 'execfile'
          ? `runs text as code (${how}): its imports are not found`
          : module !== undefined
            ? `imports \`${module}\` while it runs (${how}), which is found as it is written out: others would not be`
            : `imports modules while it runs (${how}): they are not found`;
    const hint =
      how === 'sys.path'
        ? 'env: { PYTHONPATH: FOLDER } adds a folder of the project, and is followed'
        : 'declare what it may import: inputs: { plugins: { file: plugins/*.py } }';
    return { message: `${plainName(file)} ${what}`, ...(place && { place }), hint };
  }

  private placeIn(file: string, start: number, end: number): Place | undefined {
    try {
      const { text } = sourceText(readFileSync(join(this.root, file)));
      return { file, text, start, end };
    } catch {
      return undefined; // It has just gone: whoever runs it will say so.
    }
  }
}

/** The folders of the project on a PYTHONPATH. Others are not in a scratch folder. */
function foldersIn(pythonPath: string | undefined): readonly string[] {
  if (pythonPath === undefined || pythonPath === '') return [];
  return pythonPath
    .split(':')
    .map((folder) => folder.replace(/\/+$/, '').replace(/^\.\//, '') || '.')
    .filter((folder) => !folder.startsWith('/') && !folder.startsWith('..'));
}

/** What sources say, by the digests of their bytes. */
class FactsMemory {
  private readonly path: string;
  private known: Map<Digest, SourceFacts> | undefined;
  private readonly used = new Map<Digest, SourceFacts>();
  private isFresh = false;

  constructor(path: string) {
    this.path = path;
  }

  /** The facts of a source. @throws when it cannot be read */
  factsOf({ path, digest }: ProjectFile): SourceFacts {
    const used = this.used.get(digest);
    if (used) return used;
    this.known ??= readKnown(this.path);
    const known = this.known.get(digest);
    if (known) {
      this.used.set(digest, known);
      return known;
    }
    const bytes = readFileSync(path);
    const facts = sourceFacts(bytes);
    // It may have changed since it was digested.
    if (digestOf(bytes) === digest) {
      this.isFresh = true;
      this.used.set(digest, facts);
    }
    return facts;
  }

  /** Keeps what was used, and of the rest what there is room for. */
  async close(): Promise<void> {
    if (!this.isFresh) return;
    const rest = [...(this.known ?? [])].filter(([digest]) => !this.used.has(digest));
    const sources = [...this.used, ...rest.slice(0, KEPT_MAX)];
    const text = JSON.stringify({ form: FACTS_FORM, sources });
    // Losing this costs time and nothing else.
    await writeAtomically(this.path, sealedJson(SEAL, text)).catch(() => {});
  }
}

/** So many sources are remembered beside those that the plan at hand reads. */
const KEPT_MAX = 2000;
const SEAL = 'python';

function readKnown(path: string): Map<Digest, SourceFacts> {
  try {
    const read = readSealedJson(SEAL, readShortcut(path)) as
      | { readonly form?: unknown; readonly sources: readonly (readonly [Digest, SourceFacts])[] }
      | undefined;
    return new Map(read?.form === FACTS_FORM ? read.sources : []);
  } catch {
    return new Map(); // Absent, damaged or edited: everything is read anew.
  }
}
