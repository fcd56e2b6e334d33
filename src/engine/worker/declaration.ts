// declaration.ts — what a stage module declares, as plain data: the module itself runs in another process

import type { StageCode } from '../bundler/code.ts';
import type { Json, Named } from '../model/key.ts';
import type { ParamSchema } from '../schema/read-schema.ts';
import type { Arity, CodecKind, ParamProblem, SourceFile } from '../stage.ts';
import type { SchemaProblem } from './schema-problem.ts';

/** An input or output that a stage declares. */
export interface DeclaredOutput {
  readonly kind: CodecKind;
}
export interface DeclaredInput extends DeclaredOutput {
  readonly arity: Arity;
}

/** What a param may be: of a type, or one of a few texts. A number is finite; an integer is one that a double holds exactly. */
export type ParamKind = 'integer' | 'number' | 'string' | 'boolean' | readonly string[];

/** What a stage module declares, without its functions. */
export interface Declaration {
  /** Names of the params, in the order of the schema. */
  readonly params: readonly string[];
  readonly inputs: Named<DeclaredInput>;
  readonly outputs: Named<DeclaredOutput>;
  /** The param that the engine fills with the graph of what a task is made from. */
  readonly graph?: string;
  readonly isolate?: boolean;
  /** Whether it predicts the size of a task. */
  readonly hasWork: boolean;
  /** What each param may be, where that is all that the module says of params. */
  readonly kinds?: Named<ParamKind>;
}

/** A stage's code and what it declares. */
export interface StageModule {
  readonly code: StageCode;
  readonly declaration: Declaration;
  /** Of a command that says what its params may be. */
  readonly schemas?: ParamSchemas;
}

/** What the params of a command may be. */
export interface ParamSchemas {
  /** By name, for those that say so themselves. */
  readonly named: ReadonlyMap<string, ParamSchema>;
  /** For all of them together. */
  readonly whole: ParamSchema | null;
  /** Whether floats and the values of axes keep their types on their way to the program. */
  readonly isTyped: boolean;
}

/** Something wrong with params: in the words of the schema, or of the stage's own check. */
export type DeclaredProblem = SchemaProblem & Pick<ParamProblem, 'infeasible'>;

/** Why a module gave no answer. */
export interface StageFault {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What a stage module says of one set of params: its schema, then `check`, `files` and `tools`. */
export interface ParamsAnswer {
  /** After defaults; null when the schema refuses them. */
  readonly params: Named<Json> | null;
  readonly problems: readonly DeclaredProblem[];
  readonly files: readonly SourceFile[] | null;
  /** Whether these params need code from outside the bundle. */
  readonly usesTools: boolean;
  /** Of a command whose files keep types: integers that are written as floats, as JSON pointers. */
  readonly floats?: readonly string[];
  /** Set when a function of the module threw or returned nonsense; nothing else counts then. */
  readonly fault: StageFault | null;
}

/** Params as pipeline.yaml gives them to a task. */
export interface GivenValues {
  readonly values: Named<Json>;
  /** Their canonical text: equal for equal values. */
  readonly text: string;
}

/** Params of the tasks upstream, by the names that `work` asks for. A name without a value has none upstream. */
export type UpstreamValues = readonly (readonly [name: string, value?: Json])[];

/** Asks for the size of a task. */
export interface WorkQuestion {
  readonly params: Named<Json>;
  readonly upstream: UpstreamValues;
}

/** What `work` says. */
export interface WorkAnswer {
  readonly work: number | null;
  /** Names that it asked for and was not given: the answer counts only when there are none. */
  readonly unknown: readonly string[];
  readonly fault: StageFault | null;
}

/** Answers questions about params. Answers come in the order of the questions. */
export interface StageAnswers {
  params(module: StageModule, given: readonly GivenValues[]): Promise<readonly ParamsAnswer[]>;
  /** Hears that a module will be asked of params: what that takes can be made ready meanwhile. */
  expect?(module: StageModule): void;
  /** The answer to params with this text, if it is known already. */
  known(module: StageModule, text: string): ParamsAnswer | undefined;
  /** @param upstream gives the nearest param of a name for the question at an index */
  work(
    module: StageModule,
    params: readonly Named<Json>[],
    upstream: (index: number, name: string) => Json | undefined,
  ): Promise<readonly WorkAnswer[]>;
}
