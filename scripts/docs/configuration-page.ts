/** `docs/configuration.md`, from the configuration schema. */
import { z } from 'zod'
import { configSchema } from '../../src/services/index.ts'
import { code, page, table } from './markdown.ts'

/** The parts of JSON Schema that the configuration uses. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | false
}

export function configurationPage(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as Schema
  return page(
    '# Configuration',
    'A configuration file is TOML. Every key has a default, so a file holds only what differs. An unknown key is an error that names it.',
    ...Object.entries(schema.properties ?? {}).flatMap(([name, section]) => sectionTexts(name, section)),
  )
}

/** The section, then the tables in it whose names a person chooses: each has a heading of its own, with `NAME` for the name. */
function sectionTexts(head: string, section: Schema): readonly string[] {
  const named = namedTable(section)
  if (named !== null) return sectionTexts(`${head}.NAME`, { ...named, ...(section.description && { description: section.description }) })
  const rows = keysOf(section, '').map(([key, value]) => [code(key), typeText(value), defaultText(value), value.description ?? ''])
  const inner = Object.entries(section.properties ?? {}).filter(([, value]) => namedTable(value) !== null)
  return [
    `## ${code(`[${head}]`)}`,
    ...(section.description === undefined ? [] : [section.description]),
    table(['key', 'value', 'default', 'meaning'], rows),
    ...inner.flatMap(([key, value]) => sectionTexts(`${head}.${key}`, value)),
  ]
}

/** @returns what each table is like when a person chooses their names, else null. */
function namedTable({ additionalProperties: each }: Schema): Schema | null {
  return each && each.properties !== undefined ? each : null
}

/** All keys of a section; keys of inner tables have a dot. */
function keysOf(section: Schema, prefix: string): readonly (readonly [string, Schema])[] {
  return Object.entries(section.properties ?? {})
    .filter(([, value]) => namedTable(value) === null)
    .flatMap(([key, value]) => (value.properties === undefined ? [[`${prefix}${key}`, value] as const] : keysOf(value, `${prefix}${key}.`)))
}

function typeText(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => code(value === '' ? '""' : value)).join(' or ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ')
  const { additionalProperties } = schema
  const texts: Readonly<Record<string, () => string>> = {
    null: () => 'unset',
    integer: () => `whole number${boundsText(schema)}`,
    array: () => `list of ${typeText(schema.items ?? {})}`,
    object: () => `table, each value ${typeText(additionalProperties === false ? {} : (additionalProperties ?? {}))}`,
    string: () => ((schema.minLength ?? 0) > 0 ? 'text, not empty' : 'text'),
  }
  const type = schema.type ?? 'anything'
  return texts[type]?.() ?? type
}

function boundsText({ minimum, maximum }: Schema): string {
  const least = minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? '' : `${minimum}`
  const most = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : `${maximum}`
  if (least !== '' && most !== '') return `, ${least} to ${most}`
  if (least !== '') return `, at least ${least}`
  return most === '' ? '' : `, at most ${most}`
}

function defaultText({ default: value }: Schema): string {
  if (value === null || value === undefined) return 'unset'
  return code(JSON.stringify(value))
}
