/** What every Store must give back as it was given, whatever is in it: each text in every place that keeps one. */
import assert from 'node:assert/strict'
import type { CallId, SessionId } from '../../base/index.ts'
import type { NewRecord, Phase } from '../../protocol/index.ts'
import type { SessionRow, Store } from '../store.ts'

type Case = (title: string, check: (store: Store) => Promise<void>) => void
type MakeRecord = (call: string, phase: Phase, more?: Partial<NewRecord>) => NewRecord

const texts: readonly (readonly [what: string, text: string])[] = [
  ['a NUL character', 'a\0b'],
  ['the characters that a store marks NUL by', '\u0001 \u00010 \u00011 \u0001\u0001 \0\u0001\0'],
  ['every control character', Array.from({ length: 32 }, (_, i) => String.fromCharCode(i)).join('')],
  ['quotes and ends of SQL', `'; drop table journal; -- " \\ $1 ? :x @y %_ E'\\x00'`],
  ['what looks like JSON', '{"a":"\\u0000","b":[null]}'],
  ['what looks like an array of Postgres', '{"a",NULL,\\"b\\"}'],
  ['what looks like bytes of Postgres', '\\x00ff'],
  ['right-to-left text', '\u202Eשלום עולם\u202C مرحبا'],
  ['zero-width characters', 'a\u200Bb\u200D\uFEFFc'],
  ['emoji and their joiners', '👩‍👩‍👧‍👦🏳️‍🌈🇰🇷'],
  ['Korean, Japanese, Chinese and Thai', '한국어 日本語 中文 ภาษาไทย'],
  ['characters that have two forms', 'é e\u0301 ﬁ Å \u212B'],
  ['the last characters of all planes', '\uFFFD\uFFFF\u{1FFFF}\u{10FFFF}'],
  ['nothing but spaces', ' \t\n\u00A0 '],
]

export function describeTexts(holds: Case, recordOf: MakeRecord): void {
  for (const [what, text] of texts) holds(`${what} is kept unchanged, and found again`, (store) => keeps(store, recordOf, text))

  holds('a line of ten megabytes is kept', async (store) => {
    const body = JSON.stringify('x'.repeat(10 * 1024 * 1024))
    await store.append({ records: [recordOf('long', 'refused', { body })] })
    assert.equal((await store.records({ order: 'newest_first', limit: 1, hydrate: true }))[0]?.body, body)
  })
}

async function keeps(store: Store, recordOf: MakeRecord, text: string): Promise<void> {
  const session = text as SessionId
  const call = text as CallId
  const row: SessionRow = {
    id: session,
    title: text,
    createdAt: 1,
    activeAt: 2,
    turns: 3,
    labels: text,
    origins: text,
    scratchpad: text,
    archived: 0,
    deleted: 0,
    parent: '',
    forked: 0,
    summary: text as CallId,
  }
  await store.append({
    records: [recordOf(text, 'intent', { session, actor: text, name: text, body: text })],
    projections: [
      { kind: 'session', session: row },
      { kind: 'message', record: 0 },
      { kind: 'spend', scope: text, spend: { microDollars: 7, tokens: 1 } },
    ],
  })
  const [record] = await store.records({ session, call, order: 'oldest_first', limit: 10, hydrate: true })
  assert.deepEqual([record?.actor, record?.name, record?.body], [text, text, text])
  assert.deepEqual(await store.session(session), row)
  assert.deepEqual(
    (await store.history(session, null, 5)).map(({ body }) => body),
    [text],
  )
  assert.deepEqual(await store.spent(text), { microDollars: 7, tokens: 1 })
  assert.deepEqual(await store.append({ records: [recordOf(text, 'intent', { session })] }), { firstSeq: 1, duplicate: true })
  assert.equal(await store.claimLane(session, text, 60_000), 1)
  assert.equal(await store.claimLane(session, `${text}x`, 60_000), null)
  assert.equal(await store.claimLane(session, text, 60_000), 2)
  assert.equal((await store.openIntents())[0]?.call, call)
  await store.append({ records: [recordOf(text, 'outcome', { session })] })
  assert.deepEqual(await store.openIntents(), [])
}
