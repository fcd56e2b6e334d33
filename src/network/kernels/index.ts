// index.ts — every kernel that the engine calls (AssemblyScript), in the order of a training step
//
// Letters: B batch, n samples in it, I inputs, O outputs, C classes, K connections. The batch lies in
// T tiles of 16 samples, the last one padded: an array over features and batch is [T][I][16], so
// that a tile's slice is contiguous, and a feature's 16 samples are one cache line.
// Capital pointers are matrices (S samples as stored, X inputs, Y outputs, W weights, Z logits), and
// d- is a gradient. A pointer is a byte offset into the memory.
//
// What holds of them all: V8 of Node 20 moves the loads of a loop's body before its arithmetic, so the
// loads of a turn and the sums that it adds to must fit the 15 registers that V8 uses of x64; where
// they do not, a fence (nowhere.ts) keeps them apart. Later versions join two vectors that are loaded,
// computed and stored side by side (compile.ts), unless something is read between the two stores.
export { assemble } from './assemble';
export { forward } from './forward';
export { denseForward } from './dense-forward';
export { countCorrect } from './count-correct';
export { softmaxCrossEntropy } from './softmax-cross-entropy';
export { smoothLabels } from './smooth-labels';
export { inputGradient } from './input-gradient';
export { denseInputGradient } from './dense-input-gradient';
export { weightGradient } from './weight-gradient';
export { denseWeightGradient, denseWeightGradientWide } from './dense-weight-gradient';
export { add } from './add';
export { reaching } from './reaching';
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
