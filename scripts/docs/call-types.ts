/** `src/protocol/call-types.ts`, from the schemas of the calls: what clients of a guest know of what a call takes and returns. */
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
export function callTypes(calls: readonly Call[]): string {
  const shown = calls.filter(({ audience }) => audience.includes('terminal')).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const fieldsOf = (io: Place['io'], shared: Shared): string =>
    shown
      .map((call) => `  '${call.name}': ${typeOf(schemaOf(call[io], io), { indent: '  ', io, name: pascal(call.name), shared })}`)
      .join('\n')
  const { inputs, outputs, types } = sharing((shared) => ({ inputs: fieldsOf('input', shared), outputs: fieldsOf('output', shared) }))
  return [
    '// Made by scripts/generate-docs.ts from the schemas of the calls. Change the source, then run it again.',
    ...importLines([inputs, outputs, ...types].join('\n')),
    '',
    ...types.flatMap((each) => [each, '']),
    '/** What each call takes that a terminal may make, by its name. */',
    'interface CallInputs {',
    inputs,
    '}',
    '',
    '/** What each of them returns. */',
    'interface CallOutputs {',
    outputs,
    '}',
    '',
    '/** The input of a call; of one that a plugin or a server of tools has added, any JSON. */',
    'export type InputOf<Name extends string> = Name extends keyof CallInputs ? CallInputs[Name] : Json',
    '',
    '/** The output of a call; of one that a plugin or a server of tools has added, any JSON. */',
    'export type OutputOf<Name extends string> = Name extends keyof CallOutputs ? CallOutputs[Name] : Json',
    '',
  ].join('\n')
}

/** Types of the sources that schemas name, by module; see `output-schema.ts`. */
const sources = {
  '../base/index.ts': ['CallId', 'ErrorCode', 'Failure', 'Json', 'JsonObject', 'ProcessId', 'SessionId', 'TurnId', 'UserId'],
  './origin.ts': ['DataOrigin'],
}

function importLines(text: string): readonly string[] {
  return Object.entries(sources).flatMap(([module, names]) => {
    const used = names.filter((name) => name === 'Json' || new RegExp(`\\b${name}\\b`).test(text))
    return used.length === 0 ? [] : [`import type { ${used.join(', ')} } from '${module}'`]
  })
}

function schemaOf(schema: Call['output'], io: Place['io']): Schema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema
}

interface Place {
  /** Of the line on which it begins. */
  readonly indent: string
  readonly io: 'input' | 'output'
  /** Of the type, if it gets one. */
  readonly name: string
  readonly shared: Shared
}

/** @returns the name of the type with this text at the left edge, where it has one. @param write its text, in which others are named */
type Shared = (key: string, name: string, write: () => string) => string | undefined

interface Written {
  readonly inputs: string
  readonly outputs: string
}

/** Gives a name to each type of several lines that stands in several places. */
function sharing(write: (shared: Shared) => Written): Written & { readonly types: readonly string[] } {
  const seen = new Map<string, string[]>()
  write((key, name) => void seen.set(key, [...(seen.get(key) ?? []), name]))
  let names = new Map<string, string>()
  for (const [key, [first = '', ...more]] of seen) {
    const taken = new Set(names.values())
    if (more.length > 0) names.set(key, [first, ...more].find((name) => !taken.has(name)) ?? `${first}${names.size}`)
  }
  for (;;) {
    const texts = new Map<string, string>()
    const written = write((key, _, text) => {
      const name = names.get(key)
      if (name !== undefined && !texts.has(name)) texts.set(name, '').set(name, text())
      return name
    })
    const types = [...texts].map(([name, text]) => `type ${name} = ${text}`).toSorted()
    const all = [written.inputs, written.outputs, ...types].join('\n')
    // But for those that stand in one place only, now that the type around them has a name.
    const needed = [...names].filter(([, name]) => [...all.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 2)
    if (needed.length === names.size) return { ...written, types }
    names = new Map(needed)
  }
}

const pascal = (name: string): string => name.replaceAll(/(?:^|[^a-zA-Z\d])([a-z\d])/g, (_, letter: string) => letter.toUpperCase())

function typeOf(schema: Schema, place: Place): string {
  const { type_name: named, anyOf, oneOf, prefixItems, items, type } = schema
  if (named !== undefined) return named
  const choices = anyOf ?? oneOf
  if (choices !== undefined) {
    const types = new Set(choices.map((each) => typeOf(each, place)))
    // Any text covers those that have a meaning of their own, such as the empty one.
    return [...types].filter((each) => !types.has('string') || !each.startsWith("'")).join(' | ')
  }
  if ('const' in schema) return literal(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ')
  if (prefixItems !== undefined) return `readonly [${prefixItems.map((each) => typeOf(each, place)).join(', ')}]`
  if (type === 'array') return arrayOf(items ?? {}, place)
  if (type === 'object') return objectType(schema, place)
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

function arrayOf(items: Schema, place: Place): string {
  const { type_name: named, anyOf, oneOf, enum: values, type } = items
  const item = typeOf(items, place)
  const isUnion = named === undefined ? (anyOf ?? oneOf ?? values) !== undefined || Array.isArray(type) : named.includes('|')
  return isUnion || item.startsWith('readonly ') ? `readonly (${item})[]` : `readonly ${item}[]`
}

function objectType(schema: Schema, place: Place): string {
  const { properties, required = [], additionalProperties, propertyNames } = schema
  if (properties === undefined) {
    const value = typeof additionalProperties === 'object' ? typeOf(additionalProperties, place) : 'Json'
    if (propertyNames?.enum !== undefined) return `{ [Key in ${typeOf(propertyNames, place)}]?: ${value} }`
    return value === 'Json' ? 'JsonObject' : `{ [name: string]: ${value} }`
  }
  const key = fieldsText(properties, required, { ...place, shared: () => undefined })
  if (!key.includes('\n')) return key
  const atEdge = key.replaceAll(`\n${place.indent}`, '\n')
  return (
    place.shared(atEdge, place.name, () => fieldsText(properties, required, { ...place, indent: '' })) ??
    fieldsText(properties, required, place)
  )
}

function fieldsText(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  { indent, io, name: of, shared }: Place,
): string {
  const inner = `${indent}  `
  // A field of an input that is undefined is left out of the frame.
  const fields = Object.entries(properties).map(([name, field]) => {
    const type = typeOf(field, { indent: inner, io, name: of + pascal(name), shared })
    if (required.includes(name)) return `${keyOf(name)}: ${type}`
    return `${keyOf(name)}?: ${type}${io === 'input' ? ' | undefined' : ''}`
  })
  const line = `{ ${fields.join('; ')} }`
  if (indent.length + line.length < maxLine && !line.includes('\n')) return fields.length === 0 ? 'Record<string, never>' : line
  return `{\n${fields.map((field) => `${inner}${field}`).join('\n')}\n${indent}}`
}

function keyOf(name: string): string {
  return /^\w+$/.test(name) ? name : `'${name}'`
}
