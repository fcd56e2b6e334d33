// Results that are shared, by the real command line: a second machine, trust, modes, bad input.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newFolder, testServer } from './remote-server.ts';
import { makeRig, type Rig, type Started } from './rig.ts';

const PIPELINE = `stages:
  data: { command: [sh, -c, 'echo made >> "$LOG"; echo data > out.txt'], outputs: { out: out.txt }, pass: [LOG] }
  train:
    matrix: { n: [1, 2] }
    params: { n: $n }
    command: [sh, -c, 'echo made >> "$LOG"; cat data.txt > out.txt; echo {params.n} >> out.txt']
    inputs: { data: data.out }
    pass: [LOG]
    outputs: { out: out.txt }
  report:
    command: [sh, -c, 'echo made >> "$LOG"; cat train/*.txt > all.txt']
    inputs: { train: train.out }
    pass: [LOG]
    outputs: { out: all.txt }
    artifacts: { out: all.txt }
`;

/** A machine of somebody: a home, and a folder of the study. */
interface Machine {
  readonly rig: Rig;
  readonly home: string;
  run(words: readonly string[], more?: NodeJS.ProcessEnv): Started['ended'];
  /** How many commands ran here. */
  ran(): number;
}

function machine(url: string, trust = '', pipeline = PIPELINE): Machine {
  const rig = makeRig({ 'pipeline.yaml': pipeline + trust });
  const home = newFolder('home');
  const log = join(home, 'ran.txt');
  const own = { HOME: home, XDG_CONFIG_HOME: '', XDG_STATE_HOME: '', CI: '', LOG: log };
  return {
    rig,
    home,
    run: (words, more = {}) => rig.runWith(words, { ...own, PIPELINE_REMOTE_URL: url, ...more }),
    ran: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0),
  };
}

/** A machine with a key, and the line that has it trusted. */
async function maker(url: string): Promise<{ lab: Machine; trust: string }> {
  const lab = machine(url);
  const { stdout, stderr, code } = await lab.run(['remote', 'key', '--name', 'lab']);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('made') });
  expect(stdout).toMatch(/^remote: \{ trust: \{ lab: "ed25519:[\w+/]{43}=" \} \}\n$/);
  lab.rig.write('pipeline.yaml', PIPELINE + stdout);
  return { lab, trust: stdout };
}

test('a second machine takes what the first has made, runs nothing, and says who made it', async () => {
  const server = await testServer();
  const { lab, trust } = await maker(server.url);
  const file = join(lab.home, '.config', 'pipeline', 'key.pem');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const made = await lab.run(['make', '--remote', 'read-write']);
  expect(made.stderr).toContain('4 built');
  expect(lab.ran()).toBe(4);

  const other = machine(server.url, trust);
  const taken = await other.run(['make', '-v']);
  expect({ code: taken.code, ran: other.ran() }).toEqual({ code: 0, ran: 0 });
  expect(taken.stderr).toContain('4 reused (4 made by lab)');
  expect(taken.stderr).toContain('train[2] was made by lab on');
  const artifact = 'artifacts/report/all.txt';
  expect(other.rig.read(artifact)).toBe(lab.rig.read(artifact));
  // Only what somebody wants is fetched: the artifact.
  expect(server.asked.filter((line) => line.startsWith('GET /cas/'))).toHaveLength(1);

  const provenance = JSON.parse(other.rig.read('artifacts/report/provenance.json'));
  expect(provenance.tasks[0].origin.by).toBe('lab');
  const [run] = JSON.parse((await other.run(['runs', '--json'])).stdout);
  expect(run).toMatchObject({ makers: { lab: 4 }, tally: { reused: 4 } });
  expect((await other.run(['why', 'report'])).stdout).toContain('by       lab, from the remote');

  // A no-op asks nobody, and neither does a look.
  server.asked.length = 0;
  for (const words of [['make'], ['fsck']]) {
    const { code } = await other.run(words, { PIPELINE_NO_MEMO: '1' });
    expect(code).toBe(0);
  }
  expect((await other.run(['make', '--remote', 'require'])).stderr).toContain('nothing to do');
  expect(server.asked).toEqual([]);

  // A change downstream reads what lies at the remote.
  other.rig.edit('pipeline.yaml', 'cat train/', 'echo new; cat train/');
  const again = await other.run(['make']);
  expect(again.stderr).toContain('1 built, 3 reused');
  expect(other.ran()).toBe(1);
  expect(server.asked.filter((line) => line.startsWith('GET /cas/'))).toHaveLength(2);
});

