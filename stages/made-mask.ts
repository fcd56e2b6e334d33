// made-mask.ts — what the stages that make masks have in common: outputs, and words for what cannot be
import { InfeasibleError, StageError } from '../src/engine/stage.ts';
import { fanInSummary } from '../src/sparse/fan-in.ts';
import { type Mask, maskToTensors } from '../src/sparse/mask.ts';
import { describeInfeasible, type MaskResult } from '../src/sparse/wiring.ts';

/** A mask as the outputs `mask` and `fanIn`. */
export function outputsOfMask(mask: Mask) {
  return { mask: maskToTensors(mask), fanIn: fanInSummary(mask) };
}

/** The mask. @throws InfeasibleError that says which layer cannot be, and what it attains at most. */
export function madeOrSay(made: MaskResult): Mask {
  if ('infeasible' in made) throw new InfeasibleError(describeInfeasible(made.infeasible));
  return made.mask;
}

/** Whatever `make` gives; that inputs do not fit the plan is for the user to mend. */
export function mendable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new StageError(error.message);
    throw error;
  }
}
