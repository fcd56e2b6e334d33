// join.ts — which upstream tasks an input takes

import { elementAt, entryOf } from '../../present.ts';
import type { InputConfig, InputSource } from '../config/input.ts';
import type { Point } from '../config/matrix.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Place } from '../model/event.ts';
import { type Coordinates, type TaskId, taskId } from '../model/key.ts';
import type { Arity } from '../stage.ts';

/** Where one input comes from. */
export interface Link {
  readonly task: TaskId;
  readonly output: string;
  /** The upstream task's labels, by axis. */
  readonly at: Coordinates;
}

/** What joins know of a task. */
export interface Joinable {
  readonly id: TaskId;
  readonly at: Coordinates;
}

/** Says what is wrong at a place. */
export type Say = (message: string, place: Place, hint?: string) => void;

/** The tasks of a stage, by their labels on some of its axes. */
type JoinIndex = ReadonlyMap<string, readonly Joinable[]>;

/** The links of one input, by the labels on the axes that it shares with what it takes. */
interface Join {
  readonly axes: readonly string[];
  readonly links: Map<string, readonly Link[]>;
  /** The values and links of the point before: the next one often has the same. */
  last: { readonly values: readonly unknown[]; readonly links: readonly Link[] } | undefined;
}

/** Joins the inputs of stages that are given upstream ones first. */
export class Joiner {
  private readonly byStage = new Map<string, readonly Joinable[]>();
  private readonly indexes = new Map<string, JoinIndex>();
  /** What inputs of the stage that is being joined take, by port. */
  private readonly joins = new Map<string, Join>();
  /** The points of the stage that is being joined at which an input found nothing, by port. */
  private readonly emptyJoins = new Map<string, Point[]>();
  private readonly stages: ReadonlyMap<string, StageConfig>;
  private readonly say: Say;

  constructor(stages: ReadonlyMap<string, StageConfig>, say: Say) {
    this.stages = stages;
    this.say = say;
  }

  /** Ends a stage: says which of its tasks found nothing, and lets other stages find these tasks. */
  close(stage: StageConfig, tasks: readonly Joinable[]): void {
    this.tellEmptyJoins(stage);
    this.joins.clear();
    this.byStage.set(stage.name, tasks);
  }

  /**
   * The join rule: equal labels on shared axes; axes that only the upstream has are collected, in matrix order;
   * an axis that `where` pins to one label is neither. Tasks with equal labels on the shared axes get the very same list.
   */
  join(
    stage: StageConfig,
    point: Point,
    port: string,
    config: InputConfig,
    arity: Arity,
  ): readonly Link[] {
    let known = this.joins.get(port);
    if (known === undefined) {
      known = { axes: this.sharedAxes(config, point), links: new Map(), last: undefined };
      this.joins.set(port, known);
    }
    const { axes, last } = known;
    if (
      last &&
      last.links.length > 0 &&
      axes.every((axis, n) => point.get(axis) === last.values[n])
    ) {
      return last.links;
    }
    const labels = labelsAt(point, axes);
    let links = known.links.get(labels);
    if (links === undefined) {
      links = config.from.flatMap((source) => this.linksFrom(point, config, source));
      known.links.set(labels, links);
      if (links.length > 1 && (arity === 'one' || arity === 'optional')) {
        this.sayTooMany(stage, port, config, links);
      }
    }
    if (links.length === 0 && arity !== 'optional') this.noteEmpty(port, point, config);
    known.last = { values: axes.map((axis) => point.get(axis)), links };
    return links;
  }

  /** The axes of a point on which an input depends. */
  private sharedAxes({ from }: InputConfig, point: Point): readonly string[] {
    const shared = from.flatMap(({ stage }) => [...(this.stages.get(stage)?.axes.keys() ?? [])]);
    return [...new Set(shared)].filter((axis) => point.has(axis));
  }

  private noteEmpty(port: string, point: Point, { from }: InputConfig): void {
    if (from.some(({ stage }) => !this.byStage.has(stage))) return;
    const points = this.emptyJoins.get(port);
    if (points) points.push(point);
    else this.emptyJoins.set(port, [point]);
  }

