import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { transformJSONSchema } from '@anthropic-ai/sdk/lib/transform-json-schema'
import * as fc from 'fast-check'
import type { JsonObject } from '../../base/index.ts'
import { inputSchema, outputSchema } from './sendable-schema.ts'

const { schema: anySchema } = fc.letrec<{ schema: JsonObject }>((tie) => {
  const some = fc.record({ description: fc.string(), title: fc.string() }, { requiredKeys: [] })
  const of = (type: string, more: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<JsonObject> =>
    fc.tuple(some, fc.record(more, { requiredKeys: [] })).map(([a, b]) => ({ type, ...a, ...b }))
  const inner = tie('schema')
  const list = fc.array(inner, { minLength: 1, maxLength: 3 })
  return {
    schema: fc.oneof(
      { maxDepth: 3 },
      // One bound at a time: in what order several are told differs.
      of('string', { format: fc.constantFrom('date', 'regex', 'uuid') }),
      of('string', { minLength: fc.nat(), pattern: fc.string(), enum: fc.constant(['a', 'b']) }),
      of('integer', { minimum: fc.integer(), const: fc.integer() }),
      of('array', { items: inner, minItems: fc.nat({ max: 3 }) }),
      of('array', { maxItems: fc.nat() }),
      of('object', {
        properties: fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), inner, { maxKeys: 3 }),
        required: fc.constant(['a']),
        additionalProperties: fc.boolean(),
        $schema: fc.constant('https://json-schema.org/draft/2020-12/schema'),
        $defs: fc.dictionary(fc.constantFrom('x', 'y'), inner),
      }),
      fc.record({ anyOf: list }),
      fc.record({ oneOf: list, description: fc.string() }),
      fc.record({ allOf: list }),
      fc.constant({ $ref: '#/$defs/x' }),
    ),
  }
})

void describe('the schema of an answer', () => {
  void it('becomes what the vendor’s own package makes of it', () => {
    fc.assert(fc.property(anySchema, (schema) => assert.deepEqual(outputSchema(schema), transformJSONSchema(schema as never))))
  })

  void it('closes objects that may be null, and does not stumble over a schema that allows anything', () => {
    assert.deepEqual(outputSchema({ type: ['object', 'null'], properties: { a: {} } }), {
      type: ['object', 'null'],
      properties: { a: {} },
      additionalProperties: false,
    })
    assert.deepEqual(outputSchema({ type: 'object', properties: { a: true } })['properties'], { a: true })
  })
})

void describe('the schema of a tool', () => {
  void it('stays as it is when it is an object', () => {
    const schema = { type: 'object', properties: { a: { anyOf: [{ type: 'string' }, { type: 'null' }] } }, required: ['a'] }
    assert.deepEqual(inputSchema(schema), schema)
    assert.deepEqual(inputSchema({}), { type: 'object' })
  })

  void it('that is a choice of several becomes one object with the choice in its description', () => {
    const oneOf = [
      { type: 'object', properties: { kind: { const: 'a' }, n: { type: 'integer' } }, required: ['kind', 'n'] },
      { type: 'object', properties: { kind: { const: 'b' } }, required: ['kind'] },
    ]
    assert.deepEqual(inputSchema({ oneOf, description: 'Either.' }), {
      type: 'object',
      properties: { kind: { anyOf: [{ const: 'a' }, { const: 'b' }] }, n: { type: 'integer' } },
      required: ['kind'],
      description: `Either.\n\noneOf: ${JSON.stringify(oneOf)}`,
    })
  })

  void it('that joins several needs what each of them needs', () => {
    const allOf = [{ properties: { a: {} }, required: ['a'] }, { properties: { b: {} }, required: ['b'] }, true]
    const { required, properties } = inputSchema({ type: 'object', properties: { c: {} }, required: ['c'], allOf })
    assert.deepEqual([required, properties], [['c', 'a', 'b'], { c: {}, a: {}, b: {} }])
  })

  void it('keeps properties whatever they are called', () => {
    const anyOf = [{ properties: JSON.parse('{"__proto__":{"type":"string"},"constructor":{}}') as JsonObject }]
    const { properties } = inputSchema({ anyOf })
    assert.deepEqual(Object.keys(properties as object), ['__proto__', 'constructor'])
  })
})
