/** `docs/calls.md`, from the call registry. */
import type { JsonObject } from '../../src/base/index.ts'
import type { CallRoute } from '../../src/protocol/index.ts'
import { code, page, table } from './markdown.ts'

/** The part of the kernel's `CallReference` that the page shows. */
export interface CallEntry {
  readonly name: string
  readonly summary: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly string[]
  readonly rare: boolean
  readonly timeout_ms: number | null
  readonly input: JsonObject
  readonly output: JsonObject
  readonly example: unknown
  readonly routes: readonly CallRoute[]
}

interface Field {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
}

const effectText: Readonly<Record<string, string>> = {
  none: 'none: safe to repeat',
  idempotent: 'idempotent: safe to repeat with the same id',
  once: 'once: reconciled after a crash, never repeated',
}

export function callPage(calls: readonly CallEntry[]): string {
  const sorted = calls.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const overview = sorted.map((call) => [code(call.name), call.summary, call.tier, code(call.right), call.audience.join(', ')])
  return page(
    '# Calls',
    'All system calls. A model sees a call as a tool, with `_` for `.`; a terminal makes it by name. Every call passes the gate and is recorded in the journal.',
    table(['call', 'what it does', 'tier', 'right', 'offered to'], overview),
    ...sorted.map(section),
  )
}

function section(call: CallEntry): string {
  const fields = Object.entries((call.input['properties'] ?? {}) as Readonly<Record<string, Field>>)
  const required = (call.input['required'] ?? []) as readonly string[]
  const rows = fields.map(([name, field]) => [
    code(name),
    field.enum === undefined ? (field.type ?? 'any') : field.enum.map((value) => code(String(value))).join(' or '),
    required.includes(name) ? 'required' : field.default === undefined ? 'optional' : code(JSON.stringify(field.default)),
    field.description ?? '',
  ])
  const limit = call.timeout_ms === null ? 'none' : `${call.timeout_ms / 1000} s`
  return [
    `## ${code(call.name)}`,
    call.summary,
    `Effect ${effectText[call.effect] ?? call.effect}. Time limit ${limit}.${call.rare ? ' A model finds it with `tool_search` when too many tools are on.' : ''}`,
    fields.length === 0 ? 'No arguments.' : table(['field', 'type', 'default', 'meaning'], rows),
    ...outputTable(call.output),
    `Example: ${code(JSON.stringify(call.example))}`,
  ].join('\n\n')
}

interface Schema extends Field {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly required?: readonly string[]
  readonly const?: string | number | boolean
}

function outputTable(output: JsonObject): readonly string[] {
  const rows = outputRows(output, '')
  return rows.length === 0 ? [] : ['Returns:', table(['field', 'type', 'meaning'], rows)]
}

/** Fields of fields are named by their path; of an array, `[]` is each of its values. */
function outputRows(whole: Schema, path: string): readonly (readonly string[])[] {
  const schema = whole.anyOf?.length === 2 ? (whole.anyOf.find(({ type }) => type !== 'null') ?? whole) : whole
  if (schema.items !== undefined) return outputRows(schema.items, `${path}[]`)
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const own = path === '' ? name : `${path}.${name}`
    const type = `${typeOf(field)}${schema.required?.includes(name) === false ? ', may be absent' : ''}`
    const row = [code(own), type, (field.description ?? '').replaceAll('|', '\\|')]
    const rows = outputRows(field, own)
    // Its fields name it.
    return rows.length > 0 && type === 'object' && field.description === undefined ? rows : [row, ...rows]
  })
}

function typeOf({ type, items, anyOf, enum: values, const: only }: Schema): string {
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (only !== undefined) return code(String(only))
  if (values !== undefined) return values.length > 12 ? 'string' : values.map((value) => code(String(value))).join(' or ')
  return items === undefined ? (type ?? 'any') : `array of ${typeOf(items)}`
}
