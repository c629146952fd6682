import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type ErrorCode, isOxbowError, type Json, type JsonSchema, type SchemaChecker } from '../../base/index.ts'
import { createSchemaChecker } from './schema-checker.ts'

const checker = createSchemaChecker()
after(() => checker.close())

const person: JsonSchema = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 }, kind: { enum: ['a', 'b'] } },
  required: ['name'],
  additionalProperties: false,
}

async function refused(code: ErrorCode, about: RegExp, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isOxbowError(error, code), String(error))
    assert.match(error.message, about)
    assert.notEqual(error.hint, '')
    return true
  })
}

test('a value is valid, or each problem names its place', async () => {
  await checker.check(person)
  assert.deepEqual(await checker.validate(person, { name: 'Ada', age: 3 }), [])
  assert.deepEqual(await checker.validate(person, { age: -1, kind: 'c', more: 1 }), [
    { path: '', message: "must have required property 'name'" },
    { path: '', message: 'must NOT have additional properties: more' },
    { path: '/age', message: 'must be >= 0' },
    { path: '/kind', message: 'must be equal to one of the allowed values: ["a","b"]' },
  ])
  assert.deepEqual(await checker.validate(true, 'x'), [])
  assert.equal((await checker.validate(false, 'x')).length, 1)
})

test('a schema may refer to itself', async () => {
  const tree: JsonSchema = { type: 'object', properties: { child: { $ref: '#' } }, additionalProperties: false }
  assert.deepEqual(await checker.validate(tree, { child: { child: {} } }), [])
  assert.equal((await checker.validate(tree, { child: { other: 1 } })).length, 1)
})

test('2020-12 is the dialect, draft-07 one that a schema may name, any other is refused', async () => {
  const tuple = { prefixItems: [{ type: 'string' }], items: false }
  assert.deepEqual(await checker.validate(tuple, ['a']), [])
  assert.equal((await checker.validate(tuple, ['a', 1])).length, 1)
  const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }], additionalItems: false }
  assert.equal((await checker.validate(old, ['a', 1])).length, 1)
  await refused('bad_input', /dialect http:\/\/example\.com\/mine/, checker.check({ $schema: 'http://example.com/mine' }))
})

test('what is no usable schema is refused with the reason', async () => {
  await refused('bad_input', /type/, checker.check({ type: 'strnig' }))
  await refused('bad_input', /https:\/\/example\.com\/other\.json/, checker.check({ $ref: 'https://example.com/other.json' }))
  await refused('bad_input', /#\/\$defs\/none/, checker.check({ $ref: '#/$defs/none' }))
  await refused('bad_input', /regular expression/i, checker.check({ pattern: '(' }))
  await refused('bad_input', /\$async/, checker.check({ $async: true }))
  await checker.check({ $ref: '#/$defs/here', $defs: { here: { type: 'null' } } })
})

test('schemas and values that are cyclic, deep or large are refused before they are copied', async () => {
  const cyclic: Record<string, Json> = {}
  cyclic['properties'] = { self: cyclic }
  await refused('limit_reached', /32 levels/, checker.check(cyclic))
  await refused('limit_reached', /64 KiB/, checker.check({ description: 'x'.repeat(10_000_000) }))
  await refused('limit_reached', /4096 KiB/, checker.validate(true, 'x'.repeat(5_000_000)))
  await refused('bad_input', /type undefined/, checker.validate(true, [undefined] as never))
  let deep: Json = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  await refused('limit_reached', /levels/, checker.validate(true, deep))
})

test('a pattern that runs away ends its thread, and other questions are answered', async () => {
  const quick: SchemaChecker = createSchemaChecker({ checkMs: 300, idleMs: 100 })
  const runaway = quick.validate({ pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`)
  const others = [quick.validate(person, { name: 'Ada' }), quick.validate({ type: 'null' }, 1)]
  await refused('timeout', /more than 0\.3 s/, runaway)
  assert.deepEqual(
    (await Promise.all(others)).map(({ length }) => length),
    [0, 1],
  )
  await quick.close()
  await refused('cancelled', /stopping/, quick.check(true))
})

test('schemas with the same id do not reach each other', async () => {
  const a = { $id: 'https://example.com/a', type: 'string' }
  assert.deepEqual(await checker.validate(a, 'x'), [])
  assert.equal((await checker.validate({ ...a, type: 'number' }, 'x')).length, 1)
  await refused('bad_input', /example\.com\/a/, checker.check({ $ref: 'https://example.com/a' }))
})
