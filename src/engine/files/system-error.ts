// system-error.ts — errors of the operating system, in words
import { plainName } from '../../plain-text.ts';

/** What each code means, as the end of a sentence about a file or folder. */
const WORDS: { readonly [code: string]: string } = {
  EACCES: 'you lack the permission',
  EPERM: 'you lack the permission',
  EROFS: 'it is on a file system that can only be read',
  ENOENT: 'it is not there, or a folder on the way to it is not',
  ENOTDIR: 'something on the way to it is no folder',
  EISDIR: 'it is a folder and not a file',
  ENOTEMPTY: 'it is a folder with something in it',
  EEXIST: 'something else is there',
  ELOOP: 'links on the way to it lead back to themselves',
  ENAMETOOLONG: 'its name is longer than the file system allows',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your quota of the disk is used up',
  EFBIG: 'it is larger than the file system allows',
  EIO: 'the disk fails',
  EMFILE: 'too many files are open: raise the limit (`ulimit -n`)',
  ENFILE: 'too many files are open on this machine',
  ENXIO: 'it is a device or a pipe that nobody serves',
  ENODEV: 'it is a device that is not there',
  EBUSY: 'something else has it in use',
  ETXTBSY: 'it is a program that is running',
  EXDEV: 'it would have to move from one disk to another',
  EINVAL: 'the file system does not take this',
  ENOMEM: 'there is not enough memory',
  ENOTSUP: 'the file system does not allow this',
  ESTALE: 'the network file system has lost it',
  ETIMEDOUT: 'the file system does not answer',
  EAGAIN: 'the system has no room for another process: close some, or use fewer jobs',
  E2BIG: 'its arguments and environment are longer than the system allows',
  ENOEXEC: 'it is not a program, or a script without a `#!` line',
  EPIPE: 'whoever read it has closed it',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB, which is more than can be read at once',
  ERR_INVALID_ARG_VALUE: 'a name cannot hold a zero byte',
};

/** What a person can do about it. */
const HINTS: { readonly [code: string]: string } = {
  EACCES: 'check the permissions, or name another place',
  EPERM: 'check the permissions, or name another place',
  EROFS: 'name another place',
  ENOENT: 'check the spelling, or make the folder',
  ENOTDIR: 'name another place',
  EISDIR: 'name a file',
  EEXIST: 'move it away, or name another place',
  ENOTSUP: 'name another place',
  ENAMETOOLONG: 'use shorter names',
  ENOSPC: 'free some space and try again',
  EDQUOT: 'free some space and try again',
  ELOOP: 'correct the link',
};

/** An error of the operating system, such as ENOSPC on a write. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error && 'code' in error)) return false;
  // Node says this of any argument that makes no sense: only names with zero bytes are a user's.
  if (error.code === 'ERR_INVALID_ARG_VALUE') return error.message.includes('null bytes');
  return 'syscall' in error || Object.hasOwn(WORDS, String(error.code));
}

/** Why something failed, in words: never a bare code. */
export function formatSystem({ code, message }: NodeJS.ErrnoException): string {
  return (code !== undefined && Object.hasOwn(WORDS, code) ? WORDS[code] : undefined) ?? message;
}

/** What to do about it, where there is something. */
export const systemHint = ({ code, syscall }: NodeJS.ErrnoException): string | undefined => {
  // Nobody named the place where we put a file of our own.
  if (code === 'EISDIR' && syscall === 'rename') return 'move it away';
  return code !== undefined && Object.hasOwn(HINTS, code) ? HINTS[code] : undefined;
};

/** What the system was asked for, by its call. */
const CALLS: { readonly [call: string]: string } = {
  open: 'be opened',
  read: 'be read',
  write: 'be written',
  stat: 'be looked at',
  lstat: 'be looked at',
  scandir: 'be listed',
  mkdir: 'be made as a folder',
  mkdtemp: 'be made as a folder',
  rename: 'be put in its place',
  copyfile: 'be copied',
  unlink: 'be removed',
  rm: 'be removed',
  rmdir: 'be removed',
  symlink: 'be made as a link',
  chmod: 'be given other permissions',
  utime: 'be given another date',
  fsync: 'be written',
  ftruncate: 'be written',
};

const NAME_LENGTH_MAX = 200;

/** A path as it may be printed: in one line, and no longer than can be read. */
function shownName(path: string): string {
  const name = plainName(path.slice(0, NAME_LENGTH_MAX));
  return path.length > NAME_LENGTH_MAX ? `${name}…` : name;
}

/** A sentence about a system error of which nothing else is known: `/x/y cannot be written: the disk is full`. */
export function systemSentence(error: NodeJS.ErrnoException & { readonly dest?: string }): string {
  const { syscall = '', path, dest } = error;
  const [call = '', program] = syscall.split(' ');
  const why = formatSystem(error);
  if (call === 'spawn')
    return `${shownName(program ?? path ?? 'a program')} cannot be started: ${why}`;
  const named = dest ?? path;
  const what = named === undefined ? undefined : shownName(named);
  const done = (Object.hasOwn(CALLS, call) ? CALLS[call] : undefined) ?? 'be used';
  return what === undefined ? `a file cannot ${done}: ${why}` : `${what} cannot ${done}: ${why}`;
}
