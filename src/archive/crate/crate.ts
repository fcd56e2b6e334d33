// crate.ts — the archive as an RO-Crate: profile Provenance Run Crate 0.5, on RO-Crate 1.1

import type { Json, Named } from '../../engine/model/key.ts';
import { elementAt } from '../../present.ts';
import { PLACES } from '../form/study.ts';
import { addSources, addTask, portsOfBlobs } from './crate-actions.ts';
import {
  type Add,
  anchor,
  authorRef,
  blobRef,
  type CrateFacts,
  ENGINE,
  type Entity,
  isoTime,
  isRun,
  lastMade,
  RUN,
  ref,
  refs,
  taskRef,
  WORKFLOW,
} from './crate-names.ts';
import { addWorkflow } from './crate-workflow.ts';

const PROFILES = [
  ['https://w3id.org/ro/wfrun/process/0.5', 'Process Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/workflow/0.5', 'Workflow Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/provenance/0.5', 'Provenance Run Crate', '0.5'],
  ['https://w3id.org/workflowhub/workflow-ro-crate/1.0', 'Workflow RO-Crate', '1.0'],
] as const;

/** The text of `ro-crate-metadata.json`. */
export function crateText(facts: CrateFacts): string {
  const entities = new Map<string, Entity>();
  const add: Add = (entity) => {
    if (!entities.has(entity['@id'])) entities.set(entity['@id'], entity);
  };
  addRoot(facts, add);
  const ports = portsOfBlobs(facts);
  addWorkflow(facts, new Set([...ports.values()].flatMap((some) => [...some])), add);
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

function addRoot(facts: CrateFacts, add: Add): void {
  const { study, digest, title, files, authors } = facts;
  const authorRefs = authors.map(authorRef);
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
    hasPart: refs([...files.keys(), ...external.map(({ urls }) => elementAt(urls, 0))]),
    mentions: refs([RUN, ...study.tasks.filter(isRun).map(({ task }) => taskRef(task))]),
    license: files.has('LICENSE') ? ref('LICENSE') : 'No licence is stated.',
    author: refs(authorRefs),
    publisher: refs(authorRefs.slice(0, 1)),
  });
  authors.forEach((name, index) => {
    add({ '@id': elementAt(authorRefs, index), '@type': 'Organization', name, url: ENGINE });
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

/** The run as a whole, and every file that belongs to no task. */
function addFiles(facts: CrateFacts, add: Add): void {
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
    agent: refs(authors.slice(0, 1).map(authorRef)),
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
  const format = Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined;
  if (format !== undefined) return format;
  return path === 'LICENSE' ? 'text/plain' : 'application/octet-stream';
};
