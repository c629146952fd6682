/** Programs that send, read and cancel the same task at once: each call of it has one outcome, and the journal stays whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Task } from '@a2a-js/sdk'
import { says as model } from '../../src/kernel/kernel-fixture.ts'
import { verifyJournal } from '../../src/services/index.ts'
import type { JournalRecord } from '../../src/protocol/index.ts'
import { type A2aBench, makeA2aBench, request, says } from './a2a-fixture.ts'

const readers = 6
const tasks = 5

test('many readers of a task leave one outcome for each call', async () => {
  await using bench = await makeA2aBench({ play: () => model('hello there'), requestsPerMinute: 10_000 })
  const key = await bench.key('partner')
  const clients = await Promise.all(Array.from({ length: readers }, (_, at) => bench.client(key, at % 2 === 0 ? 'JSONRPC' : 'HTTP+JSON')))
  const [first] = clients
  for (let n = 0; n < tasks; n += 1) {
    const task = (await first!.sendMessage(request(says('hi'), true))) as Task
    const read = async (client: (typeof clients)[number], at: number): Promise<void> => {
      // Two that read again and again, and others that subscribe; the task may have ended before.
      if (at < 2) for (let again = 0; again < 4; again += 1) await client.getTask({ tenant: '', id: task.id })
      else
        try {
          for await (const _ of client.resubscribeTask({ tenant: '', id: task.id }));
        } catch (error) {
          assert.match(String(error), /has ended/)
        }
    }
    await Promise.all(clients.map(read))
  }
  const ends = await endsOf(bench)
  assert.equal(ends.filter(({ name }) => name === 'task.answer').length, tasks)
})

test('a message that many send with one id is one task, which many may cancel', async () => {
  let begun = Promise.withResolvers<void>()
  async function* play() {
    begun.resolve()
    yield* model('hello there')
  }
  await using bench = await makeA2aBench({ play, requestsPerMinute: 10_000 })
  const key = await bench.key('partner', ['task.send'])
  const clients = await Promise.all(Array.from({ length: readers }, (_, at) => bench.client(key, at % 2 === 0 ? 'JSONRPC' : 'HTTP+JSON')))
  for (let n = 0; n < tasks; n += 1) {
    begun = Promise.withResolvers()
    const message = request(says('hi'), true)
    const sent = await Promise.all(clients.map((client) => client.sendMessage(message) as Promise<Task>))
    const [{ id }] = sent as [Task]
    assert.equal(new Set(sent.map((task) => task.id)).size, 1)
    if (n % 2 === 0) await begun.promise
    await Promise.all(clients.map((client) => client.cancelTask({ tenant: '', id, metadata: undefined }).catch((error: unknown) => error)))
  }
  const ends = await endsOf(bench)
  assert.equal(ends.filter(({ name }) => name === 'turn.send').length, tasks)
})

/** @returns the ends of all calls, one for each, in a journal that verifies */
async function endsOf({ fixture: { kernel, store }, bugs }: A2aBench): Promise<readonly JournalRecord[]> {
  await kernel.call('audit.status', {})
  const report = await verifyJournal(store, { seal: null })
  assert.deepEqual([report.first_bad, report.projections, report.ok], [null, [], true])
  const ends = await store.records({ after: 0, phases: ['outcome', 'reconciled'], order: 'oldest_first', limit: 10_000, hydrate: false })
  assert.equal(new Set(ends.map(({ call }) => call)).size, ends.length)
  assert.deepEqual(bugs, [])
  return ends
}
