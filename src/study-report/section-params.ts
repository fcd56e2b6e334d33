// section-params.ts — sections of a report, as its params tell them
import * as z from 'zod/mini';
import { PLOT_KINDS } from '../analysis/plot/plan.ts';
import type { At } from '../analysis/values.ts';

const Words = { title: z.optional(z.string()), note: z.optional(z.string()) };
const Source = { stage: z.string(), output: z.optional(z.string()) };
const Texts = z.array(z.string());

const Text = z.object({
  kind: z.literal('text'),
  ...Words,
  /** Or the port of the file in which it stands. */
  markdown: z.optional(z.string()),
  port: z.optional(z.string()),
});
const Table = z.object({
  kind: z.literal('table'),
  ...Words,
  ...Source,
  value: Texts,
  rows: Texts,
  columns: z.optional(z.string()),
  where: Texts,
  sort: Texts,
  at: z.optional(z.string()),
  top: z.optional(z.number()),
});
const Plot = z.object({
  kind: z.literal('plot'),
  ...Words,
  ...Source,
  where: Texts,
  plot: z.object({
    kind: z.optional(z.enum(PLOT_KINDS)),
    x: z.optional(z.string()),
    y: z.optional(z.string()),
    color: z.optional(z.string()),
    facet: z.optional(z.string()),
    band: z.optional(z.string()),
    title: z.optional(z.string()),
    at: z.optional(z.string()),
  }),
});
const Side = z.record(z.string(), Texts);
const DeclaredClaim = z.object({
  id: z.string(),
  title: z.optional(z.string()),
  statement: z.optional(z.string()),
  /** Where it was claimed. */
  source: z.optional(z.string()),
  ...Source,
  value: z.optional(z.string()),
  a: Side,
  b: z.union([z.number(), Side]),
  expect: z.enum(['greater', 'less', 'equal']),
  margin: z.number(),
  where: Texts,
  at: z.optional(z.string()),
});
const Claims = z.object({
  kind: z.literal('claims'),
  ...Words,
  stage: z.optional(z.string()),
  output: z.optional(z.string()),
  declared: z.optional(z.array(DeclaredClaim)),
});

/** A section. */
export const Section = z.discriminatedUnion('kind', [Text, Table, Plot, Claims]);
export type Section = z.infer<typeof Section>;
export type SectionOf<Kind extends Section['kind']> = Extract<Section, { readonly kind: Kind }>;
export type DeclaredClaim = z.infer<typeof DeclaredClaim>;

/** At which step series are read. */
export function atOf(word: string | undefined): At {
  if (word === undefined || word === 'last') return { kind: 'last' };
  return word === 'best' ? { kind: 'best' } : { kind: 'step', step: Number(word) };
}
