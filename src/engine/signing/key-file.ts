// key-file.ts — the private key of a person or a machine: made once, readable by its owner alone
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { formatSystem, isSystemError } from '../files/system-error.ts';
import { failure, type Result, success } from '../model/event.ts';
import { type PublicKeyText, rawKeyOf, textOf } from './public-key.ts';
import { type Signer, signerWith } from './signature.ts';

/** Names the file of the private key, or holds the key itself, as CI keeps secrets. */
export const KEY_VARIABLE = 'PIPELINE_REMOTE_KEY';
const KEY_BYTES_MAX = 16_384;

/** Where the private key is, and what an SSH key says of it. */
export const keyPlace = (environment: NodeJS.ProcessEnv, home: string): string => {
  const { [KEY_VARIABLE]: named = '', XDG_CONFIG_HOME: xdg = '' } = environment;
  if (named !== '' && !isPem(named)) return named;
  return join(isAbsolute(xdg) ? xdg : join(home, '.config'), 'pipeline', 'key.pem');
};

/** The file beside a key in which an SSH key vouches for it. */
export const delegationPlace = (path: string): string => `${path}.delegation`;

const isPem = (text: string): boolean => text.includes('-----BEGIN');

/** Makes a key in a new file that its owner alone can read. @throws Error when there is one already */
export function makeKeyFile(path: string): PublicKeyText {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  makeFolder(dirname(path));
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  return textOf(rawKeyOf(publicKey));
}

/** The signer of this person or machine; null where there is no key. */
export function loadSigner(environment: NodeJS.ProcessEnv, home: string): Result<Signer | null> {
  const { [KEY_VARIABLE]: named = '' } = environment;
  if (isPem(named)) return signerFrom(named, KEY_VARIABLE, undefined);
  const path = keyPlace(environment, home);
  const text = readPrivate(path, named !== '');
  if (!text.ok) return text;
  if (text.value === null) return success(null);
  return signerFrom(text.value, path, readDelegation(delegationPlace(path)));
}

/** The text of a private file; null when there is none. */
function readPrivate(path: string, isNamed: boolean): Result<string | null> {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'ENOENT' && !isNamed) return success(null);
    const message = `the key file ${path} cannot be read: ${formatSystem(error)}`;
    return failure({ message, hint: '`pipeline remote key` makes one' });
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile() || found.size > KEY_BYTES_MAX) {
      return failure({
        message: `${path} is not a key file`,
        hint: '`pipeline remote key` makes one',
      });
    }
    if ((found.mode & 0o077) !== 0 && platform() !== 'win32') {
      const message = `the key file ${path} can be read by others: anybody could sign as you`;
      return failure({ message, hint: `chmod 600 ${path}` });
    }
    return success(readFileSync(file, 'utf8'));
  } finally {
    closeSync(file);
  }
}

function readDelegation(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function signerFrom(
  pem: string,
  place: string,
  delegation: string | undefined,
): Result<Signer | null> {
  let secret: KeyObject;
  try {
    secret = createPrivateKey(pem);
  } catch {
    return failure(noKey(place));
  }
  if (secret.asymmetricKeyType !== 'ed25519') return failure(noKey(place));
  return success(signerWith(secret, textOf(rawKeyOf(createPublicKey(secret))), delegation));
}

const noKey = (place: string) => ({
  message: `${place} holds no Ed25519 private key in PEM`,
  hint: '`pipeline remote key` makes one',
});
