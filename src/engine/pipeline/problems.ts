// problems.ts — everything that is wrong with a pipeline, and which of its stages can still be judged

import type { Pipeline, PipelineParts } from '../config/config.ts';
import { countPoints } from '../config/matrix.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Diagnostic, Place } from '../model/event.ts';

/** Stages are planned in spite of mistakes elsewhere when they have no more tasks than this together. */
const TASKS_JUDGED_MAX = 200_000n;

/**
 * Collects mistakes. A stage in which one was found is spoiled: neither it nor what needs its outputs is judged further,
 * as whatever were found there might be only a consequence.
 */
export class Mistakes {
  /** With all stages that could be read. */
  pipeline: Pipeline;
  private readonly places: ReadonlyMap<string, Place>;
  private readonly spoiled = new Set<string>();
  private readonly found = new Map<
    string,
    { readonly rank: number; readonly diagnostic: Diagnostic }
  >();
  /** Whether something is wrong that every stage may rest on, such as a param. */
  private everywhere = false;

  constructor(pipeline: Pipeline, { problems, stages }: PipelineParts) {
    this.pipeline = pipeline;
    this.places = stages;
    for (const name of stages.keys()) if (!pipeline.stages.has(name)) this.spoil(name);
    this.add(problems);
  }

  /** @param stage in whose code they are, where their places do not tell */
  add(diagnostics: readonly Diagnostic[], stage?: StageConfig): void {
    for (const diagnostic of diagnostics) {
      const { place, message } = diagnostic;
      const rank = rankOf(stage && place?.file !== stage.runPlace.file ? stage.runPlace : place);
      this.found.set(`${place?.file}:${place?.start}:${message}`, { rank, diagnostic });
      const owner = stage?.name ?? diagnostic.stage;
      if (owner !== undefined) this.spoil(owner);
      else this.spoilAt(place);
    }
  }

  /** Puts a stage in place of the one of its name. */
  replace(stage: StageConfig): void {
    const stages = new Map([...this.pipeline.stages, [stage.name, stage]]);
    this.pipeline = { ...this.pipeline, stages };
  }

  /** Keeps a stage from being judged further. */
  spoil(name: string): void {
    this.spoiled.add(name);
  }

  private spoilAt(place: Place | undefined): void {
    const owner = [...this.places].find(
      ([, { file, start, end }]) =>
        place?.file === file && start <= place.start && place.start < end,
    );
    if (owner) this.spoil(owner[0]);
    else this.everywhere = true;
  }

  /** In the order in which a person meets them: the command line first, then pipeline.yaml from its top. */
  get all(): readonly Diagnostic[] {
    return [...this.found.values()]
      .sort((a, b) => a.rank - b.rank)
      .map(({ diagnostic }) => diagnostic);
  }

  /** The pipeline, with those stages alone that have no mistakes and need none that has. */
  sound(): Pipeline {
    if (this.found.size === 0 && this.spoiled.size === 0) return this.pipeline;
    const known = new Map<string, boolean>();
    const isSound = (name: string): boolean => {
      const before = known.get(name);
      if (before !== undefined) return before;
      const stage = this.pipeline.stages.get(name);
      // Stages that need each other are none of them sound.
      known.set(name, false);
      const sources = [...(stage?.inputs.values() ?? [])].flatMap(({ from }) => from);
      const sound =
        stage !== undefined &&
        !this.spoiled.has(name) &&
        sources.every((source) => isSound(source.stage));
      known.set(name, sound);
      return sound;
    };
    const left = this.everywhere ? [] : [...this.pipeline.stages].filter(([name]) => isSound(name));
    const tasks = left.reduce((sum, [, stage]) => sum + countPoints(stage), 0n);
    return { ...this.pipeline, stages: new Map(tasks > TASKS_JUDGED_MAX ? [] : left) };
  }
}

const rankOf = (place: Place | undefined): number =>
  place === undefined || place.file.startsWith('--') ? -1 : place.start;
