// stage-answers.ts — the far side of planning: what a loaded stage module declares, and what it says of params

import { entryOf } from '../../present.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
import {
  type Arity,
  asPort,
  type CodecKind,
  type SourceFile,
  type StageDeclaration,
} from '../stage.ts';
import type {
  Declaration,
  DeclaredInput,
  DeclaredOutput,
  DeclaredProblem,
  ParamsAnswer,
  StageFault,
  WorkAnswer,
  WorkQuestion,
} from '../worker/declaration.ts';
import { paramKindsOf } from '../worker/param-kinds.ts';
import { type SchemaProblem, wordIssue } from '../worker/schema-problem.ts';

/** Whether a module's default export is a stage. @throws what its getters throw */
export function isStage(value: unknown): value is StageDeclaration {
  if (typeof value !== 'object' || value === null) return false;
  const { params, inputs, outputs, run } = value as Record<string, unknown>;
  const { shape, safeParse } = (params ?? {}) as Record<string, unknown>;
  const isSchema = typeof shape === 'object' && shape !== null && typeof safeParse === 'function';
  const ports = [inputs, outputs].flatMap((part) => (part ? Object.values(part) : [undefined]));
  return isSchema && ports.every(isPort) && typeof run === 'function';
}

const ARITIES: readonly unknown[] = ['one', 'optional', 'many', 'partial'] satisfies Arity[];

/** Whether something is a codec, or a port with one. */
function isPort(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if ('arity' in value && !ARITIES.includes(value.arity)) return false;
  const codec = 'codec' in value ? value.codec : value;
  return typeof codec === 'object' && codec !== null && 'encode' in codec && 'kind' in codec;
}

/** What a stage declares, without its functions. @throws what its getters throw, and for names that cannot be used */
export function describeStage(stage: StageDeclaration): Declaration {
  const { graph, isolate } = stage;
  const kinds = paramKindsOf(stage);
  const outputOf = ({ kind }: { readonly kind: CodecKind }): DeclaredOutput => ({
    kind: String(kind) as CodecKind,
  });
  const inputOf = (declared: Parameters<typeof asPort>[0]): DeclaredInput => {
    const { codec, arity } = asPort(declared);
    return { ...outputOf(codec), arity };
  };
  return {
    params: namesOf('param', stage.params.shape),
    inputs: mapped('input', stage.inputs, inputOf),
    outputs: mapped('output', stage.outputs, outputOf),
    ...(graph !== undefined && { graph: String(graph) }),
    ...(typeof isolate === 'boolean' && { isolate }),
    hasWork: typeof stage.work === 'function',
    ...(kinds !== undefined && { kinds }),
  };
}

function namesOf(what: string, named: object): readonly string[] {
  const names = Object.keys(named);
  // As a name in a map it would be lost, or worse.
  if (names.includes('__proto__')) {
    throw new TypeError(`\`__proto__\` cannot be the name of an ${what}`.replace('an p', 'a p'));
  }
  return names;
}

function mapped<From, To>(
  what: string,
  named: Named<From>,
  change: (from: From) => To,
): Record<string, To> {
  return Object.fromEntries(
    namesOf(what, named).map((name) => [name, change(entryOf(named, name))]),
  );
}

const NOTHING: Omit<ParamsAnswer, 'params'> = {
  problems: [],
  files: null,
  usesTools: false,
  fault: null,
};

/** What the schema, `check`, `files` and `tools` say of params. Nothing that they do makes it throw. */
export function answerParams(stage: StageDeclaration, given: Json): ParamsAnswer {
  try {
    const parsed = stage.params.safeParse(given);
    if (!parsed.success) {
      const problems = parsed.error.issues.flatMap((issue) => wordIssue(issue, stage.params));
      return { ...NOTHING, params: null, problems: problems.map(plainProblem) };
    }
    const params = plainParams(parsed.data);
    // Functions are given what the schema gave, which need not be plain.
    const problems = problemsFrom(stage.check?.(parsed.data));
    if (problems.length > 0) return { ...NOTHING, params, problems };
    const files = filesFrom(stage.files?.(parsed.data));
    return { ...NOTHING, params, files, usesTools: Boolean(stage.tools?.(parsed.data)) };
  } catch (error) {
    return { ...NOTHING, params: null, fault: faultOf(error) };
  }
}

/** What `work` says of params. Nothing that it does makes it throw. */
export function answerWork(
  stage: StageDeclaration,
  { params, upstream }: WorkQuestion,
): WorkAnswer {
  const values = new Map(upstream.map(([name, value]) => [name, value]));
  const unknown = new Set<string>();
  const lookup = (name: string): Json | undefined => {
    if (!values.has(String(name))) unknown.add(String(name));
    return values.get(String(name));
  };
  let fault: StageFault | null = null;
  let work: number | null = null;
  try {
    work = sizeFrom(stage.work?.(params, lookup));
  } catch (error) {
    fault = faultOf(error);
  }
  return { work, unknown: [...unknown], fault };
}

const faultOf = (error: unknown): StageFault => ({ message: wordsOf(error) });

