// completion.test.ts — words that complete, and the scripts in bash, zsh and fish
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, type MadeRig, madeRig, repository } from './rig.ts';

const PIPELINE = `params:
  training: { epochs: 3, rate: 0.1 }
  profiles:
    - { family: uniform }
    - { family: lognormal, cv: 1 }
  lrs: [0.1, 0.01]
presets:
  long: { training: { epochs: 30 } }
stages:
  train:
    run: train.ts
    matrix: { lr: $lrs, profile: $profiles }
  tidy:
    run: train.ts
    matrix: { lr: $lrs, profile: $profiles }
`;
const TRAIN = `${DOOR}
export default defineStage({
  params: z.object({ lr: z.number() }),
  inputs: {},
  outputs: { metrics: json(), log: text() },
  run: ({ params: { lr } }) => ({ metrics: { accuracy: lr, val: { loss: 1 } }, log: '' }),
});
`;
const made = (): Promise<MadeRig> => madeRig({ 'pipeline.yaml': PIPELINE, 'train.ts': TRAIN });

const wordsOf = async (rig: MadeRig, ...words: string[]): Promise<readonly string[]> =>
  (await rig.run('complete', '--', ...words)).stdout.split('\n').filter((line) => line !== '');

describe('pipeline complete', () => {
  test('completes tasks label by label, selections and outputs', async () => {
    const rig = await made();
    expect(await wordsOf(rig, 'make', 't')).toEqual(['tidy', 'train']);
    expect(await wordsOf(rig, 'make', 'train/')).toEqual(['train/0.1/', 'train/0.01/']);
    expect(await wordsOf(rig, 'why', 'train/0.1/')).toEqual([
      'train/0.1/uniform',
      'train/0.1/lognormal-cv1',
    ]);
    expect(await wordsOf(rig, 'make', 'train[')).toEqual(['train[lr=', 'train[profile=']);
    expect(await wordsOf(rig, 'make', 'train[lr=0.1,profile=u')).toEqual([
      'train[lr=0.1,profile=uniform]',
    ]);
    expect(await wordsOf(rig, 'show', 'train/0.1/uniform:')).toEqual([
      'train/0.1/uniform:log',
      'train/0.1/uniform:metrics',
    ]);
    expect(await wordsOf(rig, 'metrics', 'train:m')).toEqual(['train:metrics']);
  });

  test('completes paths of --set, with presets and earlier sets', async () => {
    const rig = await made();
    expect(await wordsOf(rig, 'make', '--set', 'tr')).toEqual(['training.', 'training=']);
    expect(await wordsOf(rig, 'make', '--set', 'training.')).toEqual([
      'training.epochs=',
      'training.rate=',
    ]);
    expect(await wordsOf(rig, 'make', '--set', 'profiles.l')).toEqual([
      'profiles.lognormal-cv1.',
      'profiles.lognormal-cv1=',
    ]);
  });

  test('completes axes, labels and columns', async () => {
    const rig = await made();
    expect(await wordsOf(rig, 'metrics', 'train', '--group-by', '')).toEqual(['lr', 'profile']);
    expect(await wordsOf(rig, 'metrics', 'train', '--where', 'profile=')).toEqual([
      'profile=uniform',
      'profile=lognormal-cv1',
    ]);
    expect(await wordsOf(rig, 'metrics', 'train', '--sort', '-a')).toEqual(['-accuracy']);
    expect(await wordsOf(rig, 'plot', 'train', '--y', 'v')).toEqual(['val.loss']);
  });

  test('says nothing where there is nothing to go by', async () => {
    const rig = await made();
    rig.write('pipeline.yaml', 'stages: [');
    expect(await wordsOf(rig, 'make', 't')).toEqual([]);
    expect(await wordsOf(rig, 'make', '--set', 't')).toEqual([]);
  });
});

/** Whether a shell is here. */
const has = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

/** A folder with a command `pipeline`, and the script for a shell. */
async function prepared(rig: MadeRig, shell: string) {
  const bin = join(rig.folder, 'bin');
  mkdirSync(bin);
  const cli = join(repository, 'dist', 'cli.cjs');
  writeFileSync(join(bin, 'pipeline'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, {
    mode: 0o755,
  });
  const { stdout } = await rig.run('completion', shell);
  writeFileSync(join(rig.folder, 'script'), stdout);
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    HOME: rig.folder,
    TERM: 'dumb',
  };
  return { cwd: rig.folder, env, encoding: 'utf8' as const, timeout: 60_000 };
}

