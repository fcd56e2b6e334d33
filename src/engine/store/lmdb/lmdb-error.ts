// lmdb-error.ts — what LMDB throws at a file that is damaged, in words that name the repair
import { StoreError } from '../store.ts';

/** What LMDB says of a file whose pages make no sense. */
const DAMAGE =
  /MDB_(?:CORRUPTED|PAGE_NOTFOUND|PANIC|INVALID|VERSION_MISMATCH|CURSOR_FULL|PAGE_FULL|INCOMPATIBLE|BAD_TXN|BAD_VALSIZE|PROBLEM|BAD_DBI|ENV_ENCRYPTION|BAD_CHECKSUM)/;

/** Whether an error of LMDB tells that its file is damaged. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Error && DAMAGE.test(error.message);

/** What to do about a store that is damaged. */
export const REPAIR =
  '`pipeline fsck --repair` saves what is whole, and puts the damaged store aside';

/** A store that LMDB cannot read, or would not survive. */
export class DamagedStore extends StoreError {}

/** That the store in a folder is damaged, and what to do. */
export const damagedStore = (folder: string, why: string): DamagedStore =>
  new DamagedStore(`the store in ${folder} is damaged: ${why}`, REPAIR);

function readError(error: unknown, folder: string): unknown {
  if (!isDamage(error)) return error;
  return damagedStore(folder, error instanceof Error ? error.message : String(error));
}

/** Guards for what reads: an error of LMDB names the repair. */
export function guards(folder: string) {
  return {
    reading<T>(read: () => T): T {
      try {
        return read();
      } catch (error) {
        throw readError(error, folder);
      }
    },
    *walking<T>(open: () => Iterable<T>): Generator<T> {
      try {
        yield* open();
      } catch (error) {
        throw readError(error, folder);
      }
    },
  };
}
