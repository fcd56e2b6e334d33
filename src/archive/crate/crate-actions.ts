// crate-actions.ts — what a crate says about tasks, and of the files that went into them and came out

import { canonicalJson, type Named } from '../../engine/model/key.ts';
import { entryOf } from '../../present.ts';
import type { StudyTask } from '../form/study.ts';
import {
  type Add,
  anchor,
  authorRef,
  blobRef,
  type CrateFacts,
  type Entity,
  isoTime,
  isRun,
  paramRef,
  portRef,
  ref,
  refs,
  sourceRef,
  stepRef,
  taskRef,
  toolRef,
} from './crate-names.ts';

/** The blobs that an input of a key names. */
function digestsIn(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return [];
  return (input as unknown[][]).flatMap((item) => {
    const digest = item.length === 2 ? item[1] : item[2];
    return typeof digest === 'string' ? [digest] : [];
  });
}

/** Of each blob, the ports that it came out of and went into. */
export function portsOfBlobs({
  study,
  traces,
}: CrateFacts): ReadonlyMap<string, ReadonlySet<string>> {
  const ports = new Map<string, Set<string>>();
  const put = (digest: string, port: string): void => {
    const known = ports.get(digest);
    if (known) known.add(port);
    else ports.set(digest, new Set([port]));
  };
  for (const { stage, key, outputs } of study.tasks.filter(isRun)) {
    for (const [name, { digest }] of Object.entries(outputs))
      put(digest, portRef(stage, 'out', name));
    for (const [name, input] of Object.entries(traces.get(key ?? '')?.parts.inputs ?? {})) {
      for (const digest of digestsIn(input)) put(digest, portRef(stage, 'in', name));
    }
  }
  return ports;
}

/** Adds a task: what it was given, what it gave, by which code; or how it failed. */
export function addTask(
  task: StudyTask,
  facts: CrateFacts,
  ports: ReadonlyMap<string, ReadonlySet<string>>,
  add: Add,
): void {
  const trace = task.key === null ? undefined : facts.traces.get(task.key);
  if (trace === undefined || !isRun(task)) return;
  const { stage, params, outputs } = task;
  const { files, study } = facts;
  const values = Object.entries(params).map(([name, value]) => {
    const id = paramRef(stage, name, value);
    const text = typeof value === 'string' ? value : canonicalJson(value);
    add({
      '@id': id,
      '@type': 'PropertyValue',
      name,
      value: text,
      exampleOfWork: ref(portRef(stage, 'param', name)),
    });
    return id;
  });
  const given = Object.values(trace.parts.inputs).flatMap(digestsIn);
  given.push(...Object.values(trace.parts.source ?? {}).map((digest) => `source:${digest}`));
  const ofSource = new Map(
    facts.sources.map((source) => [`source:${source.sha256}`, sourceRef(source)]),
  );
  const results = Object.entries(outputs).map(([name, { digest, kind, bytes }]) => {
    const id = blobRef(digest, files);
    add(blobEntity(id, name, kind, bytes, digest, ports.get(digest) ?? []));
    return id;
  });
  add({
    '@id': taskRef(task.task),
    '@type': 'CreateAction',
    name: task.task,
    description: `Stage ${stage} at one point of its matrix; key ${task.key}`,
    instrument: ref(toolRef(stage, entryOf(study.stages, stage))),
    object: refs([...given.map((one) => ofSource.get(one) ?? blobRef(one, files)), ...values]),
    result: refs(results),
    endTime: isoTime(trace.made.at),
    agent: refs(facts.authors.slice(0, 1).map(authorRef)),
    actionStatus: `http://schema.org/${trace.failed === undefined ? 'Completed' : 'Failed'}ActionStatus`,
    ...(trace.failed !== undefined && { error: trace.failed }),
  });
  add({
    '@id': anchor('control', task.task),
    '@type': 'ControlAction',
    name: task.task,
    instrument: ref(stepRef(stage)),
    object: ref(taskRef(task.task)),
  });
}

const FORMATS: Named<string> = {
  json: 'application/json',
  files: 'application/json',
  folder: 'application/json',
  text: 'text/plain',
  tensors: 'application/octet-stream',
  bytes: 'application/octet-stream',
};

/** An output; where its bytes are left out, something that is described and not there. */
function blobEntity(
  id: string,
  name: string,
  kind: string,
  bytes: number,
  digest: string,
  ports: Iterable<string>,
): Entity {
  return {
    '@id': id,
    '@type': id.startsWith('urn:') ? 'CreativeWork' : 'File',
    name,
    encodingFormat: FORMATS[kind] ?? 'application/octet-stream',
    contentSize: String(bytes),
    sha256: digest,
    exampleOfWork: refs(ports),
  };
}

/** Adds files from outside. */
export function addSources({ sources }: CrateFacts, add: Add): void {
  for (const source of sources) {
    const id = sourceRef(source);
    add({
      '@id': id,
      '@type': id.startsWith('urn:') ? 'CreativeWork' : 'File',
      name: source.name,
      description: `SHA-256 of its ${source.of}: ${source.sha256}`,
      sha256: source.sha256,
      ...(source.bytes !== undefined && { contentSize: String(source.bytes) }),
      encodingFormat: 'application/octet-stream',
    });
  }
}
