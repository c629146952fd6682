import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ModelEvent, ToolCallPart, ToolSpec, Usage } from '../protocol/index.ts'
import { finishAnswer } from './engine.ts'
import { createRepairCounts } from './repair/repair-tool-calls.ts'

const usage: Usage = { inputTokens: 10, outputTokens: 5, estimated: false }
const parameters = { type: 'object', properties: { path: { type: 'string' } } }
const tools: readonly ToolSpec[] = [{ name: 'file_read', description: '', parameters }]

const call = (name: string, args: string, id = 'a'): ModelEvent => ({
  type: 'tool_call',
  call: { type: 'tool_call', id, name, arguments: args },
})
const finish = (reason: 'stop' | 'tool_calls' | 'length' = 'tool_calls'): ModelEvent => ({ type: 'finish', reason, usage })
const say = (text: string): ModelEvent => ({ type: 'text', text })

interface Ended {
  readonly batches: readonly (readonly ModelEvent[])[]
  readonly calls: readonly Pick<ToolCallPart, 'name' | 'arguments'>[]
  readonly counts: Readonly<Record<string, number>>
  readonly observed: readonly Usage[]
}

async function end(given: readonly (readonly ModelEvent[])[]): Promise<Ended> {
  const counts = createRepairCounts()
  const observed: Usage[] = []
  async function* answer(): AsyncGenerator<readonly ModelEvent[]> {
    yield* given
  }
  const batches: (readonly ModelEvent[])[] = []
  for await (const batch of finishAnswer(answer(), tools, counts, (its) => observed.push(its))) batches.push(batch)
  const calls = batches.flat().flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
  return {
    batches,
    calls: calls.map(({ name, arguments: args }) => ({ name, arguments: args })),
    counts: Object.fromEntries(Object.entries(counts).filter(([, times]) => times > 0)),
    observed,
  }
}

void describe('the end of an answer', () => {
  void it('passes on what is in order: the same batches, and calls as they are', async () => {
    const given = [[say('a')], [say('b'), call('file_read', '{"path":"x"}'), finish()]]
    const { batches, counts, observed } = await end(given)
    assert.equal(batches[0], given[0])
    assert.deepEqual(batches, given)
    assert.deepEqual([counts, observed], [{}, [usage]])
    const plain = [[say('a'), finish('stop')]]
    assert.equal((await end(plain)).batches[0], plain[0], 'an answer without calls is not even copied')
  })

  void it('repairs calls, counts the repairs, and reports this answer’s with its finish', async () => {
    const { batches, calls, counts } = await end([[say('a'), call('file.read', '```json\n{"path":"x"}\n```'), finish()]])
    assert.deepEqual(calls, [{ name: 'file_read', arguments: '\n{"path":"x"}\n' }])
    assert.deepEqual(counts, { code_fence: 1, tool_name: 1 })
    assert.deepEqual(batches[0]?.at(-1), { type: 'finish', reason: 'tool_calls', usage, repaired: { code_fence: 1, tool_name: 1 } })
    assert.deepEqual(batches[0]?.[0], say('a'), 'what was said stays before the calls')
  })

  void it('does not let a call run as if it had no arguments when the answer was cut before they came', async () => {
    for (const args of ['', '{}']) {
      const { calls } = await end([[call('file_read', '{"path":"x"}'), call('file_read', args, 'b'), finish('length')]])
      assert.deepEqual(calls, [
        { name: 'file_read', arguments: '{"path":"x"}' },
        { name: 'file_read', arguments: '{' },
      ])
    }
    assert.deepEqual((await end([[call('file_read', '{}'), finish()]])).calls, [{ name: 'file_read', arguments: '{}' }])
  })

  void it('does not learn from the usage of another model that took over, nor from a failure', async () => {
    const why = { code: 'model_stalled', message: '', hint: '' } as const
    const restarted: ModelEvent = { type: 'restarted', model: 'x/y', why, usage }
    assert.deepEqual((await end([[say('a')], [restarted, say('b')], [finish('stop')]])).observed, [])
    assert.deepEqual((await end([[{ type: 'error', failure: why, usage }]])).observed, [])
  })

  void it('lets go of the answer when the reader leaves', async () => {
    let left = false
    async function* answer(): AsyncGenerator<readonly ModelEvent[]> {
      try {
        for (;;) yield [say('a')]
      } finally {
        left = true
      }
    }
    for await (const batch of finishAnswer(answer(), tools, createRepairCounts(), () => undefined)) {
      assert.equal(batch.length, 1)
      break
    }
    assert.ok(left)
  })
})
