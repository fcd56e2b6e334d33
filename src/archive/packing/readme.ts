// readme.ts — what a reviewer reads first
import { printable } from '../form/finding.ts';
import type { StudyTask } from '../form/study.ts';
import type { Gathered } from './gather.ts';

/** What the text tells beside the study. */
export interface ReadmeFacts {
  readonly title: string;
  readonly digest: string;
  readonly version: string;
  /** SHA-256 of verify.mjs. */
  readonly checker: string;
  readonly invocation: {
    readonly presets: readonly string[];
    /** Files of `--params` are told as values of `--set`: they are not in the archive. */
    readonly sets: readonly string[];
    readonly targets: readonly string[];
  };
}

const FAILED_SHOWN = 20;

/** What a reader must know first of a study that is not whole. */
function failedText(failed: readonly StudyTask[], skipped: number): string {
  if (failed.length === 0) return '';
  const lines = failed
    .slice(0, FAILED_SHOWN)
    .map((task) => `    ${task.task}: ${printable(task.failed?.split('\n')[0] ?? '', 160)}`);
  if (failed.length > lines.length) lines.push(`    and ${failed.length - lines.length} more`);
  return `
**Not all of it was made**: of its tasks ${failed.length} failed, and ${skipped} were skipped as they need one that did.

${lines.join('\n')}
`;
}

/** The text of README.md in an archive. */
export function readmeText(
  { study, leftOut, sources, blobs }: Gathered,
  facts: ReadmeFacts,
): string {
  const { title, digest, version, checker, invocation } = facts;
  const absent = sources.filter(({ included }) => !included);
  const failed = study.tasks.filter((task) => task.failed !== undefined);
  const skipped = study.tasks.filter((task) => task.skipped !== undefined);
  const words = [
    'pipeline make',
    ...invocation.targets,
    ...invocation.presets.map((preset) => `--preset ${preset}`),
    ...invocation.sets.map((set) => `--set '${set.replaceAll("'", `'\\''`)}'`),
  ];
  return `# ${title}

An archive of a study, made by pipeline ${version}: its plan, the very code that ran, what each task gave, and the means
to check that all of it belongs together.

    study digest  ${digest}
    tasks         ${study.tasks.length}
    blobs         ${blobs.size} here, ${leftOut.length} listed in left-out.json
    made by       ${words.join(' ')}

The study digest is the SHA-256 of \`study.json\`: of plan, keys, outputs, claims and report, and of no time, machine or
cost. Whoever makes the same study, wherever, gets the same digest.
${failedText(failed, skipped.length)}
## Check it

Without any program of ours: every file is in a manifest (this folder is the \`data\` folder of a BagIt bag).

    sha256sum -c manifest-sha256.txt tagmanifest-sha256.txt     # in the folder above this one

With Node 20 or later, and nothing to install:

    node verify.mjs STUDY.zip                 # runs nothing of the archive
    node verify.mjs STUDY.zip --rerun --yes   # runs its code again, and compares bit by bit
    node verify.mjs --commands --yes          # stages that are commands, too: with all your rights
    node verify.mjs --help

**Whom to trust.** \`verify.mjs\` came with the archive. A forged archive could bring a forged checker that finds everything
in order. So before you believe it, compare its SHA-256 with the one that is published with version ${version} of pipeline
(\`docs/verify-digests.md\` in its repository); this archive's is

    ${checker}  verify.mjs

or check with a pipeline of your own: \`pipeline verify STUDY.zip\` never runs the archive's copy.

\`--rerun\` executes code from the archive: behind the system's walls (bubblewrap or user namespaces) where there are any, and
with Node's permission model. It names the walls; \`--require-walls\` runs nothing without them.

What is shown when all is identical: that this code, given these inputs, gives these bits, that the report was drawn from
them and the claims judged on them. Not that the code does what the paper says: read it. Nor that nothing else was tried.

## What is here

| file | is |
| --- | --- |
| \`study.json\` | every task: its place in the plan, params, inputs, key, outputs |
| \`traces.jsonl\` | what was remembered of every action that ran: key parts, outputs, cost, versions |
| \`bundles/\` | the code of each stage with all it imports, by the digest that keys have |
| \`blobs/\` | what tasks gave, by SHA-256; masks and models in safetensors form |
| \`artifacts/\`, \`claims.json\` | the report; the claims with their verdicts |
| \`pipeline.yaml\`, \`invocation.json\` | the pipeline as it was written; presets and overrides that were laid over it |
| \`sources.json\`, \`left-out.json\` | files from outside, by address and digest; blobs that are listed and not here |
| \`environment.json\` | on what it was made, and versions of packages |
| \`ro-crate-metadata.json\` | all of this as an RO-Crate (Provenance Run Crate 0.5) |
${absent.length > 0 ? `\n${absent.length} files from outside are not here: what their licences allow is for others to say. \`verify.mjs --rerun\` fetches\nthem by digest, or takes them from \`--mirror DIR\`.\n` : ''}`;
}
