// bundle-digest.ts — what names a bundle: the digest of its code, which stands in keys
import { canonicalJson, type Digest, digestOf } from '../model/key.ts';

/** The digest of a bundle, by that of its code. The empty map belongs to the form: nothing is left out of a bundle. */
export const bundleDigest = (code: Digest): Digest =>
  digestOf(canonicalJson(['bundle/1', code, {}]));

/** The last line of a bundle in a cache: where its source map lies. It is no part of the code. */
const mapLine = (digest: Digest): string => `//# sourceMappingURL=${digest}.mjs.map\n`;

/** A bundle as it lies in a cache. */
export const withMapLine = (code: Uint8Array, digest: Digest): Uint8Array =>
  Buffer.concat([code, Buffer.from(mapLine(digest))]);

/** The code of a bundle, with or without the line for its map. Undefined when it is not the bundle of this digest. */
export function verifiedCode(bytes: Uint8Array, digest: Digest): Uint8Array | undefined {
  const line = Buffer.from(mapLine(digest));
  const end = bytes.length - line.length;
  const isMapped = end >= 0 && Buffer.compare(bytes.subarray(end), line) === 0;
  const code = isMapped ? bytes.subarray(0, end) : bytes;
  return bundleDigest(digestOf(code)) === digest ? code : undefined;
}
