// init.ts — pipeline init [DIR]: a small pipeline that works at once, to begin with
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeAtomically } from '../../../engine/files/files.ts';
import { pipelineSchema } from '../../../engine/pipeline/schema.ts';
import { checkFolder } from '../../session/output-files.ts';
import { writeJson, writeStderr, writeStdout } from '../../session/printing.ts';
import { EXIT } from '../../session/session.ts';
import { UsageError } from '../../session/usage-error.ts';
import type { CommandDeclaration } from '../../terminal/declaration.ts';
import { quoted, shownPath } from '../../terminal/format.ts';
import { TEMPLATES, templateFiles } from './python-module.ts';
import { PYTHON_STUDY } from './python-study.ts';

export const command: CommandDeclaration = {
  name: 'init',
  group: 'Set up',
  about: 'write a small working pipeline',
  arguments: [{ name: '[dir]', about: 'the folder; created if it does not exist', default: '.' }],
  options: [
    { flags: '--python', about: 'write stages as Python scripts that need no packages' },
    {
      flags: '--template <name>',
      about: 'write stages as Python scripts that use this library, with requirements.txt',
      choices: TEMPLATES,
    },
    { flags: '--json', about: 'list the written files as JSON' },
  ],
  examples: ['init', 'init --python my-study', 'init --python --template sklearn my-study'],
};
export { init as run };

const FILES: { readonly [path: string]: string } = {
  'pipeline.yaml': `# What is computed. Change something and run \`pipeline make\` again: only what depends on it runs.
params:
  seeds: [0, 1, 2]
  walk: { steps: 1000, step: 0.5 }

presets:                          # pipeline make --preset long
  long: { walk: { steps: 100000 } }

stages:
  walk:                           # a task for each seed: walk[0], walk[1], walk[2]
    run: stages/walk.ts
    matrix: { seed: $seeds }
    params: { walk: $walk }
  summary:                        # has no axis \`seed\`: it gets the walks of all seeds, in order
    run: stages/summary.ts
    inputs: { walks: walk.track }
    artifacts: { page: summary.md }
`,
  'stages/walk.ts': `// A random walk. A stage is a pure function: the same params give the same outputs.
import { defineStage, tensors } from '@profiled-sparse/pipeline/stage';
import * as z from 'zod/mini';

export default defineStage({
  // Read from \`params\` in pipeline.yaml, or from an axis of that name. The task is keyed by these and no others.
  params: z.object({
    seed: z.int(),
    walk: z.strictObject({ steps: z.int().check(z.positive()), step: z.number() }),
  }),
  inputs: {},
  outputs: { track: tensors() },
  run({ params: { seed, walk }, progress, log }) {
    const track = new Float64Array(walk.steps);
    // Not Math.random: that would give other numbers each time.
    let state = (seed * 2654435761 + 1) >>> 0;
    let place = 0;
    for (let step = 0; step < walk.steps; step++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      place += state < 2 ** 31 ? walk.step : -walk.step;
      track[step] = place;
      if (step % 1000 === 0) progress(step, walk.steps);
    }
    log(\`ends at \${place}\`);
    return { track: { tensors: { track: { shape: [walk.steps], data: track } }, metadata: {} } };
  },
});
`,
  'stages/summary.ts': `// How far the walks came, as a page for people and as numbers.
import { collect, defineStage, json, tensors, text } from '@profiled-sparse/pipeline/stage';
import * as z from 'zod/mini';

export default defineStage({
  params: z.object({}),
  inputs: { walks: collect(tensors()) },
  outputs: { page: text(), ends: json<{ seed: string; end: number }[]>() },
  run({ inputs }) {
    const ends = inputs.walks.map(({ at, value }) => {
      const { data } = value.tensors.track;
      return { seed: at.seed, end: data[data.length - 1] };
    });
    const rows = ends.map(({ seed, end }) => \`| \${seed} | \${end} |\`);
    const page = ['# Walks', '', '| seed | end |', '| --- | --- |', ...rows, ''].join('\\n');
    return { page, ends };
  },
});
`,
  'README.md': `# A pipeline

\`\`\`sh
pipeline make                      # runs everything; the result is artifacts/summary/summary.md
pipeline make                      # nothing to do
pipeline make --set walk.step=2    # runs what depends on it; --dry-run shows it first
pipeline why summary               # why it would run, or who made it
pipeline show walk/0:track -o walk.png
pipeline diff                      # what differs between the last two runs
\`\`\`

\`pipeline.yaml\` describes what is computed, and \`stages/\` has the code. \`pipeline check\` finds mistakes, \`pipeline schema\` is for
editors, and \`pipeline --help\` lists all commands.
`,
  '.gitignore': `node_modules/
cache/
artifacts/
`,
};

interface InitOptions {
  readonly python?: boolean;
  readonly template?: string;
  readonly json?: boolean;
}

/** Whether people may have a file of that name already, and keep it. */
const isWelcome = (path: string): boolean => path === 'README.md' || path === '.gitignore';

/** The files to write, by path. A study in Python has the schema beside it, since it has no folder of packages. */
function filesFor({ python, template }: InitOptions): {
  readonly [path: string]: string | Uint8Array;
} {
  if (!python && template === undefined) return FILES;
  const schema = `${JSON.stringify(pipelineSchema(), null, 2)}\n`;
  const files = template === undefined ? PYTHON_STUDY : templateFiles(template);
  return { ...files, 'pipeline.schema.json': schema };
}

/** Writes the files, or nothing when one of them is there. */
async function init(folder: string, options: InitOptions): Promise<number> {
  const files = filesFor(options);
  const root = resolve(folder);
  if (existsSync(root)) checkFolder(root, 'init DIR');
  const there = Object.keys(files).filter((path) => existsSync(join(root, path)));
  const [first] = there.filter((path) => !isWelcome(path));
  if (first !== undefined) {
    const message = `${shownPath(join(root, first))} exists already: nothing was written`;
    throw new UsageError([{ message, hint: 'name another folder: pipeline init DIR' }]);
  }
  const missing = Object.entries(files).filter(([path]) => !there.includes(path));
  for (const [path, text] of missing) await writeAtomically(join(root, path), text);
  const written = missing.map(([path]) => path);
  if (options.json) writeJson({ folder: root, files: written });
  else {
    for (const path of written) writeStdout(shownPath(join(root, path)));
    const where = root === process.cwd() ? '' : ` -C ${quoted(shownPath(root))}`;
    if (options.template === undefined) writeStderr(`try: pipeline make${where}`);
    else
      writeStderr(
        `next: ${shownPath(join(root, 'README.md'))} says how to install requirements.txt`,
      );
  }
  return EXIT.success;
}
