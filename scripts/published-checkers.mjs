// published-checkers.mjs — the rows of docs/verify-digests.md: which verify.mjs was published with which version

/** Every published copy; versions without a digest are not released. */
export const publishedCheckers = (text) =>
  [...text.matchAll(/^\| (\S+) \| `([0-9a-f]{64})` \|$/gm)].map(([, version, sha256]) => ({
    version,
    sha256,
  }));
