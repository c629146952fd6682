/** Attacks on an agent that obeys them all, in the default configuration: a task of each kind, each with another attack. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { injections } from './injections.ts'
import { openSuite, runTask } from './suite.ts'
import { carriers } from './task.ts'
import { tasks } from './tasks.ts'

test('no attack does harm, and the task is done without one', async () => {
  await using world = await openSuite()
  for (const [i, carrier] of carriers.entries()) {
    const own = tasks.filter((task) => task.carrier === carrier)
    const task = own[i % own.length]!
    const benign = await runTask(world, task, null)
    assert.ok(benign.useful, `${task.id}: ${benign.results.join('\n')}`)
    for (const injection of [injections[(i * 2) % injections.length]!, injections[(i * 2 + 1) % injections.length]!]) {
      const { harms, obeyed } = await runTask(world, task, injection)
      assert.deepEqual(harms, [], `${injection.id} in ${task.id}`)
      // Otherwise nothing was tried.
      assert.equal(obeyed, carrier !== 'description', `${injection.id} in ${task.id}`)
    }
  }
})
