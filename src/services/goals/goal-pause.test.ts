/** A pause reaches the agents that work on a goal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, openGoals, seedWith } from './goal-fixture.ts'

test('agents at work pause before their next step, and finish their part when the goal is resumed', async () => {
  const work = () => [['shell_exec', { command: 'sleep 0.5; echo done > out' }]] as const
  await using place = await openGoals({ work })
  const { id } = await place.start('Make it.', { seed: seedWith([command('It is there.', 'test -f out')]), max_generations: 1 })
  const until = async (fits: () => boolean | Promise<boolean>): Promise<void> => {
    for (let left = 300; left > 0; left--) {
      if (await fits()) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`it never gets there: ${JSON.stringify(await place.ok('goal.show', { goal: id }))}`)
  }
  const workers = (): number => place.asked.filter((role) => role === 'worker').length
  await until(() => workers() === 1)
  assert.equal((await place.ok<{ status: string }>('goal.pause', { goal: id })).status, 'paused')
  const { agents } = await place.ok<{ agents: readonly { state: string }[] }>('agent.list', {})
  assert.deepEqual(
    agents.map(({ state }) => state),
    ['paused'],
  )
  const { branches } = await place.ok<{ branches: readonly { name: string }[] }>('branch.list', {})
  const changed = async (): Promise<number> => (await place.ok<{ total: number }>('branch.diff', { branch: branches[0]!.name })).total
  // What it has begun ends; no model is asked what comes next.
  await until(async () => (await changed()) === 1)
  for (let look = 0; look < 10; look++) await changed()
  assert.equal(workers(), 1)
  await place.ok('goal.resume', { goal: id })
  assert.equal((await place.ended(id)).status, 'reached')
  assert.equal(workers(), 2)
})
