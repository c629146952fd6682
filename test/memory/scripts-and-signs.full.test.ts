/**
 * What people write in any script is found by a word of it, from the note to the search, in a file and in Postgres: with characters that
 * nobody sees, from right to left, without spaces, and with what looks like a command of a database.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { openMemoryStore, openStore, type Store } from '../../src/store/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { openMemoryFixture } from './memory-fixture.ts'

/** What is noted, and what of it is asked for. */
const texts: readonly (readonly [string, readonly string[]])[] = [
  ['우리 고양이는 소파에서 잠을 잔다.', ['고양이', '고양이가 어디서 자니?', '소파']],
  ['来週の火曜日に東京タワーで会いましょう。', ['東京', '東京タワー', 'タワー']],
  ['北京大学的图书馆周日不开门。', ['图书馆', '北京大学', '周日']],
  ['แมวของเรานอนบนโซฟาทุกวัน', ['แมว', 'โซฟา']],
  ['הישיבה הבאה תתקיים ביום שלישי בירושלים', ['שלישי', 'בירושלים']],
  ['الاجتماع القادم يوم الثلاثاء في القاهرة', ['القاهرة', 'الثلاثاء']],
  ['The tele\u200bscope is in the gar\u00adage.', ['telescope', 'garage', 'tele\u200bscope']],
  ['\u202eThe rudder\u202c is \u2066stuck\u2069 again.', ['rudder', 'stuck']],
  ['Ship it 🚀 when the 👩🏽‍🚀 says so.', ['🚀', '👩‍🚀']],
  ['Der Straßenname ist Königsallee, Café im Hof.', ['strasse name königsallee', 'Konigsallee', 'cafe']],
  ['ＦＵＬＬＷＩＤＴＨ letters of the catalogue', ['fullwidth']],
  [`It's "quoted'); drop table memory_entry; -- kumquat`, ['kumquat', `drop table memory_entry; --`, `"quoted'); drop`]],
  [
    'persimmon AND (NEAR OR NOT) * ^ {terms}: "',
    ['persimmon AND', 'persimmon*', '"persimmon AND', '{terms}: persimmon', 'NEAR(persimmon, 2)'],
  ],
]
/** No query may be taken for a command or find what it does not say. */
const commands = ['"', '""', '" OR "', '*', "' or 1=1 --", '%', '_', '$1', ':user', '\u0000', '\ud800', '((((', 'terms : *', 'NOT', '-']
const tags = [`o'brien`, '"quoted"', 'a"b\'c', '日本', '50%', 'a_b', '{x}', '\\', '🦬']

const postgres = usePostgres()

async function ask(store: Store): Promise<void> {
  await using guest = await openMemoryFixture({ store })
  interface Hit {
    readonly text: string
    readonly tags: readonly string[]
    readonly weak: boolean
  }
  const search = (input: object): Promise<Hit[]> => guest.ask<Hit[]>('memory.search', input)
  for (const [content] of texts) await guest.ask('memory.save', { content })
  for (const [content, questions] of texts) {
    for (const query of questions) {
      const [hit] = await search({ query })
      assert.deepEqual([hit?.text, hit?.weak], [content.normalize('NFC'), false], `${JSON.stringify(query)} in ${content}`)
    }
  }
  for (const query of commands) {
    const hits = (await search({ query, top_k: 20 })).filter(({ weak }) => !weak)
    assert.ok(hits.length < 3, `${JSON.stringify(query)}: ${hits.length}`)
  }
  for (const [i, tag] of tags.entries()) await guest.ask('memory.save', { content: `Tagged marmalade ${i}.`, tags: [tag] })
  for (const [i, tag] of tags.entries()) {
    const hits = await search({ query: 'marmalade', tags: [tag], top_k: 20 })
    assert.deepEqual(
      hits.map((hit) => [hit.text, hit.tags]),
      [[`Tagged marmalade ${i}.`, [tag]]],
      tag,
    )
  }
  assert.deepEqual(await search({ query: 'marmalade', tags: ["' or 1=1 --"] }), [])
  assert.equal((await guest.ask<{ entries: number }>('memory.stats', {})).entries, texts.length + tags.length)
}

test('a note in any script, with any sign, is found by a word of it and by its tag: in a file', async () => {
  await ask(await openMemoryStore({ user }))
})

test('a note in any script, with any sign, is found by a word of it and by its tag: in Postgres', { skip: postgresSkip() }, async () => {
  await using database = await postgres.database()
  const { store: config } = configSchema.parse({ store: { url: database.url } })
  await ask(await openStore({ config, environment: {}, path: '', user }))
})
