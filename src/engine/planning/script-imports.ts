// script-imports.ts — files of the project that the scripts of a command name, and that are no inputs of it
import { readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { plainName } from '../../plain-text.ts';
import { isWithin } from '../config/input.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Diagnostic } from '../model/event.ts';
import { sourceText } from '../python/code-form.ts';
import { importsOf } from '../python/imports.ts';
import { tokensOf } from '../python/tokens.ts';
import type { Task } from './plan.ts';
import type { ProjectFile } from './project-files.ts';

/** How a script of a kind names files of the project, as paths relative to itself without their endings. */
const IMPORTS: { readonly [ending: string]: (bytes: Uint8Array) => readonly string[] } = {
  '.py': pythonImports,
  '.mjs': (bytes) => relativeImports(bytes, JAVASCRIPT),
  '.js': (bytes) => relativeImports(bytes, JAVASCRIPT),
  '.cjs': (bytes) => relativeImports(bytes, JAVASCRIPT),
  '.ts': (bytes) => relativeImports(bytes, JAVASCRIPT),
  '.R': (bytes) => relativeImports(bytes, /^\s*source\(\s*["']([^"']+)["']/gm),
  '.jl': (bytes) => relativeImports(bytes, /^\s*include\(\s*["']([^"']+)["']/gm),
  '.sh': (bytes) => relativeImports(bytes, /^\s*(?:\.|source)\s+["']?(\.{0,2}[\w./-]+)/gm),
};
const JAVASCRIPT = /\b(?:from|import|require\(|import\()\s*["'](\.{1,2}\/[^"']+)["']/g;
/** A script beyond this size is data. */
const SCRIPT_BYTES_MAX = 2 ** 20;
const ENDINGS = ['', '.py', '/__init__.py', '.mjs', '.js', '.ts', '.json'];

const relativeImports = (bytes: Uint8Array, pattern: RegExp): readonly string[] =>
  [...Buffer.from(bytes).toString().matchAll(pattern)].map(([, path = '']) => path);

/** Modules that are imported whatever happens: those within a function or a `try` may be done without. */
function pythonImports(bytes: Uint8Array): readonly string[] {
  const { text } = sourceText(bytes);
  return importsOf(text, tokensOf(text)).imports.flatMap(({ level, module, names, isOptional }) => {
    if (isOptional) return [];
    const up = level > 1 ? '../'.repeat(level - 1) : '';
    const path = up + module.replaceAll('.', '/');
    const within = (names ?? []).map((name) => posix.join(path, name));
    return [...(module === '' ? [] : [path]), ...within];
  });
}

/** Looks at the scripts that are inputs of commands. What each says is read once. */
export class ScriptImports {
  private readonly root: string;
  private readonly read = new Map<string, readonly string[]>();
  private readonly there = new Map<string, boolean>();

  /** @param root folder of pipeline.yaml */
  constructor(root: string) {
    this.root = root;
  }

  /** Says which files the scripts of a task need and do not get. */
  check(stage: StageConfig, { inputs }: Pick<Task, 'inputs'>): readonly Diagnostic[] {
    const given = filesOf(inputs);
    const found: Diagnostic[] = [];
    for (const [port, { files }] of Object.entries(inputs)) {
      for (const script of files ?? []) {
        for (const base of this.namedBy(script)) {
          const file = ENDINGS.map((ending) => base + ending).find((one) => this.isFile(one));
          if (file === undefined || given.has(file)) continue;
          const place = stage.inputs.get(port)?.files?.place ?? stage.place;
          const name = plainName(script.name);
          const message = `${name} needs ${plainName(file)}, which is not an input of stage \`${stage.name}\``;
          const hint = `inputs: { helper: { file: ${file} } } puts it beside ${name} and into the key`;
          const python = script.name.endsWith('.py') ? '; `code: python` finds all modules' : '';
          found.push({ message, place, hint: hint + python });
        }
      }
    }
    return found;
  }

  /** The paths that a script names, without their endings. */
  private namedBy({ name, path, stamp, digest }: ProjectFile): readonly string[] {
    const read = IMPORTS[posix.extname(name)];
    if (read === undefined || stamp.size > SCRIPT_BYTES_MAX || !isWithin(name)) return [];
    const memo = `${name}\0${digest}`;
    let known = this.read.get(memo);
    if (known === undefined) {
      known = read(readFileSync(path)).map((module) => posix.join(posix.dirname(name), module));
      this.read.set(memo, known);
    }
    return known;
  }

  private isFile(name: string): boolean {
    if (!isWithin(name)) return false;
    let known = this.there.get(name);
    if (known === undefined) {
      known = isFileAt(join(this.root, name));
      this.there.set(name, known);
    }
    return known;
  }
}

function isFileAt(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false; // A name too long, or below a folder that is closed.
  }
}

/** Files of the project that lie in the scratch folder of a task, by name. */
export const filesOf = (inputs: Task['inputs']): ReadonlySet<string> =>
  new Set(
    Object.values(inputs).flatMap(({ files }) =>
      (files ?? []).map(({ name }) => posix.normalize(name)),
    ),
  );
