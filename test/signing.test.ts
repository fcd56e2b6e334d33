// Keys, trust lines and signatures: of records, of archives, and of SSH keys that vouch for others.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSigner, makeKeyFile } from '../src/engine/signing/key-file.ts';
import { asPublicKey, type PublicKeyText } from '../src/engine/signing/public-key.ts';
import {
  asSignature,
  delegationOf,
  isSignatureOf,
  type Signer,
  SSH_NAMESPACE,
  statementOf,
  trustedName,
} from '../src/engine/signing/signature.ts';
import { newFolder } from './remote-server.ts';
import { makeRig } from './rig.ts';

/** A key in a file, and its signer. */
function keyIn(folder: string): { readonly file: string; readonly signer: Signer } {
  const file = join(folder, 'key.pem');
  makeKeyFile(file);
  const loaded = loadSigner({ PIPELINE_REMOTE_KEY: file }, folder);
  if (!loaded.ok || loaded.value === null) throw new Error('bug: no signer');
  return { file, signer: loaded.value };
}

const messageOf = (environment: NodeJS.ProcessEnv): string => {
  const loaded = loadSigner(environment, '/nowhere');
  const [first] = loaded.ok ? [] : loaded.diagnostics;
  return `${first?.message} (${first?.hint})`;
};

test('a key file that others can read, or that is none, is refused', () => {
  const folder = newFolder('keys');
  const { file } = keyIn(folder);
  chmodSync(file, 0o640);
  expect(messageOf({ PIPELINE_REMOTE_KEY: file })).toContain(`chmod 600 ${file}`);
  writeFileSync(file, 'nonsense');
  chmodSync(file, 0o600);
  expect(messageOf({ PIPELINE_REMOTE_KEY: file })).toContain('holds no Ed25519 private key');
  expect(messageOf({ PIPELINE_REMOTE_KEY: join(folder, 'none') })).toContain('cannot be read');
  expect(messageOf({ PIPELINE_REMOTE_KEY: folder })).toContain('is not a key file');
  expect(loadSigner({ XDG_CONFIG_HOME: folder }, folder)).toEqual({ ok: true, value: null });
});

test('a key may come as a text, as CI keeps secrets', () => {
  const { file, signer } = keyIn(newFolder('keys'));
  const loaded = loadSigner({ PIPELINE_REMOTE_KEY: readFileSync(file, 'utf8') }, '/nowhere');
  expect(loaded).toMatchObject({ ok: true, value: { key: signer.key } });
});

test('lines of trust: what is a public key, and what is none', () => {
  const { signer } = keyIn(newFolder('keys'));
  expect(asPublicKey(signer.key)).toBe(signer.key);
  const lines = [
    'ed25519:AAAA',
    'ed25519:',
    signer.key.slice(0, -1),
    `${signer.key}=`,
    signer.key.replace('ed25519:', 'rsa:'),
    'ssh-ed25519 AAAA',
    'ssh-rsa AAAAB3NzaC1yc2E=',
    '',
  ];
  for (const line of lines) expect([line, asPublicKey(line)]).toEqual([line, undefined]);
});

test('a signature is of its statement alone, and forms of others are refused', () => {
  const { signer } = keyIn(newFolder('keys'));
  const signature = signer.sign(statementOf('record/1', '{}'));
  expect(asSignature(signature)).toEqual(signature);
  expect(isSignatureOf(signature, statementOf('record/1', '{}'))).toBe(true);
  expect(isSignatureOf(signature, statementOf('archive/1', '{}'))).toBe(false);
  for (const wrong of [
    null,
    1,
    {},
    { ...signature, signature: 'AAAA' },
    { ...signature, key: 'x' },
  ]) {
    expect(asSignature(wrong)).toBeUndefined();
  }
});

const hasSsh = spawnSync('ssh-keygen', ['-?']).error === undefined;
test.skipIf(!hasSsh)('an SSH key vouches for a key, and for no other and nothing else', () => {
  const folder = newFolder('ssh');
  const ssh = (name: string): PublicKeyText => {
    const file = join(folder, name);
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada', '-f', file]);
    return asPublicKey(readFileSync(`${file}.pub`, 'utf8')) as PublicKeyText;
  };
  const [ada, eve] = [ssh('ada'), ssh('eve')];
  expect(ada).toMatch(/^ssh-ed25519 /);
  const { signer } = keyIn(folder);
  const sign = (text: string, namespace: string, by = 'ada'): string => {
    const file = join(folder, 'text');
    writeFileSync(file, text);
    spawnSync('ssh-keygen', ['-Y', 'sign', '-n', namespace, '-f', join(folder, by), file]);
    const armored = readFileSync(`${file}.sig`, 'utf8');
    spawnSync('rm', [`${file}.sig`]);
    return armored;
  };
  const named = (delegation: string, key = signer.key) => trustedName({ key, delegation }, { ada });
  const good = sign(delegationOf(signer.key), SSH_NAMESPACE);
  expect(named(good)).toBe('ada');
  // One that git made, one for another key, one by somebody else, one that was cut.
  expect(named(sign(delegationOf(signer.key), 'git'))).toBeUndefined();
  expect(named(sign('pipeline delegation/1\ned25519:x\n', SSH_NAMESPACE))).toBeUndefined();
  expect(named(sign(delegationOf(signer.key), SSH_NAMESPACE, 'eve'))).toBeUndefined();
  expect(named(good.replace(/[A-Za-z]{8}/, 'AAAAAAAA'))).toBeUndefined();
  expect(named(good.slice(0, 120))).toBeUndefined();
  expect(named(good, keyIn(newFolder('keys')).signer.key)).toBeUndefined();
  expect(trustedName({ key: signer.key, delegation: good }, { eve })).toBeUndefined();
});

test('an archive tells by whom it is signed, and one that is altered or of another does not hold', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  one: { command: [sh, -c, 'echo one > out.txt'], outputs: { out: out.txt }, artifacts: { out: one.txt } }
`,
    LICENSE: 'MIT\n',
  });
  const home = newFolder('home');
  const { file, signer } = keyIn(home);
  const run = (...words: string[]) => rig.runWith(words, { HOME: home, PIPELINE_REMOTE_KEY: file });
  await run('make');
  expect((await run('archive', '--sign', 'a.zip')).stdout).toContain(`signed with   ${signer.key}`);
  const trusted = await run('verify', 'a.zip', '--trust', `lab=${signer.key}`);
  expect(trusted).toMatchObject({ code: 0, stdout: expect.stringContaining('signed by     lab') });
  const other = keyIn(newFolder('keys')).signer.key;
  const refused = await run('verify', 'a.zip', '--trust', `lab=${other}`);
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('and not of lab') });
  await run('archive', 'b.zip');
  const unsigned = await run('verify', 'b.zip', '--trust', `lab=${signer.key}`);
  expect(unsigned).toMatchObject({ code: 1, stdout: expect.stringContaining('is not signed') });
});
