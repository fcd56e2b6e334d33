// crate.ts — the archive as an RO-Crate: profile Provenance Run Crate 0.5, on RO-Crate 1.1
import { canonicalJson, digestOf, type Json, type Named } from '../pipeline/key.ts';
import { COMMAND_CODE } from './integrity.ts';
import { type ArchivedTrace, PLACES, type Source, type Study, type StudyTask } from './study.ts';

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

type Entity = {
  readonly '@id': string;
  readonly '@type': string | readonly string[];
} & Named<Json>;
const ref = (id: string) => ({ '@id': id }) as const;
const refs = (ids: Iterable<string>) => [...new Set(ids)].map(ref);

const PROFILES = [
  ['https://w3id.org/ro/wfrun/process/0.5', 'Process Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/workflow/0.5', 'Workflow Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/provenance/0.5', 'Provenance Run Crate', '0.5'],
  ['https://w3id.org/workflowhub/workflow-ro-crate/1.0', 'Workflow RO-Crate', '1.0'],
] as const;

const ENGINE = 'https://arxiv.org/abs/2604.10560#pipeline';
const WORKFLOW = 'pipeline.yaml';
const LANGUAGE = '#pipeline-yaml';
const RUN = '#run';

/** A text that may stand in a relative URI, whatever a task is called. */
const anchor = (kind: string, name: string): string => `#${kind}-${encodeURIComponent(name)}`;
const taskRef = (task: string): string => anchor('task', task);
const stepRef = (stage: string): string => anchor('step', stage);
const blobRef = (digest: string, files: CrateFacts['files']): string =>
  files.has(PLACES.blobs + digest) ? PLACES.blobs + digest : `urn:sha256:${digest}`;
const portRef = (stage: string, name: string): string => anchor('port', `${stage}/${name}`);
const paramRef = (stage: string, name: string, value: unknown): string =>
  anchor('param', `${stage}/${name}/${digestOf(canonicalJson(value)).slice(0, 16)}`);

/** The text of `ro-crate-metadata.json`. */
export function crateText(facts: CrateFacts): string {
  const entities = new Map<string, Entity>();
  const add = (entity: Entity): void => {
    if (!entities.has(entity['@id'])) entities.set(entity['@id'], entity);
  };
  addRoot(facts, add);
  addWorkflow(facts, add);
  const ports = portsOfBlobs(facts);
  for (const task of facts.study.tasks) addTask(task, facts, ports, add);
  addSources(facts, add);
  addFiles(facts, add);
  const graph = [...entities.values()].map(compact);
  const context = [
    'https://w3id.org/ro/crate/1.1/context',
    'https://w3id.org/ro/terms/workflow-run/context',
  ];
  return `${JSON.stringify({ '@context': context, '@graph': graph }, null, 1)}\n`;
}

/** RO-Crate 1.1 wants single values bare; lists of nothing say nothing. */
function compact(entity: Entity): Entity {
  const fields = Object.entries(entity).flatMap(([name, value]): [string, Json][] => {
    if (!Array.isArray(value)) return [[name, value]];
    if (value.length === 0) return [];
    return [[name, value.length === 1 ? value[0] : value]];
  });
  return Object.fromEntries(fields) as Entity;
}

/** The time at which the last of the tasks was made: the date of the study. */
const lastMade = ({ traces }: CrateFacts): string =>
  [...traces.values()]
    .map(({ made }) => made.at)
    .sort()
    .at(-1) ?? '1980-01-01T00:00:00.000Z';

const isoTime = (at: string): string => at.replace(/Z$/, '+00:00');

const isRun = (task: StudyTask): boolean => task.key !== null && task.infeasible === undefined;

