// publisher.ts — artifacts of the tasks of a run, put where people look for them, with their provenance
import { entryOf } from '../../present.ts';
import type { ArtifactFolder } from '../artifacts/artifact.ts';
import { openArtifacts } from '../artifacts/artifact-folder.ts';
import type { Outcome } from '../model/event.ts';
import type { TaskId } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Task } from '../planning/plan.ts';
import { type ActionMaker, OtherBytesError } from './action-maker.ts';
import { Lineages } from './lineage.ts';
import type { RunContext } from './run-context.ts';
import type { RunState } from './run-state.ts';

/** What became of the tasks of a run. */
export interface KnownTasks {
  readonly outcomes: ReadonlyMap<TaskId, Outcome>;
  readonly traces: ReadonlyMap<TaskId, ActionRecord>;
  /** Traces of actions that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, ActionRecord>;
}

/** Tells where the artifacts of a task come from, in files beside them. */
export interface ProvenanceWriter {
  /** Paths within the folder for artifacts; `obsolete`: where another plan has them. */
  pathsOf(task: Task): { readonly own: readonly string[]; readonly obsolete: readonly string[] };
  /** The texts of these files, for a task that is made. */
  render(task: Task, known: KnownTasks): Promise<ReadonlyMap<string, string>>;
}

/** What publishing takes. */
export interface PublisherParts {
  readonly state: RunState;
  readonly maker: ActionMaker;
  /** Folder for artifacts. */
  readonly folder: string;
  readonly provenance: ProvenanceWriter;
  readonly identity: Identity;
}

/** Publishes the artifacts of one run. */
export class Publisher {
  private readonly folder: ArtifactFolder;
  private readonly lineages: Lineages;
  private readonly context: RunContext;
  private readonly parts: PublisherParts;

  constructor(context: RunContext, parts: PublisherParts) {
    this.context = context;
    this.parts = parts;
    this.folder = openArtifacts(parts.folder, parts.identity, context.clock);
    this.lineages = new Lineages(context.plan, parts.state);
  }

  /** Puts out the artifacts of a task, if it is made and has any. */
  async publish(task: Task): Promise<void> {
    const { listener } = this.context;
    const { state } = this.parts;
    const trace = state.traces.get(task.id);
    if (trace === undefined || Object.keys(task.artifacts).length === 0) return;
    try {
      await this.put(task, trace);
    } catch (error) {
      if (!(error instanceof OtherBytesError)) throw error;
      // It was made again, and gave other bytes: these are what is known of it now.
      listener({ event: 'warning', task: task.id, message: error.message });
      if (state.traces.get(task.id) !== trace) await this.publish(task);
    }
  }

  /** @throws OtherBytesError when bytes that are lost came out otherwise */
  private async put(task: Task, trace: ActionRecord): Promise<void> {
    const { listener, store } = this.context;
    const { provenance, state, maker } = this.parts;
    const { own: companions, obsolete } = provenance.pathsOf(task);
    const changes = await this.folder.publish({
      artifacts: Object.entries(task.artifacts).map(([output, path]) => {
        const { digest, kind } = entryOf(trace.outputs, output);
        return { path, digest, kind };
      }),
      lineage: this.lineages.of(task),
      ...{ companions, obsolete },
      render: () => provenance.render(task, state),
      ensure: (output) => maker.ensure(task.id, output),
      read: (digest) => store.blobs.get(digest),
      copyTo: (digest, path) => store.blobs.copyTo(digest, path),
    });
    for (const change of changes) listener({ event: 'artifact', task: task.id, ...change });
  }

  /** Puts out again what was put out before a task was made again. */
  async again(): Promise<void> {
    const { state } = this.parts;
    if (state.rebuilds === 0) return;
    const made = [...this.context.plan.tasks.values()].filter(({ id }) => state.traces.has(id));
    await Promise.all(made.map((task) => this.publish(task)));
  }
}
