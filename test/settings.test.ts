// Files of settings: what they may say, what counts when several say it, and what is done when a run ends.
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readFileSettings } from '../src/cli/settings/file-settings.ts';
import { shownUrl } from '../src/cli/settings/finish-hook-setting.ts';
import {
  jobsSetting,
  mirrorSettings,
  type SettingsSources,
  storeLimitSetting,
} from '../src/cli/settings/settings.ts';
import { settingsStamps } from '../src/cli/settings/settings-places.ts';
import { colorsFor, drawDiagnostic } from '../src/cli/terminal/format.ts';
import { readPipeline } from '../src/engine/config/config.ts';
import { makeRig, type Rig } from './rig.ts';

const plain = colorsFor({}, { NO_COLOR: '1' });

const read = (text: string) => readFileSettings(text, 'config.yaml', '/home/ada');

function problemsOf(text: string): string {
  const result = read(text);
  return result.ok ? '' : result.diagnostics.map((one) => drawDiagnostic(one, plain)).join('\n');
}

function sourcesOf(user: string, site: string, environment = {}): SettingsSources {
  const files = (['user', 'site'] as const).map((kind) => {
    const settings = readFileSettings(kind === 'user' ? user : site, `${kind}.yaml`, '/home/ada');
    if (!settings.ok) throw new Error('these settings are wrong');
    return { kind, path: `/${kind}.yaml`, settings: settings.value };
  });
  return { environment, files };
}

describe('a settings file', () => {
  test('says what belongs to a person or a place', () => {
    const result = read(`jobs: 3
mirrors: [/data, ~/mirror, "https://example.org/d"]
store: { limit: 5GB }
browser: ~/bin/chrome
load-timeout: 2m
executors: [/opt/executor.mjs]
on-finish: { command: [~/bin/told, "{state}", 3], timeout: 90s }
`);
    expect(result.ok && result.value).toMatchObject({
      jobs: { value: 3 },
      mirrors: [
        { value: '/data' },
        { value: '/home/ada/mirror' },
        { value: 'https://example.org/d' },
      ],
      storeLimit: { value: 5e9 },
      browser: { value: '/home/ada/bin/chrome' },
      loadTimeout: { value: 120_000 },
      executors: { value: ['/opt/executor.mjs'] },
      onFinish: {
        value: {
          kind: 'command',
          words: ['/home/ada/bin/told', '{state}', '3'],
          timeout_ms: 90_000,
        },
      },
    });
  });

  test('may be empty', () => {
    expect(read('').ok && read('# nothing yet\n\n').ok).toBe(true);
  });

  test('is refused where it decides what is computed, or says what nobody knows', () => {
    expect(
      problemsOf(`jbos: 2
params: { lr: 1 }
env: { A: b }
retries: 2
plots: {}
cache: /scratch
jobs: 0
mirrors: data
`),
    ).toMatchInlineSnapshot(`
      "config.yaml:1:1: error: there is not a setting \`jbos\`
          1 | jbos: 2
            | ^^^^
        hint: did you mean \`jobs\`?
      config.yaml:2:1: error: \`params\` cannot be a setting: it decides what is computed
          2 | params: { lr: 1 }
            | ^^^^^^
        hint: it belongs to pipeline.yaml, so that everybody gets the same
      config.yaml:3:1: error: \`env\` cannot be a setting: it decides what is computed
          3 | env: { A: b }
            | ^^^
        hint: it belongs to pipeline.yaml, so that everybody gets the same
      config.yaml:4:1: error: \`retries\` belongs to a study: write it into pipeline.yaml
          4 | retries: 2
            | ^^^^^^^
        hint: known: jobs, mirrors, store, remote, executors, browser, load-timeout, on-finish
      config.yaml:5:1: error: \`plots\` belongs to a study: write it into pipeline.yaml
          5 | plots: {}
            | ^^^^^
        hint: known: jobs, mirrors, store, remote, executors, browser, load-timeout, on-finish
      config.yaml:6:1: error: \`cache\` cannot be a setting: each study has a store of its own
          6 | cache: /scratch
            | ^^^^^
        hint: --cache or PIPELINE_CACHE names another folder
      config.yaml:7:7: error: \`jobs\` must be an integer from 1 to 4096
          7 | jobs: 0
            |       ^
      config.yaml:8:10: error: \`mirrors\` must be a list, not a string
          8 | mirrors: data
            |          ^^^^
        hint: mirrors: [DIR or URL, …]"
    `);
  });

  test.each([
    ['mirrors: [data]', 'a mirror must be an absolute path'],
    ['on-finish: notify-send done', 'no shell reads it'],
    ['on-finish: [./notify]', 'the program of `on-finish` must be an absolute path'],
    ['on-finish: { url: "file:///etc/passwd" }', 'must be an http or https URL'],
    ['on-finish: { url: "http://a", command: [b] }', 'either a `command` or a `url`'],
    ['on-finish: { command: [] }', '`command` of `on-finish` must be a list of words'],
    ['on-finish: { command: [a], timeout: 2h }', 'may be 10m at most'],
    ['jobs: 1\njobs: 2', '`jobs` is given twice'],
    ['- jobs', 'a settings file must be a mapping'],
    ['store: { limits: 3GB }', 'unknown key `limits`'],
    ['store: { access: group }', '`access` of `store` belongs to a study'],
  ])('that says %j is refused', (text, message) => {
    expect(problemsOf(text)).toContain(message);
  });
});

