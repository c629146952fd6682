/** What every Store must find when it looks for phrases in its journal. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { SessionId } from '../../base/index.ts'
import type { JournalRecord, NewRecord, Phase } from '../../protocol/index.ts'
import type { Store } from '../store.ts'

type Case = (title: string, check: (store: Store) => Promise<void>) => void
type MakeRecord = (call: string, phase: Phase, more?: Partial<NewRecord>) => NewRecord

/** Asks slice after slice, as whoever looks for something does. */
async function allThatSay(store: Store, phrase: string, session?: SessionId): Promise<readonly JournalRecord[]> {
  const before = (await store.head()).seq + 1
  const found: JournalRecord[] = []
  for (let after = 0; after < before - 1;) {
    const slice = await store.scan({ after, before, phrases: [phrase], ...(session !== undefined && { session }) })
    assert.ok(slice.upto > after, 'each slice comes further')
    found.push(...slice.records)
    after = slice.upto
  }
  return found
}

export function describeScanning(holds: Case, recordOf: MakeRecord): void {
  const saying = (call: string, body: unknown, more: Partial<NewRecord> = {}): NewRecord =>
    recordOf(call, 'refused', { body: JSON.stringify(body), ...more })

  holds(
    'a phrase is found in short bodies and in those that are blobs, whatever its case and width, and as it stands in the journal',
    async (store) => {
      const long = { text: `${'filler '.repeat(1_000)}The  ＳＡＦＥ is Open` }
      await store.append({
        records: [saying('a', { text: 'the safe is OPEN' }), saying('b', { text: 'the safe is shut' }), saying('c', long)],
      })
      const found = await allThatSay(store, 'the safe is open')
      assert.deepEqual(
        found.map(({ seq }) => seq),
        [1, 3],
      )
      assert.deepEqual(
        found,
        (await store.records({ order: 'oldest_first', limit: 10, hydrate: false })).filter(({ seq }) => seq !== 2),
      )
    },
  )

  holds('a phrase is found in JSON within JSON, in pieces of a stream, and in the parts of a message', async (store) => {
    const stream = ['data: {"delta":{"text":"the sa"}}', 'data: {"delta":{"text":"fe is open"}}', 'data: [DONE]'].join('\n')
    const parts = [{ text: 'the safe ' }, { text: 'is open' }]
    await store.append({
      records: [
        saying('a', { input: JSON.stringify({ content: 'The safe is open' }) }),
        saying('b', { response: { text: stream } }),
        saying('c', { message: { parts } }),
        saying('d', { message: { parts: parts.toReversed() } }),
      ],
    })
    assert.deepEqual(
      (await allThatSay(store, 'the safe is open')).map(({ seq }) => seq),
      [1, 2, 3],
    )
  })

  holds('a look through a long journal ends, keeps to a session, and passes over what is erased', async (store) => {
    const other = '0192f0a0-0000-7000-8000-0000000000ff' as SessionId
    const text = Buffer.alloc(2_000, 'word ').toString()
    const records = Array.from({ length: 500 }, (_, i) =>
      saying(`c${i}`, { text, said: i % 50 === 7 ? 'zebra' : '' }, i === 57 ? { session: other } : {}),
    )
    await store.append({ records })
    await store.erase([8], 'zebra')
    assert.deepEqual(
      (await allThatSay(store, 'zebra')).map(({ seq }) => seq),
      [58, 108, 158, 208, 258, 308, 358, 408, 458],
    )
    assert.deepEqual(
      (await allThatSay(store, 'zebra', other)).map(({ seq }) => seq),
      [58],
    )
    assert.deepEqual(await allThatSay(store, 'giraffe'), [])
  })
}