describe('the scripts', () => {
  test.skipIf(!has('bash'))('bash replaces what follows the last : or =', async () => {
    const options = await prepared(await made(), 'bash');
    const ask = (line: string): readonly string[] => {
      const code = `source ./script; COMP_LINE="$1"; COMP_POINT=\${#1}; _pipeline; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = spawnSync('bash', ['--norc', '-c', code, 'bash', line], options);
      return stdout.trim().split('\n');
    };
    expect(ask('pipeline make tr')).toEqual(['train']);
    expect(ask('pipeline why train/0.01/')).toEqual([
      'train/0.01/uniform',
      'train/0.01/lognormal-cv1',
    ]);
    expect(ask('pipeline show train/0.1/uniform:m')).toEqual(['metrics']);
    expect(ask("pipeline make 'train[lr=0.01")).toEqual(['train[lr=0.01]']);
    expect(ask('pipeline make --set training.e')).toEqual(['training.epochs=']);
    expect(ask('pipeline make --preset ')).toEqual(['long']);
  });

  test.skipIf(!has('zsh'))('zsh completes from the first Tab on, as a file of fpath', async () => {
    const options = await prepared(await made(), 'zsh');
    mkdirSync(join(options.cwd, '.zfunc'));
    renameSync(join(options.cwd, 'script'), join(options.cwd, '.zfunc', '_pipeline'));
    // In a pseudo-terminal Tab completes the line, and prints what it has become.
    const settings = String.raw`PS1=; PS2=; unsetopt beep
fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit -u -D
show() { zle complete-word; print -rn -- $'\x02'"$BUFFER"$'\x03'; zle kill-whole-line }
zle -N show; bindkey '^I' show; print READY`;
    writeFileSync(join(options.cwd, '.zshrc'), settings);
    const code = String.raw`zmodload zsh/zpty
zpty -b shell 'zsh -d -i'
zpty -r -m shell out '*READY*'
for line in "$@"; do
  zpty -w -n shell "$line"$'\t'
  zpty -r -m shell out $'*\x03*'
  out="${'$'}{out##*$'\x02'}"
  print -r -- "${'$'}{out%%$'\x03'*}."
done
zpty -d shell`;
    const lines = [
      'pipeline make tr',
      'pipeline why train/0.01/u',
      'pipeline show train/0.1/uniform:m',
      "pipeline make 'train[lr=0.01",
      'pipeline make --set training.e',
      'pipeline make --preset ',
      'pipeline make --params pipe',
    ];
    const { stdout } = spawnSync('zsh', ['-f', '-c', code, 'zsh', ...lines], {
      ...options,
      env: { ...options.env, ZDOTDIR: options.cwd },
    });
    expect(stdout.trim().split('\n')).toEqual([
      'pipeline make train .',
      'pipeline why train/0.01/uniform .',
      'pipeline show train/0.1/uniform:metrics .',
      "pipeline make 'train[lr=0.01]' .",
      'pipeline make --set training.epochs=.',
      'pipeline make --preset long .',
      'pipeline make --params pipeline.yaml .',
    ]);
  });

  test.skipIf(!has('fish'))('fish completes a word as it stands', async () => {
    const options = await prepared(await made(), 'fish');
    const ask = (line: string): readonly string[] => {
      const code = 'source ./script; complete -C $argv[1]';
      const { stdout } = spawnSync('fish', ['--no-config', '-c', code, line], options);
      return stdout.trim().split('\n');
    };
    expect(ask('pipeline make tr')).toEqual(['train']);
    expect(ask('pipeline show train/0.1/uniform:m')).toEqual(['train/0.1/uniform:metrics']);
    expect(ask("pipeline make 'train[lr=0.01")).toEqual(['train[lr=0.01]']);
    expect(ask('pipeline make --set training.e')).toEqual(['training.epochs=']);
    // Where there is nothing of ours, files.
    expect(ask('pipeline make --params pipe')).toEqual(['pipeline.yaml']);
  });
});
