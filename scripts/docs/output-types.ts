/** `src/client/call-outputs.ts`, from the schemas of the outputs: what clients of a guest know of what a call returns. */
import { z } from 'zod'
import type { Call } from '../../src/protocol/index.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly items?: Schema
  readonly prefixItems?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly propertyNames?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  /** The type of the sources that it is, see `output-schema.ts`. */
  readonly type_name?: string
}

const maxLine = 140

const madeBy = '// Made by scripts/generate-docs.ts from the descriptions of the calls. Change the source, then run it again.'

/** `src/protocol/call-names.ts`: so that the compiler knows the calls that a client, a service or the kernel makes. @param calls all */
export function callNames(calls: readonly Call[]): string {
  const names = [...new Set(calls.map(({ name }) => name))].toSorted()
  return [
    madeBy,
    '',
    '/** The calls of a guest, but for those that plugins, servers of tools and agents of others add. */',
    `export type CallName =\n${names.map((name) => `  | '${name}'`).join('\n')}`,
    '',
    '/** What stands where a call is made: the name of one that there is, or a text that is known only when it is made. */',
    'export type MadeCall<Name extends string> = string extends Name ? string : Name extends CallName ? Name : never',
    '',
  ].join('\n')
}

/** @param calls all; those that only the runtime makes are left out */
export function outputTypes(calls: readonly Call[]): string {
  const shown = calls.filter(({ audience }) => audience.includes('terminal')).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const fields = shown.map(({ name, output }) => `  '${name}': ${typeOf(schemaOf(output), '  ')}`).join('\n')
  return [
    '// Made by scripts/generate-docs.ts from the schemas of the calls. Change the source, then run it again.',
    ...importLines(fields),
    '',
    '/** What each call returns that a terminal may make, by its name. */',
    'interface CallOutputs {',
    fields,
    '}',
    '',
    '/** The output of a call; of one that a plugin or a server of tools has added, any JSON. */',
    'export type OutputOf<Name extends string> = Name extends keyof CallOutputs ? CallOutputs[Name] : Json',
    '',
  ].join('\n')
}

/** Types of the sources that schemas name, by module; see `output-schema.ts`. */
const sources = {
  base: ['CallId', 'ErrorCode', 'Failure', 'Json', 'JsonObject', 'ProcessId', 'SessionId', 'TurnId', 'UserId'],
  protocol: ['DataOrigin'],
}

function importLines(text: string): readonly string[] {
  return Object.entries(sources).flatMap(([module, names]) => {
    const used = names.filter((name) => name === 'Json' || new RegExp(`\\b${name}\\b`).test(text))
    return used.length === 0 ? [] : [`import type { ${used.join(', ')} } from '../${module}/index.ts'`]
  })
}

function schemaOf(output: Call['output']): Schema {
  return z.toJSONSchema(output, { io: 'output', unrepresentable: 'any' }) as Schema
}

/** @param indent of the line on which it begins */
function typeOf(schema: Schema, indent: string): string {
  const { type_name: named, anyOf, oneOf, prefixItems, items, type } = schema
  if (named !== undefined) return named
  const choices = anyOf ?? oneOf
  if (choices !== undefined) return [...new Set(choices.map((each) => typeOf(each, indent)))].join(' | ')
  if ('const' in schema) return literal(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ')
  if (prefixItems !== undefined) return `readonly [${prefixItems.map((each) => typeOf(each, indent)).join(', ')}]`
  if (type === 'array') return arrayOf(items ?? {}, indent)
  if (type === 'object') return objectType(schema, indent)
  // Whatever has no type is JSON of others.
  if (type === undefined) return 'Json'
  return [type]
    .flat()
    .map((each) => (each === 'integer' ? 'number' : each))
    .join(' | ')
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

function arrayOf(items: Schema, indent: string): string {
  const { type_name: named, anyOf, oneOf, enum: values, type } = items
  const item = typeOf(items, indent)
  const isUnion = named === undefined ? (anyOf ?? oneOf ?? values) !== undefined || Array.isArray(type) : named.includes('|')
  return isUnion || item.startsWith('readonly ') ? `readonly (${item})[]` : `readonly ${item}[]`
}

function objectType({ properties, required = [], additionalProperties, propertyNames }: Schema, indent: string): string {
  if (properties === undefined) {
    const value = typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'Json'
    if (propertyNames?.enum !== undefined) return `{ [Key in ${typeOf(propertyNames, indent)}]?: ${value} }`
    return value === 'Json' ? 'JsonObject' : `{ [name: string]: ${value} }`
  }
  const inner = `${indent}  `
  const fields = Object.entries(properties).map(
    ([name, field]) => `${keyOf(name)}${required.includes(name) ? '' : '?'}: ${typeOf(field, inner)}`,
  )
  const line = `{ ${fields.join('; ')} }`
  if (indent.length + line.length < maxLine && !line.includes('\n')) return fields.length === 0 ? 'Record<string, never>' : line
  return `{\n${fields.map((field) => `${inner}${field}`).join('\n')}\n${indent}}`
}

function keyOf(name: string): string {
  return /^\w+$/.test(name) ? name : `'${name}'`
}
