// walls.ts — the system's own walls around code from strangers: no network, no other processes, only named files
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { platform } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** What surrounds a process. `none` leaves Node's permission model alone, which binds stages and not programs. */
export type WallKind = 'bubblewrap' | 'unshare' | 'none';

/** A program to be run behind walls. */
export interface Enclosed {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Files and folders that it may read, beside the system's. */
  readonly readable: readonly string[];
  /** Folders that it may write. */
  readonly writable: readonly string[];
}

/** A way to run programs behind walls. */
export interface Walls {
  readonly kind: WallKind;
  /** Why there are none; null where there are. */
  readonly lacking: string | null;
  /** The program to start, with its arguments, in place of the enclosed one. */
  enclose(enclosed: Enclosed): { readonly program: string; readonly args: readonly string[] };
}

/** No walls of the system. */
export const noWalls = (lacking: string): Walls => ({
  kind: 'none',
  lacking,
  enclose: ({ program, args }) => ({ program, args }),
});

/** What walls keep from the code behind them, as `verify` tells it. */
export const wallsInWords: { readonly [kind in WallKind]: string } = {
  bubblewrap: 'bubblewrap (no network, no other processes, no files but its folder and the system)',
  unshare:
    'namespaces of the kernel (no network, no other processes, no files but its folder and the system)',
  none: "Node's permission model alone (no files of yours, no programs; the network is open)",
};

/** Where a system keeps programs and libraries. What is not there is left out. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'];
/** Without these, programs do not find their libraries or the time zone. None of them tells about people. */
const SETTINGS = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/localtime',
];
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom'];
/** Memory that files in a private /tmp may take. */
const TMP_SIZE = '256m';
const TRIAL_MS = 10_000;

/**
 * Finds the strongest walls that can be had here, by building them once around a program that does nothing.
 * @param scratch an empty folder of ours
 * @param path the folders in which `bwrap`, `unshare` and `setpriv` are looked for, as PATH has them
 * @param tools what may build them, the strongest first
 */
export async function findWalls(
  scratch: string,
  path: string,
  tools: readonly ('bwrap' | 'unshare')[] = ['bwrap', 'unshare'],
): Promise<Walls> {
  if (platform() !== 'linux') return noWalls('walls are built on Linux only');
  const folders = `${path}:/usr/sbin:/sbin`;
  const why: string[] = [];
  for (const name of tools) {
    const found = programIn(folders, name);
    if (found === undefined) {
      why.push(`${name}: not installed`);
      continue;
    }
    const root = join(scratch, 'root');
    await mkdir(root, { recursive: true });
    const walls = name === 'bwrap' ? bubblewrapWalls(found) : namespaceWalls(found, root, folders);
    const failure = await trial(walls, scratch);
    if (failure === undefined) return walls;
    why.push(`${name}: ${failure}`);
  }
  return noWalls(why.join('; '));
}

function programIn(folders: string, name: string): string | undefined {
  const paths = folders.split(':').map((folder) => join(folder, name));
  return paths.find((path) => isAbsolute(path) && existsSync(path));
}

const run = promisify(execFile);

/** Why walls cannot be built; undefined when they can. */
async function trial(walls: Walls, scratch: string): Promise<string | undefined> {
  const { program, args } = walls.enclose({
    program: '/bin/sh',
    args: ['-c', 'exit 0'],
    cwd: scratch,
    readable: [scratch],
    writable: [],
  });
  try {
    await run(program, [...args], { env: {}, timeout: TRIAL_MS });
    return undefined;
  } catch (error) {
    const { stderr = '', message } = error as Error & { readonly stderr?: string };
    return (stderr.trim() || message).split('\n')[0]?.slice(0, 200);
  }
}

/**
 * Folders in which programs outside the system's folders lie with what they need: a virtual environment, a Conda
 * installation. A home folder is none, whatever it holds.
 */
