// nowhere.ts — a fence between loads

/**
 * An address that nothing has. `if (at == NOWHERE) break;` is never taken, but what was added up so far
 * would be used there, so V8 of Node 20 must add it up before: it otherwise moves all loads of a
 * loop's body before its arithmetic, and runs out of registers.
 */
export const NOWHERE: usize = 1;
