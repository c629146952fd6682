/** Fields of a form, from the JSON Schema of the configuration: which control each key gets, and in which section it stands. */
import { isObject, type Json, type JsonObject, ownValue } from '../../../../src/base/index.ts'
import type { TomlValue } from '../../../../src/config/index.ts'

type Control =
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly options: readonly string[] }
  | { readonly kind: 'number'; readonly isInteger: boolean; readonly min: number | undefined; readonly max: number | undefined }
  | { readonly kind: 'text' }
  /** One text on each line. */
  | { readonly kind: 'list'; readonly ofNumbers: boolean }
  /** A table whose keys a person chooses; edited in the file. */
  | { readonly kind: 'table' }

export interface ConfigField {
  readonly key: readonly string[]
  /** The key as people write it. */
  readonly name: string
  readonly description: string
  readonly control: Control
  /** Unset is a value of its own. */
  readonly isOptional: boolean
  readonly usual: Json
  /** Names and descriptions of what a table holds, by which it is found. */
  readonly inside: string
}

export interface ConfigSection {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly fields: readonly ConfigField[]
}

const sections: Readonly<Record<string, readonly [title: string, about: string]>> = {
  model: ['Model', 'Which model answers, and how it is asked.'],
  providers: ['Services', 'Further model services, and changes to the known ones.'],
  agent: ['Agent', 'Its name, its instructions, and its rights.'],
  approval: ['Approvals', 'What runs, what asks first, and what never runs.'],
  flow: ['Data flow', 'When a conversation that has read private or foreign text may send data out.'],
  exec: ['Programs', 'Which programs may be started without a shell.'],
  sandbox: ['Sandbox', 'How far commands and files are isolated from this machine.'],
  egress: ['Network', 'Which hosts agents may reach.'],
  web: ['Web', 'Searching and reading the web.'],
  browser: ['Browser', 'The browser that agents drive.'],
  memory: ['Memory', 'What is remembered, recalled and tidied.'],
  budget: ['Limits of spending', 'Totals for sessions and for you. Budgets by day or month stand on the page Budgets.'],
  mcp: ['Tool servers', 'Servers that speak MCP, whose tools agents may use once a person has approved them.'],
  session: ['Sessions', 'When idle conversations leave memory.'],
  turn: ['Turns', 'How long one answer may take.'],
  agents: ['Several agents', 'How many run at once, and what they pass on.'],
  schedules: ['Schedules', 'How many there may be, and how failures are repeated.'],
  versions: ['Versions', 'The history of your files.'],
  secrets: ['Secrets', 'What stored secrets may be used for.'],
  store: ['Storage', 'Where journal and memory are kept.'],
  gateway: ['Gateway', 'Where terminals and browsers connect.'],
  access: ['Access', 'What the terminals of this user may do.'],
  resources: ['Resources', 'When this machine counts as overloaded.'],
}

export function sectionsOf(schema: JsonObject): readonly ConfigSection[] {
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const order = Object.keys(sections)
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length)
  return Object.entries(properties)
    .flatMap(([name, property]) => {
      if (!isObject(property)) return []
      const [title, about] = ownValue(sections, name) ?? [name, '']
      return [{ name, title, about, fields: fieldsOf(property, [name]) }]
    })
    .toSorted((a, b) => rank(a.name) - rank(b.name))
}

function fieldsOf(schema: JsonObject, key: readonly string[]): readonly ConfigField[] {
  if (isObject(schema['properties'])) {
    return Object.entries(schema['properties']).flatMap(([name, inner]) => (isObject(inner) ? fieldsOf(inner, [...key, name]) : []))
  }
  const variants = Array.isArray(schema['anyOf']) ? schema['anyOf'].filter(isObject) : [schema]
  const isOptional = variants.some(({ type }) => type === 'null')
  const main = variants.find(({ type }) => type === 'array') ?? variants.find(({ type }) => type !== 'null') ?? schema
  const description = typeof schema['description'] === 'string' ? schema['description'] : ''
  return [
    {
      key,
      name: key.join('.'),
      description,
      control: controlOf(main),
      isOptional,
      usual: schema['default'] ?? null,
      inside: wordsIn(main),
    },
  ]
}

function wordsIn(schema: JsonObject): string {
  const { properties, additionalProperties: each, items } = schema
  const named = isObject(properties) ? Object.entries(properties) : []
  const below = [...named.map(([, inner]) => inner), each, items].filter(isObject)
  const own = below.map(({ description }) => (typeof description === 'string' ? description : ''))
  return [...named.map(([name]) => name), ...own, ...below.map(wordsIn)].join(' ')
}

function controlOf(schema: JsonObject): Control {
  if (Array.isArray(schema['enum'])) return { kind: 'choice', options: schema['enum'].map(String) }
  const { type, items } = schema
  if (type === 'boolean') return { kind: 'switch' }
  if (type === 'array') return { kind: 'list', ofNumbers: isObject(items) && items['type'] !== 'string' }
  if (type === 'object') return { kind: 'table' }
  if (type !== 'integer' && type !== 'number') return { kind: 'text' }
  return { kind: 'number', isInteger: type === 'integer', min: bound(schema['minimum']), max: bound(schema['maximum']) }
}

function bound(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined
}

/** @returns the value as its control shows it */
export function shownText(value: Json): string {
  if (Array.isArray(value)) return value.join('\n')
  return value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}

/** @returns the value of what was typed; null removes the key. NaN: it is no number */
export function typedValue({ control, isOptional }: ConfigField, text: string): TomlValue | null {
  if (control.kind === 'number') return text.trim() === '' ? (isOptional ? null : NaN) : Number(text)
  if (control.kind === 'list') {
    const lines = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    return control.ofNumbers ? lines.map(Number) : lines
  }
  return text === '' && isOptional ? null : text
}

/** @returns what is wrong with a value that a person gave; empty: nothing that the page knows of */
export function problemOf({ control }: ConfigField, value: TomlValue | null): string {
  if (control.kind === 'list' && control.ofNumbers) {
    return (value as readonly number[]).every(Number.isFinite) ? '' : 'One number on each line.'
  }
  if (control.kind !== 'number' || value === null) return ''
  const number = value as number
  if (!Number.isFinite(number)) return 'This must be a number.'
  if (control.isInteger && !Number.isInteger(number)) return 'This must be a whole number.'
  if (control.min !== undefined && number < control.min) return `At least ${control.min}.`
  return control.max !== undefined && number > control.max ? `At most ${control.max}.` : ''
}
