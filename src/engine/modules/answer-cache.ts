// answer-cache.ts — what stage modules declared and answered, by the digest of their bundle: planning asks only what is new

import { join } from 'node:path';
import { elementAt } from '../../present.ts';
import { readShortcut } from '../files/bounded-file.ts';
import { type EnvironmentMark, markOf, marksHold } from '../files/environment-mark.ts';
import { writeAtomically } from '../files/files.ts';
import { readSealedJson, sealedJson } from '../files/hint.ts';
import { canonicalJson, type Digest, digestOf, type Json, type Named } from '../model/key.ts';
import type { Declaration, ParamsAnswer, WorkQuestion } from '../worker/declaration.ts';
import type { OutsideReads } from '../worker/protocol.ts';

/** The form of a file; one of another form is as good as none. */
const FORM = 'answers/1';
/** So many answers of a module are kept, and so many characters of them: those of this plan first, then the latest. */
const ANSWERS_MAX = 50_000;
const CHARACTERS_MAX = 2 ** 25;
/** A key that is longer is taken by its digest. */
const KEY_CHARACTERS_MAX = 96;

/** Values, each written once: the answers of a stage have most of their parts in common. */
type Index = number;
/** Params by index of their values, in the order of `names`; -1 where a param is absent. */
type StoredParams = readonly Index[];
type StoredAnswer =
  | readonly [params: StoredParams, files: Index, usesTools: 0 | 1]
  /** Problems. */
  | readonly [params: StoredParams | null, problems: Index];

interface AnswersFile {
  readonly form: typeof FORM;
  /** Tells the program and the Node that asked. */
  readonly program: string;
  readonly declaration: Declaration;
  /** Variables of the environment that the module looked at, and what tells their values from others. */
  readonly environment: readonly EnvironmentMark[];
  /** Names that `work` asked for. */
  readonly upstream: readonly string[];
  readonly values: readonly Json[];
  readonly params: readonly (readonly [key: string, answer: StoredAnswer])[];
  readonly work: readonly (readonly [key: string, work: number | null])[];
}

/** Where answers are kept, and what they depend on beside the bundle. */
export interface AnswersPlace {
  readonly cache: string;
  /** Tells the program and the Node that ask. */
  readonly program: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * What one module said. An answer is a function of the bundle, the question and the variables that the module looked at.
 * One that looked at anything else is not kept.
 */
export class ModuleAnswers {
  declaration: Declaration | undefined;
  /** Names that `work` asks for. */
  readonly upstream = new Set<string>();
  private readonly params = new Map<string, ParamsAnswer>();
  private readonly work = new Map<string, number | null>();
  /** Of this plan. */
  private readonly used = new Set<string>();
  /** Variables that the module looked at. */
  private readonly variables = new Set<string>();
  private looksAround = false;
  private isChanged = false;

  static keyOfParams(canonicalText: string): string {
    return short(canonicalText);
  }

  static keyOfWork({ params, upstream }: WorkQuestion): string {
    return short(canonicalJson([params, upstream.filter(hasValue)]));
  }

  /** Whether the module looked at anything beside its bundle and variables of the environment. */
  get readsOutside(): boolean {
    return this.looksAround;
  }

  /** The variables that the module looked at. */
  marks({ environment }: Pick<AnswersPlace, 'environment'>): readonly EnvironmentMark[] {
    return [...this.variables].map((name) => [name, markOf(name, environment)]);
  }

  noteReads({ environment, other }: OutsideReads): void {
    for (const name of environment) this.variables.add(name);
    this.looksAround ||= other.length > 0;
  }

  declare(declaration: Declaration): void {
    this.declaration = declaration;
    this.isChanged = true;
  }

  paramsAnswer(key: string): ParamsAnswer | undefined {
    this.used.add(key);
    return this.params.get(key);
  }

  keepParams(key: string, answer: ParamsAnswer): void {
    this.params.set(key, answer);
    this.isChanged = true;
  }

  workAnswer(key: string): number | null | undefined {
    this.used.add(key);
    return this.work.get(key);
  }

  keepWork(key: string, work: number | null): void {
    this.work.set(key, work);
    this.isChanged = true;
  }

  askedFor(name: string): void {
    this.upstream.add(name);
    this.isChanged = true;
  }

  /** Reads what an earlier plan left. A file that is absent, damaged, of another program or edited holds nothing. */
  static async read(place: AnswersPlace, bundle: Digest): Promise<ModuleAnswers> {
    const answers = new ModuleAnswers();
    try {
      const text = readShortcut(fileOf(place.cache, bundle));
      const file = readSealedJson(sealName(bundle), text) as AnswersFile | undefined;
      if (file) answers.fill(file, place);
      return answers;
    } catch {
      return new ModuleAnswers();
    }
  }

