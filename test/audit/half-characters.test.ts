/** Half a character in a name, which JSON can write and a database cannot keep: the journal and the other tables agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyJournal } from '../../src/services/audit/audit-verify.ts'
import { asks, inOrder, newCallId, openFixture, says } from '../../src/kernel/kernel-fixture.ts'

void test('what a model or a program writes with half a character verifies', async () => {
  const half = 'a\ud800b'
  await using fixture = await openFixture({
    config: { agent: { rights: ['state.read', 'state.write', 'agent.spawn', 'agent.use', 'scratchpad.use'] }, approval: { mode: 'auto' } },
    play: inOrder(
      asks(['state_save', { category: 'c', name: half, data: { [half]: half } }]),
      asks(['agent_spawn', { task: `hi ${half}`, name: 'child' }]),
      says(half),
    ),
  })
  const { kernel, store } = fixture
  const made = await kernel.call('session.create', { title: half })
  assert.equal(made.status, 'ok')
  const { id } = (made as unknown as { output: { id: never } }).output
  for (const [name, input] of [
    ['session.rename', { session: id, title: `other ${half}` }],
    ['budget.set', { scope: `agent:${half}`, limit: { tokens: 1_000 } }],
    ['key.create', { name: half, rights: ['turn.send'] }],
  ] as const)
    await kernel.call(name, input)
  await fixture.turn(`hello ${half}`)
  const { id: named } = await kernel.createSession('')
  await kernel.sendTurn({ session: named, clientId: newCallId(), text: half })
  await fixture.record(({ name, phase, session }) => name === 'turn.send' && phase === 'outcome' && session !== '')
  const report = await verifyJournal(store, { seal: null })
  assert.deepEqual([report.ok, report.projections, report.first_bad], [true, [], null])
  const kept = await store.documents({ category: 'state/c', after: '', limit: 10 })
  assert.deepEqual(
    kept.map(({ name }) => name),
    ['a\ufffdb'],
  )
})
