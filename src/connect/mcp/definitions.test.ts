/** What a person approves of a tool: all that could mislead is in the hash, and what cannot be seen is shown. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import { callPart, readTools, visible } from './definitions.ts'
import { maxModelNameChars } from './limits.ts'

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const facts = { instructions: 'Be kind.', identity: 'node server.js' }
const tool: JsonObject = {
  name: 'add',
  title: 'Add',
  description: 'Adds two numbers.',
  inputSchema: { type: 'object', properties: { a: { type: 'number' } } },
  annotations: { readOnlyHint: true },
}
const read = (raw: JsonObject, more = facts) => readTools([raw], more, hash)[0]!

test('every part that a model or a person reads changes the hash; the order of keys does not', () => {
  const { hash: known, problem } = read(tool)
  assert.equal(problem, '')
  const changed: readonly JsonObject[] = [
    { ...tool, name: 'add2' },
    { ...tool, title: 'Add!' },
    { ...tool, description: 'Adds two numbers.\u200b' },
    { ...tool, inputSchema: { type: 'object', properties: { a: { type: 'string' } } } },
    { ...tool, outputSchema: { type: 'object' } },
    { ...tool, annotations: { readOnlyHint: false } },
  ]
  for (const raw of changed) assert.notEqual(read(raw).hash, known, JSON.stringify(raw))
  assert.notEqual(read(tool, { ...facts, instructions: '' }).hash, known)
  assert.notEqual(read(tool, { ...facts, identity: 'node other.js' }).hash, known)
  assert.equal(read(Object.fromEntries(Object.entries(tool).toReversed())).hash, known)
})

test('a change behind the shown part of a long description changes the hash', () => {
  const long = (end: string) => read({ ...tool, description: `${'x'.repeat(5_000)}${end}` })
  assert.equal(long('a').definition.description, long('b').definition.description)
  assert.notEqual(long('a').hash, long('b').hash)
})

test('what cannot be seen is escaped in texts and refused in schemas', () => {
  assert.equal(visible('a\u200b\u202e\u00a0\u{e0041}b\n\tc'), 'a\\u{200b}\\u{202e}\\u{a0}\\u{e0041}b\n\tc')
  assert.equal(visible('\ud800x'), '\ufffdx')
  assert.equal(read({ ...tool, description: 'hidden\u200btext' }).definition.description, 'hidden\\u{200b}text')
  assert.match(read({ ...tool, inputSchema: { type: 'object', properties: { 'a\u200b': {} } } }).problem, /invisible/)
  assert.match(read({ ...tool, inputSchema: { type: 'object', properties: { a: { enum: ['\u202e'] } } } }).problem, /invisible/)
})

test('a schema that is not an object, too large, too deep, or leads to another document is refused', () => {
  const problem = (inputSchema: JsonObject): string => read({ ...tool, inputSchema }).problem
  assert.match(problem({ type: 'string' }), /does not describe an object/)
  assert.match(problem({ type: 'object', description: 'x'.repeat(300_000) }), /more than/)
  assert.match(problem({ type: 'object', properties: { a: { $ref: 'https://example.org/x' } } }), /another document/)
  assert.match(problem({ type: 'object', properties: { a: { $dynamicRef: '../x' } } }), /another document/)
  assert.equal(problem({ type: 'object', properties: { a: { $ref: '#/$defs/a' } } }), '')
  let deep: JsonObject = {}
  for (let level = 0; level < 20_000; level++) deep = { a: deep }
  assert.match(problem({ type: 'object', properties: deep }), /deeper/)
})

test('a second tool of the same name is refused, and a name that is no plain word', () => {
  assert.match(readTools([tool, tool], facts, hash)[1]!.problem, /same name/)
  for (const name of ['', 'two words', 'x'.repeat(129), 'ü', 7]) assert.match(read({ ...tool, name }).problem, /its name/)
})

test('names of calls fit a model and never meet: changed ones end with a hash', () => {
  assert.equal(callPart('files', 'read_file', hash), 'read_file')
  const names = ['read.file', 'read:file', 'read/file', 'resource_read', 'prompt_get', 'x'.repeat(128)]
  const parts = names.map((name) => callPart('files', name, hash))
  assert.equal(new Set(parts).size, names.length)
  for (const part of parts) {
    assert.match(part, /^[A-Za-z0-9_-]+_[0-9a-f]{8}$/)
    assert.ok(`mcp_files_${part}`.length <= maxModelNameChars, part)
  }
})
