// crate-workflow.ts — the workflow of a crate: stages as steps, their code as tools, what goes in and out

import { isCommandCode } from '../form/contents.ts';
import type { StudyTask } from '../form/study.ts';
import {
  type Add,
  authorRef,
  type CrateFacts,
  ENGINE,
  isRun,
  portRef,
  ref,
  refs,
  stepRef,
  toolRef,
  WORKFLOW,
} from './crate-names.ts';

const LANGUAGE = '#pipeline-yaml';

/** Adds the workflow, its steps (stages) and its tools (bundles). @param used ports that some blob went through */
export function addWorkflow(facts: CrateFacts, used: ReadonlySet<string>, add: Add): void {
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
    author: refs(authors.map(authorRef)),
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
    addTool(stage, code, facts, { stages, firstOf, used }, add);
  });
}

/** What tools are told with. */
interface Stages {
  readonly stages: readonly (readonly [stage: string, code: string])[];
  readonly firstOf: ReadonlyMap<string, StudyTask>;
  readonly used: ReadonlySet<string>;
}

/** One bundle may be the tool of several stages: its ports are those of them all. */
function addTool(
  stage: string,
  code: string,
  { modules, files, study }: CrateFacts,
  { stages, firstOf, used }: Stages,
  add: Add,
): void {
  const sharing = stages.filter(([, other]) => other === code).map(([name]) => name);
  const isCommand = isCommandCode(code);
  const outputsOf = (name: string): string[] => [
    ...new Set(study.tasks.flatMap((one) => (one.stage === name ? Object.keys(one.outputs) : []))),
  ];
  // An optional input that no task was given is told of nowhere else.
  const inputsOf = (name: string): string[] =>
    Object.keys(firstOf.get(name)?.inputs ?? {}).filter((port) =>
      used.has(portRef(name, 'in', port)),
    );
  const paramsOf = (name: string): string[] => Object.keys(firstOf.get(name)?.params ?? {});
  const id = toolRef(stage, code);
  const ofTool = isCommand ? [stage] : sharing;
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
    input: refs(
      ofTool.flatMap((name) => [
        ...inputsOf(name).map((port) => portRef(name, 'in', port)),
        ...paramsOf(name).map((port) => portRef(name, 'param', port)),
      ]),
    ),
    output: refs(
      ofTool.flatMap((name) => outputsOf(name).map((port) => portRef(name, 'out', port))),
    ),
  });
  const port = (side: 'in' | 'out' | 'param', name: string): void =>
    add({
      '@id': portRef(stage, side, name),
      '@type': 'FormalParameter',
      additionalType: side === 'param' ? 'PropertyValue' : 'File',
      name,
      conformsTo: ref('https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE'),
    });
  for (const name of inputsOf(stage)) port('in', name);
  for (const name of paramsOf(stage)) port('param', name);
  for (const name of outputsOf(stage)) port('out', name);
}
