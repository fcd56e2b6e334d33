// authorities.test.ts — extra certificate authorities are kept from processes that only answer, which see them all the same
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { restoreAuthorities, withoutAuthorities } from '../src/engine/process/authorities.ts';

/** What a process of Node says on its standard error, started in an environment. */
const said = (env: NodeJS.ProcessEnv): string =>
  spawnSync(process.execPath, ['-e', 'require("node:tls").createSecureContext()'], {
    env,
    encoding: 'utf8',
  }).stderr;

test('a process does not read them, and its environment is what it would have been', () => {
  const environment = { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: '/nowhere/ca.pem' };
  const given = withoutAuthorities(environment);
  // Node complains of a file that it cannot read.
  expect(said(environment)).toContain('/nowhere/ca.pem');
  expect(said(given)).toBe('');
  restoreAuthorities(given);
  expect(given).toEqual(environment);
});

test('nothing changes where there are none', () => {
  const environment = { PATH: '/bin' };
  expect(withoutAuthorities(environment)).toBe(environment);
  restoreAuthorities(environment);
  expect(environment).toEqual({ PATH: '/bin' });
});