function addRoot(facts: CrateFacts, add: (entity: Entity) => void): void {
  const { study, digest, title, files, authors } = facts;
  const authorRefs = authors.map((name) => anchor('author', name));
  add({
    '@id': PLACES.crate,
    '@type': 'CreativeWork',
    about: ref('./'),
    conformsTo: [ref('https://w3id.org/ro/crate/1.1'), ref(PROFILES[3][0])],
  });
  const external = facts.sources.filter(({ included, urls }) => !included && urls.length > 0);
  add({
    '@id': './',
    '@type': 'Dataset',
    name: title,
    description:
      'A study made by pipeline: its plan, the code that ran, what came out, and the means to check it.',
    datePublished: lastMade(facts).slice(0, 10),
    identifier: `urn:sha256:${digest}`,
    conformsTo: refs(PROFILES.map(([id]) => id)),
    mainEntity: ref(WORKFLOW),
    hasPart: refs([...files.keys(), ...external.map(({ urls }) => urls[0])]),
    mentions: refs([RUN, ...study.tasks.filter(isRun).map(({ task }) => taskRef(task))]),
    license: files.has('LICENSE') ? ref('LICENSE') : 'No licence is stated.',
    author: refs(authorRefs),
    publisher: refs(authorRefs.slice(0, 1)),
  });
  authors.forEach((name, index) => {
    add({ '@id': authorRefs[index], '@type': 'Organization', name, url: ENGINE });
  });
  for (const [id, name, version] of PROFILES)
    add({ '@id': id, '@type': 'CreativeWork', name, version });
  add({
    '@id': ENGINE,
    '@type': 'SoftwareApplication',
    name: 'pipeline',
    url: ENGINE,
    softwareVersion: facts.version,
  });
}

/** The workflow, its steps (stages) and its tools (bundles). */
function addWorkflow(facts: CrateFacts, add: (entity: Entity) => void): void {
  const { study, title, authors, files } = facts;
  const firstOf = new Map<string, StudyTask>();
  for (const task of study.tasks) if (!firstOf.has(task.stage)) firstOf.set(task.stage, task);
  const ran = new Set(study.tasks.filter(isRun).map(({ stage }) => stage));
  const stages = Object.entries(study.stages).filter(([stage]) => ran.has(stage));
  const tools = stages.map(([stage, code]) => toolRef(stage, code));
  add({
    '@id': WORKFLOW,
    '@type': ['File', 'SoftwareSourceCode', 'ComputationalWorkflow', 'HowTo'],
    name: title,
    description: 'The stages of the study, and everything that can be turned.',
    version: facts.digest.slice(0, 12),
    url: ENGINE,
    conformsTo: ref('https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE'),
    encodingFormat: 'application/yaml',
    contentSize: String(files.get(WORKFLOW) ?? 0),
    programmingLanguage: ref(LANGUAGE),
    author: refs(authors.map((name) => anchor('author', name))),
    ...(files.has('LICENSE') && { license: ref('LICENSE') }),
    hasPart: refs(tools),
    step: refs(stages.map(([stage]) => stepRef(stage))),
  });
  add({
    '@id': LANGUAGE,
    '@type': 'ComputerLanguage',
    name: 'pipeline.yaml',
    identifier: ref(ENGINE),
    url: ref(ENGINE),
  });
  stages.forEach(([stage, code], index) => {
    add({
      '@id': stepRef(stage),
      '@type': 'HowToStep',
      name: stage,
      position: String(index),
      workExample: ref(toolRef(stage, code)),
    });
    addTool(stage, code, facts, stages, firstOf, add);
  });
}

const toolRef = (stage: string, code: string): string =>
  code === COMMAND_CODE ? anchor('command', stage) : `${PLACES.bundles}${code}.mjs`;

/** One bundle may be the tool of several stages: its ports are those of them all. */
function addTool(
  stage: string,
  code: string,
  { modules, files, study }: CrateFacts,
  stages: readonly (readonly [string, string])[],
  firstOf: ReadonlyMap<string, StudyTask>,
  add: (entity: Entity) => void,
): void {
  const sharing = stages.filter(([, other]) => other === code).map(([name]) => name);
  const ofTool = code === COMMAND_CODE ? [stage] : sharing;
  const ports = (namesOf: (task: StudyTask) => readonly string[]): string[] =>
    ofTool.flatMap((name) => {
      const task = firstOf.get(name);
      return task ? namesOf(task).map((port) => portRef(name, port)) : [];
    });
  const id = toolRef(stage, code);
  const isCommand = code === COMMAND_CODE;
  add({
    '@id': id,
    '@type': isCommand ? 'SoftwareApplication' : ['File', 'SoftwareSourceCode'],
    name: modules[stage] ?? stage,
    ...(isCommand ? { softwareVersion: '1' } : { version: code.slice(0, 12) }),
    url: ENGINE,
    ...(!isCommand && {
      encodingFormat: 'text/javascript',
      contentSize: String(files.get(id) ?? 0),
      sha256: code,
    }),
    input: refs(ports((task) => [...Object.keys(task.inputs), ...Object.keys(task.params)])),
    output: refs(ports((task) => Object.keys(task.outputs))),
  });
  const task = firstOf.get(stage);
  const port = (name: string, additionalType: string): void =>
    add({
      '@id': portRef(stage, name),
      '@type': 'FormalParameter',
      additionalType,
      name,
      conformsTo: ref('https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE'),
    });
  const all = study.tasks.filter((one) => one.stage === stage);
  for (const name of Object.keys(task?.inputs ?? {})) port(name, 'File');
  for (const name of Object.keys(task?.params ?? {})) port(name, 'PropertyValue');
  for (const name of new Set(all.flatMap(({ outputs }) => Object.keys(outputs))))
    port(name, 'File');
}

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
function portsOfBlobs({ study, traces }: CrateFacts): ReadonlyMap<string, ReadonlySet<string>> {
  const ports = new Map<string, Set<string>>();
  const put = (digest: string, port: string): void => {
    const known = ports.get(digest);
    if (known) known.add(port);
    else ports.set(digest, new Set([port]));
  };
  for (const { stage, key, outputs } of study.tasks.filter(isRun)) {
    for (const [name, { digest }] of Object.entries(outputs)) put(digest, portRef(stage, name));
    for (const [name, input] of Object.entries(traces.get(key ?? '')?.parts.inputs ?? {})) {
      for (const digest of digestsIn(input)) put(digest, portRef(stage, name));
    }
  }
  return ports;
}

