import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallOutcome, Json } from '../../types/index.ts'
import { asks, type Fixture, inOrder, openFixture, says } from '../kernel-fixture.ts'

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
