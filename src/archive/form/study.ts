// study.ts — the reproducible part of an archive: what was asked, what it is keyed by, what came out
import * as z from 'zod/mini';
import {
  type AbsentReason,
  type CollectedDigest,
  type Digest,
  digestOf,
  type InputDigest,
  type Json,
  type KeyParts,
  type Named,
  type TaskId,
} from '../../engine/model/key.ts';
import { type Allowance, type JsonError, parseJson } from './bounded-json.ts';
import { type Say, Unreadable } from './finding.ts';

/** Files of an archive, below its payload. */
export const PLACES = {
  study: 'study.json',
  traces: 'traces.jsonl',
  sources: 'sources.json',
  leftOut: 'left-out.json',
  invocation: 'invocation.json',
  environment: 'environment.json',
  audits: 'audits.json',
  claims: 'claims.json',
  crate: 'ro-crate-metadata.json',
  checker: 'verify.mjs',
  blobs: 'blobs/',
  bundles: 'bundles/',
  artifacts: 'artifacts/',
  data: 'source-files/',
} as const;

/** Files for people that an archive holds beside those. */
export const PAPERS = ['pipeline.yaml', 'README.md', 'LICENSE', 'CITATION.cff'] as const;

const digest = z.string().check(z.regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits'));
const size = z.int().check(z.nonnegative());
const named = <T extends z.ZodMiniType>(value: T) => z.record(z.string(), value);
const json = z.unknown();
const labels = named(z.string());

const Input = z.union([
  z.strictObject({
    arity: z.enum(['one', 'optional', 'many', 'partial']),
    links: z.array(z.tuple([z.string(), z.string()])),
  }),
  z.strictObject({ files: z.array(z.tuple([z.string(), digest])) }),
]);

const Task = z.strictObject({
  task: z.string(),
  stage: z.string(),
  at: labels,
  params: named(json),
  inputs: named(Input),
  /** Null for a task that was not run: it cannot be done, or was skipped. */
  key: z.nullable(digest),
  outputs: named(z.strictObject({ digest, bytes: size, kind: z.string() })),
  /** Other runs may differ by so much, relatively. */
  tolerance: z.optional(z.number()),
  /** Why it cannot be done; then it has no outputs. */
  infeasible: z.optional(z.string()),
  /** How it failed; then it has no outputs. */
  failed: z.optional(z.string()),
  /** For which failed task it was not run; then it has no outputs. */
  skipped: z.optional(z.string()),
});

const StudyForm = z.strictObject({
  form: z.literal('study/1'),
  /** Digest of each stage's code. */
  stages: named(digest),
  /** Upstream ones first. */
  tasks: z.array(Task),
  targets: z.array(z.string()),
  /** Outputs that are files for people. */
  artifacts: z.array(z.strictObject({ task: z.string(), output: z.string(), path: z.string() })),
  /** The output that judges claims, when there is one. */
  claims: z.nullable(z.strictObject({ task: z.string(), output: z.string() })),
});

/** What a command runs. */
const Command = z.strictObject({
  argv: z.array(z.string()),
  env: named(z.nullable(z.string())),
  inputs: named(z.nullable(z.string())),
  outputs: named(z.string()),
  lists: z.optional(z.array(z.string())),
  checkpoint: z.optional(z.literal(true)),
  events: z.optional(z.literal(true)),
  taskFile: z.optional(z.literal(true)),
  code: z.optional(z.literal('python')),
  typed: z.optional(
    z.strictObject({
      floats: z.array(z.string()),
      axes: named(named(named(z.string()))),
    }),
  ),
  pass: z.optional(z.array(z.string())),
  units: z.optional(named(z.string())),
  shows: z.optional(named(z.number())),
  threads: z.optional(z.number()),
  environment: z.optional(
    z.strictObject({
      kind: z.string(),
      lock: digest,
      python: z.string(),
      installed: z.optional(digest),
      editable: z.optional(named(digest)),
    }),
  ),
  sharedHome: z.optional(z.string()),
});

const TraceForm = z.object({
  key: digest,
  task: z.string(),
  parts: z.object({
    code: digest,
    params: named(json),
    inputs: named(json),
    outputs: named(z.string()),
    source: z.nullable(named(digest)),
    tools: z.optional(named(z.string())),
    command: z.optional(Command),
  }),
  outputs: named(z.strictObject({ digest, bytes: size, kind: z.string() })),
  cost: z.object({ seconds: z.number(), work: z.nullable(z.number()) }),
  made: z.object({
    run: z.string(),
    at: z.string(),
    versions: named(z.string()),
    machine: z.optional(named(z.string())),
  }),
  tolerance: z.optional(z.number()),
  infeasible: z.optional(z.string()),
  /** The words of each fingerprint command, by its name in `tools`: that is its words joined by blanks. */
  fingerprints: z.optional(named(z.array(z.string()))),
  /** How the action failed: no outputs, and nothing for a store. */
  failed: z.optional(z.string()),
});

const SourceForm = z.strictObject({
  name: z.string(),
  urls: z.array(z.string()),
  sha256: digest,
  of: z.enum(['file', 'content']),
  bytes: z.optional(size),
  member: z.optional(
    z.strictObject({
      archive: z.string(),
      path: z.string(),
      archiveBytes: z.optional(size),
    }),
  ),
  /** Whether its bytes are in the archive. */
  included: z.boolean(),
});

const LeftOutForm = z.strictObject({ digest, bytes: size, why: z.string() });

export type StudyTask = z.infer<typeof Task>;
export type Study = z.infer<typeof StudyForm>;
/** A trace as archives keep it: without the name of the machine. */
export type ArchivedTrace = z.infer<typeof TraceForm>;
/** A file from outside that tasks were made from. */
export type Source = z.infer<typeof SourceForm>;
/** A blob that is listed and not there. */
export type LeftOut = z.infer<typeof LeftOutForm>;

/**
 * The text of study.json. Stages are given params and labels in the order in which they were declared, and may go by it:
 * so the order of names is kept, not sorted away. The same plan gives the same text.
 */
export const studyText = (study: Study): string => JSON.stringify(study);

/** The name of a study: equal wherever it was made. It is the digest of study.json. */
export const studyDigest = (study: Study): Digest => digestOf(studyText(study));

const STUDY_BYTES_MAX = 512 * 2 ** 20;
const LINE_BYTES_MAX = 32 * 2 ** 20;
/** Values of a form, in all traces together too: those that we write are of far more bytes each, beyond a few. */
const allowanceOf = ({ length }: Uint8Array): Allowance => ({
  values: Math.min(20_000_000, 1_000_000 + length / 8),
});
/** What may be read of each form. */
export const FORM_BYTES_MAX = { study: STUDY_BYTES_MAX, traces: 4 * STUDY_BYTES_MAX } as const;

function parsed<T>(
  schema: z.ZodMiniType<T>,
  bytes: Uint8Array,
  place: string,
  say: Say,
  allowance?: Allowance,
): T {
  let value: Json;
  try {
    value = parseJson(bytes, allowance ?? allowanceOf(bytes));
  } catch (error) {
    say(place, (error as JsonError).message);
    throw new Unreadable(place);
  }
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  for (const issue of result.error.issues.slice(0, 20)) {
    const { path, code, message } = issue;
    // zod/mini carries no words of its own.
    const expected = 'expected' in issue ? `, ${issue.expected} expected` : '';
    const words = code === 'invalid_format' ? message : `has the wrong form (${code}${expected})`;
    say(`${place}: ${formatPath(path)}`, words);
  }
  throw new Unreadable(place);
}

const formatPath = (path: readonly PropertyKey[]): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .slice(1);

/** Reads study.json. @throws Unreadable after saying what is wrong with its form */
export function readStudy(bytes: Uint8Array, say: Say): Study {
  const study = parsed(StudyForm, bytes, PLACES.study, say);
  if (digestOf(bytes) !== studyDigest(study)) {
    say(PLACES.study, 'is not written as we write it, so that its digest is not that of the study');
  }
  return study;
}

/** Reads traces.jsonl: a trace a line. @throws Unreadable after saying what is wrong with their form */
export function readTraces(bytes: Uint8Array, say: Say): Map<string, ArchivedTrace> {
  const traces = new Map<string, ArchivedTrace>();
  const allowance = allowanceOf(bytes);
  let line = 1;
  for (let at = 0; at < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const place = `${PLACES.traces}:${line}`;
    if (end - at > LINE_BYTES_MAX) {
      say(place, `has ${end - at} bytes, and may have ${LINE_BYTES_MAX}`);
      throw new Unreadable(place);
    }
    const trace = parsed(TraceForm, bytes.subarray(at, end), place, say, allowance);
    if (traces.has(trace.key)) say(place, `is a second trace of key ${trace.key.slice(0, 12)}`);
    traces.set(trace.key, trace);
    at = end + 1;
  }
  return traces;
}

export const readSources = (bytes: Uint8Array, say: Say): readonly Source[] =>
  parsed(z.array(SourceForm), bytes, PLACES.sources, say);

export const readLeftOut = (bytes: Uint8Array, say: Say): readonly LeftOut[] =>
  parsed(z.array(LeftOutForm), bytes, PLACES.leftOut, say);

/** What the inputs of a task must be in its key, by what its upstream tasks gave. */
export function inputsOf(
  task: StudyTask,
  taskOf: (id: string) => StudyTask | undefined,
): Named<InputDigest> | string {
  const inputs: Record<string, InputDigest> = {};
  for (const [port, input] of Object.entries(task.inputs)) {
    if ('files' in input) {
      inputs[port] = input.files as [string, Digest][];
      continue;
    }
    const items: CollectedDigest[] = [];
    for (const [id, output] of input.links) {
      const upstream = taskOf(id);
      if (upstream === undefined)
        return `input ${port} comes from ${id}, which is not an earlier task`;
      const made = Object.hasOwn(upstream.outputs, output) ? upstream.outputs[output] : undefined;
      const name = id as TaskId;
      if (made) items.push([name, upstream.at, made.digest as Digest]);
      else if (absenceOf(upstream) && input.arity === 'partial') {
        items.push([name, upstream.at, null, absenceOf(upstream) as AbsentReason]);
      } else return `input ${port} comes from ${id}:${output}, which was not made`;
    }
    const isList = input.arity === 'many' || input.arity === 'partial';
    if (!isList && items.length > 1) return `input ${port} takes one blob, and has ${items.length}`;
    inputs[port] = isList ? items : (items[0]?.[2] ?? null);
  }
  return inputs;
}

/** Why a task has no outputs; undefined when it was made. */
export function absenceOf({ infeasible, failed, skipped }: StudyTask): AbsentReason | undefined {
  if (infeasible !== undefined) return { kind: 'infeasible', message: infeasible };
  if (failed !== undefined) return { kind: 'failed', message: failed };
  return skipped === undefined ? undefined : { kind: 'skipped', message: skipped };
}

/** The parts of a key, as the engine knows them. Their form was checked; digests have a type of their own there. */
export const partsOf = (trace: ArchivedTrace): KeyParts => trace.parts as unknown as KeyParts;
