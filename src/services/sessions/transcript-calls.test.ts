import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Json, SessionId } from '../../base/index.ts'
import type { RecordView } from '../../protocol/index.ts'
import { type Fixture, newCallId, openFixture, says } from '../../kernel/kernel-fixture.ts'

interface Page {
  readonly records: readonly RecordView[]
  readonly next: number | null
}

async function output<Output>({ kernel }: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = await kernel.call(name, input)
  assert.equal(outcome.status, 'ok', outcome.status === 'ok' ? '' : outcome.text)
  return outcome.output as Output
}

/** Texts of the messages in these records. */
const messages = (records: readonly RecordView[]): readonly string[] =>
  records.flatMap(({ name, phase, body }) => (name === 'turn.send' && phase === 'started' ? [(body as { text: string }).text] : []))

describe('session.records', () => {
  it('pages back through a session, oldest first within a page, without gaps or repetitions', async () => {
    await using fixture = await openFixture()
    for (const text of ['one', 'two', 'three']) await fixture.turn(text)
    const { session } = fixture
    const whole = await output<Page>(fixture, 'session.records', { session, limit: 1000 })
    assert.deepEqual(messages(whole.records), ['one', 'two', 'three'])
    assert.equal(whole.next, null)
    let paged: readonly RecordView[] = []
    for (let before: number | null = whole.records.at(-1)!.seq + 1; before !== null;) {
      const page: Page = await output(fixture, 'session.records', { session, before, limit: 4 })
      paged = [...page.records, ...paged]
      before = page.next
    }
    assert.deepEqual(paged, whole.records)
  })

  it('continues with the session that it was forked from', async () => {
    await using fixture = await openFixture()
    await fixture.turn('one')
    const fork = await output<{ session: SessionId }>(fixture, 'session.fork', { session: fixture.session })
    await fixture.turn('two')
    const page = await output<Page>(fixture, 'session.records', { session: fork.session })
    assert.deepEqual(messages(page.records), ['one'])
  })
})

describe('session.compact', () => {
  it('replaces older messages by a summary at once, and says how many', async () => {
    const long = 'The weather was mild and the neighbours walked along the canal as on most evenings. '.repeat(60)
    await using fixture = await openFixture({ play: () => says('Noted.') })
    const { session } = fixture
    for (let turn = 0; turn < 8; turn++) await fixture.turn(`${turn} ${long}`)
    const { messages: count } = await output<{ messages: number }>(fixture, 'session.compact', { session })
    assert.ok(count > 2 && count < 16, String(count))
    assert.notEqual((await fixture.store.session(session))?.summary, '')
    assert.equal((await output<{ messages: number }>(fixture, 'session.compact', { session })).messages, 0)
  })

  it('is refused while a turn runs', async () => {
    await using fixture = await openFixture()
    const { session, kernel } = fixture
    const sent = kernel.sendTurn({ session, clientId: newCallId(), text: 'hello' })
    const outcome = await kernel.call('session.compact', { session })
    assert.match(outcome.text, /running/)
    await sent
  })
})
