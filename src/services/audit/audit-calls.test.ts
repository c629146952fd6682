import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import type { Json } from '../../base/index.ts'
import type { CallOutcome, JournalRecord, NewestHead } from '../../protocol/index.ts'
import type { HostPort } from '../../config/index.ts'
import { asks, type Fixture, inOrder, openFixture, says, user } from '../../kernel/kernel-fixture.ts'

interface Found {
  readonly records: readonly { readonly seq: number; readonly name: string; readonly actor: string; readonly phase: string }[]
  readonly next: number | null
}

async function query(guest: Fixture, input: Json): Promise<Found> {
  const outcome = (await guest.kernel.call('audit.query', input)) as CallOutcome<Found>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Found> & { status: 'ok' }).output
}

test('records are found by actor, call, session, phase and time, newest first, in pages', async () => {
  await using guest = await openFixture({ play: inOrder(asks(['no_such']), says('ok')) })
  await guest.turn('hello')
  const refused = await query(guest, { phase: 'refused' })
  assert.deepEqual(
    refused.records.map(({ name, actor }) => [name, actor]),
    [['no_such', 'agent:ox']],
  )
  const turn = await query(guest, { name: 'turn.send', session: guest.session })
  assert.deepEqual(
    turn.records.map(({ phase }) => phase),
    ['outcome', 'started', 'intent'],
  )
  assert.ok((await query(guest, { actor: 'agent:', limit: 200 })).records.every(({ actor }) => actor === 'agent:ox'))
  assert.deepEqual((await query(guest, { to: '2020-01-01T00:00:00Z' })).records, [])
  const newest = await query(guest, { limit: 1 })
  const older = await query(guest, { limit: 1, before: newest.next ?? 0 })
  assert.equal(older.records[0]!.seq, newest.records[0]!.seq - 1)
})

test('records are found by call, turn and text, and their bodies are cut on request', async () => {
  await using guest = await openFixture({ play: () => says('The Heron has landed.') })
  await guest.turn('hello')
  const [reply] = (await query(guest, { text: 'heron HAS', name: 'turn.' })).records as unknown as readonly Shown[]
  assert.deepEqual([reply!.phase, reply!.turn], ['outcome', reply!.call])
  assert.deepEqual((await query(guest, { text: 'no such text at all' })).records, [], 'searches do not find themselves')
  const ofCall = await query(guest, { call: reply!.call })
  assert.deepEqual(
    ofCall.records.map(({ phase }) => phase),
    ['outcome', 'started', 'intent'],
  )
  const ofTurn = await query(guest, { turn: reply!.turn, limit: 200 })
  assert.ok(ofTurn.records.some(({ name }) => name === 'model.generate'))
  const rest = await query(guest, { turn: reply!.turn, without: ['model.', 'session.'], limit: 200 })
  assert.ok(rest.records.length > 0 && rest.records.every(({ name }) => name.startsWith('turn.')), JSON.stringify(rest))
  const [cut] = (await query(guest, { call: reply!.call, max_body: 10 })).records as unknown as readonly Shown[]
  assert.deepEqual([cut!.body.length, cut!.body_bytes], [10, Buffer.byteLength(reply!.body)])
  const [bare] = (await query(guest, { call: reply!.call, max_body: 0 })).records as unknown as readonly Shown[]
  assert.equal(bare!.body, '')
})

interface Shown extends Pick<JournalRecord, 'call' | 'turn' | 'phase' | 'body'> {
  readonly body_bytes?: number
}

