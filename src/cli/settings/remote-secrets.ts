// remote-secrets.ts — what only this process may know of the remote: taken out of the environment before anything is started
const SECRETS = [
  'PIPELINE_REMOTE_URL',
  'PIPELINE_REMOTE_USER',
  'PIPELINE_REMOTE_PASSWORD',
  'PIPELINE_REMOTE_TOKEN',
  'PIPELINE_REMOTE_KEY',
] as const;

const taken: Record<string, string> = {};

/** Takes them out of the environment: stages and programs do not see them, so that they get into no key, log or record. */
export function takeRemoteSecrets(environment: NodeJS.ProcessEnv): void {
  for (const name of SECRETS) {
    const value = environment[name];
    if (value === undefined) continue;
    taken[name] = value;
    delete environment[name];
  }
}

/** The environment with them. */
export const environmentWithSecrets = (): NodeJS.ProcessEnv => ({ ...process.env, ...taken });
