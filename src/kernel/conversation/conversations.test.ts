import assert from 'node:assert/strict'
import { it, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadSummary } from '../../memory/index.ts'
import { type HistoryRow, openMemoryStore, type Store } from '../../store/index.ts'
import type { CallId, SessionId, UserId } from '../../base/index.ts'
import { type GenerateRequest, textOf } from '../../protocol/index.ts'
import { asks, done, inOrder, openFixture, says, testCall, user } from '../kernel-fixture.ts'
import { userCaller } from '../policy/policy.ts'
import { createConversations, historyPages } from './conversations.ts'
import { createScratchpads } from './scratchpads.ts'
import { createSummaries, type SummaryDeps } from './summaries.ts'

const oneSession = 's' as SessionId
const never = (): number => 0

/** A store whose first answer is what it was when it was asked, and comes after something was erased. */
function erasing(body: string, drop: () => void) {
  let now = body
  return async (): Promise<readonly (HistoryRow & { readonly body: string })[]> => {
    const found = now
    if (now === body) {
      now = JSON.stringify({ erased: '0'.repeat(64), bytes: 9, reason: 'forgotten' })
      await new Promise(setImmediate)
      drop()
    }
    return [{ seq: 1, call: 'c' as CallId, name: 'turn.send', phase: 'started', body: found }]
  }
}

void test('text erased while a conversation is being read is not in it, then or later', async () => {
  const lineage = async () => ({ parent: '', forked: 0 }) as const
  const history = erasing(JSON.stringify({ text: 'my pin is 9182' }), () => conversations.drop())
  const conversations = createConversations(
    { store: { history: async () => [...(await history())] }, sessions: { load: lineage } },
    async () => {},
    never,
  )
  for (let i = 0; i < 2; i++) {
    const items = await conversations.read(oneSession, 1_000)
    assert.deepEqual(
      items.map(({ message }) => textOf(message)),
      ['(erased)'],
    )
  }
})

void test('conversations that were read and then closed are not kept: a guest restarts itself in its process', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What a frame of the test holds is not collected.
  const closed = await (async () => {
    const lineage = async () => ({ parent: '', forked: 0 }) as const
    const conversations = createConversations({ store: { history: async () => [] }, sessions: { load: lineage } }, async () => {}, never)
    const isBusy = (): boolean => false
    conversations.sweep(isBusy)
    await conversations.read(oneSession, 1_000)
    conversations.close()
    return new WeakRef(isBusy)
  })()
  for (let tries = 0; tries < 20 && closed.deref() !== undefined; tries++) {
    await new Promise(setImmediate)
    collect()
  }
  assert.equal(closed.deref(), undefined)
})

void test('text erased while a scratchpad is being read is not in it, then or later', async () => {
  const records = erasing(JSON.stringify({ items: ['my pin is 9182'], updated_at: 1 }), () => scratchpads.drop())
  const deps = { store: { records } as never, flushed: async () => {}, changedBy: async () => 'c' as CallId }
  const scratchpads = createScratchpads(deps)
  for (let i = 0; i < 2; i++) assert.deepEqual((await scratchpads.read(oneSession)).items, [])
})

void test('text erased while a summary is being read is not in it, then or later', async () => {
  const { emptySummary } = await loadSummary()
  const records = erasing(JSON.stringify({ ...emptySummary, text: 'my pin is 9182' }), () => summaries.drop())
  const journal = { flushed: async () => {} }
  const deps = { store: { records }, journal, sessions: { summary: () => 'c' }, engine: { countTokens: async () => [] } }
  const summaries = createSummaries(deps as unknown as SummaryDeps)
  for (let i = 0; i < 2; i++) assert.equal(await summaries.read(oneSession), null)
})

void test('an idle session leaves memory after its time, or when too many are idle, and comes back whole', async () => {
  const acted = testCall('test.act', async () => done('acted'))
  const steps = [asks(['test_act', { path: 'x' }]), says('first answer'), says('second answer'), says('other')]
  await using fixture = await openFixture({ play: inOrder(...steps), calls: [acted], config: { agent: { rights: ['file.write'] } } })
  await fixture.turn('first message')
  await fixture.turn('second message')
  let now = 0
  const lineage = async () => ({ parent: '', forked: 0 }) as const
  const conversations = createConversations(
    { store: fixture.store, sessions: { load: lineage } },
    async () => {},
    () => now,
  )
  const sessions = [fixture.session, 'b' as SessionId, 'c' as SessionId, 'd' as SessionId]
  const before = [...(await conversations.read(fixture.session, 100_000))]
  assert.ok(before.length >= 6)
  for (const session of sessions.slice(1)) await conversations.read(session, 100_000)
  const rules = { idleMs: 1_000, maxIdle: 2, isBusy: (session: SessionId) => session === 'b' }
  // Of three that are idle, the one that was used first goes; the busy one is not counted.
  assert.equal(conversations.dropIdle(rules), 3)
  const again = await conversations.read(fixture.session, 100_000)
  assert.notEqual(again[0], before[0])
  assert.deepEqual(again, before)
  assert.equal((await conversations.read(fixture.session, 100_000))[0], again[0], 'it is in memory again')
  now = 1_001
  await conversations.read('d' as SessionId, 100_000)
  assert.equal(conversations.dropIdle({ ...rules, maxIdle: 10 }), 2, 'the one that was used and the busy one stay')
})

