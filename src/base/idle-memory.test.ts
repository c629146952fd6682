import { test } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import { watchIdleMemory } from './idle-memory.ts'

const grownBytes = 24 * 1024 * 1024

/** Fills the heap with objects that nobody needs afterwards. */
function fillHeap(): void {
  const held: object[] = []
  const before = getHeapStatistics().total_physical_size
  while (getHeapStatistics().total_physical_size < before + 2 * grownBytes) {
    for (let i = 0; i < 10_000; i++) held.push({ i, text: `${i}` })
  }
}

test('what a busy time took is returned when the process rests', async () => {
  const memory = watchIdleMemory({ checkMs: 5, worthBytes: grownBytes })
  fillHeap()
  const busy = getHeapStatistics().total_physical_size
  while (getHeapStatistics().total_physical_size > busy - grownBytes) await new Promise((resolve) => setTimeout(resolve, 50))
  memory.close()
})
