// earlier-heads.ts — takes over the work of a head that was killed on another node, once it has been silent for long enough
import { setTimeout as pause } from 'node:timers/promises';
import { type DepotLayout, SetLayout, setsIn } from '../../cluster/layout.ts';
import { HEAD_MS, readHead } from '../../cluster/sets.ts';
import { identity } from '../session/this-process.ts';

const LOOK_MS = 2000;

/**
 * Waits until every head of another machine that gave orders has either shown that it lives, or been silent for so long that
 * it is gone. Otherwise what its workers do now would be done again.
 */
export async function awaitSilentHeads(
  layout: DepotLayout,
  project: string,
  tell: (words: string) => void,
): Promise<void> {
  const first = new Map<string, number>();
  const until = performance.now() + HEAD_MS;
  for (let isTold = false; performance.now() < until; ) {
    let isWaiting = false;
    for (const id of setsIn(layout, project)) {
      const head = readHead(new SetLayout(layout, project, id));
      if (head === undefined || head.host === identity.host || head.isDetached) continue;
      const seen = first.get(id) ?? head.at;
      first.set(id, seen);
      isWaiting ||= head.at === seen && Date.now() - head.at <= HEAD_MS;
    }
    if (!isWaiting) return;
    if (!isTold) tell('waiting for up to a minute: a head on another node was seen just now');
    isTold = true;
    await pause(LOOK_MS);
  }
}
