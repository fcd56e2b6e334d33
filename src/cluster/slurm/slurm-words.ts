// slurm-words.ts — what Slurm refuses and why jobs wait or end, in words that say what to do
import type { JobClass } from '../../engine/config/job-class.ts';
import type { DeathCause, JobSight } from '../batch.ts';
import type { EndLine } from './slurm-text.ts';
import { lastError } from './slurm-tools.ts';

/** A refusal of sbatch. */
export interface Refusal {
  /** The site allows no more jobs for now. */
  readonly isForNow: boolean;
  readonly message: string;
  readonly hint?: string;
}

/** A limit on jobs that ends when some of them do. */
const LIMITS =
  /MaxSubmitJob|QOSMaxSubmit|AssocMaxSubmit|AssocGrpSubmit|QOSGrpSubmit|job submit limit|Job violates accounting\/QOS policy|MaxJobCount|too many jobs|Resource temporarily unavailable|slurm temporarily/i;

/** Reads why sbatch refused. */
export function readRefusal(stderr: string, job: JobClass): Refusal {
  const said = lastError(stderr.replace(/^Try "sbatch --help".*$/m, ''))
    .replace(/^Batch job submission failed: /, '')
    .replace(/^\w/, (letter) => letter.toLowerCase());
  const { name, partition, account, qos, constraint, gpus } = job;
  const refused = (what: string, hint?: string): Refusal => ({
    isForNow: false,
    message: `Slurm refuses jobs of class \`${name}\`: ${what}`,
    ...(hint !== undefined && { hint }),
  });
  if (LIMITS.test(stderr)) {
    return {
      isForNow: true,
      message: `Slurm takes no more jobs of class \`${name}\` for now: ${said}`,
    };
  }
  if (/invalid partition/i.test(stderr)) {
    return refused(
      `there is no partition \`${partition ?? '(default)'}\``,
      'sinfo -s lists partitions',
    );
  }
  if (/invalid account|account\/partition combination/i.test(stderr)) {
    const hint = 'sacctmgr show associations user=$USER lists your accounts';
    return refused(
      `account \`${account ?? '(default)'}\` may not be used, or not in this partition`,
      hint,
    );
  }
  if (/invalid qos/i.test(stderr))
    return refused(`there is no QOS \`${qos ?? '(default)'}\` for you`, 'sacctmgr show qos');
  if (/feature specification/i.test(stderr)) {
    return refused(
      `no node has \`constraint: ${constraint ?? ''}\``,
      'sinfo -o "%f" lists what nodes have',
    );
  }
  if (/generic resource|gres/i.test(stderr)) {
    const asked = gpus.type === undefined ? 'gpus' : `gpus of type \`${gpus.type}\``;
    return refused(`it has no such ${asked}`, 'sinfo -o "%P %G" lists accelerators by partition');
  }
  if (/node configuration is not available|memory specification|cpu count/i.test(stderr)) {
    return refused(
      'no node is as large as the class asks for',
      'sinfo -o "%P %c %m %G" shows the nodes',
    );
  }
  if (/time limit/i.test(stderr)) {
    return refused(
      'its `time` is more than the partition allows',
      'sinfo -o "%P %l" shows the limits',
    );
  }
  if (/unrecognized option|invalid option|invalid .* specification/i.test(stderr)) {
    return refused(said, 'look at `extra` of the class');
  }
  return refused(said);
}