export function programFolders(path: string, home: string | undefined): readonly string[] {
  const prefixes = path.split(':').flatMap((folder) => {
    if (!isAbsolute(folder) || basename(folder) !== 'bin') return [];
    const prefix = dirname(folder);
    const isInstallation = ['pyvenv.cfg', 'conda-meta', 'lib'].some((name) =>
      existsSync(join(prefix, name)),
    );
    if (!isInstallation || isOfSystem(prefix) || prefix === '/') return [];
    const holdsHome = home !== undefined && `${resolve(home)}/`.startsWith(`${prefix}/`);
    return holdsHome ? [] : [prefix];
  });
  return [...new Set(prefixes)];
}

const isOfSystem = (path: string): boolean =>
  SYSTEM.some((folder) => path === folder || path.startsWith(`${folder}/`));

/** A program such as Node may lie outside the system's folders: in somebody's home, for instance. */
function withProgram({ program, readable }: Enclosed): readonly string[] {
  if (!program.startsWith('/')) return readable;
  const real = realpathSync(program);
  return [...new Set([...readable, program, real])];
}

function bubblewrapWalls(found: string): Walls {
  return {
    kind: 'bubblewrap',
    lacking: null,
    enclose(enclosed) {
      const { program, args, cwd, writable } = enclosed;
      const bind = (how: string, paths: readonly string[]): string[] =>
        paths.flatMap((path) => [how, path, path]);
      return {
        program: found,
        args: [
          ...['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
          ...bind('--ro-bind-try', [...SYSTEM, ...SETTINGS]),
          ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
          ...bind('--ro-bind', withProgram(enclosed)),
          ...bind('--bind', writable),
          ...['--chdir', cwd, '--', program, ...args],
        ],
      };
    },
  };
}

// Runs as root of a user namespace of its own, with a mount, process, network, IPC and host name namespace. It builds a
// file system in memory that holds what may be seen, makes it the root, gives up every right that it has, and becomes the
// program. Paths are arguments: none of them is read as shell. Flags that a mount has must be kept when it is made
// read-only, as the kernel lets nobody drop them in a namespace.
const BUILDER = `set -eu
root=$1; cwd=$2; own=\${PATH-}; PATH=$3; shift 3
drop=$(command -v setpriv)
mount -t tmpfs -o size=${TMP_SIZE},mode=0755,nosuid,nodev none "$root"
mkdir "$root/tmp"
mount -t tmpfs -o size=${TMP_SIZE},mode=0777,nosuid,nodev none "$root/tmp"
place() {
  if [ -d "$1" ]; then mkdir -p "$root$1"
  else mkdir -p "$root$(dirname "$1")"; : >> "$root$1"; fi
}
expose() {
  place "$1"
  mount --bind "$1" "$root$1"
  if [ "$2" = ro ]; then
    flags=$(findmnt -n -o VFS-OPTIONS --target "$root$1" | head -n 1)
    mount -o "remount,bind,ro,\${flags#rw,}" "$root$1"
  fi
}
while [ "$1" != -- ]; do
  case "$1" in
    try) if [ -L "$2" ]; then mkdir -p "$root$(dirname "$2")"; ln -s "$(readlink "$2")" "$root$2"
         elif [ -e "$2" ]; then expose "$2" ro; fi ;;
    *) expose "$2" "$1" ;;
  esac
  shift 2
done
shift
mkdir -p "$root/dev" "$root/proc" "$root/.old"
for name in ${DEVICES.join(' ')}; do : > "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" 2>/dev/null || :
cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old
mount -o remount,bind,ro,nosuid,nodev /
cd "$cwd"
PATH=$own
unset OLDPWD
exec "$drop" --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"`;

function namespaceWalls(found: string, root: string, path: string): Walls {
  const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--net', '--ipc', '--uts'];
  return {
    kind: 'unshare',
    lacking: null,
    enclose(enclosed) {
      const { program, args, cwd, writable } = enclosed;
      const places = [
        ...[...SYSTEM, ...SETTINGS].flatMap((one) => ['try', one]),
        ...withProgram(enclosed)
          .filter((one) => !isOfSystem(one))
          .flatMap((one) => ['ro', one]),
        ...writable.flatMap((one) => ['rw', one]),
      ];
      return {
        program: found,
        args: [
          ...[...namespaces, '--fork', '--kill-child', '--'],
          ...['/bin/sh', '-c', BUILDER, 'sh', root, cwd, path, ...places, '--'],
          ...[program, ...args],
        ],
      };
    },
  };
}
