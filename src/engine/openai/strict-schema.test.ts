import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { z } from 'zod'
import type { JsonObject } from '../../base/index.ts'
import { strictSchema } from './openai-request.ts'

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more })
const text = { type: 'string' } as const

void describe('a strict schema', () => {
  void it('closes every object and requires every property', () => {
    assert.deepEqual(strictSchema({ $schema: 'x', ...object({ a: { ...text, default: '' }, b: { type: 'array', items: object({ c: text }) } }, { required: ['a'] }) }), {
      type: 'object',
      properties: {
        a: text,
        b: { type: 'array', items: { type: 'object', properties: { c: text }, required: ['c'], additionalProperties: false } },
      },
      required: ['a', 'b'],
      additionalProperties: false,
    }) // prettier-ignore
  })

  void it('keeps a reference alone and the definitions it points to', () => {
    const schema = object({ next: { $ref: '#/$defs/n', description: 'x' } }, { required: ['next'], $defs: { n: { type: 'null' } } })
    assert.deepEqual(strictSchema(schema), {
      ...schema,
      properties: { next: { $ref: '#/$defs/n' } },
      additionalProperties: false,
    })
  })

  void it('takes what zod makes of plain shapes', () => {
    const shape = z.object({
      kind: z.discriminatedUnion('k', [z.object({ k: z.literal('a') }), z.object({ k: z.literal('b'), n: z.int() })]),
      when: z.iso.datetime().nullable(),
      list: z.array(z.enum(['x', 'y'])).max(3),
    })
    const strict = strictSchema(z.toJSONSchema(shape) as JsonObject)
    assert.ok(strict !== null)
    assert.equal(JSON.stringify(strict).includes('oneOf'), false)
  })

  void it('is null for what strict mode cannot express', () => {
    const unsayable: readonly JsonObject[] = [
      {},
      { type: 'array', items: text },
      { anyOf: [object({})] },
      { type: 'object' },
      object({ a: text }, { additionalProperties: true }),
      object({ a: text }, { additionalProperties: text }),
      object({ a: text }, { required: ['b'] }),
      object({ a: {} }),
      object({ a: true }),
      object({ a: { type: 'array' } }),
      object({ a: { ...text, minLength: 1 } }),
      object({ a: { ...text, format: 'uri' } }),
      object({ a: { allOf: [text] } }),
      object({ a: { $ref: '#', minLength: 1 } }, { required: ['a'] }),
      object({ next: { $ref: '#' } }),
    ]
    for (const schema of unsayable) assert.equal(strictSchema(schema), null, JSON.stringify(schema))
    let deep: JsonObject = text
    for (let depth = 0; depth < 100; depth += 1) deep = object({ deep })
    assert.equal(strictSchema(deep), null)
  })

  void it('never throws, and is a law to itself: made strict again it stays as it is', () => {
    const leaf = fc.constantFrom<JsonObject>(
      text,
      { type: 'number', minimum: 0 },
      { type: ['string', 'null'] },
      { enum: [1] },
      { $ref: '#' },
    )
    const { schema } = fc.letrec<{ schema: JsonObject }>((tie) => ({
      schema: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc
          .dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('schema'), { maxKeys: 3 })
          .map((properties) => object(properties)),
        tie('schema').map((items) => ({ type: 'array', items })),
        fc.array(tie('schema'), { maxLength: 3 }).map((oneOf) => ({ oneOf })),
      ),
    }))
    fc.assert(
      fc.property(fc.oneof(schema, fc.dictionary(fc.string(), fc.jsonValue())), (any) => {
        const once = strictSchema(any as JsonObject)
        if (once !== null) assert.deepEqual(strictSchema(once), once)
      }),
    )
  })
})
