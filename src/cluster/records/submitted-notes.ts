// submitted-notes.ts — notes beside a store on the heads that were submitted from here and not yet followed up
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../../engine/files/files.ts';
import { submittedFolder, submittedIds } from './submitted-ids.ts';

/** A head that was submitted as a job. */
export interface SubmittedNote {
  readonly form: 'submitted/1';
  readonly id: string;
  readonly executor: string;
  readonly type: 'slurm' | 'processes';
  /** What the batch system called its job. */
  readonly job: string;
  readonly depot: string;
  readonly project: string;
}

export const noteSubmitted = (cache: string, note: SubmittedNote): Promise<void> =>
  writeAtomically(join(submittedFolder(cache), `${note.id}.json`), JSON.stringify(note));

export const dropSubmitted = (cache: string, id: string): void =>
  rmSync(join(submittedFolder(cache), `${id}.json`), { force: true });

/** The notes that are whole. */
export function submittedNotes(cache: string): readonly SubmittedNote[] {
  return submittedIds(cache).flatMap((id) => {
    try {
      const text = readFileSync(join(submittedFolder(cache), `${id}.json`), 'utf8');
      const note = JSON.parse(text) as Partial<SubmittedNote>;
      const texts = [note.executor, note.job, note.depot, note.project];
      const isWhole =
        note.form === 'submitted/1' &&
        note.id === id &&
        (note.type === 'slurm' || note.type === 'processes') &&
        texts.every((value) => typeof value === 'string');
      return isWhole ? [note as SubmittedNote] : [];
    } catch {
      return [];
    }
  });
}
