// reference.mjs — docs/reference/: commands, the schema of pipeline.yaml, events and the API of stages, written from the
// program itself. `npm run reference` writes them; test/reference.test.ts says when they are out of date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { definitionsFor, schemasOf } from './reference/type-schema.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = 'docs/reference';
const GENERATED = '<!-- Written by `npm run reference` from the sources: edit those. -->';
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

// ---- commands ----

/** @param declarations what the files of src/cli/commands declare @param groups in their order */
export function commandsPage(declarations, groups) {
  const shown = declarations.filter(({ hidden }) => !hidden);
  const commands = groups.flatMap((group) => {
    const ours = shown.filter((one) => one.group === group);
    return ours.length === 0 ? [] : [`## ${group}`, ...ours.map(commandSection)];
  });
  return `${[
    GENERATED,
    '# Every command and option',
    'What `pipeline COMMAND --help` prints, on one page. [Commands](../cli.md) explains how they behave. Exit codes: 0 success, 1 a task failed, 2 usage or configuration error, 130 interrupted.',
    ...commands,
  ].join('\n\n')}\n`;
}

function commandSection({ name, about, arguments: args = [], options, examples }) {
  const usage = ['pipeline', name, '[options]', ...args.map((one) => one.name)].join(' ');
  const told = args.filter((one) => one.about !== undefined);
  const rows = options.map(
    (option) => `| \`${cell(option.flags)}\` | ${cell(optionWords(option))} |`,
  );
  const parts = [`### ${name}`, `${capital(about)}.`, `\`\`\`\n${usage}\n\`\`\``];
  if (told.length > 0) {
    const list = told.map((one) => `| \`${one.name}\` | ${cell(optionWords(one))} |`);
    parts.push(['| argument | |', '| --- | --- |', ...list].join('\n'));
  }
  if (rows.length > 0) parts.push(['| option | |', '| --- | --- |', ...rows].join('\n'));
  parts.push(`\`\`\`sh\n${examples.map((example) => `pipeline ${example}`).join('\n')}\n\`\`\``);
  return parts.join('\n\n');
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function optionWords({ about, choices, default: usual, defaultShown }) {
  const notes = [];
  if (choices !== undefined) notes.push(`one of ${choices.map((one) => `\`${one}\``).join(', ')}`);
  if (defaultShown !== undefined) notes.push(`default: ${defaultShown}`);
  else if (usual !== undefined) notes.push(`default: \`${usual}\``);
  return [about, ...notes].join('; ').replace(/<(\w+)>/g, '`<$1>`');
}

// ---- pipeline.yaml ----

/** @param schema what `pipeline schema` prints */
export function schemaPage(schema) {
  const sections = Object.entries(schema.$defs).map(([name, definition]) =>
    [`## ${name}`, definition.description && `${definition.description}`, fieldsTable(definition)]
      .filter(Boolean)
      .join('\n\n'),
  );
  return `${[
    GENERATED,
    '# Schema of pipeline.yaml',
    'The keys of `pipeline.yaml` as a table. `pipeline schema` prints the JSON Schema itself, for editors ([how](../cli.md#schema)); [pipeline.yaml](../pipeline-yaml.md) explains what the keys do.',
    '## pipeline.yaml',
    fieldsTable(schema),
    ...sections,
  ].join('\n\n')}\n`;
}

function fieldsTable(schema) {
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) return `${capital(typeWords(schema))}.`;
  const required = new Set(schema.required ?? []);
  const rows = fields.map(
    ([name, field]) =>
      `| \`${name}\`${required.has(name) ? ' (required)' : ''} | ${cell(typeWords(field))} | ${cell(field.description ?? '')} |`,
  );
  return ['| key | value | |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A schema in a few words, with links to the sections of this page. */
function typeWords(schema) {
  if (schema === true) return 'anything';
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${one}\``).join(', ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeWords))].join(' or ');
  if (schema.patternProperties !== undefined) {
    return `a mapping from names to ${typeWords(Object.values(schema.patternProperties)[0])}`;
  }
  const types = [schema.type ?? 'anything'].flat();
  if (types.includes('array'))
    return `a list of ${schema.items ? typeWords(schema.items) : 'anything'}`;
  if (types.includes('object') && typeof schema.additionalProperties === 'object') {
    return `a mapping from names to ${typeWords(schema.additionalProperties)}`;
  }
  const word = {
    object: 'a mapping',
    string: 'a string',
    number: 'a number',
    integer: 'an integer',
    boolean: '`true` or `false`',
    null: 'nothing',
  };
  return types.map((type) => word[type] ?? type).join(' or ');
}

// ---- events ----

const DIGEST = { type: 'string', pattern: '^[0-9a-f]{64}$' };

/** Lines that are printed beside events of a run. */
const OTHERS = {
  diagnostics: { diagnostics: { type: 'array', items: { type: 'object', required: ['message'] } } },
  forecast: {
    task: { type: 'string' },
    status: { enum: ['reuse', 'run', 'same', 'infeasible', 'pending', 'blocked', 'unknown'] },
  },
  estimate: { tasks: { type: 'integer' } },
  watching: { files: { type: 'integer' } },
};

/** @param source src/engine/model/event.ts @param causes names of causes @param version of the events */
export function eventsSchema(source, causes, version) {
  const all = schemasOf(source, {
    EVENTS_VERSION: { const: version },
    Digest: DIGEST,
    Key: DIGEST,
    TaskId: { type: 'string' },
    Json: {},
    FailureCause: { enum: causes },
    Named: (item) => ({ type: 'object', additionalProperties: item }),
    Result: () => ({}),
  });
  const { description, anyOf } = all.Event;
  const others = Object.entries(OTHERS).map(([event, fields]) => ({
    type: 'object',
    properties: { event: { const: event }, ...fields },
    required: ['event'],
  }));
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `A line of \`pipeline make --json\`, version ${version}`,
    description: description.replace('(docs/events.md)', '(../events.md)'),
    $comment:
      'Written by `npm run reference`. Kinds of events and fields are only added within a version.',
    anyOf: [...anyOf, ...others],
  };
  return `${JSON.stringify({ ...schema, $defs: definitionsFor(anyOf, all) }, null, 2)}\n`;
}

