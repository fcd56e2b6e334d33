// head-end.ts — why the job of a head is over that did not say so itself, in words that say what to do
import type { DeathCause } from '../../cluster/batch.ts';

const NEXT =
  '`pipeline make --submit` or `pipeline make` goes on, and runs nothing again that is finished';

/** @param cause as far as the batch system knows @param executor its name in pipeline.yaml */
export function formatHeadEnd(cause: DeathCause | undefined, executor: string): string {
  return `${formatCause(cause, executor)}; ${NEXT}`;
}

function formatCause(cause: DeathCause | undefined, executor: string): string {
  const more = (key: string): string =>
    `\`head: { ${key}: … }\` of executor ${executor} gives it more`;
  switch (cause?.kind) {
    case 'time':
      return `its job ran out of time (${cause.detail}): ${more('time')}`;
    case 'memory':
      return `its job ran out of memory (${cause.detail}): ${more('memory')}`;
    case 'cancelled':
      return `its job was cancelled (${cause.detail})`;
    case 'node':
      return `its node failed, or the site took it back (${cause.detail})`;
    case 'failed':
      return `its job failed (${cause.detail})`;
    default:
      return 'its job is over without a word: killed, or out of time or memory';
  }
}
