import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FinishReason, ToolCallPart, ToolSpec } from '../../protocol/index.ts'
import { createRepairCounts, type RepairKind, repairToolCalls } from './repair-tool-calls.ts'

const tool = (name: string, fields: readonly string[], required: readonly string[] = []): ToolSpec => ({
  name,
  description: name,
  parameters: { type: 'object', properties: Object.fromEntries(fields.map((field) => [field, {}])), required, additionalProperties: false },
})
const tools = [
  tool('file_read', ['path', 'from'], ['path']),
  tool('file_write', ['path', 'content'], ['path', 'content']),
  tool('file_list', ['path']),
  tool('shell_exec', ['command', 'input'], ['command']),
]
const call = (text: string, name = 'file_read', id = 'c'): ToolCallPart => ({ type: 'tool_call', id, name, arguments: text })

/** What comes out of one call: name and arguments of each, and the kinds that were counted. */
function repaired(
  text: string,
  name = 'file_read',
  ended: FinishReason = 'tool_calls',
): { readonly texts: string[]; readonly kinds: string[] } {
  const counts = createRepairCounts()
  const texts = repairToolCalls([call(text, name)], tools, ended, counts).map((each) => each.arguments)
  return { texts, kinds: Object.keys(counts).filter((kind) => counts[kind as RepairKind] > 0) }
}

void describe('arguments of a tool call', () => {
  const mended: readonly (readonly [string, string, string, readonly RepairKind[]])[] = [
    ['nothing at all', '', '{}', ['empty_arguments']],
    ['null', ' null ', '{}', ['empty_arguments']],
    ['a JSON string of JSON', '"{\\"path\\":\\"a b\\"}"', '{"path":"a b"}', ['double_encoded']],
    ['a string of a string of JSON', JSON.stringify(JSON.stringify('{"path":"a"}')), '{"path":"a"}', ['double_encoded']],
    ['a code fence', '```json\n{"path":"a"}\n```', '\n{"path":"a"}\n', ['code_fence']],
    ['a fence on one line', '```{"path":"a"}```', '{"path":"a"}', ['code_fence']],
    ['a comma too many', '{"path":"a", "list":[1,2,],}', '{"path":"a","list":[1,2]}', ['syntax']],
    ['single quotes', "{'path': 'say \"hi\"', 'x': 'it\\'s'}", '{"path":"say \\"hi\\"","x":"it\'s"}', ['syntax']],
    ['raw line breaks and tabs', '{"path":"a\n\tb"}', '{"path":"a\\n\\tb"}', ['syntax']],
    ['missing closing brackets', '{"path":{"list":["a"', '{"path":{"list":["a"]}}', ['syntax']],
    ['a closing bracket too many', '{"path":"a"}}', '{"path":"a"}', ['syntax']],
    ['names without quotes', '{path: "a", from: -1.5e3}', '{"path":"a","from":-1.5e3}', ['syntax']],
    ['Python values', "{'a': True, 'b': None, 'c': False}", '{"a":true,"b":null,"c":false}', ['syntax']],
    [
      'arguments under a key',
      '{"arguments": {"path": "a", "n": 12345678901234567890}}',
      '{"path":"a","n":12345678901234567890}',
      ['wrapped_arguments'],
    ],
    ['a string under a key', '{"input":"{\\"path\\":\\"a\\"}"}', '{"path":"a"}', ['double_encoded', 'wrapped_arguments']],
    ['name and arguments', '{"name":"functions.file_read","arguments":{"path":"a"}}', '{"path":"a"}', ['wrapped_arguments']],
    ['the same object twice', '{"path":"a"}{"path":"a"}', '{"path":"a"}', ['echoed_arguments']],
    ['an empty object before the real one', '{}{"path":"a"}', '{"path":"a"}', ['echoed_arguments']],
  ]
  for (const [what, text, expected, kinds] of mended) {
    void it(`that are ${what} are mended`, () => {
      const found = repaired(text)
      assert.deepEqual(found.texts, [expected])
      assert.deepEqual(found.kinds.sort(), [...kinds].sort())
    })
  }

  const left: readonly (readonly [string, string])[] = [
    ['a string that never ends', '{"path":"a'],
    ['a number that may be cut', '{"from":12'],
    ['a value that is not there', '{"path":'],
    ['a name without a value', '{"path":"a","from"'],
    ['a comma at the end of the text', '{"path":"a",'],
    ['a quote that is not escaped', '{"path":"say "hi" to me"}'],
    ['a quote in single quotes', "{'path': 'it's'}"],
    ['an unknown escape', '{"path":"\\d+"}'],
    ['a Windows path', '{"path":"C:\\Users\\x"}'],
    ['a comment', '{"path": /* here */ "a"}'],
    ['a call of a function', '{"path": open("a")}'],
    ['words around it', 'Here it is: {"path":"a"}'],
    ['a list', '[{"path":"a"}]'],
    ['a number', '42'],
    ['plain words', 'rm -rf /'],
    ['an ellipsis', '{"path":"a", ...}'],
    ['a second object that is cut', '{"path":"a"}{"path":"b"'],
    ['an object and a list', '{"path":"a"}[1]'],
    ['a word without quotes', '{"path": a}'],
    ['a number with a leading zero', '{"from": 012,}'],
    ['crossed brackets', '{"path":["a"}]'],
  ]
  for (const [what, text] of left) {
    void it(`that hold ${what} stay as they were`, () => {
      assert.deepEqual(repaired(text), { texts: [text], kinds: ['broken_arguments'] })
    })
  }

  void it('that several objects make are as many calls, with numbered ids; only the first keeps the seal', () => {
    const counts = createRepairCounts()
    const sealed = { wire: 'w', model: 'm', data: { signature: 's' } }
    const one = { ...call('{"path":"a"}\n{"path":"b"}, {path:"c"}'), sealed }
    assert.deepEqual(repairToolCalls([one], tools, 'stop', counts), [
      { ...call('{"path":"a"}'), id: 'c_0', sealed },
      { ...call('{"path":"b"}'), id: 'c_1' },
      { ...call('{"path":"c"}'), id: 'c_2' },
    ])
    assert.equal(counts.split_calls, 1)
  })

  void it('that are an empty object and another are two calls of a tool that needs no arguments', () => {
    assert.deepEqual(repaired('{}{"path":"a"}', 'file_list').texts, ['{}', '{"path":"a"}'])
  })

  void it('are not unwrapped when the tool knows the key, takes any key, or nobody knows the tool', () => {
    const wrapped = '{"input":{"command":"ls"}}'
    assert.deepEqual(repaired(wrapped, 'shell_exec'), { texts: [wrapped], kinds: [] })
    assert.deepEqual(repaired(wrapped, 'no_such_tool').texts, [wrapped])
    const open = { ...tool('open', []), parameters: { type: 'object', properties: {}, additionalProperties: true } }
    const [same] = repairToolCalls([call(wrapped, 'open')], [open], 'stop', createRepairCounts())
    assert.equal(same?.arguments, wrapped)
    const beside = '{"arguments":{"path":"a"},"more":1}'
    assert.deepEqual(repaired(beside).texts, [beside])
    const other = '{"name":"shell_exec","arguments":{"path":"a"}}'
    assert.deepEqual(repaired(other).texts, [other])
    const twice = '{"arguments":{"path":"a"},"arguments":{"path":"b"}}'
    assert.deepEqual(repaired(twice).texts, [twice])
  })

  void it('of an answer that was cut are never completed, mended or taken for empty', () => {
    for (const ended of ['length', 'refusal'] as const) {
      for (const text of ['{"command":"rm -rf build"', '{"command":"ls",}', '', 'null', '```{"command":"ls"}```', '{"a":1}{"b":2}']) {
        assert.deepEqual(repaired(text, 'shell_exec', ended), { texts: [text], kinds: ['broken_arguments'] })
      }
      // What is whole JSON was not cut.
      assert.deepEqual(repaired('"{\\"command\\":\\"ls\\"}"', 'shell_exec', ended).texts, ['{"command":"ls"}'])
    }
  })

  void it('without end, without bottom or without number are left alone, and soon', () => {
    const deep = `${'{"arguments":'.repeat(5_000)}{}${'}'.repeat(5_000)}`
    assert.deepEqual(repaired(deep).texts, [deep])
    const brackets = `${'['.repeat(100_000)},`
    assert.deepEqual(repaired(brackets).texts, [brackets])
    const nested = `{a:${'['.repeat(1_000)}${']'.repeat(1_000)}}`
    assert.deepEqual(repaired(nested).texts, [nested])
    const many = Array.from({ length: 1_000 }, (_, i) => `{"path":"${i}"}`).join('')
    assert.deepEqual(repaired(many).texts, [many])
    const long = `{"path":"${'a'.repeat(2 * 1024 * 1024)}",}`
    assert.deepEqual(repaired(long).texts, [long])
    const blank = `\`\`\`${' '.repeat(500_000)}x`
    assert.deepEqual(repaired(blank).texts, [blank])
  })
})

