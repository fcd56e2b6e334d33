// node-folder.ts — a folder on a node's own disk for as long as a job runs
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOwn } from '../../engine/files/own-folder.ts';
import {
  type Identity,
  instanceOf,
  livenessFor,
  type ProcessIdentity,
} from '../../engine/model/process-identity.ts';

/** A folder of this job alone. */
export interface NodeFolder {
  readonly cache: string;
  close(): void;
}

const OWNER_FILE = 'owner.json';

/** Makes a folder where the site has its disks of nodes. What jobs left there that were killed goes. */
export function openNodeFolder(
  prefix: string,
  environment: NodeJS.ProcessEnv,
  identity: Identity,
): NodeFolder {
  const parent = environment.SLURM_TMPDIR || environment.TMPDIR || tmpdir();
  removeLeft(parent, prefix, identity);
  // Made by `mkdtemp`: nobody else may look into it.
  const folder = mkdtempSync(join(parent, prefix));
  const { host, pid } = identity;
  const life = instanceOf(pid);
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify({ host, pid, ...(life && { life }) }));
  return {
    cache: join(folder, 'cache'),
    close: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Only those of this user whose process is known to be dead. */
function removeLeft(parent: string, prefix: string, identity: Identity): void {
  const liveness = livenessFor(identity);
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(parent, name);
    try {
      const found = lstatSync(folder);
      if (!found.isDirectory() || !isOwn(found.uid)) continue;
      const owner = JSON.parse(readFileSync(join(folder, OWNER_FILE), 'utf8')) as ProcessIdentity;
      if (liveness(owner) === 'dead') rmSync(folder, { recursive: true, force: true });
    } catch {
      // It is being made, or is nothing of ours.
    }
  }
}
