/** What recall had for the turns of a guest, as its journal says. */
import type { JournalRecord } from '../../src/protocol/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { benchUser } from '../subjects/guest.ts'

/** By the message of each turn for which recall found something, or failed: whether it did find. */
export async function recalledTurns(database: string): Promise<ReadonlyMap<string, boolean>> {
  const store = await openSqliteStore({ path: database, user: benchUser, durability: 'normal', readOnly: true })
  const messages = new Map<string, string>()
  const recalled = new Map<string, boolean>()
  try {
    const query = { phases: ['intent', 'outcome'], order: 'oldest_first', limit: 1_000, hydrate: true } as const
    for (let after = 0; ;) {
      const page = await store.records({ ...query, after })
      for (const record of page) {
        if (record.name === 'turn.send' && record.phase === 'intent') messages.set(record.turn, sentText(record))
        if (record.name !== 'memory.recall' || record.phase !== 'outcome') continue
        const { status, text } = JSON.parse(record.body) as { status: string; text?: string }
        const message = messages.get(record.turn)
        if (message !== undefined && (status !== 'ok' || (text ?? '') !== '')) recalled.set(message, status === 'ok')
      }
      if (page.length < query.limit) return recalled
      after = page.at(-1)!.seq
    }
  } finally {
    await store.close()
  }
}

/** Without the mark of the bench. */
function sentText({ body }: JournalRecord): string {
  return (JSON.parse(body) as { input: { text: string } }).input.text.trimEnd()
}
