/** What conversations are made of: a picture, a document, tools and a schema with everything in it. */
import type { JsonObject } from '../../../src/base/index.ts'
import type { MediaPart, ToolSpec } from '../../../src/protocol/index.ts'

const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

export function picture(mediaType = 'image/png'): MediaPart {
  return { type: 'media', mediaType, name: 'pixel', data: onePixel }
}

export function pdf(name: string): MediaPart {
  return { type: 'media', mediaType: 'application/pdf', name, data: Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64') }
}

export function toolNamed(name: string, parameters: JsonObject = { type: 'object', properties: { x: { type: 'number' } } }): ToolSpec {
  return { name, description: `Does ${name}.`, parameters }
}

export const readFile: ToolSpec = toolNamed('file_read', {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { path: { type: 'string', description: 'Where.', minLength: 1 }, limit: { type: 'integer', default: 10 } },
  required: ['path'],
  additionalProperties: false,
})

export const hardSchema: JsonObject = {
  type: 'object',
  properties: {
    kind: { enum: ['a', 'b', null] },
    same: { const: 'x' },
    either: {
      anyOf: [
        { type: 'string', pattern: '^a+$' },
        { type: ['integer', 'null'], exclusiveMinimum: 0 },
      ],
    },
    list: { type: 'array', items: { $ref: '#/$defs/node' }, minItems: 1, uniqueItems: true },
    map: { type: 'object', additionalProperties: { type: 'number' }, propertyNames: { pattern: '^[a-z]+$' } },
    pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'boolean' }] },
    when: { type: 'string', format: 'date-time' },
  },
  required: ['kind'],
  $defs: { node: { type: 'object', properties: { name: { type: 'string' }, next: { $ref: '#/$defs/node' } } } },
}
