// blob-batch.ts — small blobs on their way into the store: those that come at about the same time share one transaction
import type { KeptOutput } from '../engine/model/record.ts';
import type { BlobStore } from '../engine/store/store.ts';

/** They are gathered for so long: a flush of the disk stops everything else here. */
const GATHER_MS = 5;

interface Pending {
  readonly blob: KeptOutput;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Keeps blobs in groups. */
export class BlobBatch {
  private pending: Pending[] = [];
  private readonly blobs: Pick<BlobStore, 'putAll'>;

  constructor(blobs: Pick<BlobStore, 'putAll'>) {
    this.blobs = blobs;
  }

  /** Resolves when the blob is durable. Its digest has been checked. @throws StoreError when it cannot be kept */
  keep(blob: KeptOutput): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ blob, resolve, reject });
      if (this.pending.length === 1) setTimeout(() => void this.flush(), GATHER_MS);
    });
  }

  private async flush(): Promise<void> {
    const group = this.pending;
    this.pending = [];
    try {
      await this.blobs.putAll(group.map(({ blob }) => blob));
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const { resolve } of group) resolve();
  }
}
