// task-maker.ts — the tasks of a stage, before their stage has read their params

import type { Point } from '../config/matrix.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { type Coordinates, type Named, taskId } from '../model/key.ts';
import type { StageModule } from '../worker/declaration.ts';
import type { Joiner, Link } from './join.ts';
import { type Binding, fillPath, type Task } from './plan.ts';

/** A task that is not finished: its stage is still to be asked about its params. */
export type Draft = { -readonly [Field in keyof Task]: Task[Field] };

const NO_LINKS: readonly Link[] = [];
const NO_ARTIFACTS: Named<string> = {};
const NO_PARAMS = {};

/**
 * Makes the task of a stage at a point. Plans have many tasks, and most of what is in a task does not differ from one to
 * the next: it is shared by them.
 */
export function taskMaker(
  stage: StageConfig,
  { declaration }: StageModule,
  joiner: Joiner,
): (point: Point) => Draft {
  const ports = Object.entries(declaration.inputs).map(([port, { arity }]) => {
    const config = stage.inputs.get(port);
    return { port, arity, config: config?.files ? undefined : config };
  });
  const skipsInfeasible = stage.infeasible === 'skip';
  let inputs: Named<Binding> = {};
  const links: (readonly Link[])[] = [];
  const inputsAt = (point: Point): Named<Binding> => {
    let isOther = links.length < ports.length;
    let n = 0;
    for (const { port, arity, config } of ports) {
      const joined = config ? joiner.join(stage, point, port, config, arity) : NO_LINKS;
      isOther ||= links[n] !== joined;
      links[n++] = joined;
    }
    if (isOther) {
      inputs = Object.fromEntries(
        ports.map(({ port, arity }, n) => [port, { arity, links: links[n] ?? NO_LINKS }]),
      );
    }
    return inputs;
  };
  const axes = [...stage.axes.keys()];
  return (point) => {
    const labels: string[] = [];
    const at: Record<string, string> = {};
    for (const axis of axes) {
      const label = point.get(axis)?.label ?? '';
      labels.push(label);
      at[axis] = label;
    }
    return {
      id: taskId(stage.name, labels),
      stage: stage.name,
      at,
      // Until its stage has seen its params, and for good when it refuses them.
      params: NO_PARAMS,
      inputs: inputsAt(point),
      files: null,
      work: null,
      artifacts: artifactsOf(stage, at),
      // `withTools` finds them, when the plan holds.
      tools: null,
      command: null,
      skipsInfeasible,
      infeasible: null,
    };
  };
}

/** Where the artifacts of a task go. */
function artifactsOf({ name, artifacts }: StageConfig, at: Coordinates): Named<string> {
  if (artifacts.size === 0) return NO_ARTIFACTS;
  const paths = [...artifacts].map(
    ([output, path]) => [output, fillPath(`${name}/${path.value}`, at)] as const,
  );
  return Object.fromEntries(paths);
}
