// authorities.ts — extra certificate authorities: kept from processes that talk to nobody, as reading them takes long

/** Names a file of certificates that Node trusts beside its own. */
const VARIABLE = 'NODE_EXTRA_CA_CERTS';
/** Where the name waits until the process has started. */
const ASIDE = 'PIPELINE_EXTRA_CA_CERTS';

/**
 * An environment for a process of Node that opens no connections. Node 20 reads and parses all extra authorities when it
 * starts: with those of a whole system that takes three times as long as the rest of its start.
 */
export function withoutAuthorities(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { [VARIABLE]: file, ...rest } = environment;
  return file === undefined ? environment : { ...rest, [ASIDE]: file };
}

/** In such a process, before anything else looks: its environment is what it would have been. */
export function restoreAuthorities(environment: NodeJS.ProcessEnv): void {
  const file = environment[ASIDE];
  if (file === undefined) return;
  delete environment[ASIDE];
  environment[VARIABLE] = file;
}
