/** A ceiling of rights holds for every agent, whoever grants it more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { asks, done, type Fixture, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { AgentView } from './agent-view.ts'

async function ok<Output>(guest: Fixture, name: string, input: JsonObject): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

test('an agent that a person spawns with more rights than any may have does without them', async () => {
  const ran: string[] = []
  const [inside, outside] = ['test.inside', 'test.outside'].map((name) =>
    testCall(name, async () => (ran.push(name), done('ran')), { right: name }),
  )
  for (const [most, expected] of [
    [null, ['test.inside', 'test.outside']],
    [['test.inside'], ['test.inside']],
  ] as const) {
    ran.length = 0
    await using guest = await openFixture({
      calls: [inside!, outside!],
      play: ({ messages }) => (messages.some(({ role }) => role === 'tool') ? says('over') : asks(['test_inside'], ['test_outside'])),
      config: { agent: { rights: ['test.inside'], max_rights: most } },
    })
    const { id } = await ok<AgentView>(guest, 'agent.spawn', { task: 'x', name: 'hand', rights: ['test.inside', 'test.outside'] })
    await ok(guest, 'agent.wait', { agents: [id], timeout_s: 20 })
    assert.deepEqual(ran, expected)
  }
})
