// suspended.ts — notices programs of this process that somebody has suspended: nothing comes of them until they go on
import { isSuspended } from '../model/process-identity.ts';
import { supervisedPrograms } from './supervisor.ts';

/** How often to look. Ctrl-Z suspends and resumes this process with its programs: one look alone proves nothing. */
const LOOK_EVERY_MS = 700;

/** What to do about a process that is suspended. */
export const resumeHint = (pid: number): string =>
  `\`kill -CONT ${pid}\` lets it go on, \`kill -KILL ${pid}\` ends it`;

/** Tells of each program once that was found suspended twice in a row. @returns what ends it */
export function watchSuspended(tell: (message: string) => void): () => void {
  let before = new Set<number>();
  const told = new Set<number>();
  const timer = setInterval(() => {
    const now = supervisedPrograms().filter(({ leader }) => isSuspended(leader));
    for (const { leader } of now) {
      if (!before.has(leader) || told.has(leader)) continue;
      told.add(leader);
      tell(`process ${leader}, in which a task runs, is suspended: ${resumeHint(leader)}`);
    }
    before = new Set(now.map(({ leader }) => leader));
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
