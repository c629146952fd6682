import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asks, done, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryFixture } from './memory-fixture.ts'

interface Saved {
  note_id: string
  message: string
}
interface Hit {
  note_id: string
  text: string
  tags: string[]
  holds: boolean
  superseded_by: string
  labels: string[]
}
interface Why {
  text: string
  type: string
  labels: string[]
  holds: boolean
  created_at: number
  updated_at: number
  record: { seq: number; name: string; phase: string; hash: string; erased: boolean } | null
  by: { actor: string; author: string; session: string; turn: string; call: string }
  supersedes: { id: string; text: string }[]
  superseded_by: { id: string; text: string } | null
  contradicts: { id: string }[]
  confirmed_by: { id: string }[]
  promoted: { by: string } | null
}

describe('a note', () => {
  it('is found by its words and by its tags, which are trimmed, lower case and distinct', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: id, message } = await guest.ask<Saved>('memory.save', {
      content: 'I prefer Helix over Vim.',
      tags: [' Tools ', 'tools', 'EDITOR'],
    })
    assert.equal(message, 'Noted.')
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'which editor: helix?', tags: ['Editor', ' '] })
    assert.deepEqual([hit?.note_id, hit?.tags], [id, ['editor', 'tools']])
    assert.deepEqual(await guest.ask('memory.search', { query: 'helix', tags: ['other'] }), [])
    assert.equal((await guest.ask<Why>('memory.why', { note_id: id })).type, 'preference')
    const { note_id: other } = await guest.ask<Saved>('memory.save', { content: 'I’m a nurse.' })
    assert.equal((await guest.ask<Why>('memory.why', { note_id: other })).type, 'user_profile')
  })

  it('is found by a tag in any Unicode normalization', async () => {
    await using guest = await openMemoryFixture()
    await guest.ask<Saved>('memory.save', { content: 'The bill is paid.', tags: ['café'.normalize('NFD')] })
    for (const form of ['NFC', 'NFD'])
      assert.equal((await guest.ask<Hit[]>('memory.search', { query: 'bill', tags: ['Café'.normalize(form)] })).length, 1, form)
  })

  it('that is added again is the same note', async () => {
    await using guest = await openMemoryFixture()
    const first = await guest.ask<Saved>('memory.save', { content: 'The release is on Friday.' })
    const again = await guest.ask<Saved>('memory.save', { content: '  The release is on Friday. ', tags: ['work'] })
    assert.equal(again.note_id, first.note_id)
    const [hit, ...others] = await guest.ask<Hit[]>('memory.search', { query: 'release' })
    assert.deepEqual([hit?.tags, others], [['work'], []])
  })

  it('that several callers add at once is one note, with all tags', async () => {
    await using guest = await openMemoryFixture()
    const saving = ['a', 'b', 'c'].map((tag) => guest.ask<Saved>('memory.save', { content: 'The release is on Friday.', tags: [tag] }))
    assert.equal(new Set((await Promise.all(saving)).map(({ note_id: id }) => id)).size, 1)
    const [hit, ...others] = await guest.ask<Hit[]>('memory.search', { query: 'release' })
    assert.deepEqual([hit?.tags, others], [['a', 'b', 'c'], []])
  })

  it('keeps all changes made at the same time', async () => {
    await using guest = await openMemoryFixture()
    const save = async (content: string): Promise<string> => (await guest.ask<Saved>('memory.save', { content })).note_id
    const [id, ...others] = [await save('It is on Friday.'), await save('It is on Monday.'), await save('It is on Sunday.')]
    await Promise.all(
      others.flatMap((other) => [
        guest.ask('memory.contradict', { note_id: id, other }),
        guest.ask('memory.confirm', { note_id: id, by: other }),
      ]),
    )
    const why = await guest.ask<Why>('memory.why', { note_id: id })
    assert.equal(why.contradicts.length, 2)
    assert.equal(why.confirmed_by.length, 2)
  })

  it('that is edited keeps its id and creation time, in one commit', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: id } = await guest.ask<Saved>('memory.save', { content: 'The release is on Friday.', tags: ['work'] })
    const before = await guest.ask<Why>('memory.why', { note_id: id })
    await guest.ask('memory.update', { note_id: id, content: 'The release is on Monday.' })
    const after = await guest.ask<Why>('memory.why', { note_id: id })
    assert.deepEqual([after.text, after.created_at], ['The release is on Monday.', before.created_at])
    assert.deepEqual((await guest.ask<Hit[]>('memory.search', { query: 'release' }))[0]?.tags, ['work'])
    assert.deepEqual(await guest.ask('memory.search', { query: 'friday' }), [])
  })

  it('that is removed is not found, and an unknown id is reported', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: id } = await guest.ask<Saved>('memory.save', { content: 'The release is on Friday.' })
    await guest.ask('memory.delete', { note_id: id })
    assert.deepEqual(await guest.ask('memory.search', { query: 'release' }), [])
    for (const [name, input] of [
      ['memory.delete', { note_id: id }],
      ['memory.update', { note_id: id, content: 'x' }],
      ['memory.supersede', { note_id: id, content: 'x' }],
      ['memory.why', { note_id: id }],
    ] as const) {
      const outcome = await guest.call(name, input)
      assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'not_found', name)
    }
  })

  it('is refused when it is empty, too long, wrongly tagged, or looks like a secret, with advice', async () => {
    await using guest = await openMemoryFixture()
    const refused = [
      { content: '   ' },
      { content: 'x'.repeat(8_001) },
      { content: 'x', tags: Array.from({ length: 17 }, (_, i) => `t${i}`) },
      { content: 'x', tags: ['t'.repeat(65)] },
      { content: `The key is sk-ant-${'a1B2'.repeat(8)}` },
      { content: 'password: hunter2!!' },
      { content: 'It uses [secret:OPENAI_API_KEY].' },
      { content: '-----BEGIN PRIVATE KEY-----\nMIIE' },
    ]
    for (const input of refused) {
      const outcome = await guest.call('memory.save', input)
      assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'bad_input', JSON.stringify(input).slice(0, 60))
      assert.ok(outcome.status !== 'ok' && outcome.failure.hint.length > 10)
    }
    assert.equal((await guest.ask<{ entries: number }>('memory.stats', {})).entries, 0)
    await guest.ask('memory.save', { content: 'The password manager is Bitwarden.' })
  })

  it('may contain quotes, wildcards and database operators in its text, tags and queries', async () => {
    await using guest = await openMemoryFixture()
    const hostile = `Robert'); DROP TABLE memory;-- "AND" NEAR(x) * ^ 'quoted' 100% _under_`
    const { note_id: id } = await guest.ask<Saved>('memory.save', { content: hostile, tags: [`o'brien"; --`] })
    for (const query of [hostile, `"`, `' OR 1=1`, 'NEAR(', '*', 'memory AND NOT', '%', 'text:x'])
      await guest.ask('memory.search', { query })
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'robert drop table', tags: [`O'Brien"; --`] })
    assert.deepEqual([hit?.note_id, hit?.text], [id, hostile])
  })

  it('of an agent records its session, turn and call', async () => {
    const steps = [asks(['memory_save', { content: 'The person writes in the past tense.', tags: ['git'] }]), says('noted')]
    await using guest = await openMemoryFixture({ play: () => steps.shift() ?? says('ok') })
    await guest.turn('remember how I write')
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'past tense' })
    const why = await guest.ask<Why>('memory.why', { note_id: hit!.note_id })
    assert.deepEqual([why.by.actor, why.by.author, why.by.session], ['agent:ox', 'agent', guest.session])
    assert.match(why.by.call, /\.0$/)
    assert.deepEqual([why.record?.name, why.record?.phase], ['memory.save', 'intent'])
  })

  it('from an untrusted turn stays untrusted through every edit, until a person trusts it', async () => {
    const read = testCall('test.read', async () => done('The capital of Australia is Sydney.'), {
      labels: { adds: ['untrusted'], sink: false },
    })
    const steps = [asks(['test_read']), asks(['memory_save', { content: 'The capital of Australia is Sydney.' }]), says('noted')]
    await using guest = await openMemoryFixture({ calls: [read], play: () => steps.shift() ?? says('ok') })
    await guest.turn('read and note it')
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'capital Australia' })
    assert.deepEqual(hit?.labels, ['untrusted'])
    const id = hit.note_id
    await guest.ask('memory.update', { note_id: id, content: 'The capital of Australia is Canberra.' })
    assert.deepEqual((await guest.ask<Why>('memory.why', { note_id: id })).labels, ['untrusted'])
    // The model has no such call.
    assert.ok(!guest.asked.some(({ tools }) => tools.some(({ name }) => name === 'memory_promote')))
    await guest.ask('memory.promote', { note_id: id })
    const after = await guest.ask<Why>('memory.why', { note_id: id })
    assert.deepEqual([after.labels, after.promoted?.by], [[], 'user:ada'])
  })
})