test('a name that is removed from trust makes what it brought in count no more', async () => {
  const server = await testServer();
  const { lab, trust } = await maker(server.url);
  await lab.run(['make', '--remote', 'read-write']);
  const other = machine(server.url, trust);
  await other.run(['make']);
  other.rig.write('pipeline.yaml', PIPELINE);
  const made = await other.run(['make', '--remote', 'off']);
  expect(made.stderr).toContain('results that lab made are not used');
  expect(made.stderr).toContain('pipeline invalidate --by lab');
  expect({ code: made.code, ran: other.ran() }).toEqual({ code: 0, ran: 4 });
});

test('`audit --remote` runs a sample of what others made again, and says whose results differ', async () => {
  const server = await testServer();
  const { lab, trust } = await maker(server.url);
  // What is passed is in no key: a stage that depends on it is not what its key says.
  const impure = PIPELINE.replace('echo data >', 'echo data $SALT >').replace(
    '[LOG]',
    '[LOG, SALT]',
  );
  lab.rig.write('pipeline.yaml', impure + trust);
  await lab.run(['make', '--remote', 'read-write'], { SALT: 'of the lab' });
  const other = machine(server.url, trust, impure);
  if (process.env.FULL) {
    const none = await other.run(['audit', '--remote', '50%', '--json']);
    expect({ code: none.code, ...JSON.parse(none.stdout) }).toMatchObject({ code: 0, of: 0 });
  }
  await other.run(['make']);
  const audit = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await other.run(['audit', '--remote', ...words], {
      SALT: 'b',
    });
    return { code, stdout, stderr };
  };
  const all = await audit('100%', '--seed', '7', '--json');
  const { of, seed, findings } = JSON.parse(all.stdout);
  expect({ code: all.code, of, seed }).toEqual({ code: 1, of: 4, seed: 7 });
  expect(findings.map((one: { task: string; verdict: string }) => [one.task, one.verdict])).toEqual(
    expect.arrayContaining([
      ['data', 'different'],
      ['train[1]', 'same'],
      ['train[2]', 'same'],
      ['report', 'same'],
    ]),
  );
  const told = await audit('100%', 'data');
  expect(told.stdout).toMatch(/^different {2}data, made by lab on \S+\n {2}out: .+\n/);
  expect(told.stdout).toContain('two runs here agree, and not with what lab made at 20');
  expect(told.stderr).toContain('pipeline invalidate --by lab');
  if (!process.env.FULL) return;
  expect((await audit('5')).stderr).toContain('such as 1%');
  // Nothing of it was kept.
  expect((await other.run(['make'])).stderr).toContain('nothing to do');
});

test.runIf(process.env.FULL)('`invalidate --by` drops what somebody brought in', async () => {
  const server = await testServer();
  const { lab, trust } = await maker(server.url);
  await lab.run(['make', '--remote', 'read-write']);
  const other = machine(server.url, trust);
  await other.run(['make']);
  const dropped = await other.run(['invalidate', '--by', 'lab']);
  expect(dropped.stderr).toContain('4 tasks forgotten');
  await other.run(['make', '--remote', 'off']);
  expect(other.ran()).toBe(4);
});

