// trusting-store.ts — a store as a study sees it: what came from somebody whom it does not trust (any more) does not count
import type { ActionRecord } from '../engine/model/record.ts';
import type { PublicKeyText, Trust } from '../engine/signing/public-key.ts';
import { trustedName } from '../engine/signing/signature.ts';
import type { Store } from '../engine/store/store.ts';

/** Whether a record counts: made here, or by somebody who is trusted now. */
export function counts({ origin }: Pick<ActionRecord, 'origin'>, trust: Trust): boolean {
  if (origin === undefined) return true;
  const { signer: key, delegation } = origin;
  const signature = { key: key as PublicKeyText, ...(delegation !== undefined && { delegation }) };
  return trustedName(signature, trust) !== undefined;
}

/** @param onUntrusted hears once of each name whose results do not count any more */
export function storeTrusting(
  store: Store,
  trust: Trust,
  onUntrusted: (by: string) => void,
): Store {
  const told = new Set<string>();
  const actions: Store['actions'] = {
    ...store.actions,
    async get(key) {
      const record = await store.actions.get(key);
      if (record?.origin === undefined || counts(record, trust)) return record;
      const { by } = record.origin;
      if (!told.has(by)) {
        told.add(by);
        onUntrusted(by);
      }
      return undefined;
    },
  };
  // What else a store has is asked for where it is: some of it is made when it is wanted first.
  return Object.create(store, { actions: { value: actions, enumerable: true } }) as Store;
}