/** A task: what it was given, what it gave, by which code. */
function addTask(
  task: StudyTask,
  facts: CrateFacts,
  ports: ReadonlyMap<string, ReadonlySet<string>>,
  add: (entity: Entity) => void,
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
      exampleOfWork: ref(portRef(stage, name)),
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
    instrument: ref(toolRef(stage, study.stages[stage])),
    object: refs([...given.map((one) => ofSource.get(one) ?? blobRef(one, files)), ...values]),
    result: refs(results),
    endTime: isoTime(trace.made.at),
    agent: refs(facts.authors.slice(0, 1).map((name) => anchor('author', name))),
    actionStatus: 'http://schema.org/CompletedActionStatus',
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

const sourceRef = ({ included, urls, sha256 }: Source): string =>
  included ? PLACES.data + sha256 : (urls[0] ?? `urn:sha256:${sha256}`);

function addSources({ sources }: CrateFacts, add: (entity: Entity) => void): void {
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

/** The run as a whole, and every file that no task tells of. */
function addFiles(facts: CrateFacts, add: (entity: Entity) => void): void {
  const { study, files, authors } = facts;
  const made = study.tasks.filter(isRun);
  const byId = new Map(study.tasks.map((task) => [task.task, task]));
  const outcomes = study.targets.flatMap((id) => Object.values(byId.get(id)?.outputs ?? {}));
  add({
    '@id': RUN,
    '@type': 'CreateAction',
    name: 'the study',
    description: `Everything that ${study.targets.join(', ')} need`,
    instrument: ref(WORKFLOW),
    result: refs(outcomes.map(({ digest }) => blobRef(digest, files))),
    endTime: isoTime(lastMade(facts)),
    agent: refs(authors.slice(0, 1).map((name) => anchor('author', name))),
    actionStatus: 'http://schema.org/CompletedActionStatus',
  });
  add({
    '@id': '#organize',
    '@type': 'OrganizeAction',
    name: 'pipeline make',
    instrument: ref(ENGINE),
    object: refs(made.map(({ task }) => anchor('control', task))),
    result: ref(RUN),
  });
  for (const [path, bytes] of files) {
    const isLicence = path === 'LICENSE';
    add({
      '@id': path,
      '@type': isLicence ? ['File', 'CreativeWork'] : 'File',
      ...(isLicence && { description: 'What may be done with the study' }),
      ...(path === 'README.md' && { about: ref('./') }),
      name: path.split('/').at(-1) ?? path,
      encodingFormat: formatOf(path),
      contentSize: String(bytes),
    });
  }
}

const ENDINGS: Named<string> = {
  json: 'application/json',
  jsonl: 'application/jsonl',
  mjs: 'text/javascript',
  html: 'text/html',
  md: 'text/markdown',
  yaml: 'application/yaml',
  cff: 'application/yaml',
  svg: 'image/svg+xml',
  png: 'image/png',
};

const formatOf = (path: string): string => {
  const ending = path.split('.').at(-1) ?? '';
  if (Object.hasOwn(ENDINGS, ending)) return ENDINGS[ending];
  return path === 'LICENSE' ? 'text/plain' : 'application/octet-stream';
};
