// inputs.mjs — what inputs and outputs cost: many small files into scratch folders beside cp, one large output through a store
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '8000' },
    tasks: { type: 'string', default: '4' },
    gib: { type: 'string', default: '0' },
  },
});
const binary = fileURLToPath(new URL('../dist/cli.cjs', import.meta.url));

/** Runs a program by way of GNU time: wall time and CPU time in seconds, greatest memory in MB. */
function timed(program, words, cwd) {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '@%e %U %S %M', program, ...words], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const [wall, user, system, kib] = /@(.*)\n/.exec(stderr)?.[1]?.split(' ').map(Number) ?? [];
  if (status !== 0) throw new Error(stderr);
  return { wall_s: wall, cpu_s: user + system, peak_mb: Math.round((kib * 1024) / 1e6) };
}

const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'pipeline-inputs-'));
const usedBytes = () => {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
};

/** Many small files of the project, read by some tasks, beside as many runs of `cp -r`. */
function manyFiles(files, tasks) {
  mkdirSync(join(folder, 'data'));
  for (let n = 0; n < files; n++) {
    writeFileSync(join(folder, 'data', `${n}.txt`), `${n}\n`.repeat(100));
  }
  const labels = Array.from({ length: tasks }, (_, n) => n).join(', ');
  writeFileSync(
    join(folder, 'pipeline.yaml'),
    `stages:
  read:
    command: [sh, -c, 'ls data | wc -l > n.txt; echo {params.n} >> n.txt']
    matrix: { n: [${labels}] }
    inputs: { data: { file: data/** } }
    params: { n: $n }
    outputs: { n: n.txt }
`,
  );
  // Digests of files that were written just now are not remembered.
  spawnSync('sleep', ['3']);
  const first = timed(process.execPath, [binary, 'status'], folder);
  const made = timed(process.execPath, [binary, 'make', '-j', '1'], folder);
  const copies = Array.from({ length: tasks }, (_, n) => `cp -r data copy-${n}`);
  const cp = timed('sh', ['-c', copies.join(' && ')], folder);
  const gone = timed('sh', ['-c', 'rm -rf copy-*'], folder);
  console.log(`${files} files, ${tasks} tasks`);
  console.table({
    'status (digests)': first,
    make: made,
    [`cp -r, ${tasks} times`]: cp,
    'rm -rf': gone,
  });
}

/** An output of some GiB and three tasks that read it. */
function largeOutput(gib) {
  writeFileSync(
    join(folder, 'pipeline.yaml'),
    `stages:
  write: { command: [sh, -c, 'head -c ${gib}G /dev/zero > big.bin'], outputs: { big: big.bin } }
  read:
    command: [sh, -c, 'stat -c %s big.bin > n.txt; echo {params.n} >> n.txt']
    matrix: { n: [0, 1, 2] }
    inputs: { big: write.big }
    params: { n: $n }
    outputs: { n: n.txt }
`,
  );
  const before = usedBytes();
  let most = 0;
  const made = timed(process.execPath, [binary, 'make', '-j', '3'], folder);
  most = usedBytes() - before;
  console.log(`an output of ${gib} GiB and three tasks that read it`);
  console.table({ make: { ...made, disk_gb: Number((most / 1e9).toFixed(2)) } });
}

try {
  if (Number(values.files) > 0) manyFiles(Number(values.files), Number(values.tasks));
  if (Number(values.gib) > 0) largeOutput(Number(values.gib));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
