// index.ts — every kernel that the engine calls (AssemblyScript), in the order of a training step
//
// Letters: B batch (padded to a multiple of 16), n samples in it, I inputs, O outputs, C classes,
// K connections. Capital pointers are matrices (S samples as stored, X inputs, Y outputs, W weights,
// Z logits), and d- is a gradient. A pointer is a byte offset into the memory.
export { normalise } from './normalise';
export { forward } from './forward';
export { countCorrect } from './count-correct';
export { softmaxCrossEntropy } from './softmax-cross-entropy';
export { smoothLabels } from './smooth-labels';
export { inputGradient } from './input-gradient';
export { weightGradient } from './weight-gradient';
export { denseWeightGradient } from './dense-weight-gradient';
export { biasGradient } from './bias-gradient';
export { rowNorms } from './row-norms';
export { sumSquares } from './sum-squares';
export { scale } from './scale';
export { adam } from './adam';
export { sgd } from './sgd';
export { nesterov } from './nesterov';

/** The first byte that belongs to nobody: tables of constants lie below. */
export function heapBase(): usize {
  return __heap_base;
}