void describe('the name of a tool call', () => {
  const named = (name: string): string | undefined => repairToolCalls([call('{}', name)], tools, 'stop', createRepairCounts())[0]?.name

  void it('is mended when exactly one tool is meant', () => {
    for (const name of [
      'File_Read',
      'file.read',
      'file-read',
      'fileRead',
      'functions.file_read',
      'default_api:file_read',
      'tools/file.read',
    ]) {
      assert.equal(named(name), 'file_read', name)
    }
    for (const name of ['functions.file_read:3', 'file_read<|channel|>commentary', ' file_read\n'])
      assert.equal(named(name), 'file_read', name)
  })

  void it('stays as it was when no tool is meant, or more than one', () => {
    const counts = createRepairCounts()
    const twins = [tool('a_bc', []), tool('ab_c', [])]
    assert.equal(repairToolCalls([call('{}', 'abc')], twins, 'stop', counts)[0]?.name, 'abc')
    assert.equal(counts.unknown_tool, 1)
    for (const name of ['file_reed', 'read', '', '...', '__proto__', 'x'.repeat(10_000)]) assert.equal(named(name), name)
  })
})

void describe('the ids of tool calls', () => {
  void it('are made where they are missing or there twice, and are unique in the answer', () => {
    const counts = createRepairCounts()
    const ids = ['', 'call_0', 'x', 'x', '', 'call_3'].map((id) => call('{"path":"a"}', 'file_read', id))
    const found = repairToolCalls(ids, tools, 'stop', counts).map((each) => each.id)
    assert.deepEqual(found, ['call_1', 'call_0', 'x', 'call_4', 'call_5', 'call_3'])
    assert.equal(counts.call_id, 3)
  })
})
