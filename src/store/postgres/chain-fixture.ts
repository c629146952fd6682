/** Reads a store's journal and holds its chain to what it must be. */
import assert from 'node:assert/strict'
import type { JournalRecord } from '../../types/index.ts'
import { createHasher, recordHolds } from '../chain.ts'
import type { Store } from '../store.ts'

/** @returns every record, after it was seen that they are numbered without gaps and hold together. */
export async function canonicalRecords(store: Store): Promise<readonly JournalRecord[]> {
  const hash = await createHasher()
  const records: JournalRecord[] = []
  for (;;) {
    const page = await store.records({ after: records.length, order: 'oldest_first', limit: 10_000, hydrate: true })
    records.push(...page)
    if (page.length < 10_000) break
  }
  const stored = await store.records({ order: 'oldest_first', limit: 10_000, hydrate: false })
  stored.forEach((record, i) => {
    assert.equal(record.seq, i + 1)
    assert.equal(record.previous, stored[i - 1]?.hash ?? '0'.repeat(64))
    assert.equal(recordHolds(hash, store.user, record), true, `record ${record.seq} holds`)
  })
  return records
}
