// open-cache.ts — an address → the remote that lies there: file://, http(s)://, s3://
import { fileURLToPath } from 'node:url';
import { failure, type Result, success } from '../engine/model/event.ts';
import { folderCache } from './folder-cache.ts';
import { type Credentials, httpCache } from './http-cache.ts';
import { httpClient } from './http-client.ts';
import type { RemoteCache } from './remote-cache.ts';
import { s3Cache } from './s3-cache.ts';
import type { S3Credentials } from './s3-signing.ts';

const HINT = 'https://HOST/PATH, s3://BUCKET/PREFIX or file:///FOLDER';

/** Opens what an address names. Nothing is sent. @param by who names it, for diagnostics */
export function openCache(
  address: string,
  environment: NodeJS.ProcessEnv,
  by: string,
): Result<RemoteCache> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const shown = withoutPassword(address);
  if (url === undefined) {
    return failure({ message: `${by} is no address: \`${shown}\``, hint: HINT });
  }
  if (url.search !== '' || url.hash !== '') {
    return failure({
      message: `the address in ${by} cannot have a query or a fragment`,
      hint: HINT,
    });
  }
  switch (url.protocol) {
    case 'file:':
      return openFolder(url, by);
    case 'http:':
    case 'https:':
      return openHttp(url, environment, by);
    case 's3:':
      return openS3(url, environment, by);
    default:
      return failure({ message: `${by} names no protocol of a remote: \`${shown}\``, hint: HINT });
  }
}

export const withoutPassword = (address: string): string =>
  address.replace(/^([a-z0-9+.-]+:\/\/)[^/@]*@/i, '$1***@');

function openFolder(url: URL, by: string): Result<RemoteCache> {
  try {
    return success(folderCache(fileURLToPath(url)));
  } catch {
    return failure({ message: `${by} names no folder of this machine`, hint: 'file:///FOLDER' });
  }
}

function openHttp(url: URL, environment: NodeJS.ProcessEnv, by: string): Result<RemoteCache> {
  const credentials = httpCredentials(url, environment, by);
  if (!credentials.ok) return credentials;
  const base = new URL(url);
  base.username = '';
  base.password = '';
  return success(httpCache(base, credentials.value, httpClient()));
}

function httpCredentials(
  url: URL,
  environment: NodeJS.ProcessEnv,
  by: string,
): Result<Credentials | undefined> {
  const { PIPELINE_REMOTE_TOKEN: token = '', PIPELINE_REMOTE_PASSWORD: secret = '' } = environment;
  const user = environment.PIPELINE_REMOTE_USER || decoded(url.username);
  const password = secret || decoded(url.password);
  if (/[\r\n\0]/.test(token + user + password)) {
    return failure({ message: 'a password or token of the remote holds a line break' });
  }
  if (token !== '') return success({ kind: 'bearer', token });
  if (user === '' && password === '') return success(undefined);
  if (user.includes(':')) return failure({ message: `the user in ${by} cannot hold a colon` });
  return success({ kind: 'basic', user, password });
}

function openS3(url: URL, environment: NodeJS.ProcessEnv, by: string): Result<RemoteCache> {
  const bucket = url.hostname;
  const prefix = decoded(url.pathname).replace(/^\/+|\/+$/g, '');
  if (bucket === '' || !/^[\w./-]*$/.test(prefix) || prefix.split('/').includes('..')) {
    return failure({ message: `${by} names no bucket`, hint: 's3://BUCKET/PREFIX' });
  }
  if (url.username !== '' || url.password !== '') {
    const hint = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
    return failure({ message: `${by} cannot hold a key of S3`, hint });
  }
  const { AWS_REGION, AWS_DEFAULT_REGION } = environment;
  const region = AWS_REGION || AWS_DEFAULT_REGION || 'us-east-1';
  const named = environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL;
  const address = named || `https://s3.${region}.amazonaws.com`;
  const endpoint = URL.canParse(address) ? new URL(address) : undefined;
  if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol)) {
    const hint = 'AWS_ENDPOINT_URL=https://HOST';
    return failure({ message: 'AWS_ENDPOINT_URL is no address of a server', hint });
  }
  const credentials = s3Credentials(environment, region);
  const place = { endpoint, bucket, prefix };
  return success(s3Cache(place, httpClient(), { credentials, clock: Date.now }));
}

function s3Credentials(environment: NodeJS.ProcessEnv, region: string): S3Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = environment;
  if (!accessKey || !secretKey) return undefined;
  const { AWS_SESSION_TOKEN: sessionToken } = environment;
  return { accessKey, secretKey, region, ...(sessionToken && { sessionToken }) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
