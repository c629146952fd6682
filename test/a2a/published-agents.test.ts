/** Published agents, with the client of the A2A SDK as the other side. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Task, TaskState } from '@a2a-js/sdk'
import { says as model } from '../../src/kernel/kernel-fixture.ts'
import { type A2aBench, makeA2aBench, request, says } from './a2a-fixture.ts'

const textOf = (task: Task): string => task.artifacts.flatMap(({ parts }) => parts.map(({ content }) => String(content?.value))).join('')

describe('a published agent', () => {
  let bench: A2aBench
  let key = ''
  before(async () => {
    bench = await makeA2aBench({ play: () => model('hello there') })
    key = await bench.key('partner')
  })
  after(() => bench[Symbol.asyncDispose]())

  for (const transport of ['JSONRPC', 'HTTP+JSON'] as const)
    it(`answers a message over ${transport}`, async () => {
      const client = await bench.client(key, transport)
      const task = (await client.sendMessage(request(says('hi')))) as Task
      assert.equal(task.status?.state, TaskState.TASK_STATE_COMPLETED)
      assert.equal(textOf(task), 'hello there')
      const again = await client.getTask({ tenant: '', id: task.id })
      assert.deepEqual(again.artifacts, task.artifacts)
      const { tasks } = await client.listTasks({
        tenant: '',
        contextId: task.contextId,
        status: TaskState.TASK_STATE_UNSPECIFIED,
        pageToken: '',
        statusTimestampAfter: undefined,
      })
      assert.deepEqual(
        tasks.map(({ id }) => id),
        [task.id],
      )
      assert.deepEqual(bench.bugs, [])
    })

  for (const transport of ['JSONRPC', 'HTTP+JSON'] as const)
    it(`streams a task over ${transport}`, async () => {
      const client = await bench.client(key, transport)
      const kinds: string[] = []
      for await (const { payload } of client.sendMessageStream(request(says('hi')))) kinds.push(payload?.$case ?? '')
      assert.equal(kinds[0], 'task')
      assert.equal(kinds.at(-1), 'statusUpdate')
      assert.ok(kinds.includes('artifactUpdate'), kinds.join())
    })

  it('answers a client of version 0.3', async () => {
    const client = await bench.client(key, 'JSONRPC', true)
    assert.equal(client.protocolVersion, '0.3')
    const task = (await client.sendMessage(request(says('hi')))) as Task
    assert.equal(textOf(task), 'hello there')
    const kinds: string[] = []
    for await (const { payload } of client.sendMessageStream(request(says('hi')))) kinds.push(payload?.$case ?? '')
    assert.equal(kinds.at(-1), 'statusUpdate')
  })
})
