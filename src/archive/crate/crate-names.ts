// crate-names.ts — what a crate is made from, and how its entities are called
import { canonicalJson, digestOf, type Json, type Named } from '../../engine/model/key.ts';
import { isCommandCode } from '../form/contents.ts';
import {
  type ArchivedTrace,
  PLACES,
  type Source,
  type Study,
  type StudyTask,
} from '../form/study.ts';

/** What a crate tells. */
export interface CrateFacts {
  readonly study: Study;
  readonly digest: string;
  readonly traces: ReadonlyMap<string, ArchivedTrace>;
  readonly sources: readonly Source[];
  /** Files of the payload, relative to it, with their sizes. The crate's own is not among them. */
  readonly files: ReadonlyMap<string, number>;
  /** Path of each stage's module in the project. */
  readonly modules: Named<string>;
  readonly title: string;
  readonly authors: readonly string[];
  readonly version: string;
}

/** An entity of a crate. */
export type Entity = {
  readonly '@id': string;
  readonly '@type': string | readonly string[];
} & Named<Json>;
/** Takes an entity, unless there is one of its name. */
export type Add = (entity: Entity) => void;

export const ref = (id: string) => ({ '@id': id }) as const;
export const refs = (ids: Iterable<string>) => [...new Set(ids)].map(ref);

export const ENGINE = 'https://arxiv.org/abs/2604.10560#pipeline';
export const WORKFLOW = 'pipeline.yaml';
export const RUN = '#run';

/** A text that may stand in a relative URI, whatever a task is called. */
export const anchor = (kind: string, name: string): string =>
  `#${kind}-${encodeURIComponent(name)}`;
export const taskRef = (task: string): string => anchor('task', task);
export const stepRef = (stage: string): string => anchor('step', stage);
export const blobRef = (digest: string, files: CrateFacts['files']): string =>
  files.has(PLACES.blobs + digest) ? PLACES.blobs + digest : `urn:sha256:${digest}`;
/** A stage may have an input, an output and a param of one name. */
export const portRef = (stage: string, side: 'in' | 'out' | 'param', name: string): string =>
  anchor('port', `${stage}/${side}/${name}`);
export const paramRef = (stage: string, name: string, value: unknown): string =>
  anchor('param', `${stage}/${name}/${digestOf(canonicalJson(value)).slice(0, 16)}`);
export const toolRef = (stage: string, code: string): string =>
  isCommandCode(code) ? anchor('command', stage) : `${PLACES.bundles}${code}.mjs`;
export const sourceRef = ({ included, urls, sha256 }: Source): string =>
  included ? PLACES.data + sha256 : (urls[0] ?? `urn:sha256:${sha256}`);
export const authorRef = (name: string): string => anchor('author', name);

/** Whether a task ran, whatever came of it. */
export const isRun = ({ key, infeasible, skipped }: StudyTask): boolean =>
  key !== null && infeasible === undefined && skipped === undefined;

/** The time at which the last of the tasks was made: the date of the study. */
export const lastMade = ({ traces }: CrateFacts): string =>
  [...traces.values()]
    .map(({ made }) => made.at)
    .sort()
    .at(-1) ?? '1980-01-01T00:00:00.000Z';

export const isoTime = (at: string): string => at.replace(/Z$/, '+00:00');
