import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, storeFolder, tamper } from '../../store/store-fixture.ts'
import type { Json, JsonObject } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { verifyJournal } from '../audit/audit-verify.ts'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'

const place = { category: 'projects', name: 'oxbow' }

async function ok(guest: Fixture, name: string, input: Json): Promise<JsonObject> {
  const outcome = await guest.kernel.call(name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome & { status: 'ok' }).output as JsonObject
}

async function failure(guest: Fixture, name: string, input: Json): Promise<string> {
  const outcome = await guest.kernel.call(name, input)
  assert.ok('failure' in outcome, `${name} fails`)
  return `${outcome.failure.code}: ${outcome.failure.message}`
}

test('a document is loaded as it was saved last, listed by name, and gone when it is deleted', async () => {
  await using guest = await openFixture()
  const { version } = await ok(guest, 'state.save', { ...place, data: { status: 'active' } })
  const loaded = await ok(guest, 'state.load', place)
  assert.deepEqual([loaded['data'], loaded['format'], loaded['version']], [{ status: 'active' }, 'json', version])
  assert.equal(loaded['saved_by'], 'user:ada')
  await ok(guest, 'state.save', { ...place, name: 'notes', data: '# Notes', format: 'markdown' })
  await ok(guest, 'state.save', { ...place, data: ['now', 'a list'] })
  assert.deepEqual((await ok(guest, 'state.load', place))['data'], ['now', 'a list'])
  const names = ((await ok(guest, 'state.list', { category: 'projects' }))['documents'] as { name: string }[]).map(({ name }) => name)
  assert.deepEqual(names, ['notes', 'oxbow'])
  assert.equal((await ok(guest, 'state.list', { category: 'projects', limit: 1 }))['next'], 'notes')
  assert.deepEqual(await ok(guest, 'state.delete', place), { existed: true })
  assert.deepEqual(await ok(guest, 'state.delete', place), { existed: false })
  assert.match(await failure(guest, 'state.load', place), /^not_found/)
})

test('a document changes only from the version that its writer knows, when it names one', async () => {
  await using guest = await openFixture()
  const { version } = await ok(guest, 'state.save', { ...place, data: 1, if_version: 0 })
  assert.match(await failure(guest, 'state.save', { ...place, data: 2, if_version: 0 }), /has version \d+, not 0/)
  await ok(guest, 'state.save', { ...place, data: 2, if_version: version as number })
  const writes = [3, 4, 5].map((data) => guest.kernel.call('state.save', { ...place, data, if_version: version as number }))
  assert.ok((await Promise.all(writes)).every(({ status }) => status === 'failed'))
  assert.equal((await ok(guest, 'state.load', place))['data'], 2)
})

test('a category with a schema refuses documents that do not fit it', async () => {
  await using guest = await openFixture()
  const schema = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] }
  await ok(guest, 'state.save', { category: 'people', name: '$schema', data: schema })
  await ok(guest, 'state.save', { category: 'people', name: 'ann', data: { age: 40 } })
  assert.match(
    await failure(guest, 'state.save', { category: 'people', name: 'bob', data: { age: 'old' } }),
    /does not fit people\/\$schema: age/,
  )
  assert.match(await failure(guest, 'state.save', { category: 'people', name: '$schema', data: 'no schema' }), /not a JSON Schema/)
})

test('no name leads out of its category, and no document is larger than its bound', async () => {
  await using guest = await openFixture()
  for (const name of ['..', 'a/b', '../system', 'a\\b', 'a\u0000b', '', ' a'])
    assert.match(await failure(guest, 'state.save', { category: 'c', name, data: 1 }), /^bad_input/, JSON.stringify(name))
  for (const category of ['/a', 'a/', 'a//b', '../a', 'a/../b', '.', 'a\nb'])
    assert.match(await failure(guest, 'state.save', { category, name: 'n', data: 1 }), /^bad_input/, JSON.stringify(category))
  assert.match(await failure(guest, 'state.save', { ...place, data: 'x'.repeat(300_000) }), /^limit_reached/)
  // A category of this name belongs to people; the kernel's is another one.
  await ok(guest, 'state.save', { category: 'system/schedules', name: 'n', data: 1 })
  assert.deepEqual(await guest.store.documentCategories(), ['state/system/schedules'])
})

test('what an agent saves after it has read untrusted text is untrusted for the session that loads it', async () => {
  const page = testCall('web.page', async () => ({ ...done('a page'), labels: ['untrusted'] as const }))
  const play = inOrder(asks(['web_page']), asks(['state_save', { ...place, data: 'from the page' }]), says('saved'))
  const config = { approval: { rights: { 'state.write': 'allow', 'file.write': 'allow' } } }
  await using guest = await openFixture({ play, calls: [page], config })
  await guest.turn('save it')
  const other = (await guest.kernel.createSession('other')).id
  const outcome = await guest.kernel.call('state.load', place, other)
  assert.deepEqual(outcome.labels, ['untrusted'])
})

test('an audit finds a document that was changed, removed or added behind the journal', async () => {
  const cases: readonly (readonly [string, RegExp | null])[] = [
    [`delete from document where name = 'nothing'`, null],
    [`update document set body = '{"data":"forged"}' where name = 'a'`, /document state\/notes\/a is not what/],
    [`delete from document where name = 'b'`, /document state\/notes\/b is missing/],
    [
      `insert into document ("user", category, name, seq, at, body) values ('${ann}', 'system/roles', 'x', 1, 1, '{}')`,
      /document system\/roles\/x is not what/,
    ],
  ]
  for (const [statement, found] of cases) {
    await using files = storeFolder()
    const guest = await openFixture({ store: await files.open() })
    for (const name of ['a', 'b', 'c']) await ok(guest, 'state.save', { category: 'notes', name, data: name })
    await ok(guest, 'state.delete', { category: 'notes', name: 'c' })
    await guest.kernel.close()
    tamper(files.path, statement)
    const reading = await files.open({ readOnly: true })
    const report = await verifyJournal(reading, { seal: null })
    await reading.close()
    if (found === null) assert.deepEqual(report.projections, [])
    else assert.match(report.projections.join('\n'), found)
  }
})
