/** What every store must do for memory, whatever is behind it. */
import { describe, it } from 'node:test'
import type { MemoryStore } from '../memory.ts'
import type { Store } from '../store.ts'
import { describeEntries } from './memory-entry-contract.ts'
import { describeFilters } from './memory-filter-contract.ts'
import { describeHostile } from './memory-hostile-contract.ts'
import { describeText } from './memory-text-contract.ts'
import { describeVectors } from './memory-vector-contract.ts'

/** An empty store for each case, and another of the same database for another user. */
export interface MemorySubject {
  readonly store: Store
  /** Absent where a database has one user. */
  readonly other?: () => Promise<Store>
  drop(): PromiseLike<void>
}

export type MemoryCase = (title: string, check: (memory: MemoryStore, subject: MemorySubject) => Promise<void>) => void

export function describeMemoryContract(name: string, make: () => Promise<MemorySubject>): void {
  const holds: MemoryCase = (title, check) => {
    void it(title, async () => {
      const subject = await make()
      try {
        await check(subject.store.memory, subject)
      } finally {
        await subject.drop()
      }
    })
  }
  describe(`${name} keeps the contract of memory`, () => {
    describeEntries(holds)
    describeText(holds)
    describeFilters(holds)
    describeVectors(holds)
    describeHostile(holds)
  })
}
