/** The cost of the default configuration's tools in every request, as each wire writes them, and that the short form loses nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { anthropicWire } from '../../src/engine/anthropic/anthropic-wire.ts'
import { chatWire } from '../../src/engine/openai-chat/chat-wire.ts'
import { responsesWire } from '../../src/engine/openai-responses/responses-wire.ts'
import type { Wire, WriterOptions } from '../../src/engine/wire.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { createRegistry } from '../../src/kernel/calls/registry.ts'
import type { JsonObject } from '../../src/base/index.ts'
import { type Call, type ToolSpec, toolName } from '../../src/protocol/index.ts'
import { parseConfig } from '../../src/services/index.ts'

const config = parseConfig({}, 'this test')
const calls = await describedCalls(config)
const registry = createRegistry(() => Promise.resolve(calls))
await registry.parse('time.now', {})
/** As the process of an agent has them. */
const rights: ReadonlySet<string> = new Set([...config.agent.rights, 'turn.run'])
const tools = registry.tools(rights, [])
const everyTool = [...tools, ...registry.laterTools(rights)]

/** Bytes of all tools with their names, descriptions and schemas. */
const maxBytes = 9_050
const maxSharedBytes = 1_000

const options = { facts: () => ({ tools: true, maxOutputTokens: 100 }), official: true } as unknown as WriterOptions

/** The tools as the wire sends them. */
function sent({ createWriter }: Wire): readonly object[] {
  const request = { model: 'any', system: '', messages: [], tools, maxOutputTokens: 100 }
  const body = createWriter(options).write(request)
  return (JSON.parse(Buffer.concat(body.map((piece) => Buffer.from(piece))).toString()) as { tools: object[] }).tools
}

// The two wires of OpenAI add the same words around each tool, which their service does not show to the model.
for (const [wire, envelope] of [
  [anthropicWire, {}],
  [chatWire, { type: 'function', function: {} }],
  [responsesWire, { type: 'function', strict: false }],
] as const) {
  void test(`the default tools take at most ${maxBytes} bytes of a request to ${wire.name}`, () => {
    const list = sent(wire)
    const around = list.length * JSON.stringify(envelope).length
    const bytes = Buffer.byteLength(JSON.stringify(list)) - around
    assert.equal(list.length, tools.length)
    assert.ok(bytes <= maxBytes, `${bytes} bytes`)
  })
}

void test('what tools share takes little of the system prompt', () => {
  const text = registry.sharedFields(rights)
  assert.match(text, /^`path`: .*\/shared/m)
  assert.ok(Buffer.byteLength(text) <= maxSharedBytes, `${Buffer.byteLength(text)} bytes`)
})

const offered = calls.filter((call) => call.audience.includes('model') && rights.has(call.right))
const toolOf = ({ name }: Call): ToolSpec => everyTool.find((tool) => tool.name === toolName(name))!

/** What the full schema says that a model needs in order to write valid arguments. */
const full = (call: Call) => z.toJSONSchema(call.input, { io: 'input', unrepresentable: 'any' }) as JsonObject
const fieldsOf = ({ properties = {} }: JsonObject) => properties as Record<string, JsonObject>

void test('no tool loses a field, a type or what is required', () => {
  assert.deepEqual(everyTool.map(({ name }) => name).toSorted(), offered.map(({ name }) => toolName(name)).toSorted())
  for (const call of offered) {
    const { parameters } = toolOf(call)
    const shape = (schema: JsonObject) => [
      schema['required'] ?? [],
      Object.entries(fieldsOf(schema)).map(([name, { type, items }]) => [name, type, (items as JsonObject | undefined)?.['type']]),
    ]
    assert.deepEqual(shape(parameters), shape(full(call)), call.name)
  }
})

void test('a field is explained by its tool, by what tools share, or by a name that says it', () => {
  const shared = registry.sharedFields(rights).replaceAll('"', '\\"')
  for (const call of offered) {
    const shown = fieldsOf(toolOf(call).parameters)
    for (const [name, field] of Object.entries(fieldsOf(full(call)))) {
      if (field['evident'] === true) continue
      assert.ok(
        shown[name]!['description'] === field['description'] ||
          shared.includes(`\`${name}\`: ${JSON.stringify(field['description']).slice(1, -1)}`),
        name,
      )
    }
  }
})

void test('the example of each call fits the schema of its tool, as read by a validator of JSON Schema', () => {
  for (const call of offered) {
    z.fromJSONSchema(toolOf(call).parameters).parse(call.example)
    assert.equal(call.input.safeParse(call.example).success, true)
  }
})

void test('bounds that a tool no longer shows are still checked, and the error names them', async () => {
  const late = await registry.parse('shell_exec', '{"command":"x","timeout_s":601}')
  assert.ok(!late.ok && /`timeout_s`.*600/.test(late.failure.message))
  const key = await registry.parse('shell_session_write', '{"id":"shell-1","keys":["return"]}')
  assert.ok(!key.ok && /"enter"\|"tab"/.test(key.failure.message))
  const surplus = await registry.parse('file_read', '{"path":"a","lines":3}')
  assert.ok(!surplus.ok && /lines/.test(surplus.failure.message))
})
