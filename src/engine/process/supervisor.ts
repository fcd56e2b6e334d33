// supervisor.ts — a small process beside this one that ends what it has started, however this one ends
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import { hasPipes } from './pipes.ts';
import { liveProcess, type ProgramMark } from './processes.ts';

/**
 * The variable by which processes of a program are found that have left its session (Linux), where no other variable
 * holds the program's nonce: those of a command do, as the folder of its attempt is named by it.
 */
export const ATTEMPT_VARIABLE = 'PIPELINE_ATTEMPT';

/** Names this process among all that supervise; programs within a program carry the names of both. */
const own = randomBytes(8).toString('hex');
let attempts = 0;

/** A text that the environment of no other program holds. Without its last character it can name a folder. */
export function newNonce(): string {
  attempts += 1;
  return `${own}.${attempts}/`;
}

/** The value of `PIPELINE_ATTEMPT` for a program: its nonce, after those of the programs that this process is part of. */
export const attemptValue = (nonce: string): string =>
  `${process.env[ATTEMPT_VARIABLE] ?? ''}${nonce}`;

/** The environment of this process, with another nonce. */
export const ownEnvironment = (nonce: string): NodeJS.ProcessEnv => ({
  ...process.env,
  [ATTEMPT_VARIABLE]: attemptValue(nonce),
});

/**
 * Reads `add PID START` and `del PID` until its standard input ends, which is when the process that writes there does,
 * whatever ended that. Then it kills what was added and not deleted: groups, sessions, and whatever carries the nonce.
 * A shell script starts in a millisecond, where Node takes forty.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM
nonce=$1
live=' '
while read -r word pid start; do
  case $word in
    add) live="$live$pid:$start " ;;
    del) case $live in *" $pid:"*)
      rest=\${live#*" $pid:"}
      live="\${live%%" $pid:"*} \${rest#* }" ;;
    esac ;;
  esac
done
# A number that another process has by now: nothing is left of the program that had it.
ours() {
  IFS= read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
  start=$2
  set -- \${stat##*) }
  [ -z "$start" ] || [ "\${20}" = "$start" ]
}
for one in $live; do
  ours "\${one%%:*}" "\${one#*:}" && leaders="$leaders \${one%%:*} "
done
look() {
  for leader in $leaders; do kill -s KILL -- "-$leader" 2>/dev/null; done
  found=0
  [ -r /proc/self/stat ] || return
  for path in /proc/[0-9]*; do
    IFS= read -r stat 2>/dev/null < "$path/stat" || continue
    set -- \${stat##*) }
    case $1 in Z|X) continue ;; esac
    case $leaders in *" $3 "*|*" $4 "*) kill -s KILL "\${path#/proc/}" 2>/dev/null && found=1 ;; esac
  done
  for path in $(grep -lsF -e "$nonce" /proc/[0-9]*/environ 2>/dev/null); do
    pid=\${path#/proc/}
    kill -s KILL "\${pid%/environ}" 2>/dev/null && found=1
  done
}
# A process that was being started may not be seen yet: two looks in a row must find nothing.
quiet=0 round=0
[ "$live" = ' ' ] && quiet=2
while [ $quiet -lt 2 ] && [ $round -lt 100 ]; do
  look
  if [ $found = 0 ]; then quiet=$((quiet + 1)); else quiet=0; fi
  round=$((round + 1))
  sleep 0.05 2>/dev/null || sleep 1
done
`;

let supervisor: ChildProcess | undefined;
/** What is under supervision, by process id. */
const supervised = new Map<number, ProgramMark>();

/** Starts the supervisor where none runs; one that was killed is replaced. */
function pipe(): Writable | undefined {
  if (supervisor?.exitCode === null && supervisor.signalCode === null) {
    return supervisor.stdin ?? undefined;
  }
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'pipeline-supervisor', `${own}.`], {
    // A session of its own: no signal of this terminal reaches it. An environment without nonces: nobody ends it.
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // What it cannot do is done where programs end in the usual way; folders are never used twice in any case.
  child.once('error', () => undefined);
  // Tried again for the next program: there may be room by then.
  if (!hasPipes(child)) return undefined;
  supervisor = child;
  child.stdin.on('error', () => undefined);
  child.once('exit', () => {
    if (supervisor !== child) return;
    supervisor = undefined;
    if (supervised.size > 0) pipe();
  });
  child.unref();
  // It is a socket, which Node's types do not say.
  (child.stdin as unknown as { unref(): void }).unref();
  for (const mark of supervised.values()) child.stdin.write(addLine(mark));
  return child.stdin;
}

const addLine = ({ leader, started }: ProgramMark): string => `add ${leader} ${started ?? ''}\n`;

/** Starts the supervisor, if there is none yet, so that it is ready for the next program. */
export const startSupervisor = (): void => void pipe();

/** Puts a process that leads its own group and session under supervision. */
export function supervise(leader: number, nonce: string): ProgramMark {
  const mark = { leader, started: liveProcess(leader)?.started, nonce };
  const stdin = pipe();
  supervised.set(leader, mark);
  stdin?.write(addLine(mark));
  return mark;
}

/** Whether the supervisor runs: there is none where there is no shell. */
export const isSupervising = (): boolean =>
  supervisor?.pid !== undefined && supervisor.exitCode === null && supervisor.signalCode === null;

/** Ends the supervision of a program of which nothing is left. */
export function unsupervise({ leader }: ProgramMark): void {
  if (supervised.delete(leader)) supervisor?.stdin?.write(`del ${leader}\n`);
}

/** Everything under supervision. */
export const supervisedPrograms = (): readonly ProgramMark[] => [...supervised.values()];
