// pin.ts — numbers that a loop needs again and again

const SLOTS = memory.data(10 * 16, 16);

/**
 * The number x in all four lanes, in a register for the whole loop that follows; each of up to ten
 * takes a slot of its own. V8 in Node 20 otherwise computes what does not change anew in each turn.
 * What was loaded it does not.
 */
// @ts-ignore: decorator
@inline
export function pin(slot: usize, x: f32): v128 {
  v128.store(SLOTS + (slot << 4), f32x4.splat(x));
  return v128.load(SLOTS + (slot << 4));
}

/** Four bit patterns, likewise. */
// @ts-ignore: decorator
@inline
export function pinBits(slot: usize, bits: i32): v128 {
  v128.store(SLOTS + (slot << 4), i32x4.splat(bits));
  return v128.load(SLOTS + (slot << 4));
}
