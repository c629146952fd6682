import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import type { CallId, SessionId, TurnId } from '../../base/index.ts'
import type { RecordView } from '../../protocol/index.ts'
import { createEvents, type Events, type KernelEvent, followPage } from './events.ts'
import { user } from '../kernel-fixture.ts'

const session = 's' as SessionId
const turn = 't' as TurnId
const call = 'c' as CallId
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Followed {
  readonly events: Events
  readonly store: Store
  /** As short text: deltas with their offset, records with their seq. */
  readonly told: string[]
}

async function follow(): Promise<Followed> {
  const store = await openMemoryStore({ user })
  const events = createEvents(store, () => [])
  const told: string[] = []
  await events.follow(session, 0, (event) => told.push(brief(event)))
  told.length = 0
  return { events, store, told }
}

function brief(event: KernelEvent): string {
  if (event.type === 'delta') return `${event.offset}:${event.text}`
  if (event.type === 'record') return `record ${event.record.seq}`
  if (event.type === 'reply_restarted') return `restarted ${event.model}: ${event.why}`
  return event.type === 'snapshot' ? `snapshot ${event.call ?? '-'} ${event.text}` : event.type
}

const outcome = (seq: number): RecordView => ({
  seq,
  at: 0,
  actor: 'agent:ox',
  session,
  turn,
  call,
  name: 'model.generate',
  phase: 'outcome',
  body: {},
})
const restart = { session, turn, call, model: 'x/y', why: 'it broke off' }

void describe('a reply that restarts', () => {
  void it('is announced, and its text offsets begin at 0 again', async () => {
    const { events, told } = await follow()
    events.delta(session, turn, call, 'Half')
    await tick()
    events.restarted(restart)
    events.delta(session, turn, call, 'The ')
    events.delta(session, turn, call, 'whole')
    await tick()
    events.publish(outcome(1))
    assert.deepEqual(told, ['0:Half', 'restarted x/y: it broke off', '0:The whole', 'record 1'])
  })

  void it('never sends text that was void before it was sent', async () => {
    const { events, told } = await follow()
    events.delta(session, turn, call, 'Half')
    events.restarted(restart)
    events.delta(session, turn, call, 'Whole')
    await tick()
    assert.deepEqual(told, ['restarted x/y: it broke off', '0:Whole'])
  })

  void it('is a snapshot of the new text only for a follower that joins meanwhile', async () => {
    const { events } = await follow()
    const late = async (): Promise<string[]> => {
      const told: string[] = []
      const stop = await events.follow(session, 0, (event) => told.push(brief(event)))
      stop()
      return told
    }
    events.delta(session, turn, call, 'Half')
    await tick()
    events.restarted(restart)
    assert.deepEqual(await late(), ['snapshot - '])
    events.delta(session, turn, call, 'Whole')
    await tick()
    assert.deepEqual(await late(), ['snapshot c Whole'])
  })

  void it('without a follower sends nothing and keeps no state', async () => {
    const events = createEvents(await openMemoryStore({ user }), () => [])
    events.restarted(restart)
    events.delta(session, turn, call, 'Half')
    events.restarted(restart)
    await tick()
    const told: string[] = []
    const stop = await events.follow(session, 0, (event) => told.push(brief(event)))
    stop()
    assert.deepEqual(told, ['snapshot - '])
  })

  void it('does not end the text of another call of the session', async () => {
    const { events, told } = await follow()
    events.delta(session, turn, call, 'Mine')
    events.restarted({ ...restart, call: 'other' as CallId })
    events.delta(session, turn, call, ' too')
    await tick()
    assert.deepEqual(told, ['restarted x/y: it broke off', '0:Mine too'])
  })
})

void describe('a follower that leaves while past records are sent', () => {
  void it('stops the reading', async () => {
    const store = await openMemoryStore({ user })
    const { seq: _, ...record } = outcome(1)
    await store.append({
      records: Array.from({ length: 2 * followPage }, (_none, at) => ({ ...record, call: `c${at}` as CallId, body: '{}' })),
    })
    let pages = 0
    const counting = (...given: Parameters<Store['records']>) => (pages++, store.records(...given))
    const events = createEvents(Object.assign(Object.create(store) as Store, { records: counting }), () => [])
    const leaving = new AbortController()
    const left = new Error('left')
    await assert.rejects(
      events.follow(session, 0, () => leaving.abort(left), { leaving: leaving.signal }),
      left,
    )
    assert.equal(pages, 1)
  })
})

void describe('a follower of many past records while many new ones arrive', () => {
  void it('receives each once, and at most one page of the journal is buffered for it', async () => {
    const store = await openMemoryStore({ user })
    const { seq: _, ...record } = outcome(1)
    let calls = 0
    const happens = async (): Promise<void> => {
      const { firstSeq } = await store.append({ records: [{ ...record, call: `c${calls++}` as CallId, body: '{}' }] })
      events.publish({ ...outcome(firstSeq), body: { held: true } })
    }
    const most = followPage * 3
    let pages = 0
    const busy: Store['records'] = async (query) => {
      const page = await store.records(query)
      if (pages++ === 0) for (let i = 0; i < most; i++) await happens()
      return page
    }
    const events = createEvents(Object.assign(Object.create(store) as Store, { records: busy }), () => [])
    const told: RecordView[] = []
    await events.follow(session, 0, (event) => event.type === 'record' && told.push(event.record))
    await happens()
    assert.deepEqual(
      told.map(({ seq }) => seq - 1),
      [...Array(most + 1).keys()],
    )
    const held = told.filter(({ body }) => (body as { held?: true }).held === true).length
    assert.ok(held <= followPage + 1, `${held} were held`)
  })
})

void describe('a follower with a cursor beyond the end', () => {
  void it('receives the current end and what comes after it, because a store may have been restored to an earlier state', async () => {
    const store = await openMemoryStore({ user })
    const { seq: _, ...record } = outcome(1)
    await store.append({ records: [{ ...record, body: '{}' }] })
    const events = createEvents(store, () => [])
    const told: string[] = []
    await events.follow(session, 1_000, (event) => told.push(event.type === 'snapshot' ? `snapshot at ${event.cursor}` : brief(event)))
    events.publish(outcome(2))
    assert.deepEqual(told, ['snapshot at 1', 'record 2'])
  })
})

void describe('the bytes of an exchange', () => {
  void it('are not sent to followers', async () => {
    const { events, told } = await follow()
    events.publish({ ...outcome(1), phase: 'exchange' })
    events.publish(outcome(2))
    assert.deepEqual(told, ['record 2'])
  })
})
