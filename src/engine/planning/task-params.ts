// task-params.ts — the params of each task, as its stage's schema and its own check take them

import { entryOf } from '../../present.ts';
import { type Located, locatedMap, partAt } from '../config/located.ts';
import type { Point } from '../config/matrix.ts';
import { fillAxes, lookupIn } from '../config/reference.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { failure, type Place, type Result } from '../model/event.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
import type { ParamProblem, SourceFile } from '../stage.ts';
import type { GivenValues, ParamsAnswer, StageFault, StageModule } from '../worker/declaration.ts';
import type { SchemaProblem } from '../worker/schema-problem.ts';
import type { Say } from './join.ts';

/** Params of a task, and what its module makes of them. */
export interface ParsedParams {
  readonly params: Named<Json>;
  readonly files: readonly SourceFile[] | null;
  readonly infeasible: string | null;
}

/** Why params cannot be met, in one line: what is wrong, and what could be. */
const reasonOf = (problems: readonly ParamProblem[]): string =>
  problems
    .filter(({ infeasible }) => infeasible)
    .map(({ message, hint }) => (hint ? `${message}: ${hint}` : message))
    .join('; ');

/** The params of one task before its stage has seen them. */
export interface GivenParams extends GivenValues {
  readonly located: Located;
}

/** Gathers the params of tasks, and says what their stages find wrong with them. */
export class ParamsReader {
  /** By stage and text of the params. */
  private readonly seen = new Map<string, Map<string, ParsedParams | undefined>>();
  private readonly say: Say;

  constructor(say: Say) {
    this.say = say;
  }

  /**
   * What a task is given; undefined where something is missing, which is said. An axis value becomes a param only if the
   * stage's schema names the axis; otherwise it is a coordinate.
   * @param filled params that the engine gives, whatever pipeline.yaml says
   */
  gather(
    stage: StageConfig,
    { declaration }: StageModule,
    point: Point,
    filled: Named<Json>,
  ): GivenParams | undefined {
    const fields = new Map<string, Located>();
    let unfilled = false;
    for (const name of declaration.params) {
      // A command declares nothing: its params are those that pipeline.yaml gives it.
      const axis = stage.command ? undefined : point.get(name);
      const given = stage.params.get(name);
      if (Object.hasOwn(filled, name)) {
        fields.set(name, { value: entryOf(filled, name), place: stage.place });
      } else if (axis) fields.set(name, axis.located);
      else if (given) {
        const known = fillAxes(given, (path, at) => valueAt(point, path, at));
        if (known.ok) fields.set(name, known.value);
        else {
          unfilled = true;
          for (const { message, place, hint } of known.diagnostics) {
            if (place) this.say(message, place, hint);
          }
        }
      }
    }
    if (unfilled) return undefined;
    const located = locatedMap(fields, { place: stage.place });
    const values = located.value as Named<Json>;
    return { located, values, text: canonicalJson(values) };
  }

  /** The axes of a stage on which its params depend. */
  axesOf(stage: StageConfig, { declaration }: StageModule): readonly string[] {
    const axes = new Set<string>(stage.command ? [] : declaration.params);
    const visit = ({ axis, fields, items }: Located): void => {
      if (axis?.[0] !== undefined) axes.add(axis[0]);
      for (const part of fields?.values() ?? items ?? []) visit(part);
    };
    for (const given of stage.params.values()) visit(given);
    return [...stage.axes.keys()].filter((axis) => axes.has(axis));
  }

  /**
   * What a stage's answer makes of params; undefined when it refuses them, which is said, once for equal params.
   * @param located where the params were written: asked only to say so
   */
  judge(
    stage: StageConfig,
    text: string,
    answer: ParamsAnswer,
    located: () => Located | undefined,
  ): ParsedParams | undefined {
    const seen = this.seen.get(stage.name) ?? new Map<string, ParsedParams | undefined>();
    this.seen.set(stage.name, seen);
    if (!seen.has(text)) seen.set(text, this.parsed(stage, located, answer));
    return seen.get(text);
  }

  private parsed(
    stage: StageConfig,
    located: () => Located | undefined,
    { params, problems, files, fault }: ParamsAnswer,
  ): ParsedParams | undefined {
    if (fault !== null) {
      this.say(...formatFault(stage, fault));
      return undefined;
    }
    const isLeftOut =
      params !== null &&
      stage.infeasible === 'skip' &&
      problems.some(({ infeasible }) => infeasible);
    const wrong = isLeftOut ? problems.filter(({ infeasible }) => !infeasible) : problems;
    const where = wrong.length > 0 ? located() : undefined;
    if (where) for (const problem of wrong) this.sayOfParam(stage, where, problem);
    if (isLeftOut) return { params, files: null, infeasible: reasonOf(problems) };
    return params === null || problems.length > 0 ? undefined : { params, files, infeasible: null };
  }

  /** Says what is wrong with a param where it was written; of one that is missing, where it should stand. */
  private sayOfParam(
    { name: stage, place: stagePlace }: StageConfig,
    located: Located,
    { path, message, hint, isName = false }: SchemaProblem,
  ): void {
    const name = path.join('.');
    const part = partAt(located, path);
    if (path.length === 0 || lookupPath(located, path) !== undefined) {
      const place = isName ? (part.named ?? part.place) : part.place;
      this.say(`${message} (stage \`${stage}\`)`, place, hint);
    } else if (path.length === 1) {
      const advice = `params: { ${name}: … }, or an axis of this name`;
      this.say(`stage \`${stage}\` needs a param \`${name}\``, stagePlace, advice);
    } else {
      const must = message.replace(`\`${name}\` must`, 'it must');
      this.say(`\`${name}\` is missing (stage \`${stage}\`)`, part.place, hint ?? must);
    }
  }
}

/** What is said of a stage whose module throws, or does not answer. */
export function formatFault(
  { name, run, place }: StageConfig,
  { message, hint }: StageFault,
): Parameters<Say> {
  const blame = `${run} throws in its check, work or files for these params: correct it there`;
  return [`stage \`${name}\` cannot be planned: ${message}`, place, hint ?? blame];
}

function lookupPath(located: Located, path: readonly (string | number)[]): Located | undefined {
  let part: Located | undefined = located;
  for (const step of path) {
    part = part?.fields?.get(String(step)) ?? part?.items?.[Number(step)];
  }
  return part;
}

function valueAt(point: Point, path: readonly string[], at: Place): Result<Located> {
  const [axis = '', ...rest] = path;
  const value = point.get(axis);
  if (value === undefined)
    return failure({ message: `this task has no axis \`${axis}\``, place: at });
  return lookupIn(value.located, rest, at, [axis]);
}
