// mask.ts — which connections exist

/**
 * The connections of one layer as CSR by output neuron: row `o` lists the fan-in of neuron `o`.
 * Shapes: O outputs, I inputs, K connections.
 */
export interface LayerMask {
  /** I: the layer's width before. */
  readonly inputs: number;
  /** O: the layer's width after. */
  readonly outputs: number;
  /** [O + 1]: row `o` is `columns[rows[o] .. rows[o + 1])`. rows[0] is 0 and rows[O] is K. */
  readonly rows: Int32Array;
  /** [K]: the inputs that are connected, strictly ascending within a row. */
  readonly columns: Int32Array;
}

/** The connections of a network, first layer first, the output layer last. */
export type Mask = readonly LayerMask[];