describe('what counts', () => {
  const sources = sourcesOf(
    'jobs: 2\nmirrors: [/user]\nstore: { limit: 2GB }',
    'jobs: 3\nmirrors: [/site]\nstore: { limit: 3GB }',
    { PIPELINE_JOBS: '4', PIPELINE_MIRROR: '/variable' },
  );
  const pipeline = readPipeline({
    text: 'mirrors: [here]\nstore: { limit: 1GB }\nstages: { a: { command: [a], outputs: { b: c } } }',
    file: 'pipeline.yaml',
    presets: [],
    sets: [],
  });
  if (!pipeline.ok) throw new Error('the pipeline is wrong');

  test('is a flag, then a variable, pipeline.yaml, the user file, the site file', () => {
    const jobs = [jobsSetting(5, sources), jobsSetting(undefined, sources)];
    const { files } = sources;
    jobs.push(jobsSetting(undefined, { files, environment: {} }));
    jobs.push(jobsSetting(undefined, { files: files.slice(1), environment: {} }));
    expect(jobs.map((one) => one.ok && [one.value.value, one.value.origin.kind])).toEqual([
      [5, 'flag'],
      [4, 'variable'],
      [2, 'user'],
      [3, 'site'],
    ]);
    expect(storeLimitSetting(pipeline.value.storeLimit, sources)).toEqual({
      value: 1e9,
      origin: { kind: 'pipeline', file: 'pipeline.yaml', line: 2 },
    });
    expect(storeLimitSetting(undefined, sources).value).toBe(2e9);
    expect(storeLimitSetting(undefined, { files: [], environment: {} }).value).toBe(20e9);
  });

  test('is, of mirrors, all of them in that order', () => {
    const asked = { flags: ['/flag'], declared: pipeline.value.mirrors, root: '/study' };
    expect(mirrorSettings(asked, sources).map(({ value }) => value)).toEqual([
      '/flag',
      '/variable',
      '/study/here',
      '/user',
      '/site',
    ]);
  });

  test('is refused in pipeline.yaml where it is a person’s', () => {
    const text = 'on-finish: [rm, -rf, /]\nstages: {}\n';
    const result = readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });
    const said = result.ok
      ? ''
      : result.diagnostics.map((one) => drawDiagnostic(one, plain)).join('\n');
    expect(
      said,
    ).toContain(`pipeline.yaml:1:1: error: \`on-finish\` belongs to a person or a site, not to a study
    1 | on-finish: [rm, -rf, /]
      | ^^^^^^^^^`);
  });

  test('lies where XDG_CONFIG_HOME says, unless that is relative, and at PIPELINE_SITE_CONFIG', () => {
    const placesOf = (environment: NodeJS.ProcessEnv) => [...settingsStamps(environment).keys()];
    expect(placesOf({ HOME: '/home/ada' })).toEqual([
      '/home/ada/.config/pipeline/config.yaml',
      '/etc/pipeline/config.yaml',
    ]);
    expect(
      placesOf({ HOME: '/h', XDG_CONFIG_HOME: '/x', PIPELINE_SITE_CONFIG: '/s.yaml' }),
    ).toEqual(['/x/pipeline/config.yaml', '/s.yaml']);
    expect(placesOf({ HOME: '/h', XDG_CONFIG_HOME: 'x', PIPELINE_SITE_CONFIG: '' })).toEqual([
      '/h/.config/pipeline/config.yaml',
    ]);
  });
});

