// artifact.ts — outputs as files for people: what is put into a folder, and with which provenance
import { FOLDER } from '../model/folder-manifest.ts';
import type { Digest } from '../model/key.ts';

/** What happened to an artifact. `kept`: where the edited file that stood in its place was put. */
export interface ArtifactChange {
  readonly path: string;
  readonly kept?: string;
}

/** An output for people: a file, or the folder that a blob of files becomes. */
export interface Artifact {
  /** Within the folder for artifacts. */
  readonly path: string;
  readonly digest: Digest;
  /** Of the output: `files` and `folder` become folders. */
  readonly kind: string;
}

/** Whether an output of a kind becomes a folder. */
export const becomesFolder = (kind: string): boolean => kind === 'files' || kind === FOLDER;

/** Everything that is put beside each other at once: the artifacts of a task, and what tells where they come from. */
export interface Publication {
  readonly artifacts: readonly Artifact[];
  /** Tells one provenance of these artifacts from every other. */
  readonly lineage: Digest;
  /** Paths of the files that tell it. */
  readonly companions: readonly string[];
  /** Paths of files that told it under other names, and must not any more. */
  readonly obsolete: readonly string[];
  /** The companions' texts, by path. Asked only when needed. */
  render(): Promise<ReadonlyMap<string, string>>;
  /** Sees to it that a blob can be read; false when it cannot be made again. May take long. */
  ensure(output: Pick<Artifact, 'digest' | 'kind'>): Promise<boolean>;
  /** Reads a blob that is a set of files, or the list of a folder. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Writes a blob to a new file; false when it cannot be read. */
  copyTo(digest: Digest, path: string): Promise<boolean>;
}

/** A folder for artifacts, shared with other processes. */
export interface ArtifactFolder {
  /**
   * Makes the files what a publication says, unless they are. At no moment does the provenance of other content stand
   * beside an artifact.
   * @throws StoreError when a file cannot be written
   */
  publish(publication: Publication): Promise<readonly ArtifactChange[]>;
  /** Whether everything certainly is as a publication says. */
  isInPlace(publication: PublishedFiles): boolean;
}

/** What a publication puts into the folder. */
export type PublishedFiles = Pick<Publication, 'artifacts' | 'lineage' | 'companions' | 'obsolete'>;
