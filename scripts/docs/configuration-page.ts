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

const introduction: readonly string[] = [
  'A configuration file is TOML. Every key has a default, so a file holds only what differs. `oxbow config set KEY VALUE` changes a file and keeps its comments; the Settings page does the same.',
  'Values come from layers, and the last one that names a key counts: `oxbow config explain KEY` shows each with its line.',
  table(
    ['layer', 'where', 'for'],
    [
      ['defaults', 'this page', ''],
      ['the machine', '`/etc/oxbow/config.toml`', 'all homes of a machine; its administrator writes it'],
      ['all users', '`config.toml` in the home (`~/.oxbow`, or `OXBOW_HOME`)', 'all users of a home'],
      ['a user', '`users/NAME/config.toml` in the home', '`oxbow config set --user NAME`, and the Settings page'],
      [
        'variables',
        '`OXBOW__SECTION__KEY=VALUE`',
        'a container or a unit: `OXBOW__APPROVAL__MODE=manual` is `approval.mode`. Names of keys are in small letters.',
      ],
      ['options', '`--model`, `--base-url`', 'one start'],
    ],
  ),
  'A layer can keep the ones after it from loosening a wall: `only_tighten` names keys or sections. Then `approval.mode` may go from `auto` to `manual` and not back, a budget may only become smaller, and `egress.allow` may only lose hosts; a key without such an order stays as it is. `explain` says which file holds a key.',
  'A key that nobody knows has no effect, and each start says so, since a newer version may have written it. Under `access`, `agent.rights`, `approval`, `budget`, `egress`, `exec`, `flow`, `sandbox` and `secrets`, or if it is written nearly like one of these, the file cannot be used: a mistyped wall is no wall. `set`, `edit` and `validate` refuse every unknown key.',
  'A change takes effect when a guest starts next, or with `oxbow config reload`, which lets a running guest take up the files; its turns go on. When a guest has worked for 30 seconds, or has ended in order before, its files are kept, ten times: `oxbow config history`, `diff` and `rollback` show and restore them. If a file cannot be used, Oxbow runs with the newest kept one and says so. `oxbow serve` does so as well when a guest is lost soon after a change; where nothing has worked yet, it serves in safe mode: no rights, the offline model. Then the Settings page and `oxbow config` mend the file.',
]

export function configurationPage(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as Schema
  return page(
    '# Configuration',
    ...introduction,
    ...Object.entries(schema.properties ?? {})
      .toSorted(([, a], [, b]) => Number(isSection(a)) - Number(isSection(b)))
      .flatMap(([name, section]) => (isSection(section) ? sectionTexts(name, section) : keyTexts(name, section))),
  )
}

function isSection({ properties, additionalProperties }: Schema): boolean {
  return properties !== undefined || (additionalProperties !== undefined && additionalProperties !== false)
}

/** A key that is in no section. */
function keyTexts(name: string, value: Schema): readonly string[] {
  return [
    `## ${code(name)}`,
    table(['key', 'value', 'default', 'meaning'], [[code(name), typeText(value), defaultText(value), value.description ?? '']]),
  ]
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