const PIPELINE = `params: { seconds: 0, code: 0 }
stages:
  work:
    command: [sh, -c, 'trap "" TERM; echo begun; sleep {params.seconds}; echo x > out; exit {params.code}']
    params: { seconds: $seconds, code: $code }
    outputs: { out: out }
`;

/** A pipeline and a user file; its commands are run with these settings. */
function settled(config: string) {
  const rig = makeRig({ 'pipeline.yaml': PIPELINE, 'xdg/pipeline/config.yaml': config });
  const environment = { XDG_CONFIG_HOME: join(rig.folder, 'xdg') };
  const run = (...words: string[]) => rig.runWith(words, environment);
  return { rig, environment, run };
}

const told = ({ folder }: Rig) => JSON.parse(readFileSync(join(folder, 'told.json'), 'utf8'));
const TELL = `on-finish: [sh, -c, 'cat > told.new; mv told.new told.json; echo "$1" >&2; exit 4', sh, "{state} {exit}"]\n`;

describe('pipeline config', () => {
  test('shows each value and who says so, and no secret; a file that is wrong stops every command', async () => {
    const { rig, run } = settled(`jobs: 2
mirrors: ["https://ada:secret@example.org/m"]
on-finish: { url: "https://hooks.example.org/T0/secret" }
`);
    const { stdout, code } = await run('config', '--mirror', '.', '--json');
    expect([code, stdout.includes('secret')]).toEqual([0, false]);
    const file = join(rig.folder, 'xdg/pipeline/config.yaml');
    expect(JSON.parse(stdout)).toMatchObject({
      settings: [
        { name: 'jobs', value: 2, from: { kind: 'user', file, line: 1 } },
        { name: 'mirrors', value: '.', from: { kind: 'flag', name: '--mirror' } },
        { name: 'mirrors', value: 'https://***@example.org/m', from: { kind: 'user', line: 2 } },
        { name: 'store.limit', value: 20e9, from: { kind: 'default' } },
        { name: 'browser' },
        { name: 'load-timeout', value: 20, from: { kind: 'default' } },
        { name: 'executors', value: [] },
        { name: 'on-finish', value: { url: 'https://hooks.example.org/…', timeout: 10 } },
        { name: 'cache', value: join(rig.folder, 'cache') },
      ],
      files: [{ kind: 'user', path: file, present: true }],
    });
    rig.write('xdg/pipeline/config.yaml', 'seeds: [1]\n');
    const broken = await run('runs');
    expect(broken.code).toBe(2);
    expect(broken.stderr).toContain(`${file}:1:1: error: there is not a setting \`seeds\``);
  });

  test('and a make that had nothing to do notices a file that is new', async () => {
    const { rig, run } = settled('jobs: 2\n');
    expect((await run('make')).code).toBe(0);
    expect((await run('make')).stderr).toContain('nothing to do');
    rig.write('xdg/pipeline/config.yaml', 'seeds: [1]\n');
    expect((await run('make')).code).toBe(2);
  });
});

