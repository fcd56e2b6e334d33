// remote-key.ts — pipeline remote key: makes the key that signs results, and prints the line that has it trusted
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { REMOTE_NAME } from '../../engine/config/remote.ts';
import { makeFolder } from '../../engine/files/make-folder.ts';
import { formatSystem, isSystemError, systemHint } from '../../engine/files/system-error.ts';
import {
  delegationPlace,
  keyPlace,
  loadSigner,
  makeKeyFile,
} from '../../engine/signing/key-file.ts';
import { asPublicKey, type PublicKeyText } from '../../engine/signing/public-key.ts';
import { delegationOf, type Signer, SSH_NAMESPACE } from '../../engine/signing/signature.ts';
import { isSshSignature } from '../../engine/signing/ssh-signature.ts';
import { demand } from '../session/own-settings.ts';
import { writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { EXIT } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { environmentWithSecrets } from '../settings/remote-secrets.ts';
import { homeIn } from '../settings/settings-places.ts';
import { shownPath } from '../terminal/format.ts';

/** What `remote key` is told. */
export interface KeyOptions {
  readonly json?: boolean;
  /** A public SSH key whose owner vouches for the key. */
  readonly delegate?: string;
  /** By what name the line calls it. */
  readonly name?: string;
}

/** Makes a key where there is none. What goes into pipeline.yaml is printed on stdout. */
export function remoteKey({ json, delegate, name = defaultName() }: KeyOptions): number {
  if (!REMOTE_NAME.test(name)) {
    throw new UsageError([
      { message: `--name cannot be \`${name}\``, hint: 'letters, digits, - _ and .' },
    ]);
  }
  const environment = environmentWithSecrets();
  const home = homeIn(environment);
  const path = keyPlace(environment, home);
  const isNew = !existsSync(path);
  if (isNew) make(path);
  const signer = demand(loadSigner(environment, home)) as Signer;
  const trusted = delegate === undefined ? signer.key : vouch(signer.key, path, delegate);
  if (json) writeJson({ key: signer.key, trust: { [name]: trusted }, file: path, made: isNew });
  else {
    writeStderr(isNew ? `made ${shownPath(path)}: nobody else can read it` : shownPath(path));
    writeStderr('whoever trusts your results writes into pipeline.yaml:');
    writeStdout(`remote: { trust: { ${name}: "${trusted}" } }`);
  }
  return EXIT.success;
}

function make(path: string): void {
  try {
    makeKeyFile(path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `the key cannot be written to ${path}: ${formatSystem(error)}`;
    throw new UsageError([{ message, hint: systemHint(error) }]);
  }
}

/** Has an SSH key sign that it vouches for a key. What is trusted then is the SSH key. */
function vouch(key: PublicKeyText, path: string, file: string): PublicKeyText {
  const trusted = readPublic(file);
  const statement = join(tmpdir(), `pipeline-delegation-${process.pid}`);
  makeFolder(statement);
  try {
    const text = join(statement, 'text');
    writeFileSync(text, delegationOf(key));
    const words = ['-Y', 'sign', '-n', SSH_NAMESPACE, '-f', file, text];
    const { status, stderr, error } = spawnSync('ssh-keygen', words, {
      encoding: 'utf8',
      stdio: ['inherit', 'ignore', 'pipe'],
    });
    if (error || status !== 0) {
      const why = error ? 'it cannot be started' : stderr.trim().split('\n').at(-1);
      const hint = 'is the private key beside it, or in your ssh-agent (ssh-add)?';
      throw new UsageError([{ message: `ssh-keygen did not sign: ${why}`, hint }]);
    }
    const armored = readFileSync(`${text}.sig`, 'utf8');
    const by = { key: trusted, namespace: SSH_NAMESPACE };
    if (!isSshSignature(armored, delegationOf(key), by)) {
      throw new UsageError([{ message: `what ssh-keygen signed is not of ${file}` }]);
    }
    writeFileSync(delegationPlace(path), armored);
    return trusted;
  } finally {
    rmSync(statement, { recursive: true, force: true });
  }
}

function readPublic(file: string): PublicKeyText {
  const hint = 'name a file such as ~/.ssh/id_ed25519.pub';
  try {
    const key = asPublicKey(readFileSync(file, 'utf8'));
    if (key?.startsWith('ssh-ed25519 ')) return key;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new UsageError([{ message: `${file} cannot be read: ${formatSystem(error)}`, hint }]);
  }
  throw new UsageError([{ message: `${file} holds no public key of type ssh-ed25519`, hint }]);
}

function defaultName(): string {
  try {
    const { username } = userInfo();
    return REMOTE_NAME.test(username) ? username : 'me';
  } catch {
    return 'me';
  }
}
