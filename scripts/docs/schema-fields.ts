/** Fields of a schema as rows of a table, for the pages about frames and about the control socket. */
import { z } from 'zod'
import { code, table } from './markdown.ts'

export interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
}

export function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Schema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema
}

/** @param leftOut fields that have no row @returns a table; null without fields */
export function fieldTable(schema: Schema, leftOut: readonly string[] = []): string | null {
  const rows = fieldsOf(schema, '').filter(([name]) => !leftOut.includes(name))
  if (rows.length === 0) return null
  return table(
    ['field', 'type', 'default', 'meaning'],
    rows.map(([name, ...rest]) => [code(name), ...rest]),
  )
}

type Row = readonly [name: string, type: string, fallback: string, meaning: string]

/** Fields of an object in a list, or in an object, follow it. */
function fieldsOf(schema: Schema, prefix: string): readonly Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]): readonly Row[] => {
    const isOptional = schema.required?.includes(name) !== true
    const fallback = field.default === undefined ? 'optional' : code(JSON.stringify(field.default))
    const row: Row = [`${prefix}${name}`, typeOf(field), isOptional ? fallback : '', field.description ?? '']
    const inner = prefix === '' ? (field.type === 'array' ? field.items : field.type === 'object' ? field : undefined) : undefined
    return [row, ...(inner === undefined ? [] : fieldsOf(inner, `${name}${field.type === 'array' ? '[]' : ''}.`))]
  })
}

function typeOf(field: Schema): string {
  if (field.enum !== undefined) return field.enum.map((value) => code(String(value))).join(' or ')
  const choices = field.anyOf ?? field.oneOf
  if (choices !== undefined && choices.length === 2 && choices[1]?.type === 'null') return `${typeOf(choices[0]!)} or null`
  if (field.type === 'array') return `list of ${field.items === undefined ? 'any' : typeOf(field.items)}`
  return typeof field.type === 'string' ? field.type : 'any'
}