  private sayTooMany(
    stage: StageConfig,
    port: string,
    { from, where, place }: InputConfig,
    links: readonly Link[],
  ): void {
    const message = `input \`${port}\` of stage \`${stage.name}\` takes one blob, but ${links.length} tasks of ${names(from)} fit`;
    const axes = Object.keys(elementAt(links, 0).at).filter((axis) => !stage.axes.has(axis));
    const open = axes.filter((axis) => !where.get(axis)?.single).map((axis) => `${axis}: …`);
    const first = elementAt(from, 0);
    const source = `${first.stage}.${first.output}`;
    const narrowed = `narrow it: ${port}: { from: ${source}, where: { ${open.join(', ')} } }`;
    const hint = open.length > 0 ? narrowed : 'the tasks of a union must not share coordinates';
    this.say(message, place, hint);
  }

  /** Says which tasks of a stage found nothing for an input, once for each input. */
  private tellEmptyJoins(stage: StageConfig): void {
    for (const [port, points] of this.emptyJoins) {
      const config = stage.inputs.get(port) as InputConfig;
      const labels = [...elementAt(points, 0).values()].map(({ label }) => label);
      const more = points.length - 1;
      const others = more > 0 ? ` and of ${more} other task${more > 1 ? 's' : ''}` : '';
      const message = `input \`${port}\` of ${taskId(stage.name, labels)}${others} finds no task of ${names(config.from)}`;
      this.say(message, config.place, this.whyEmpty(elementAt(points, 0), config));
    }
    this.emptyJoins.clear();
  }

  /** The label that no upstream task has, when there is one; the rule, when only the combination is lacking. */
  private whyEmpty(point: Point, { from }: InputConfig): string {
    const tasks = from.flatMap(({ stage }) => this.byStage.get(stage) ?? []);
    for (const [axis, { label }] of point) {
      const known = new Set(tasks.flatMap(({ at }) => at[axis] ?? []));
      if (known.size === 0 || known.has(label)) continue;
      const source = from.map(({ stage }) => `\`${stage}\``).join(' or ');
      return `${source} has no ${axis} \`${label}\`, only ${[...known].slice(0, 12).join(', ')}`;
    }
    return 'on the axes that both stages have, the labels must be equal; `where` narrows further';
  }

  private linksFrom(point: Point, config: InputConfig, source: InputSource): readonly Link[] {
    const upstream = this.stages.get(source.stage);
    if (upstream === undefined) return [];
    const shared = [...upstream.axes.keys()].filter((axis) => point.has(axis));
    const index = this.indexOf(source.stage, shared);
    const found = index.get(joinKey(shared.map((axis) => point.get(axis)?.label ?? ''))) ?? [];
    const where = [...config.where];
    const { output } = source;
    const links: Link[] = [];
    for (const { id, at } of found) {
      if (where.every(([axis, { labels }]) => labels.has(at[axis] ?? ''))) {
        links.push({ task: id, output, at });
      }
    }
    return links;
  }

  private indexOf(stage: string, axes: readonly string[]): JoinIndex {
    const name = joinKey([stage, ...axes]);
    const known = this.indexes.get(name);
    if (known) return known;
    const index = new Map<string, Joinable[]>();
    const [only] = axes;
    for (const task of this.byStage.get(stage) ?? []) {
      const key =
        only !== undefined && axes.length === 1
          ? entryOf(task.at, only)
          : joinKey(axes.map((axis) => entryOf(task.at, axis)));
      const entry = index.get(key);
      if (entry) entry.push(task);
      else index.set(key, [task]);
    }
    this.indexes.set(name, index);
    return index;
  }
}

/** The labels of a point on some axes, as one text. */
export function labelsAt(point: Point, axes: readonly string[]): string {
  let text = '';
  for (const axis of axes) text += `${point.get(axis)?.label ?? ''}\u0000`;
  return text;
}

/** Joins labels into one text that no two lists of labels share. */
const joinKey = (labels: readonly string[]): string => labels.join('\u0000');

const names = (from: readonly InputSource[]): string =>
  from.map(({ stage, output }) => `${stage}.${output}`).join(' or ');
