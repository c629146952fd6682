import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Json } from '../../base/index.ts'
import type { FinishReason, ToolCallPart, ToolSpec } from '../../protocol/index.ts'
import { readLenientJson } from './lenient-json.ts'
import { createRepairCounts, repairToolCalls } from './repair-tool-calls.ts'
import { scaled } from '../../../test/support/scale.ts'

const tools: readonly ToolSpec[] = ['file_read', 'shell_exec'].map((name) => ({
  name,
  description: '',
  parameters: { type: 'object', properties: { path: {}, command: {} }, additionalProperties: false },
}))

const repair = (calls: readonly ToolCallPart[], ended: FinishReason = 'tool_calls'): readonly ToolCallPart[] =>
  repairToolCalls(calls, tools, ended, createRepairCounts())

/** Text that is made of what breaks: brackets, quotes, escapes, fences, and words. */
const shards = [
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  ':',
  ',',
  '\\',
  '\n',
  '```',
  '{}',
  '"path"',
  'path',
  '"a"',
  '1',
  '-',
  'null',
  'True',
  '"arguments":',
  ' ',
]
const brokenText = fc.oneof(
  fc.array(fc.constantFrom(...shards), { maxLength: 30 }).map((list) => list.join('')),
  fc.string(),
  fc.json().chain((json) => fc.nat(json.length).map((at) => json.slice(0, at))),
  fc.json().map((json) => JSON.stringify(json)),
  fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 4 }).map((list) => list.map((value) => JSON.stringify(value)).join('')),
)
const anyCall = fc.record({
  type: fc.constant('tool_call' as const),
  id: fc.constantFrom('', 'a', 'b', 'call_0'),
  name: fc.constantFrom('file_read', 'File.Read', 'functions.shell_exec', 'nothing', ''),
  arguments: brokenText,
})
const ended = fc.constantFrom('stop', 'tool_calls', 'length', 'refusal') satisfies fc.Arbitrary<FinishReason>

/** All names of members in a value, at any depth. */
function namesIn(value: Json): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap((each) => namesIn(each))
  return Array.isArray(value) ? inner : [...Object.keys(value), ...inner]
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

void describe('the repair of tool calls', () => {
  void it('never touches calls that are in order', () => {
    const inOrder = fc.record({ path: fc.string(), command: fc.jsonValue() })
    fc.assert(
      fc.property(fc.array(inOrder, { maxLength: 5 }), fc.nat(4), ended, (values, space, reason) => {
        const calls = values.map((value, place): ToolCallPart => ({
          type: 'tool_call',
          id: `id${place}`,
          name: 'file_read',
          arguments: JSON.stringify(value, null, space),
        }))
        const counts = createRepairCounts()
        const found = repairToolCalls(calls, tools, reason, counts)
        assert.ok(found.length === calls.length && found.every((call, place) => call === calls[place]))
        assert.deepEqual(counts, createRepairCounts())
      }),
    )
  })

  void it('never throws, gives unique ids, and changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.array(anyCall, { maxLength: 5 }), ended, (calls, reason) => {
        const once = repair(calls, reason)
        assert.equal(new Set(once.map((call) => call.id)).size, once.length)
        assert.ok(repair(once, reason).every((call, place) => call === once[place]))
      }),
      { numRuns: scaled(2_000) },
    )
  })

  void it('never invents a member, and makes JSON objects or leaves the text', () => {
    fc.assert(
      fc.property(anyCall, (call) => {
        const plain = call.arguments.replaceAll(/\\+/g, '')
        for (const found of repair([call])) {
          if (found.arguments === call.arguments) continue
          const value = parsed(found.arguments)
          assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value))
          // Names with escapes are compared without them.
          for (const name of namesIn(value)) if (/^[\w ]*$/.test(name)) assert.ok(plain.includes(name), `${name} in ${call.arguments}`)
        }
      }),
      { numRuns: scaled(2_000) },
    )
  })

  void it('reads text that is JSON as JSON does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const read = readLenientJson(text, 0, false)
        assert.ok(read !== null && read.end === text.length && !read.closed)
        assert.deepEqual(JSON.parse(read.json), JSON.parse(text))
      }),
      { numRuns: scaled(1_000) },
    )
  })

  void it('completes nothing that was cut anywhere, when the answer ended by length', () => {
    const whole = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }).map((value) => JSON.stringify(value))
    fc.assert(
      fc.property(
        whole.chain((text) => fc.nat(text.length - 1).map((at) => text.slice(0, at))),
        (text) => {
          const call: ToolCallPart = { type: 'tool_call', id: 'a', name: 'shell_exec', arguments: text }
          assert.equal(repair([call], 'length')[0], call)
        },
      ),
      { numRuns: scaled(1_000) },
    )
  })
})