test('blobs that are gone when they are wanted are made again', async () => {
  const server = await testServer();
  const { lab, trust } = await maker(server.url);
  await lab.run(['make', '--remote', 'read-write']);
  for (const path of server.files.keys()) if (path.startsWith('/cas/')) server.files.delete(path);
  const other = machine(server.url, trust);
  const made = await other.run(['make', '-v']);
  expect({ code: made.code, ran: other.ran() }).toEqual({ code: 0, ran: 4 });
  expect(made.stderr).toContain('is not used: it is gone');
  expect(other.rig.read('artifacts/report/all.txt')).toBe(lab.rig.read('artifacts/report/all.txt'));
  expect((await other.run(['make'])).stderr).toContain('nothing to do');
});

test.runIf(process.env.FULL)('push, status, pull and verify', async () => {
  const folder = newFolder('shared');
  const { lab, trust } = await maker(`file://${folder}`);
  await lab.run(['make', '--remote', 'off']);
  expect(readdirSync(folder)).toEqual([]);
  expect((await lab.run(['remote', 'push'])).stderr).toContain('4 results published');
  expect((await lab.run(['remote', 'push'])).stderr).toContain('0 results published, 4 known');
  const other = machine(`file://${folder}`, trust);
  const pulled = await other.run(['remote', 'pull']);
  expect(pulled.stderr).toContain('4 results made by lab; 4 blobs fetched');
  const status = JSON.parse((await other.run(['remote', 'status', '--json'])).stdout);
  expect(status).toMatchObject({ mode: 'read', key: null, waiting: 0, makers: { lab: 4 } });
  expect((await other.run(['remote', 'verify'])).stderr).toContain('all good');
  expect((await other.run(['make', '--remote', 'off'])).code).toBe(0);
  expect(other.ran()).toBe(0);
  const gone = await lab.run(['remote', 'gc', '--dry-run', '--json']);
  expect(JSON.parse(gone.stdout)).toEqual({ entries: 0, blobs: 0, bytes: 0 });
});

test('what is wrong is told in a sentence with what to do', async () => {
  const one = machine('http://127.0.0.1:1');
  const said = async (
    words: readonly string[],
    more: NodeJS.ProcessEnv = {},
    trust = '',
  ): Promise<string> => {
    one.rig.write('pipeline.yaml', PIPELINE + trust);
    const { stderr, code } = await one.run(words, more);
    return `${code}: ${stderr.replaceAll(one.home, '~').trim()}`;
  };
  expect([
    await said(['make', '--remote', 'write']),
    await said(['make'], { PIPELINE_REMOTE_URL: 'nonsense' }, 'remote: { trust: {} }'),
    await said(['make', '--remote', 'read'], { PIPELINE_REMOTE_URL: '' }),
    await said(['make'], { PIPELINE_REMOTE: 'reed' }),
    await said(['check'], {}, 'remote: { trust: { lab: "ed25519:AAAA" } }'),
    await said(['check'], {}, 'remote: { url: "http://lab:sesame@host" }'),
  ]).toMatchInlineSnapshot(`
    [
      "2: error: there is no key to sign results with: --remote write publishes them
      hint: \`pipeline remote key\` makes one",
      "2: error: PIPELINE_REMOTE_URL is no address: \`nonsense\`
      hint: https://HOST/PATH, s3://BUCKET/PREFIX or file:///FOLDER",
      "2: error: --remote read: no remote is set
      hint: set PIPELINE_REMOTE_URL, or \`remote: { url: … }\` in ~/.config/pipeline/config.yaml",
      "2: error: PIPELINE_REMOTE must be off, read, write, read-write, require, not \`reed\`
      hint: did you mean \`read\`?",
      "2: pipeline.yaml:16:25: error: what \`lab\` holds is no public key
       16 | remote: { trust: { lab: "ed25519:AAAA" } }
          |                         ^^^^^^^^^^^^^^
      hint: remote: { trust: { lab: "ed25519:…" } }; \`pipeline remote key\` prints such a line",
      "2: pipeline.yaml:16:11: error: \`url\` of \`remote\` belongs to a person or a site, not to a study
       16 | remote: { url: "http://lab:sesame@host" }
          |           ^^^
      hint: set PIPELINE_REMOTE_URL, or write it into ~/.config/pipeline/config.yaml",
    ]
  `);
});
