// slurm-rig.ts — a real Slurm of some nodes on loopback: munge, controller and daemons of its own, stopped by pid
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Daemons lie where not every user's PATH goes. */
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(delimiter);

/** Whether a program is on PATH, or where administrators have theirs. */
export const isInstalled = (program: string): boolean =>
  PATH.split(delimiter).some((folder) => existsSync(join(folder, program)));

/** Why there can be no Slurm here; undefined where there can. */
export function slurmLack(): string | undefined {
  if (process.getuid?.() !== 0) return 'Slurm is started by root alone';
  const lacking = ['munged', 'slurmctld', 'slurmd', 'sbatch'].find((name) => !isInstalled(name));
  return (
    lacking && `${lacking} is not installed: apt-get install munge slurmctld slurmd slurm-client`
  );
}

/** What keeps accounts in it. */
export function accountingLack(): string | undefined {
  const lacking = ['slurmdbd', 'mariadbd', 'sacctmgr'].find((name) => !isInstalled(name));
  return (
    slurmLack() ??
    (lacking && `${lacking} is not installed: apt-get install slurmdbd mariadb-server`)
  );
}

/** A Slurm that runs. */
export interface SlurmRig {
  readonly folder: string;
  /** With SLURM_CONF. */
  readonly environment: NodeJS.ProcessEnv;
  run(program: string, ...words: string[]): string;
  /** The process of a daemon: `slurmctld`, `slurmd-n1`. */
  pidOf(daemon: string): number;
  startController(): void;
  startNode(name: string): void;
  /** Waits until a daemon is gone. */
  kill(daemon: string, signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export interface SlurmRigOptions {
  readonly nodes?: number;
  readonly accounting?: boolean;
  /** Memory is limited by cgroups: jobs over it end as OUT_OF_MEMORY. */
  readonly cgroup?: boolean;
  /** More lines of slurm.conf. */
  readonly more?: readonly string[];
}

/** A port that nobody has now. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Starts a Slurm. Where `slurmLack` is undefined, this works. */
export async function startSlurm(options: SlurmRigOptions = {}): Promise<SlurmRig> {
  const { nodes = 2, accounting = false, cgroup = false, more = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-slurm-'));
  chmodSync(folder, 0o755);
  for (const name of ['pid', 'log', 'ctld', 'run', 'munge', 'socket'])
    mkdirSync(join(folder, name));
  chmodSync(join(folder, 'munge'), 0o700);
  chmodSync(join(folder, 'socket'), 0o755);
  const file = (...names: string[]): string => join(folder, ...names);
  writeFileSync(file('munge', 'key'), randomBytes(128), { mode: 0o400 });
  const environment = { ...process.env, PATH, SLURM_CONF: file('slurm.conf') };
  const run = (program: string, ...words: string[]): string =>
    execFileSync(program, words, {
      env: environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const pidOf = (daemon: string): number => {
    try {
      return Number(readFileSync(file('pid', `${daemon}.pid`), 'utf8').trim());
    } catch {
      return 0;
    }
  };
  const kill = async (daemon: string, signal: NodeJS.Signals): Promise<void> => {
    const pid = pidOf(daemon);
    if (pid <= 1) return;
    signalProcess(pid, signal);
    await until(() => !isAlive(pid), `${daemon} does not end`).catch(() =>
      signalProcess(pid, 'SIGKILL'),
    );
    rmSync(file('pid', `${daemon}.pid`), { force: true });
  };
  const startController = (): void => void run('slurmctld', '-f', file('slurm.conf'));
  const startNode = (name: string): void => {
    mkdirSync(file('run', name), { recursive: true });
    run('slurmd', '-f', file('slurm.conf'), '-N', name);
  };
  const stop = async (): Promise<void> => {
    const names = readdirSync(file('pid')).map((name) => name.replace(/\.pid$/, ''));
    const rank = (name: string): number =>
      ['slurmd-', 'slurmctld', 'slurmdbd', 'mariadbd', 'munged'].findIndex((one) =>
        name.startsWith(one),
      );
    for (const name of names.sort((a, b) => rank(a) - rank(b))) await kill(name, 'SIGTERM');
    for (const step of stepdsOf(folder)) signalProcess(step, 'SIGKILL');
    if (cgroup) removeGroups(nodes);
    rmSync(folder, { recursive: true, force: true });
  };
  const rig: SlurmRig = { folder, environment, run, pidOf, startController, startNode, kill, stop };
  try {
    run(
      ...['munged', '--force', `--key-file=${file('munge', 'key')}`],
      ...[`--socket=${file('socket', 'munge')}`, `--pid-file=${file('pid', 'munged.pid')}`],
      ...[
        `--log-file=${file('munge', 'log')}`,
        `--seed-file=${file('munge', 'seed')}`,
        '--num-threads=2',
      ],
    );
    const ports = await Promise.all(Array.from({ length: nodes + 2 }, freePort));
    writeFileSync(file('slurm.conf'), configOf(folder, ports, { nodes, accounting, cgroup, more }));
    if (cgroup) writeFileSync(file('cgroup.conf'), CGROUP);
    if (accounting) await startAccounting(rig, ports);
    startController();
    for (let n = 1; n <= nodes; n += 1) startNode(`n${n}`);
    await until(() => {
      try {
        const idle = run('sinfo', '-h', '-N', '-p', 'main', '-t', 'idle', '-o', '%N');
        return idle.split('\n').filter((line) => line !== '').length >= nodes;
      } catch {
        return false;
      }
    }, 'the nodes do not come up');
  } catch (error) {
    await stop();
    throw error;
  }
  return rig;
}

const CGROUP = `CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
`;

function configOf(
  folder: string,
  ports: readonly number[],
  { nodes, accounting, cgroup, more }: Required<SlurmRigOptions>,
): string {
  const [controller = 0, database = 0, ...daemons] = ports;
  const host = hostname().split('.')[0];
  const socket = join(folder, 'socket', 'munge');
  return `${[
    'ClusterName=rig',
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${controller}`,
    ...['SlurmUser=root', 'SlurmdUser=root', 'AuthType=auth/munge', 'CredType=cred/munge'],
    // Without this Slurm listens for everybody.
    'CommunicationParameters=NoInAddrAny,NoCtldInAddrAny',
    `AuthInfo=socket=${socket}`,
    `StateSaveLocation=${folder}/ctld`,
    `SlurmctldPidFile=${folder}/pid/slurmctld.pid`,
    `SlurmdPidFile=${folder}/pid/slurmd-%n.pid`,
    `SlurmdSpoolDir=${folder}/run/%n`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    ...(cgroup
      ? ['ProctrackType=proctrack/cgroup', 'TaskPlugin=task/cgroup']
      : ['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none']),
    ...(cgroup
      ? []
      : [
          'JobAcctGatherType=jobacct_gather/linux',
          'JobAcctGatherFrequency=task=1',
          'JobAcctGatherParams=OverMemoryKill',
        ]),
    ...[
      'SwitchType=switch/none',
      'MpiDefault=none',
      'ReturnToService=2',
      'SlurmdParameters=config_overrides',
    ],
    'SchedulerType=sched/backfill',
    'SchedulerParameters=sched_interval=1,bf_interval=2,sched_min_interval=100000,batch_sched_delay=0,default_queue_depth=1000',
    ...['SelectType=select/cons_tres', 'SelectTypeParameters=CR_Core_Memory'],
    ...[
      'SlurmdTimeout=10',
      'SlurmctldTimeout=10',
      'KillWait=3',
      'MinJobAge=600',
      'InactiveLimit=0',
    ],
    ...['MessageTimeout=10', 'JobRequeue=1', 'MaxArraySize=1001', 'MaxJobCount=10000'],
    ...(accounting
      ? [
          'AccountingStorageType=accounting_storage/slurmdbd',
          ...['AccountingStorageHost=127.0.0.1', `AccountingStoragePort=${database}`],
          `AccountingStoragePass=${socket}`,
        ]
      : ['AccountingStorageType=accounting_storage/none']),
    ...Array.from(
      { length: nodes },
      (_, n) =>
        `NodeName=n${n + 1} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${daemons[n]} CPUs=4 RealMemory=4000 State=UNKNOWN`,
    ),
    `PartitionName=main Nodes=n[1-${nodes}] Default=YES MaxTime=01:00:00 DefMemPerCPU=300 State=UP`,
    'PartitionName=short Nodes=n1 MaxTime=00:01:00 DefMemPerCPU=300 State=UP',
    ...more,
  ].join('\n')}\n`;
}

/** A database without a port, and Slurm's daemon in front of it. */
async function startAccounting(
  { folder, environment, run }: SlurmRig,
  [, port = 0]: readonly number[],
): Promise<void> {
  const data = join(folder, 'mysql');
  run(
    'mariadb-install-db',
    '--no-defaults',
    `--datadir=${data}`,
    '--user=root',
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  );
  const socket = join(folder, 'socket', 'mysql');
  const words = [
    '--no-defaults',
    '--user=root',
    `--datadir=${data}`,
    `--socket=${socket}`,
    '--skip-networking',
  ];
  const limits = [
    '--innodb-buffer-pool-size=64M',
    '--innodb-lock-wait-timeout=900',
    '--innodb-flush-log-at-trx-commit=0',
  ];
  spawn('mariadbd', [...words, `--pid-file=${folder}/pid/mariadbd.pid`, ...limits], {
    ...{ env: environment, stdio: 'ignore', detached: true },
  }).unref();
  const answers =
    (program: string, ...more: string[]) =>
    (): boolean => {
      try {
        run(program, ...more);
        return true;
      } catch {
        return false;
      }
    };
  const query = (text: string) => ['--no-defaults', `--socket=${socket}`, '-e', text] as const;
  await until(answers('mariadb', ...query('select 1')), 'the database does not come up');
  run('mariadb', ...query('create database if not exists slurm_acct_db'));
  const lines = [
    ...['AuthType=auth/munge', `AuthInfo=socket=${folder}/socket/munge`, 'DbdHost=localhost'],
    ...[
      'DbdAddr=127.0.0.1',
      `DbdPort=${port}`,
      'CommunicationParameters=NoInAddrAny',
      'SlurmUser=root',
    ],
    ...[`PidFile=${folder}/pid/slurmdbd.pid`, `LogFile=${folder}/log/slurmdbd.log`],
    ...[
      'StorageType=accounting_storage/mysql',
      'StorageHost=localhost',
      'StorageUser=root',
      'StorageLoc=slurm_acct_db',
    ],
  ];
  writeFileSync(join(folder, 'slurmdbd.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
  execFileSync('slurmdbd', [], { env: { ...environment, MYSQL_UNIX_PORT: socket } });
  await until(answers('sacctmgr', '-n', 'list', 'cluster'), 'slurmdbd does not come up');
  run('sacctmgr', '-i', 'add', 'cluster', 'rig');
}

/** Removes the control groups of nodes, those that are empty. */
function removeGroups(nodes: number): void {
  for (const controller of ['memory', 'freezer']) {
    for (let n = 1; n <= nodes; n += 1) {
      const top = `/sys/fs/cgroup/${controller}/slurm_n${n}`;
      if (!existsSync(top)) continue;
      const inner = readdirSync(top, { recursive: true, withFileTypes: true });
      const folders = inner.filter((one) => one.isDirectory());
      const paths = folders.map(({ parentPath, name }) => join(parentPath, name));
      for (const path of [top, ...paths].sort((a, b) => b.length - a.length)) {
        try {
          rmdirSync(path);
        } catch {
          // Another rig has jobs in it.
        }
      }
    }
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is over.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Processes of Slurm that belong to this rig, such as those that watch over a step. */
const stepdsOf = (folder: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const program = readFileSync(`/proc/${pid}/comm`, 'utf8');
        return (
          /^slurm/.test(program) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder)
        );
      } catch {
        return false;
      }
    });

/** Waits until something is so. */
export async function until(
  is: () => boolean,
  otherwise: string,
  limit_ms = 60_000,
): Promise<void> {
  const end = performance.now() + limit_ms;
  while (!is()) {
    if (performance.now() > end) throw new Error(otherwise);
    await pause(50);
  }
}