/** An error in words, whatever was thrown. */
export function wordsOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return 'something that cannot be shown';
  }
}

/** A function of a module that returned what it must not. */
class Nonsense extends Error {
  override readonly name = 'Nonsense';
}

function plainParams(data: unknown): Named<Json> {
  try {
    return JSON.parse(canonicalOrder(data)) as Named<Json>;
  } catch (error) {
    throw new Nonsense(`its schema makes of params what cannot be kept: ${wordsOf(error)}`);
  }
}

/** The text of params in their own order, once it is sure that JSON can hold them. */
function canonicalOrder(data: unknown): string {
  canonicalJson(data);
  return JSON.stringify(data);
}

function sizeFrom(work: unknown): number | null {
  if (work === undefined || work === null) return null;
  if (typeof work === 'number' && Number.isFinite(work) && work >= 0) return work;
  throw new Nonsense(`its work returns ${shown(work)}, not a number from 0 on`);
}

function problemsFrom(problems: unknown): readonly DeclaredProblem[] {
  if (problems === undefined || problems === null) return [];
  if (!Array.isArray(problems)) {
    throw new Nonsense(`its check returns ${shown(problems)}, not a list of problems`);
  }
  return problems.map((problem: unknown) => {
    const { path, message } = (problem ?? {}) as Record<string, unknown>;
    if (typeof message !== 'string' || !Array.isArray(path) || !path.every(isStep)) {
      const form = '{ path: [name, …], message }';
      throw new Nonsense(`its check returns a problem that is not ${form}: ${shown(problem)}`);
    }
    return plainProblem(problem as DeclaredProblem);
  });
}

const isStep = (step: unknown): step is string | number =>
  typeof step === 'string' || typeof step === 'number';

function plainProblem(problem: SchemaProblem & DeclaredProblem): DeclaredProblem {
  const { path, message, hint, isName, infeasible } = problem;
  return {
    path: [...path],
    message,
    ...(typeof hint === 'string' && { hint }),
    ...(isName === true && { isName }),
    ...(infeasible === true && { infeasible }),
  };
}

function filesFrom(files: unknown): readonly SourceFile[] | null {
  if (files === undefined || files === null) return null;
  if (!Array.isArray(files))
    throw new Nonsense(`its files returns ${shown(files)}, not a list of files`);
  const seen = new Set<string>();
  return files.map((file: unknown) => {
    const why = flawOf(file);
    if (why !== undefined) throw new Nonsense(`its files returns ${shown(file)}: ${why}`);
    const source = plainFile(file as SourceFile);
    if (seen.has(source.name)) throw new Nonsense(`its files returns \`${source.name}\` twice`);
    seen.add(source.name);
    return source;
  });
}

/** What is wrong with a file that a stage asks for. */
function flawOf(file: unknown): string | undefined {
  if (typeof file !== 'object' || file === null) return 'not a file';
  const { name, urls, sha256, of, bytes, member } = file as Record<string, unknown>;
  if (!isPath(name)) return '`name` must be a path below a mirror, without `..`';
  if (!Array.isArray(urls) || !urls.every((url) => typeof url === 'string')) {
    return '`urls` must be a list of addresses';
  }
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    return '`sha256` must be 64 hexadecimal digits in lower case';
  }
  if (of !== 'file' && of !== 'content') return '`of` must be `file` or `content`';
  if (!isSize(bytes)) return '`bytes` must be a number from 0 on';
  if (member === undefined) return undefined;
  const { archive, path, archiveBytes } = (member ?? {}) as Record<string, unknown>;
  if (!isPath(archive)) return '`member.archive` must be a path below a mirror, without `..`';
  if (typeof path !== 'string') return '`member.path` must be a path in the archive';
  return isSize(archiveBytes) ? undefined : '`member.archiveBytes` must be a number from 0 on';
}

const isSize = (size: unknown): boolean =>
  size === undefined || (typeof size === 'number' && Number.isFinite(size) && size >= 0);

/** Whether something is a relative path that stays below where it begins. */
const isPath = (path: unknown): path is string =>
  typeof path === 'string' &&
  path !== '' &&
  !path.includes('\0') &&
  !/^([/\\]|[A-Za-z]:)/.test(path) &&
  !path.split(/[/\\]/).includes('..');

function plainFile({ name, urls, bytes, sha256, of, member, instead }: SourceFile): SourceFile {
  return {
    name,
    urls: [...urls],
    ...(bytes !== undefined && { bytes }),
    sha256,
    of,
    ...(member !== undefined && {
      member: {
        archive: member.archive,
        path: member.path,
        ...(member.archiveBytes !== undefined && { archiveBytes: member.archiveBytes }),
      },
    }),
    ...(instead !== undefined && { instead: String(instead) }),
  };
}

const SHOWN_CHARACTERS = 80;

/** A value as a message shows it. */
function shown(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'object' ? JSON.stringify(value) : undefined;
    text ??= typeof value === 'string' ? JSON.stringify(value) : String(value);
  } catch {
    text = `a value of type ${typeof value}`;
  }
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
