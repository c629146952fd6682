/**
 * Verbs of services: each makes one call. Its arguments, options and help follow from the schema of the call, which is loaded only where one
 * of these verbs is typed.
 */
import { type Command, Option } from 'commander'
import { loadInputSchemas, services } from '../services/index.ts'
import { isObject, type Json, type JsonObject, OxbowError, ownValue, type ServiceVerb } from '../types/index.ts'
import { type AddVerbs, collect, userVerb, verbGroup } from './verb-parts.ts'

/** JSON Schemas of the inputs of calls, by name. */
export type VerbInputs = ReadonlyMap<string, JsonObject>

/** @returns the inputs of what is typed; empty where it is no verb of a service */
export async function loadVerbInputs(typed: readonly string[]): Promise<VerbInputs> {
  const meant = services.filter(({ verbs = [] }) => verbs.some(({ words }) => words.split(' ')[0] === typed[0]))
  return meant.length === 0 ? new Map() : (await loadInputSchemas()).inputSchemas(meant)
}

/** @param inputs of the verb that is typed: the others have a line in the help and nothing more */
export function addServiceVerbs(inputs: VerbInputs): AddVerbs {
  return (program, terminal, choose) => {
    for (const { verbs = [] } of services)
      for (const verb of verbs) {
        const command = userVerb(commandOf(program, verb), verb.summary).option('--json', 'print JSON')
        const fields = fieldsOf(inputs.get(verb.call))
        addFields(command, verb, fields)
        command.action((...given: readonly unknown[]) =>
          choose(async () => {
            const { makeCall } = await import('./kernel/call.ts')
            const input = inputOf(command, verb, fields, given.slice(0, verb.positional?.length ?? 0))
            return makeCall(verb.call, JSON.stringify(input), command.opts(), terminal)
          }),
        )
      }
  }
}

/** `counter add` stands below `counter`, which groups them. */
function commandOf(program: Command, { words, summary }: ServiceVerb): Command {
  const [first = '', ...rest] = words.split(' ')
  if (rest.length === 0) return program.command(first)
  const group = program.commands.find((command) => command.name() === first) ?? verbGroup(program.command(first), summary)
  return group.command(rest.join(' '))
}

interface Field {
  readonly name: string
  readonly schema: JsonObject
  readonly isRequired: boolean
}

function fieldsOf({ properties, required }: JsonObject = {}): readonly Field[] {
  return Object.entries(isObject(properties) ? properties : {}).map(([name, schema]) => ({
    name,
    schema: isObject(schema) ? schema : {},
    isRequired: Array.isArray(required) && required.includes(name),
  }))
}

const inCamelCase = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
const dashed = (name: string): string => name.replaceAll('_', '-')
const describes = ({ schema }: Field): string => (typeof schema['description'] === 'string' ? schema['description'] : '')

function addFields(command: Command, { positional = [] }: ServiceVerb, fields: readonly Field[]): void {
  for (const name of positional) {
    const field = fields.find((each) => each.name === name)
    const isOptional = field?.isRequired === false
    command.argument(isOptional ? `[${dashed(name)}]` : `<${dashed(name)}>`, field === undefined ? '' : describes(field))
  }
  for (const field of fields.filter(({ name }) => !positional.includes(name))) {
    const { type } = field.schema
    const option = new Option(type === 'boolean' ? `--${dashed(field.name)}` : `--${dashed(field.name)} <value>`, describes(field))
    if (type === 'array') option.argParser(collect)
    if (Array.isArray(field.schema['enum'])) option.choices(field.schema['enum'].map(String))
    command.addOption(option.makeOptionMandatory(field.isRequired && type !== 'boolean'))
  }
}

function inputOf(command: Command, { positional = [] }: ServiceVerb, fields: readonly Field[], given: readonly unknown[]): JsonObject {
  const options: Readonly<Record<string, unknown>> = command.opts()
  const byName = new Map(positional.map((name, at) => [name, given[at]]))
  for (const { name } of fields) if (!byName.has(name)) byName.set(name, ownValue(options, inCamelCase(name)))
  const typed = fields.flatMap((field) => {
    const value = byName.get(field.name)
    return value === undefined ? [] : [[field.name, valueOf(field, value)] as const]
  })
  return Object.fromEntries(typed)
}

/** What was typed, as the schema has it. @throws OxbowError `bad_input` */
function valueOf({ name, schema }: Field, value: unknown): Json {
  const { type } = schema
  if (typeof value !== 'string') return value as Json
  if (type === 'string' || type === undefined) return value
  if (type === 'number' || type === 'integer') {
    const number = value.trim() === '' ? Number.NaN : Number(value)
    if (Number.isNaN(number)) throw unreadable(name, 'a number', value)
    return number
  }
  try {
    return JSON.parse(value) as Json
  } catch {
    throw unreadable(name, 'JSON', value)
  }
}

function unreadable(name: string, expected: string, value: string): OxbowError {
  return new OxbowError('bad_input', `${dashed(name)} is ${expected}; ${JSON.stringify(value.slice(0, 100))} cannot be read as that.`, {
    hint: '`--help` behind the verb shows what it takes.',
  })
}
