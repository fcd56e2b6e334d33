// publish-queue.ts — results that are still to be published, so that a run that dies or has no network loses none
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../engine/files/make-folder.ts';
import { isDigest, type Key } from '../engine/model/key.ts';

/** Keys, each an empty file in a folder of the store. What they stand for lies in the store. */
export class PublishQueue {
  private readonly folder: string;

  constructor(cache: string) {
    this.folder = join(cache, 'outgoing');
  }

  add(key: Key): void {
    makeFolder(this.folder);
    closeSync(openSync(join(this.folder, key), 'a'));
  }

  remove(key: Key): void {
    rmSync(join(this.folder, key), { force: true });
  }

  all(): readonly Key[] {
    try {
      return readdirSync(this.folder).filter(isDigest).sort() as readonly string[] as Key[];
    } catch {
      return [];
    }
  }
}
