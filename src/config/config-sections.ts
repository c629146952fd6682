/** The configuration as a whole: what Oxbow has without services, and what each service adds. */
import assert from 'node:assert/strict'
import { z } from 'zod'
import { type Config, ownSections } from './config.ts'
import { type JsonObject, OxbowError } from '../base/index.ts'
import type { ConfigSection, SectionKinds } from './section.ts'

const kinds: SectionKinds = {
  array: z.array,
  boolean: z.boolean,
  enum: z.enum,
  int: z.int,
  number: z.number,
  record: z.record,
  strictObject: z.strictObject,
  string: z.string,
}

/**
 * @param of services; several may add keys to one section
 * @returns the schema of a configuration with their sections, too. @throws Error where two describe the same key
 */
export function configSchemaWith(of: readonly { readonly config?: readonly ConfigSection[] }[]): z.ZodType<Config> {
  const added = new Map<string, z.ZodObject | z.ZodArray>()
  for (const { name, schema } of of.flatMap(({ config }) => config ?? [])) {
    const section = schema(kinds)
    const others = added.get(name)
    const keys = section instanceof z.ZodArray ? [name] : Object.keys(section.shape)
    const twice = Object.hasOwn(ownSections.shape, name)
      ? name
      : keys.find((key) => others instanceof z.ZodArray || Object.hasOwn(others?.shape ?? {}, key))
    assert(twice === undefined, `[${name}] describes ${twice}, which another part describes`)
    const isAdded = others instanceof z.ZodObject && section instanceof z.ZodObject
    added.set(name, isAdded ? others.extend(section.shape) : section)
  }
  const sections = [...added].map(([name, section]) => [name, section instanceof z.ZodArray ? section.prefault([]) : section.prefault({})])
  return ownSections.extend(Object.fromEntries(sections)) as unknown as z.ZodType<Config>
}

/** Of Oxbow without services; with them: `configSchema` of `src/services/index.ts`. */
export const configSchema: z.ZodType<Config> = configSchemaWith([])

/**
 * @param value a parsed TOML document, not yet checked
 * @throws OxbowError `bad_config` that names each wrong key, where it was found, and what was expected
 */
export function parseConfig(value: unknown, where: string, schema: z.ZodType<Config> = configSchema): Config {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'top level'}: ${plainIssue(issue.message)}`)
  throw new OxbowError('bad_config', `${where} cannot be used: ${wrong.join('; ')}`, {
    hint: 'Correct the keys named above; docs/configuration.md lists every key with its default.',
  })
}

/** What zod says of usual faults, and how a person would. */
const plainWords: readonly (readonly [said: RegExp, plain: string])[] = [
  [/^Too small: expected \w+ to be >=(.*)$/, 'must be at least $1'],
  [/^Too small: expected \w+ to be >(.*)$/, 'must be more than $1'],
  [/^Too big: expected \w+ to be <=(.*)$/, 'must be at most $1'],
  [/^Too big: expected \w+ to be <(.*)$/, 'must be less than $1'],
  [/^Too small: expected \w+ to have >=1 \w+$/, 'must not be empty'],
  [/^Too small: expected \w+ to have >=(\d+ \w+)$/, 'needs at least $1'],
  [/^Too big: expected \w+ to have <=(\d+ \w+)$/, 'must have at most $1'],
  [/^Invalid input: expected int, received \w+$/, 'must be a whole number'],
  [/^Invalid input: expected boolean, received \w+$/, 'must be true or false'],
  [/^Invalid input: expected string, received \w+$/, 'must be text, in quotes'],
  [/^Invalid input: expected array, received \w+$/, 'must be a list, in brackets'],
  [/^Invalid input: expected (?:object|record), received \w+$/, 'must be a section'],
  [/^Invalid input: expected number, received \w+$/, 'must be a number'],
]

/** @param message of an issue of a schema @returns it as a sentence about a key of the configuration; a message of ours stays */
export function plainIssue(message: string): string {
  const options = /^Invalid option: expected one of (.*)$/.exec(message)?.[1]
  if (options !== undefined) return `must be one of ${options.replaceAll('"', '').replaceAll('|', ', ')}`
  const found = plainWords.find(([said]) => said.test(message))
  return found === undefined ? message : message.replace(...found)
}

/** @returns the JSON Schema of a configuration file */
export function configJsonSchema(schema: z.ZodType<Config>): JsonObject {
  return z.toJSONSchema(schema, { io: 'input' }) as JsonObject
}