void test('many short messages count more than their text, so the least recently used conversation is evicted in time', async () => {
  const read: SessionId[] = []
  const history = async (id: SessionId) => (read.push(id), [])
  const lineage = async () => ({ parent: '', forked: 0 }) as const
  const conversations = createConversations({ store: { history }, sessions: { load: lineage } }, async () => {}, never)
  const sessions = Array.from({ length: 60 }, (_, i) => `s${i}` as SessionId)
  for (const id of sessions) {
    conversations.observe({
      session: '',
      call: `${id}-0` as CallId,
      name: 'session.create',
      phase: 'outcome',
      projection: 'new_session',
      body: { status: 'ok', id },
    })
    for (let i = 0; i < 1_000; i++)
      conversations.observe({ session: id, call: `${id}-${i}` as CallId, name: 'turn.send', phase: 'started', body: { text: 'x' } })
  }
  await conversations.read(sessions[59]!, 1_000)
  await conversations.read(sessions[0]!, 1_000)
  assert.deepEqual(read, ['s0'])
})

void test("a caller that waits for another caller's summary stops waiting when it is cancelled", async () => {
  const control = new AbortController()
  const deps = { store: { claimLane: () => new Promise(() => {}) }, engine: { countTokens: async () => [] } }
  const summaries = createSummaries(deps as unknown as SummaryDeps)
  const asked = { id: 'c' as CallId, caller: userCaller('ada' as UserId, oneSession, ''), signal: AbortSignal.any([]), overflows: false }
  void summaries.roll(oneSession, 1, asked)
  const second = summaries.roll(oneSession, 1, { ...asked, signal: control.signal, overflows: true })
  control.abort('cancelled')
  await assert.rejects(second, (reason) => reason === 'cancelled')
})

const named = ['turn.send', 'memory.recall', 'model.generate', 'session.list', '__proto__'] as const

/** A guest that was talked into asking for calls of the runtime by their names. */
async function play(store: Store, seen: GenerateRequest[], session?: Awaited<ReturnType<typeof openFixture>>['session']) {
  const steps = session === undefined ? [asks(...named.map((name) => [name] as const)), says('well')] : [says('on')]
  await using fixture = await openFixture({
    store: { ...store, close: async () => {} },
    ...(session !== undefined && { session }),
    play: (request) => {
      seen.push(request)
      return steps.shift() ?? says('on')
    },
  })
  await fixture.turn('go')
  if (session === undefined) await fixture.turn('and on')
  return fixture.session
}

it('a tool call with the name of a runtime call keeps its result, warm and reread', async () => {
  const store = await openMemoryStore({ user })
  const seen: GenerateRequest[] = []
  const session = await play(store, seen)
  await play(store, seen, session)
  for (const { messages } of seen.slice(1)) {
    const results = messages.flatMap((message) => (message.role === 'tool' ? [message.parts[0].name] : []))
    assert.deepEqual(results, named)
  }
  await store.close()
})

test('what was recalled late precedes its own message, also when a newer message came before it', async () => {
  const row = (seq: number, call: string, name: string, phase: HistoryRow['phase'], body: object): HistoryRow => {
    return { seq, call: call as CallId, name, phase, body: JSON.stringify(body) }
  }
  const rows = [
    row(1, 'm1', 'turn.send', 'started', { text: 'first' }),
    row(2, 'm2', 'turn.send', 'started', { text: 'second' }),
    row(3, 'r1', 'memory.recall', 'outcome', { status: 'ok', text: 'a memory', before: 'm1' }),
  ]
  const history = async (_: SessionId, below: number | null) => (below === null ? rows.toReversed() : [])
  const lineage = async () => ({ parent: '', forked: 0 }) as const
  const conversations = createConversations({ store: { history }, sessions: { load: lineage } }, async () => {}, never)
  const calls = (await conversations.read(oneSession, 1_000)).map(({ call }) => String(call))
  assert.deepEqual(calls, ['r1', 'm1', 'm2'])
})

test('a long history is read from its end, in a short page and then in long ones, and all of it', async () => {
  const all = Array.from({ length: 500 }, (_, i) => ({ seq: 500 - i })) as unknown as readonly HistoryRow[]
  const history: Store['history'] = async (_session, before, limit) => all.filter(({ seq }) => seq < (before ?? Infinity)).slice(0, limit)
  const lineage = async (): Promise<{ readonly parent: ''; readonly forked: number }> => ({ parent: '', forked: 0 })
  const pages: (readonly HistoryRow[])[] = []
  for await (const page of historyPages({ store: { history }, sessions: { load: lineage } }, user as unknown as SessionId)) pages.push(page)
  assert.deepEqual(
    pages.map((page) => page.length),
    [32, 200, 200, 68],
  )
  assert.deepEqual(pages.flat(), all)
})
