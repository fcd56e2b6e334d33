// node-machine.ts — what executors draw on where a worker runs: a store on the node's own disk, filled from the depot
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  environmentOf,
  searchPath,
  withPrograms,
} from '../../engine/environments/command-variables.ts';
import { type EnvironmentPlace, isChanged } from '../../engine/environments/environment.ts';
import type { ActionSpec, SizedBlob } from '../../engine/executors/executor.ts';
import type { LocalMachine } from '../../engine/executors/machine.ts';
import type { Digest } from '../../engine/model/key.ts';
import type { Identity } from '../../engine/model/process-identity.ts';
import { askProgram } from '../../engine/process/ask-program.ts';
import { openStore } from '../../engine/store/lmdb/lmdb-store.ts';
import type { Store } from '../../engine/store/store.ts';
import type { WorkerCommand } from '../../engine/worker/launch.ts';
import type { GivenBundle } from '../../engine/worker/protocol.ts';
import type { Depot } from '../depot.ts';
import type { Order } from '../order.ts';

/** What the machine of a worker is made of. */
export interface NodeMachineParts {
  /** Folder of the project, for packages that modules load. It need not be there. */
  readonly root: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly identity: Identity;
  readonly worker: WorkerCommand;
  readonly depot: Depot;
}

/** Blobs that an order reads and that cannot be had. */
export class LostBlobs extends Error {
  readonly digests: readonly Digest[];

  constructor(digests: readonly Digest[]) {
    super(`lost: ${digests.join(', ')}`);
    this.digests = digests;
  }
}

/** A node of a cluster, as executors see it. */
export class NodeMachine {
  readonly local: LocalMachine;
  readonly store: Store;
  private readonly folder: string;
  private readonly bundles = new Map<Digest, Required<GivenBundle>>();
  private readonly projectFiles = new Map<string, string>();
  /** Orders that begin together place a file once. */
  private readonly placing = new Map<string, Promise<string>>();
  private readonly environments = new Map<string, EnvironmentPlace>();
  /** What fingerprints say here, by their words and surroundings. */
  private readonly said = new Map<string, Promise<string>>();
  private readonly parts: NodeMachineParts;

  constructor(parts: NodeMachineParts) {
    const { root, environment, identity, worker } = parts;
    const parent = environment.SLURM_TMPDIR || environment.TMPDIR || tmpdir();
    // Made by `mkdtemp`: nobody else may look into it.
    this.folder = mkdtempSync(join(parent, 'pipeline-node-'));
    const cache = join(this.folder, 'cache');
    mkdirSync(cache);
    this.store = openStore(cache, () => undefined);
    this.parts = parts;
    this.local = {
      ...{ root, cache, environment, identity, worker },
      scratch: join(this.folder, 'scratch'),
      homes: join(this.folder, 'homes'),
      path: searchPath(environment),
      environmentOf: (stage) => this.environments.get(stage),
      blobs: this.store.blobs,
      bundle: (code) => {
        const bundle = this.bundles.get(code);
        if (bundle === undefined) throw new Error(`there is no bundle ${code}`);
        return bundle;
      },
      projectFile: ({ name, digest }) =>
        this.projectFiles.get(`${digest} ${name}`) ?? join(this.folder, 'nothing'),
    };
  }

  /** Brings what an order reads. @throws LostBlobs */
  async stage({ action, bundle, projectFiles, folderFiles, files }: Order): Promise<void> {
    const { depot } = this.parts;
    const { blobs } = this.store;
    const lost: Digest[] = [];
    const bring = async (blob: SizedBlob): Promise<void> => {
      if (!(await depot.give(blob, blobs))) lost.push(blob.digest);
    };
    for (const input of Object.values(action.inputs)) {
      if ('projectFiles' in input) continue;
      for (const item of input.items) {
        if ('blob' in item && item.content === undefined) await bring(item.blob);
      }
    }
    for (const blob of [...folderFiles, ...files]) await bring(blob);
    if (bundle && !this.bundles.has(bundle.digest)) {
      const bytes = await depot.read(bundle.blob);
      if (bytes) this.bundles.set(bundle.digest, { ...bundle, bytes });
      else lost.push(bundle.blob.digest);
    }
    if (lost.length > 0) throw new LostBlobs(lost);
    for (const input of Object.values(action.inputs)) {
      if (!('projectFiles' in input)) continue;
      for (const { name, digest } of input.projectFiles) {
        const blob = projectFiles[name];
        const place = `${digest} ${name}`;
        if (blob === undefined) continue;
        const path = `${blob.digest}${blob.isExecutable ? '-x' : ''}`;
        const placing = this.placing.get(path) ?? this.projectFile(blob, path);
        this.placing.set(path, placing);
        this.projectFiles.set(place, await placing);
      }
    }
  }

  private async projectFile(blob: Order['projectFiles'][string], name: string): Promise<string> {
    const folder = join(this.folder, 'files');
    mkdirSync(folder, { recursive: true });
    const path = join(folder, name);
    const isThere =
      (await this.parts.depot.give(blob, this.store.blobs)) &&
      (await this.store.blobs.copyTo(blob.digest, path));
    if (!isThere) {
      this.placing.delete(name);
      throw new LostBlobs([blob.digest]);
    }
    if (blob.isExecutable) chmodSync(path, 0o755);
    return path;
  }

  /** What is other here than the key of an action says; undefined where nothing is. */
  async mismatch({ action, environment, fingerprints }: Order): Promise<string | undefined> {
    if (environment) {
      this.environments.set(action.stage, environment);
      if (isChanged(environment)) {
        return `the environment ${environment.folder} holds other packages there, or cannot be seen`;
      }
    }
    for (const [name, words] of Object.entries(fingerprints)) {
      const expected = action.parts.tools?.[name];
      const said = await this.fingerprint(action, words, environment);
      if (expected !== undefined && said !== expected) {
        return `\`${name}\` says ${quoted(said)} there, and ${quoted(expected)} here`;
      }
    }
    return undefined;
  }

  private fingerprint(
    { parts }: ActionSpec,
    argv: readonly string[],
    place: EnvironmentPlace | null,
  ): Promise<string> {
    const { path, cache } = this.local;
    const command = { env: parts.command?.env ?? {}, path };
    const base = environmentOf(command, cache, cache);
    const programs = withPrograms(place ?? undefined, base.PATH ?? path);
    const env = { ...place?.variables, ...base, PATH: programs };
    const memo = JSON.stringify([argv, env]);
    const known =
      this.said.get(memo) ??
      askProgram({ argv, env, folder: this.folder }).then(
        ({ text, end }) => (end.code === 0 ? text : (end.last.at(-1) ?? 'nothing')),
        (error: Error) => error.message,
      );
    this.said.set(memo, known);
    return known;
  }

  async close(): Promise<void> {
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

const SHOWN = 80;
const quoted = (text: string): string => {
  const line = text.split('\n', 1).join();
  return JSON.stringify(line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line);
};
