// prepare.ts — an action → an order: what it reads is brought into the depot, unless it is small or there already
import { statSync } from 'node:fs';
import type { ActionSpec, SizedBlob } from '../../engine/executors/executor.ts';
import type { LocalMachine } from '../../engine/executors/machine.ts';
import { type Stamp, sameStamp, stampOf } from '../../engine/files/stamp.ts';
import type { Digest, Named } from '../../engine/model/key.ts';
import { folderFrom } from '../../engine/store/folder-blobs.ts';
import type { Store } from '../../engine/store/store.ts';
import { copyCheckpoint, type Depot } from '../depot.ts';
import { ORDER_FORM } from '../order.ts';
import type { PreparedOrder } from './work.ts';

/** What orders are made from. */
export interface PreparationParts {
  readonly depot: Depot;
  readonly machine: Pick<LocalMachine, 'bundle' | 'projectFile' | 'environmentOf'>;
  readonly store: Pick<Store, 'blobs' | 'checkpoints'>;
}

const EXECUTABLE = 0o100;

/** The order, or the blobs that the store has lost. */
export type Prepared = PreparedOrder | { readonly lost: readonly Digest[] };

/** Makes orders of actions. */
export class Preparation {
  private readonly bundles = new Map<Digest, Promise<SizedBlob>>();
  private readonly files = new Map<
    string,
    { readonly stamp: Stamp | null; readonly blob: SizedBlob }
  >();
  private readonly parts: PreparationParts;

  constructor(parts: PreparationParts) {
    this.parts = parts;
  }

  /** The order, or the blobs that the store has lost. */
  async prepare(action: ActionSpec): Promise<Prepared> {
    const { machine } = this.parts;
    const lost: Digest[] = [];
    const folderFiles: SizedBlob[] = [];
    for (const [port, input] of Object.entries(action.inputs)) {
      if ('projectFiles' in input) continue;
      const isFolder = this.isFolder(action, port);
      for (const item of input.items) {
        if ('missing' in item) continue;
        if (item.content === undefined && !(await this.bring(item.blob)))
          lost.push(item.blob.digest);
        else if (isFolder) {
          const files = await this.bringFolder(item.blob, item.content);
          if (files) folderFiles.push(...files);
          else lost.push(item.blob.digest);
        }
      }
    }
    const files = await this.declared(action.files, lost);
    if (lost.length > 0) return { lost };
    return {
      form: ORDER_FORM,
      action,
      bundle: action.parts.command ? null : await this.bundleOf(action.parts.code),
      projectFiles: await this.projectFiles(action),
      folderFiles,
      files,
      environment: machine.environmentOf?.(action.stage) ?? null,
      fingerprints: action.fingerprints ?? {},
      resumes: await this.bringCheckpoint(action),
    };
  }

  private isFolder({ parts }: ActionSpec, port: string): boolean {
    const places = parts.command?.inputs ?? {};
    return Object.hasOwn(places, port) && places[port]?.endsWith('/') === true;
  }

  private bring(blob: SizedBlob): Promise<boolean> {
    const { depot, store } = this.parts;
    return depot.take(blob, store.blobs);
  }

  private async bringFolder(
    { digest }: SizedBlob,
    given: Uint8Array | undefined,
  ): Promise<readonly SizedBlob[] | undefined> {
    const content = given ?? (await this.parts.store.blobs.get(digest));
    const files = content && folderFrom(content);
    // A list of plain files ends so, too.
    if (files === undefined) return [];
    for (const file of files) if (!(await this.bring(file))) return undefined;
    return files.map((file) => ({ digest: file.digest, bytes: file.bytes }));
  }

  private async declared(files: Named<Digest>, lost: Digest[]): Promise<readonly SizedBlob[]> {
    const { store, depot } = this.parts;
    const blobs: SizedBlob[] = [];
    for (const digest of Object.values(files)) {
      const content = await store.blobs.get(digest);
      if (content === undefined) lost.push(digest);
      else blobs.push(await depot.put(content));
    }
    return blobs;
  }

  private async bundleOf(code: Digest): Promise<PreparedOrder['bundle']> {
    const { machine, depot } = this.parts;
    const bundle = machine.bundle(code);
    const { bytes } = bundle;
    if (bytes === undefined) throw new Error(`bug: the bundle ${code} has no bytes`);
    const put = this.bundles.get(code) ?? depot.put(bytes);
    this.bundles.set(code, put);
    return { digest: code, file: bundle.file, blob: await put };
  }

  private async projectFiles({ inputs }: ActionSpec): Promise<PreparedOrder['projectFiles']> {
    const { machine, depot } = this.parts;
    const brought: Record<string, SizedBlob & { readonly isExecutable: boolean }> = {};
    for (const input of Object.values(inputs)) {
      if (!('projectFiles' in input)) continue;
      for (const file of input.projectFiles) {
        const path = machine.projectFile(file);
        const stamp = stampOf(path);
        const known = this.files.get(path);
        const isKnown = known && stamp !== null && sameStamp(known.stamp, stamp);
        const blob = isKnown ? known.blob : await depot.putFile(path);
        this.files.set(path, { stamp, blob });
        brought[file.name] = { ...blob, isExecutable: (statSync(path).mode & EXECUTABLE) !== 0 };
      }
    }
    return brought;
  }

  /** What an earlier attempt saved, here or there. What lies in the depot is the newest: it is taken away when it is here, too. */
  private async bringCheckpoint({ key, parts, isFresh }: ActionSpec): Promise<boolean> {
    const { depot, store } = this.parts;
    const { saves } = depot;
    if (isFresh) {
      await saves.drop(key);
      return false;
    }
    const isProgram = (parts.command as { checkpoint?: boolean } | undefined)?.checkpoint === true;
    if (isProgram) {
      if (await saves.folders.has(key)) return true;
      if (!(await store.checkpoints.has(key))) return false;
      await copyCheckpoint(await store.checkpoints.folder(key), await saves.folders.open(key));
      return true;
    }
    if (parts.command !== undefined) return false;
    if (saves.has(key)) return true;
    const bytes = await store.checkpoints.get(key);
    if (bytes === undefined) return false;
    await saves.write(key, bytes);
    return true;
  }
}
