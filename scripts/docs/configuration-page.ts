/** `docs/configuration.md`, from the configuration schema. */
import { z } from 'zod'
import { type Effect, effectOf } from '../../src/config/index.ts'
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
  'A configuration file is TOML. Every key has a default, so a file holds only what differs; [a decision](decisions/2026-11-26-defaults.md) says why some differ from Oxydra, Oxios and ZoeyOS. `oxbow config set KEY VALUE` changes a file and keeps its comments; the Settings page does the same.',
  'Values come from layers, and the last one that names a key counts: `oxbow config explain KEY` shows each with its line.',
  table(
    ['layer', 'where', 'for'],
    [
      ['defaults', 'this page', ''],
      ['the machine', '`/etc/oxbow/config.toml`', 'all homes of a machine; its administrator writes it'],
      ['all users', '`config.toml` in the home (`~/.oxbow`, or `OXBOW_HOME`)', 'all users of a home'],
      ['a user', '`config.toml` in `users/NAME` of the home', '`oxbow config set --user NAME`, and the Settings page'],
      [
        'variables',
        '`OXBOW__SECTION__KEY=VALUE`',
        'a container or a unit: `OXBOW__APPROVAL__MODE=manual` is `approval.mode`. Names of keys are in lowercase letters.',
      ],
      ['options', '`--model`, `--base-url`', 'one start'],
    ],
  ),
  'A layer can keep the ones after it from loosening a wall: `only_tighten` names keys or sections. Then `approval.mode` may go from `auto` to `manual` and not back, a budget may only become smaller, and `egress.allow` may only lose hosts; a key without such an order stays as it is. `explain` says which file holds a key.',
  'A key that nobody knows has no effect, and each start says so, since a newer version may have written it. Under `access`, `agent.rights`, `approval`, `budget`, `egress`, `exec`, `flow`, `sandbox` and `secrets`, or if it is written nearly like one of these, the file cannot be used: a mistyped wall is no wall. `set`, `edit` and `validate` refuse every unknown key.',
  'A file may name its version: `config_version`. One of an older version works as it is, and `oxbow config` says so; it is moved when it is written next, or by `oxbow config migrate`, and what it was stays next to it as `config.toml.version-N`. A file of a newer version cannot be used, and is never written: `oxbow config migrate --to N` of the Oxbow that wrote it takes it back, as `oxbow downgrade` does.',
  'A running guest notices a changed file at once: the folders of the files are watched, all layers are checked together, and what is marked *live* below counts from the next turn on, without a lost connection. A turn ends with the configuration it began with, and its record names the generation of that. What cannot be used changes nothing, and every terminal is told why. The other keys wait for `oxbow config reload`, which restarts the guest when no turn runs (`--now`: at once), or, marked *after a restart of Oxbow*, for `oxbow restart`.',
  'Each configuration that a guest takes up is in its journal, with what changed, by whatever means, as are folders, definitions, plugins and skills of the host, its keys, and what an administrator has set for the user: `oxbow call config.changes {}`. `oxbow status` and the Now page show for a day which walls were loosened, and `oxbow audit verify` names what of all this has changed since a guest ran. `oxbow config set` and `unset` take `--dry-run`. Files are changed by one process after the other, and together or not at all.',
  'When a guest has worked for 30 seconds, or has ended in order before, its files are kept, ten times: `oxbow config history`, `diff` and `rollback` show and restore them. If a file cannot be used, Oxbow runs with the newest kept one and says so. `oxbow serve` does so as well when a guest is lost soon after a change. Such a fallback is never looser than the files: the file of the machine is read as it is now, of each wall the tighter value counts, and where the value of a wall cannot be read, the tightest. Where nothing has worked yet, or the file of the machine cannot be used, `serve` runs in safe mode: no rights, the offline model, and what the machine and the variables say. Then the Settings page and `oxbow config` mend the file.',
  'Rights that `only_tighten` holds are a ceiling for every agent, whoever grants it more: a definition, `oxbow spawn --right`, a person who allows a refused call. `agent.max_rights` sets one without a lock. A limit of `[budget]` and the list `exec.allow` that it holds are not widened by `oxbow budget set` and `oxbow exec allow` either. Whoever holds `egress` holds `mcp`, `acp` and `a2a`, too: a server, coding agent or remote agent that a user adds brings hosts of its own.',
]

const effectTexts: Readonly<Record<Effect, string>> = { live: ' *Live.*', restart: '', process: ' *After a restart of Oxbow.*' }

const whole = z.toJSONSchema(configSchema, { io: 'input' })

export function configurationPage(): string {
  const schema = whole as Schema
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
  if (value.items?.properties !== undefined) {
    const live = effectTexts[effectOf(whole, [name])]
    const rows = keysOf(value.items, '').map(([key, each]) => [code(key), typeText(each), defaultText(each), each.description ?? ''])
    return [`## ${code(`[[${name}]]`)}`, `${value.description ?? ''}${live}`, table(['key', 'value', 'default', 'meaning'], rows)]
  }
  return [
    `## ${code(name)}`,
    table(['key', 'value', 'default', 'meaning'], [[code(name), typeText(value), defaultText(value), value.description ?? '']]),
  ]
}

/** The section, then the tables in it whose names a person chooses: each has a heading of its own, with `NAME` for the name. */
function sectionTexts(head: string, section: Schema): readonly string[] {
  const named = namedTable(section)
  if (named !== null) return sectionTexts(`${head}.NAME`, { ...named, ...(section.description && { description: section.description }) })
  const rows = keysOf(section, '').map(([key, value]) => [
    code(key),
    typeText(value),
    defaultText(value),
    `${value.description ?? ''}${effectTexts[effectOf(whole, [...head.split('.'), ...key.split('.')])]}`,
  ])
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
