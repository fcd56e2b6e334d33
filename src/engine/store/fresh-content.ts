// fresh-content.ts — content that this process has just hashed and kept: it need not be read and hashed again
import type { Digest } from '../model/key.ts';

/** So much is held at most; what was put in first goes first. */
const HELD_BYTES_MAX = 16 * 2 ** 20;

/** The newest content that was kept, by digest. */
export class FreshContent {
  private readonly held = new Map<Digest, Uint8Array>();
  private bytes = 0;

  add(digest: Digest, content: Uint8Array): void {
    if (content.length > HELD_BYTES_MAX || this.held.has(digest)) return;
    this.held.set(digest, content);
    this.bytes += content.length;
    for (const [oldest, { length }] of this.held) {
      if (this.bytes <= HELD_BYTES_MAX) return;
      this.held.delete(oldest);
      this.bytes -= length;
    }
  }

  drop(digest: Digest): void {
    this.bytes -= this.held.get(digest)?.length ?? 0;
    this.held.delete(digest);
  }

  get(digest: Digest): Uint8Array | undefined {
    return this.held.get(digest);
  }
}