/** Reasons for which a job waits until somebody does something, and what that is. */
const OBSTACLES: readonly (readonly [reason: RegExp, what: string, hint: string])[] = [
  [
    /^PartitionTimeLimit$/,
    'it is longer than the partition allows',
    'sinfo -o "%P %l" shows the limits',
  ],
  [
    /^PartitionConfig$|^PartitionNodeLimit$/,
    'it is too large for the partition, or too long',
    'sinfo -o "%P %c %m %G %l" shows what it has',
  ],
  [
    /^BadConstraints$/,
    'no node is as it asks for',
    'look at constraint, cpus, memory and gpus of the class',
  ],
  [
    /^(?:PartitionDown|PartitionInactive)$/,
    'the partition is closed',
    'sinfo -s shows partitions that are up',
  ],
  [/^InvalidAccount$/, 'the account may not be used', 'look at `account` of the class'],
  [/^InvalidQOS$/, 'the QOS may not be used', 'look at `qos` of the class'],
  [
    /^(?:QOS|Assoc)\w*(?:CpuLimit|CPULimit|MemLimit|GRES\w*|PerJob\w*|WallLimit|WallDurationPerJobLimit|NodeLimit|MinutesLimit|RunMinutes\w*|BillingLimit)$/,
    'it is over a limit of your account or QOS',
    'sacctmgr show qos and sacctmgr show associations user=$USER show the limits',
  ],
  [/^(?:JobHeldUser|JobHeldAdmin)$/, 'somebody holds it', 'scontrol release lets it go'],
  [/^ReqNodeNotAvail/, 'the nodes that it asks for are down or reserved', 'sinfo -R shows why'],
  [
    /^(?:DependencyNeverSatisfied|JobArrayTaskLimit|Licenses)$/,
    'it waits for something that `extra` asks for',
    'look at `extra` of the class',
  ],
  [
    /^(?:launch_failed_requeued_held|AccountNotAllowed|QOSNotAllowed|QOSUsageThreshold)$/i,
    'the site holds it',
    'ask your administrators',
  ],
];

/** Reasons that lie in what the job asks for. Others pass when somebody else does something. */
const FINAL =
  /^(?:PartitionTimeLimit|PartitionConfig|PartitionNodeLimit|BadConstraints|InvalidAccount|InvalidQOS|DependencyNeverSatisfied)$/;

/** What a person should know of the reason for which a job waits; undefined for reasons that pass. */
export function obstacleOf(reason: string | null): JobSight['obstacle'] | undefined {
  const found = OBSTACLES.find(([known]) => reason !== null && known.test(reason));
  if (found === undefined) return undefined;
  const [, what, hint] = found;
  const message = `a job waits and will not start as things are (${reason}): ${what}`;
  return { message, hint, isFinal: FINAL.test(reason ?? '') };
}

const LOG_WORDS: readonly (readonly [words: RegExp, kind: DeathCause['kind']])[] = [
  [
    /oom[-_ ]?kill|exceeded (?:job |step )?memory limit|exceeded memory|out of memory handler/i,
    'memory',
  ],
  [/DUE TO TIME LIMIT/, 'time'],
  [/DUE TO (?:NODE FAILURE|PREEMPTION|JOB REQUEUE)/, 'node'],
];

/**
 * Why a job ended: by its state and that of its steps, then by its exit code, then by the last words of its log. Of a kill for
 * memory the state alone does not tell everywhere: it may be FAILED, with signal 9.
 */
export function causeOf({ states, exits }: EndLine, log: string): DeathCause {
  const [state = 'UNKNOWN'] = states;
  const [exit = ''] = exits;
  const has = (word: RegExp): boolean => states.some((one) => word.test(one));
  const detail = exit === '' || exit === '0:0' ? state : `${state}, exit code ${exit}`;
  const heard = LOG_WORDS.find(([words]) => words.test(log))?.[1];
  if (has(/^OUT_OF_ME/) || exits.includes('0:125')) return { kind: 'memory', detail };
  if (heard === 'memory') return { kind: 'memory', detail };
  if (has(/^TIMEOUT|^DEADLINE/)) return { kind: 'time', detail };
  if (has(/^NODE_FAIL|^PREEMPTED|^BOOT_FAIL|^REVOKED|^LAUNCH_FAILED/))
    return { kind: 'node', detail };
  if (heard !== undefined) return { kind: heard, detail };
  if (/^CANCELLED/.test(state)) return { kind: 'cancelled', detail };
  if (/^COMPLETED/.test(state)) return { kind: 'ended', detail };
  return { kind: /^FAILED/.test(state) ? 'failed' : 'unknown', detail };
}

/** Why a job ended of which Slurm knows nothing any more: by the last words of its log. */
export function causeByLog(log: string): DeathCause | undefined {
  const kind = LOG_WORDS.find(([words]) => words.test(log))?.[1];
  const last = log.trim().split('\n').at(-1) ?? '';
  if (kind !== undefined) return { kind, detail: last };
  // Slurm knows nothing of it: a controller that was away and came back ends jobs that it has forgotten.
  return /CANCELLED AT/.test(log) ? { kind: 'node', detail: last } : undefined;
}
