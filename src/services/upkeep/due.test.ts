import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../services/index.ts'
import { createTidyDue } from './due.ts'

const hourMs = 60 * 60 * 1_000

/** Memory that was tidied when the clock began. @returns how often it was tidied since then, after a turn at that hour; checks are ten minutes apart */
function tidied(consolidation: object) {
  const clock = { at: 1_000 }
  const last = clock.at
  const sessions: { readonly createdAt: number }[] = []
  const ran: string[] = []
  const turnEnded = createTidyDue({
    memory: { tidy: async () => ({ lastAt: async () => last }) },
    store: { sessions: async (limit: number) => sessions.slice(0, limit) },
    clock: { now: () => clock.at },
    config: configSchema.parse({ memory: { consolidation } }),
    background: { run: async (_session: string, name: string) => void ran.push(name) },
  } as unknown as Parameters<typeof createTidyDue>[0])
  return async (hours: number, newSessions = 0): Promise<number> => {
    clock.at = last + hours * hourMs
    sessions.splice(0, Infinity, ...Array.from({ length: newSessions }, () => ({ createdAt: last + 1 })))
    turnEnded()
    // The check asks the store three times, without waiting for anything else.
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(ran.every((name) => name === 'memory.tidy'))
    return ran.length
  }
}

test('memory is tidied after `every_h` hours', async () => {
  const after = tidied({ every_h: 3 })
  assert.deepEqual([await after(1), await after(2.8), await after(3)], [0, 0, 1])
})

test('memory is tidied earlier after `min_sessions` new sessions', async () => {
  const after = tidied({ min_sessions: 2 })
  assert.deepEqual([await after(1, 1), await after(2, 2)], [0, 1])
})

test('memory that is not to be tidied is never', async () => {
  const after = tidied({ enabled: false, every_h: 1 })
  assert.equal(await after(100, 100), 0)
})
