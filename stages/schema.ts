// schema.ts — the params that several stages share, with their ranges
import * as z from 'zod/mini';

/** Widths of the hidden layers, first to last. */
export const Hidden = z.array(z.int().check(z.minimum(1), z.maximum(65_536))).check(z.minLength(1));

/** 1 - density over the hidden layers, in [0, 1). */
export const Sparsity = z.number().check(z.minimum(0), z.lt(1));

/** How a network's connections are shared out between its layers. */
export const Rule = z.enum(['uniform', 'erk']);

/** How a layer's connections are shared out between its neurons. */
export const Profile = z.discriminatedUnion('family', [
  z.strictObject({ family: z.literal('dense') }),
  z.strictObject({ family: z.literal('uniform') }),
  z.strictObject({
    family: z.literal('lognormal'),
    cv: z.number().check(z.minimum(0), z.maximum(100)),
  }),
]);

/** Any whole number: it names a stream of random numbers. */
export const Seed = z.int();

/** How a network is trained. */
export const Training = z.strictObject({
  epochs: z.int().check(z.minimum(1), z.maximum(100_000)),
  batch: z.int().check(z.minimum(1), z.maximum(65_536)),
  optimizer: z.enum(['adam', 'sgd']),
  learningRate: z.number().check(z.gt(0), z.maximum(100)),
  momentum: z._default(z.number().check(z.minimum(0), z.lt(1)), 0.9),
  weightDecay: z._default(z.number().check(z.minimum(0), z.maximum(1)), 0),
  /** `sparse` unless told. Absent rather than a default: what was trained before it was asked for keeps its key. */
  engine: z.optional(z.enum(['sparse', 'tensorflow'])),
});

/** When and how much RigL changes the topology (arXiv 1911.11134). */
export const Rewiring = z.strictObject({
  fraction: z.number().check(z.minimum(0), z.maximum(1)),
  every: z.int().check(z.minimum(1)),
  stop: z.number().check(z.minimum(0), z.maximum(1)),
});