describe('a correction', () => {
  it('by a person inherits no tags that others may have written', async () => {
    const read = testCall('test.read', async () => done('a page'), { labels: { adds: ['untrusted'], sink: false } })
    const noted = { content: 'The bank is in Sydney.', tags: ['pinned', 'evil.example'] }
    const steps = [asks(['test_read']), asks(['memory_save', noted]), says('noted')]
    await using guest = await openMemoryFixture({ calls: [read], play: () => steps.shift() ?? says('ok') })
    await guest.turn('read and note it')
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'bank Sydney' })
    assert.deepEqual([hit?.labels, hit?.tags], [['untrusted'], ['evil.example', 'pinned']])
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', { note_id: hit!.note_id, content: 'The bank is in Perth.' })
    const [after] = await guest.ask<Hit[]>('memory.search', { query: 'bank Perth' })
    assert.deepEqual([after?.note_id, after?.labels, after?.tags], [next, [], []])
  })

  it('supersedes a note, which is still found as of its time', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    await guest.ask('memory.valid', { note_id: old, from: '2020-01-01' })
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I live in Busan.', from: '2026-03-01' })
    const now = await guest.ask<Hit[]>('memory.search', { query: 'where do I live' })
    assert.deepEqual(
      now.map(({ note_id: id, holds, superseded_by: by }) => [id, holds, by]),
      [
        [next, true, ''],
        [old, false, next],
      ],
    )
    const then = await guest.ask<Hit[]>('memory.search', { query: 'where do I live', as_of: '2024-06-01' })
    assert.deepEqual(
      then.map(({ note_id: id }) => id),
      [old],
    )
    const why = await guest.ask<Why>('memory.why', { note_id: next })
    assert.deepEqual([why.supersedes[0]?.id, why.supersedes[0]?.text, why.holds], [old, 'I live in Seoul.', true])
    assert.equal((await guest.ask<Why>('memory.why', { note_id: old })).superseded_by?.id, next)
  })

  it('may be valid from before a note without a date was written, which was valid until then', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I live in Busan.', from: '2020-03-01' })
    const asOf = async (as_of: string) => (await guest.ask<Hit[]>('memory.search', { query: 'where do I live', as_of }))[0]?.note_id
    assert.deepEqual([await asOf('1960-01-01'), await asOf('2020-06-01')], [old, next])
    const dated = await guest.call('memory.supersede', { note_id: next, content: 'I live in Ulsan.', from: '2019-01-01' })
    assert.equal(dated.status === 'failed' && dated.failure.code, 'bad_input', 'a note with a date does not begin earlier')
  })

  it('does not extend the validity of a note that had ended before', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I work at the harbour.' })
    await guest.ask('memory.valid', { note_id: old, from: '2020-01-01', to: '2021-12-31' })
    await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I work at the mill.', from: '2026-03-01' })
    const askedAsOf = (as_of: string) => guest.ask<Hit[]>('memory.search', { query: 'where do I work', as_of })
    assert.deepEqual([(await askedAsOf('2021-06-01')).length, (await askedAsOf('2024-06-01')).length], [1, 0])
  })

  it('keeps the end of what was superseded when only its beginning is set', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I work at the harbour.' })
    await guest.ask('memory.valid', { note_id: old, from: '2020-01-01' })
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', {
      note_id: old,
      content: 'I work at the mill.',
      from: '2024-03-01',
    })
    const { message } = await guest.ask<Saved>('memory.valid', { note_id: old, from: '2019-01-01' })
    assert.match(message, /from 2019-01-01 until the memory that replaced it/)
    const then = await guest.ask<Hit[]>('memory.search', { query: 'where do I work', as_of: '2025-06-01' })
    assert.deepEqual(
      then.map(({ note_id: id }) => id),
      [next],
    )
    assert.equal((await guest.call('memory.valid', { note_id: old, from: '2025-01-01' })).status, 'failed')
  })

  it('contradicts nothing that was superseded', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: a } = await guest.ask<Saved>('memory.save', { content: 'The meeting is at nine.' })
    const { note_id: b } = await guest.ask<Saved>('memory.save', { content: 'The meeting is at ten.' })
    await guest.ask('memory.contradict', { note_id: a, other: b })
    await guest.ask('memory.supersede', { note_id: a, content: 'The meeting was moved to ten.' })
    assert.deepEqual((await guest.ask<Why>('memory.why', { note_id: b })).contradicts, [])
  })

  it('supersedes a note whose successor was removed', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    const { note_id: wrong } = await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I live in Pusan.' })
    await guest.ask('memory.delete', { note_id: wrong })
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I live in Busan.' })
    assert.equal((await guest.ask<Why>('memory.why', { note_id: old })).superseded_by?.id, next)
  })

  it('of a superseded note is refused, and names its successor', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    const { note_id: next } = await guest.ask<Saved>('memory.supersede', { note_id: old, content: 'I live in Busan.' })
    const outcome = await guest.call('memory.supersede', { note_id: old, content: 'I live in Daegu.' })
    assert.ok(outcome.status !== 'ok' && outcome.failure.code === 'bad_input' && outcome.failure.hint.includes(next))
  })

  it('of a note that is being superseded is reported, and makes no second successor', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: old } = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    const outcomes = await Promise.all(
      ['I live in Busan.', 'I live in Daegu.'].map((content) => guest.call('memory.supersede', { note_id: old, content })),
    )
    const failed = outcomes.flatMap((outcome) => (outcome.status === 'ok' ? [] : [outcome.failure.code]))
    assert.deepEqual(failed, ['bad_input'])
    const left = await guest.store.memory.list({ kinds: ['note'] }, 10)
    assert.deepEqual([left.length, left.some(({ id }) => id === left.find((entry) => entry.id === old)?.supersededBy)], [2, true])
  })

  it('that is valid only later is not the same as one that is valid now', async () => {
    await using guest = await openMemoryFixture()
    const first = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    await guest.ask('memory.valid', { note_id: first.note_id, from: '2999-01-01' })
    const second = await guest.ask<Saved>('memory.save', { content: 'I live in Seoul.' })
    assert.notEqual(second.note_id, first.note_id)
  })

  it('marks contradiction on both sides, and confirmation with its source', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: a } = await guest.ask<Saved>('memory.save', { content: 'The meeting is at nine.' })
    const { note_id: b } = await guest.ask<Saved>('memory.save', { content: 'The meeting is at ten.' })
    const { note_id: c } = await guest.ask<Saved>('memory.save', { content: 'The calendar says ten for the meeting.' })
    await guest.ask('memory.contradict', { note_id: a, other: b })
    await guest.ask('memory.confirm', { note_id: b, by: c })
    const [whyA, whyB] = [await guest.ask<Why>('memory.why', { note_id: a }), await guest.ask<Why>('memory.why', { note_id: b })]
    assert.deepEqual([whyA.contradicts[0]?.id, whyB.contradicts[0]?.id, whyB.confirmed_by[0]?.id], [b, a, c])
    const outcome = await guest.call('memory.contradict', { note_id: a, other: a })
    assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'bad_input')
  })

  it('refuses invalid dates, and periods that end before they begin', async () => {
    await using guest = await openMemoryFixture()
    const { note_id: id } = await guest.ask<Saved>('memory.save', { content: 'The meeting is at nine.' })
    for (const input of [{ to: '2026-02-31T25:00' }, { to: '2099-02-30' }, { from: '2026-05-01', to: '2026-04-01' }, { to: 'soon' }]) {
      const outcome = await guest.call('memory.valid', { note_id: id, ...input })
      assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'bad_input', JSON.stringify(input))
    }
  })
})
