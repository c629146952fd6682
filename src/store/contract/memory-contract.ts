/** What every store must do for memory, whatever is behind it. */
import { describe, it } from 'node:test'
import { describeAppendedMemory } from './append-memory-contract.ts'
import { describeEntries } from './memory-entry-contract.ts'
import { describeFilters } from './memory-filter-contract.ts'
import type { MemoryCase, MemorySubject } from './memory-fixture.ts'
import { describeHostile } from './memory-hostile-contract.ts'
import { describeMarks } from './memory-mark-contract.ts'
import { describeText } from './memory-text-contract.ts'
import { describeVectors } from './memory-vector-contract.ts'

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
    describeMarks(holds)
    describeAppendedMemory(holds)
  })
}