  private fill(file: AnswersFile, { program, environment }: AnswersPlace): void {
    if (file.form !== FORM || file.program !== program) return;
    if (!marksHold(file.environment, environment)) return;
    for (const [name] of file.environment) this.variables.add(name);
    const { declaration, values } = file;
    for (const [key, stored] of file.params) {
      this.params.set(key, restored(stored, declaration.params, values));
    }
    for (const [key, work] of file.work) this.work.set(key, work);
    for (const name of file.upstream) this.upstream.add(name);
    this.declaration = declaration;
  }

  /** Keeps everything for the next plan. A file that cannot be written costs time, and nothing else. */
  async write(place: AnswersPlace, bundle: Digest): Promise<void> {
    if (!this.isChanged || this.looksAround || this.declaration === undefined) return;
    const body = this.body(place, this.declaration);
    const text = sealedJson(sealName(bundle), body);
    await writeAtomically(fileOf(place.cache, bundle), text).catch(() => undefined);
  }

  private body({ program, environment }: AnswersPlace, declaration: Declaration): string {
    const values = new Values();
    const params: [string, StoredAnswer][] = [];
    for (const [key, answer] of this.ofThisPlanFirst(this.params)) {
      if (params.length >= ANSWERS_MAX || values.characters > CHARACTERS_MAX) break;
      params.push([key, stored(answer, declaration.params, values)]);
    }
    const work = this.ofThisPlanFirst(this.work).slice(0, ANSWERS_MAX);
    const upstream = [...this.upstream];
    const marks = this.marks({ environment });
    const rest = { form: FORM, program, declaration, environment: marks, upstream, params, work };
    // Values are texts already.
    return `${JSON.stringify(rest).slice(0, -1)},"values":[${values.texts.join(',')}]}`;
  }

  private ofThisPlanFirst<V>(answers: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
    const latest = [...answers].reverse();
    const isUsed = ([key]: readonly [string, V]): boolean => this.used.has(key);
    return [...latest.filter(isUsed), ...latest.filter((one) => !isUsed(one))];
  }
}

const fileOf = (cache: string, bundle: Digest): string =>
  join(cache, 'bundles', `${bundle}.answers.json`);

const sealName = (bundle: Digest): string => `answers ${bundle}`;

const short = (text: string): string => (text.length <= KEY_CHARACTERS_MAX ? text : digestOf(text));

const hasValue = (pair: readonly unknown[]): boolean => pair.length > 1 && pair[1] !== undefined;

/** Collects values, each once. */
class Values {
  readonly texts: string[] = [];
  characters = 0;
  private readonly places = new Map<string, Index>();

  add(value: unknown): Index {
    const text = JSON.stringify(value);
    const known = this.places.get(text);
    if (known !== undefined) return known;
    this.characters += text.length;
    this.places.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}

function stored(answer: ParamsAnswer, names: readonly string[], values: Values): StoredAnswer {
  const { params, problems, files, usesTools } = answer;
  const fields = params && storedParams(params, names, values);
  if (problems.length > 0 || fields === null) return [fields, values.add(problems)];
  return [fields, values.add(files), usesTools ? 1 : 0];
}

/** Params that are not those of the schema (a schema may let others through) stand as one value: a list of one index. */
function storedParams(params: Named<Json>, names: readonly string[], values: Values): StoredParams {
  const present = names.filter((name) => Object.hasOwn(params, name));
  const given = Object.keys(params);
  const isRegular =
    names.length !== 1 &&
    given.length === present.length &&
    given.every((name, at) => name === present[at]);
  if (!isRegular) return [values.add(params)];
  return names.map((name) => (Object.hasOwn(params, name) ? values.add(params[name]) : -1));
}

function restored(
  [fields, second, usesTools]: StoredAnswer,
  names: readonly string[],
  values: readonly Json[],
): ParamsAnswer {
  const params = fields && restoredParams(fields, names, values);
  const value = values[second];
  // What `keepParams` stored: one table of values, of which this is problems or files by what stands beside it.
  const stored = value as unknown;
  return {
    params,
    problems: usesTools === undefined ? (stored as ParamsAnswer['problems']) : [],
    files: usesTools === undefined ? null : (stored as ParamsAnswer['files']),
    usesTools: usesTools === 1,
    fault: null,
  };
}

function restoredParams(
  fields: StoredParams,
  names: readonly string[],
  values: readonly Json[],
): Named<Json> {
  const [first] = fields;
  if (first !== undefined && fields.length === 1) return values[first] as Named<Json>;
  const params: Record<string, Json> = {};
  for (const [at, index] of fields.entries()) {
    if (index >= 0) params[elementAt(names, at)] = elementAt(values, index);
  }
  return params;
}
