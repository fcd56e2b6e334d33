// schema.ts — the params that several stages share, with their ranges
import * as z from 'zod/mini';
import { accumulateFaults, optionFaults } from '../src/network/job.ts';
import { shapedFamilies } from '../src/sparse/family.ts';

const Width = z.int().check(z.minimum(1), z.maximum(65_536));

/** Widths of the hidden layers, first to last: `512-256`, as an axis labels it, `512` or `[512, 256]`. */
export const Hidden = z.union([
  Width,
  z.array(Width).check(z.minLength(1)),
  z.string().check(
    z.regex(/^\d{1,5}(?:-\d{1,5})*$/),
    z.refine((text) => widthsIn(text).every((width) => Width.safeParse(width).success)),
  ),
]);

/** One value of an axis of networks. */
const Network = z.union([z.string(), z.number()]);

/** The widths that `Hidden` tells. */
export function widthsOf(hidden: z.infer<typeof Hidden>): readonly number[] {
  if (typeof hidden === 'number') return [hidden];
  return typeof hidden === 'string' ? widthsIn(hidden) : hidden;
}

/** The networks of a study, by their labels: the first is the one whose results stand for the study. */
export const Networks = z.array(z.union([Network, z.array(Network)])).check(z.minLength(1));

const widthsIn = (text: string): readonly number[] => text.split('-').map(Number);

/** 1 - density over the hidden layers, in [0, 1). */
export const Sparsity = z.number().check(z.minimum(0), z.lt(1));

/** How a network's connections are shared out between its layers. */
export const Rule = z.enum(['uniform', 'erk']);

/** How a layer's connections are shared out between its neurons. */
export const Profile = z.discriminatedUnion('family', [
  z.strictObject({ family: z.literal('dense') }),
  z.strictObject({ family: z.literal('uniform') }),
  z.strictObject({ family: z.literal('erk') }),
  z.strictObject({ family: z.literal('constant') }),
  z.strictObject({
    family: z.enum(shapedFamilies),
    cv: z.number().check(z.minimum(0), z.maximum(100)),
  }),
]);

/**
 * Which neurons become hubs. `random` unless told: absent rather than a default, so that what was
 * made before it was asked for keeps its params.
 */
export const Placement = z.optional(z.enum(['random', 'by-score', 'copied-hubs', 'copied']));

/** Any whole number: it names a stream of random numbers. */
export const Seed = z.int();

/** Epochs from 0, not necessarily whole. */
const Epochs = z.number().check(z.minimum(0), z.maximum(100_000));

/** How the learning rate moves. */
const Schedule = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), warmup: z._default(Epochs, 0) }),
  z.strictObject({
    kind: z.literal('step'),
    warmup: z._default(Epochs, 0),
    milestones: z.array(Epochs).check(z.minLength(1)),
    gamma: z._default(z.number().check(z.gt(0), z.maximum(1)), 0.1),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    warmup: z._default(Epochs, 0),
    final: z._default(z.number().check(z.minimum(0), z.maximum(1)), 0),
  }),
]);

/** How a network is trained: docs/training.md. */
export const Training = z.strictObject({
  epochs: z.int().check(z.minimum(1), z.maximum(100_000)),
  batch: z.int().check(z.minimum(1), z.maximum(65_536)),
  optimizer: z.enum(['adam', 'adamw', 'sgd']),
  learningRate: z.number().check(z.gt(0), z.maximum(100)),
  momentum: z._default(z.number().check(z.minimum(0), z.lt(1)), 0.9),
  nesterov: z._default(z.boolean(), false),
  weightDecay: z._default(z.number().check(z.minimum(0), z.maximum(1)), 0),
  schedule: z._default(Schedule, { kind: 'constant', warmup: 0 }),
  clipNorm: z.optional(z.number().check(z.gt(0), z.maximum(1e9))),
  labelSmoothing: z._default(z.number().check(z.minimum(0), z.lt(1)), 0),
  /** `sparse` unless told. Absent rather than a default: what was trained before it was asked for keeps its key. */
  engine: z.optional(z.enum(['sparse', 'tensorflow'])),
});

/** When and how much RigL (arXiv 1911.11134) or SET changes the topology. */
export const Rewiring = z.strictObject({
  fraction: z.number().check(z.minimum(0), z.maximum(1)),
  every: z.int().check(z.minimum(1)),
  stop: z.number().check(z.minimum(0), z.maximum(1)),
});

/** The same for RigL, which may average the gradients of several batches. */
export const Rigl = z.extend(Rewiring, {
  /** 1 unless told; absent rather than a default, for the keys of what was made before. */
  accumulate: z.optional(z.int().check(z.minimum(1))),
});

/** When each neuron's gradient is measured; never where this param is absent. */
export const Gradients = z.optional(
  z.strictObject({
    firstBatches: z._default(z.int().check(z.minimum(0)), 100),
    lastEpochs: z._default(z.int().check(z.minimum(0)), 1),
  }),
);

/** What is wrong with training options beside each other. */
export function checkTraining({ training }: { readonly training: z.infer<typeof Training> }) {
  return optionFaults(training).map(({ path, message }) => ({
    path: ['training', ...path],
    message,
  }));
}

/** The same for stages whose mask changes: TensorFlow.js cannot do that. */
export function checkRewired(params: { readonly training: z.infer<typeof Training> }) {
  const message = 'TensorFlow.js trains masks that stay: rewiring needs `engine: sparse`';
  const hint = 'give the static stage training params of its own';
  const foreign = params.training.engine === 'tensorflow';
  const fault = { path: ['training', 'engine'], message, hint };
  return [...checkTraining(params), ...(foreign ? [fault] : [])];
}

/** The same for RigL. */
export function checkRigl(params: {
  readonly training: z.infer<typeof Training>;
  readonly rigl: z.infer<typeof Rigl>;
}) {
  const faults = accumulateFaults(params.rigl).map(({ path, message }) => ({
    path: ['rigl', ...path],
    message,
  }));
  return [...checkRewired(params), ...faults];
}
