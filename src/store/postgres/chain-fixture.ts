/** Reads a store's journal and holds its chain to what it must be. */
import assert from 'node:assert/strict'
import type { JournalRecord } from '../../protocol/index.ts'
import { createHasher, recordHolds } from '../chain.ts'
import type { Store } from '../store.ts'

/** Small enough to be sorted in memory: a full disk has no room for a sort either. */
const pageSize = 500

/** @returns every record, after it was seen that they are numbered without gaps and hold together. */
export async function canonicalRecords(store: Store): Promise<readonly JournalRecord[]> {
  const hash = await createHasher()
  const records: JournalRecord[] = []
  const stored: JournalRecord[] = []
  for (let after = -1; after !== records.length;) {
    after = records.length
    const page = { after, order: 'oldest_first', limit: pageSize } as const
    records.push(...(await store.records({ ...page, hydrate: true })))
    stored.push(...(await store.records({ ...page, hydrate: false })))
  }
  stored.forEach((record, i) => {
    assert.equal(record.seq, i + 1)
    assert.equal(record.previous, stored[i - 1]?.hash ?? '0'.repeat(64))
    assert.equal(recordHolds(hash, store.user, record), true, `record ${record.seq} holds`)
  })
  return records
}