describe('on-finish', () => {
  test('tells a program how a run ended, and changes no exit code when that fails', async () => {
    const { rig, run } = settled(TELL);
    const ended = await run('make', '--name', 'first');
    expect(ended.code).toBe(0);
    expect(ended.stderr).toContain('warning: on-finish: sh ended with exit code 4: finished 0');
    const { folder } = rig;
    const first = { form: 'run-ended/1', name: 'first', state: 'finished', exit: 0, folder };
    expect(told(rig)).toMatchObject({ ...first, tally: { built: 1 }, failed: [] });
    // Nothing to do is no run.
    rig.write('told.json', '{}');
    await run('make');
    expect(told(rig)).toEqual({});
    const { code, stdout } = await run('make', '--set', 'code=1', '--json');
    expect(code).toBe(1);
    expect(stdout.trim().split('\n').at(-1)).toContain('"event":"warning","message":"on-finish');
    expect(told(rig)).toMatchObject({ state: 'failed', exit: 1, failed: ['work'] });
  });

  test('tells of a run that Ctrl-C ended, once or twice', async () => {
    const { rig, environment } = settled(TELL);
    for (const times of [1, 2]) {
      rig.write('told.json', '{}');
      const make = rig.start(['make', '--json', '--set', 'seconds=9'], environment);
      await make.line((line) => line.includes('begun'));
      make.process.kill('SIGINT');
      if (times > 1) {
        await make.line((line) => line.includes('stopping at the next checkpoint'));
        make.process.kill('SIGINT');
      }
      expect((await make.ended).code).toBe(130);
      await vi.waitFor(() => expect(told(rig)).toMatchObject({ state: 'interrupted', exit: 130 }), {
        timeout: 30_000,
      });
    }
  });

  test('ends a program that takes too long, with what it started', async () => {
    const late = '[sh, -c, "sleep 60 & echo $! > pid; wait"]';
    const { rig, run } = settled(`on-finish: { command: ${late}, timeout: 1s }\n`);
    const { code, stderr } = await run('make');
    expect([code, stderr.includes('on-finish: sh took longer than 1 s, and was stopped')]).toEqual([
      0,
      true,
    ]);
    const command = join('/proc', rig.read('pid').trim(), 'cmdline');
    // What nobody waits for stays as a process without a command.
    const isGone = (): boolean => !existsSync(command) || readFileSync(command, 'utf8') === '';
    await vi.waitFor(() => expect(isGone()).toBe(true));
  });

  test('posts JSON, and keeps the URL out of what is said and recorded', async () => {
    const heard: [IncomingMessage['headers'], string][] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (text) => {
        body += text;
      });
      request.on('end', () => {
        heard.push([request.headers, body]);
        response.writeHead(heard.length > 1 ? 500 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { run } = settled(
      `on-finish: { url: "http://ada:pa%3Ass@127.0.0.1:${port}/T0/secret?k=secret" }\n`,
    );
    expect((await run('make')).stderr).not.toContain('on-finish');
    const [[headers, body]] = heard as [[IncomingMessage['headers'], string]];
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from('ada:pa:ss').toString('base64')}`,
    });
    expect(JSON.parse(body)).toMatchObject({ form: 'run-ended/1', state: 'finished' });
    const failed = await run(
      'make',
      '--set',
      'seconds=1',
      '--mirror',
      'http://ada:secret@localhost',
    );
    expect(failed.stderr).toContain(`on-finish: http://127.0.0.1:${port}/… answered 500`);
    const { stdout } = await run('runs', '--json');
    expect(failed.stderr + stdout).not.toContain('secret');
    expect(shownUrl('https://example.org')).toBe('https://example.org');
  });
});
