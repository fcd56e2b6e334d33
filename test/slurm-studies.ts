// slurm-studies.ts — studies for tests that run them on a real Slurm: their stages, their makes, and the jobs that are left
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DOOR, makeRig, type Rig, type SaidEvent, type Started } from './rig.ts';
import { type SlurmRig, until } from './slurm-rig.ts';

/** Stages that several of the tests have. `FOLDER/ran.txt` has a line for each time that one begins. */
const STAGES = {
  'wait.ts': `${DOOR}import { appendFileSync } from 'node:fs';
export default defineStage({
  params: z.object({ n: z.int(), folder: z.string(), ms: z.int() }), inputs: {}, outputs: { n: json() },
  async run({ params: { n, folder, ms } }) {
    appendFileSync(folder + '/ran.txt', n + '\\n');
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { n };
  },
});
`,
  // Steps of half a second; `FOLDER/steps.txt` has a line for each.
  'save.ts': `${DOOR}import { appendFileSync } from 'node:fs';
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
export default defineStage({
  params: z.object({ steps: z.int(), folder: z.string() }), inputs: {}, outputs: { resumed: json() },
  run({ params: { steps, folder }, checkpoint }) {
    const saved = checkpoint.load();
    const from = saved ? saved.tensors.state.data[0] : 0;
    appendFileSync(folder + '/ran.txt', from + '\\n');
    for (let n = from; n < steps; n += 1) {
      sleep(500);
      appendFileSync(folder + '/steps.txt', n + '\\n');
      if (checkpoint.due()) checkpoint.save({ tensors: { state: { shape: [1], data: Float32Array.of(n + 1) } }, metadata: {} });
    }
    return { resumed: from };
  },
});
`,
};

/** What a study says of its executor. */
export interface StudyOptions {
  /** The class of jobs. */
  readonly cls: string;
  /** Further keys of the executor, each followed by a comma. */
  readonly more?: string;
  readonly type?: 'slurm' | 'processes';
  readonly files?: { readonly [path: string]: string };
}

/** A study with an executor `lab`. `FOLDER` stands for its folder. */
export function studyWith(stages: string, options: StudyOptions): Rig {
  const { cls, more = '', type = 'slurm', files } = options;
  const rig = makeRig({ ...STAGES, ...files });
  const yaml = `executors:
  lab: { type: ${type}, depot: FOLDER/depot, listen: 127.0.0.1, ${more}classes: { cpu: { ${cls} } } }
stages:
${stages}
`;
  rig.write('pipeline.yaml', yaml.replaceAll('FOLDER', rig.folder));
  return rig;
}

/** `make --json` of a study, in a process of its own. */
export const startMake = (slurm: SlurmRig, rig: Rig, ...words: string[]): Started =>
  rig.start(['make', ...words, '--json'], { SLURM_CONF: slurm.environment.SLURM_CONF });

export const eventsOf = (stdout: string): readonly SaidEvent[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SaidEvent);

/** The lines of a file that a stage writes; none where it has not begun. */
export const linesOf = (rig: Rig, path: string): readonly string[] =>
  existsSync(join(rig.folder, path)) ? rig.read(path).trim().split('\n') : [];

/** What tasks wrote when they began. */
export const ran = (rig: Rig): readonly string[] => linesOf(rig, 'ran.txt');

/** Jobs that wait or run. */
export const queueOf = (slurm: SlurmRig): readonly string[] =>
  slurm
    .run('squeue', '-h', '-r', '-o', '%j %T')
    .split('\n')
    .filter((line) => /PENDING|RUNNING/.test(line));

/** Resolves when no job waits or runs. */
export const noJobs = (slurm: SlurmRig): Promise<void> =>
  until(() => queueOf(slurm).length === 0, 'jobs are left over');