test('a running check of the chain shows how far it is, and can be stopped', async () => {
  const store = await openMemoryStore({ user })
  const entered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  let held = false
  const slow: Store = {
    ...store,
    async records(wanted) {
      // The first page of the check.
      if (held && wanted.order === 'oldest_first' && wanted.call === undefined && wanted.after !== undefined) {
        entered.resolve()
        await gate.promise
      }
      return store.records(wanted)
    },
  }
  await using guest = await openFixture({ store: slow })
  await guest.turn('hello')
  const status = async () => ((await guest.kernel.call('audit.status', {})) as CallOutcome<Status> & { status: 'ok' }).output
  assert.deepEqual([(await status()).checking, (await status()).last], [null, null])
  held = true
  const checking = guest.kernel.call('audit.verify', {})
  await entered.promise
  const { checking: progress, head } = await status()
  assert.ok(progress !== null && progress.done === 0 && progress.total > 0 && progress.total <= head.seq)
  const stopped = await guest.kernel.call('audit.cancel', {})
  assert.deepEqual((stopped as { output: unknown }).output, { cancelled: true })
  held = false
  gate.resolve()
  const outcome = await checking
  assert.ok('failure' in outcome && outcome.failure.code === 'cancelled', JSON.stringify(outcome))
  await guest.kernel.call('audit.verify', {})
  const after = await status()
  assert.deepEqual([after.checking, after.last?.report.ok], [null, true])
  assert.deepEqual(((await guest.kernel.call('audit.cancel', {})) as { output: unknown }).output, { cancelled: false })
})

test('the newest signed head is compared with the chain, and a runner that does not answer is not waited for', async () => {
  const host = { newestHead: async (): Promise<NewestHead | null> => null, definitions: async () => [] }
  await using guest = await openFixture({ host: host as unknown as HostPort })
  await guest.turn('hello')
  const status = async () => ((await guest.kernel.call('audit.status', {})) as CallOutcome<Status> & { status: 'ok' }).output
  assert.equal((await status()).signed, null)
  const [third] = await guest.store.records({ after: 2, before: 4, order: 'oldest_first', limit: 1, hydrate: false })
  const signed = { seq: 3, hash: third!.hash, at: 5, n: 2, problem: '' }
  host.newestHead = async () => signed
  assert.deepEqual((await status()).signed, { ...signed, is_in_chain: true })
  host.newestHead = async () => ({ ...signed, seq: 4 })
  assert.equal((await status()).signed?.is_in_chain, false)
  host.newestHead = () => new Promise(() => {})
  assert.equal((await status()).signed, null)
  host.newestHead = () => Promise.reject(new Error('the runner is of an older version'))
  assert.equal((await status()).signed, null)
})

interface Status {
  readonly signed: { readonly is_in_chain: boolean } | null
  readonly head: { readonly seq: number }
  readonly checking: { readonly done: number; readonly total: number } | null
  readonly last: { readonly report: { readonly ok: boolean } } | null
}

test('the chain is checked while the guest runs', async () => {
  await using guest = await openFixture()
  const [outcome] = await Promise.all([guest.kernel.call('audit.verify', {}), guest.turn('meanwhile')])
  assert.equal(outcome.status, 'ok')
  assert.equal((outcome as { output: { ok: boolean } }).output.ok, true)
})

test('what was done outside is recorded under the name of the caller, and the answer names the record', async () => {
  await using guest = await openFixture()
  const { kernel } = guest
  const made = (await kernel.call('key.create', { name: 'deploy', rights: ['audit.write'] })) as CallOutcome<{ key: string }> & {
    status: 'ok'
  }
  const keyed = await kernel.withKey(made.output.key)
  const appended = (await keyed.call('audit.append', { action: 'deployed', resource: 'shop 1.4.2' })) as CallOutcome<{
    seq: number
    hash: string
  }>
  assert.ok(appended.status === 'ok')
  const [, intent] = (await query(guest, { name: 'audit.append' })).records as readonly (Found['records'][number] & {
    hash: string
    body: string
  })[]
  assert.deepEqual([intent!.seq, intent!.hash, intent!.actor], [appended.output.seq, appended.output.hash, 'key:deploy'])
  assert.deepEqual((JSON.parse(intent!.body) as { input: Json }).input, { action: 'deployed', resource: 'shop 1.4.2' })
})