// ---- the API of stages ----

/** @param types text of dist/types/engine/stage.d.ts */
export function stagePage(types) {
  const parts = types.split(/\n(?=\/\*\*|export )/);
  const entries = [];
  let comment;
  for (const part of parts) {
    const found =
      /^(\/\*\*[\s\S]*?\*\/)?\s*export (?:declare )?(function|const|class|interface|type) (\w+)/.exec(
        part,
      );
    if (found === null) {
      comment = /^\/\*\*[\s\S]*?\*\/\s*$/.test(part) ? part : undefined;
      continue;
    }
    const [, own, , name] = found;
    const doc = own ?? comment;
    comment = undefined;
    const code = part.slice(own?.length ?? 0).trim();
    const words = doc
      ?.slice(3, -2)
      .split('\n')
      .map((line) => line.replace(/^\s*\*? ?/, '').trim())
      .filter(Boolean)
      .join(' ');
    entries.push(
      `## ${name}\n\n${words ? `${words.replace(/@throws/g, 'Throws')}\n\n` : ''}\`\`\`ts\n${code}\n\`\`\``,
    );
  }
  return `${[
    GENERATED,
    '# The API of stages',
    'What `@profiled-sparse/pipeline/stage` exports, from its type declarations. [Writing a stage](../stages.md) explains how to use it.',
    ...entries,
  ].join('\n\n')}\n`;
}

// ---- all of them ----

/** All pages by path, as they should be now. */
export function referencePages({ declarations, groups, schema, causes, eventsVersion }) {
  const types = join(root, 'dist/types/engine/stage.d.ts');
  if (!existsSync(types)) throw new Error('there is no dist/types: npm run build');
  const events = readFileSync(join(root, 'src/engine/model/event.ts'), 'utf8');
  return {
    [`${FOLDER}/cli.md`]: commandsPage(declarations, groups),
    [`${FOLDER}/pipeline-schema.md`]: schemaPage(schema),
    [`${FOLDER}/events.schema.json`]: eventsSchema(events, causes, eventsVersion),
    [`${FOLDER}/stage-api.md`]: stagePage(readFileSync(types, 'utf8')),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.chdir(root);
  const { loadTypeScript } = await import('./load-typescript.mjs');
  const { declaredCommands } = await import('./gather-commands.mjs');
  const load = (path) => loadTypeScript(join(root, path));
  const [schema, failure, event, declaration] = await Promise.all(
    [
      'src/engine/pipeline/schema.ts',
      'src/engine/model/failure.ts',
      'src/engine/model/event.ts',
      'src/cli/terminal/declaration.ts',
    ].map(load),
  );
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const pages = referencePages({
    declarations: await declaredCommands({
      VERSION: JSON.stringify(version),
      ESBUILD_VERSION: '""',
      BUILD: '""',
      PUBLISHED_CHECKERS: '[]',
    }),
    groups: declaration.GROUPS,
    schema: schema.pipelineSchema(),
    causes: Object.keys(failure.FAILURE_CAUSES),
    eventsVersion: event.EVENTS_VERSION,
  });
  const stale = Object.keys(pages).filter(
    (path) => !existsSync(path) || readFileSync(path, 'utf8') !== pages[path],
  );
  if (process.argv.includes('--check')) {
    for (const path of stale) console.error(`${path} is out of date: npm run reference`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    mkdirSync(FOLDER, { recursive: true });
    for (const path of stale) writeFileSync(path, pages[path]);
  }
}
