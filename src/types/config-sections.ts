/** The configuration as a whole: what Oxbow has without services, and what each service adds. */
import { z } from 'zod'
import { type Config, ownSections } from './config.ts'
import { OxbowError } from './error.ts'
import type { JsonObject } from './text.ts'

/** A section of `config.toml` that a service brings. */
export interface ConfigSection<Settings = unknown> {
  readonly name: string
  /** Each key has a default and a description. Given zod, so that a start of the guest, which has the checked values, need not load it. */
  readonly schema: (by: typeof z) => z.ZodType<Settings>
}

/** @returns the schema of a configuration with these sections, too */
export function configSchemaWith(added: readonly ConfigSection[]): z.ZodType<Config> {
  const schemas = added.map(({ name, schema }) => [name, schema(z).prefault({})] as const)
  return ownSections.extend(Object.fromEntries(schemas)) as unknown as z.ZodType<Config>
}

/** Of Oxbow without services. */
export const configSchema: z.ZodType<Config> = configSchemaWith([])

/**
 * @param value a parsed TOML document, not yet checked
 * @throws OxbowError `bad_config` that names each wrong key, where it was found, and what was expected
 */
export function parseConfig(value: unknown, where: string, schema: z.ZodType<Config> = configSchema): Config {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'top level'}: ${issue.message}`)
  throw new OxbowError('bad_config', `${where} cannot be used: ${wrong.join('; ')}`, {
    hint: 'Correct the keys named above; docs/configuration.md lists every key with its default.',
  })
}

/** @returns the JSON Schema of a configuration file */
export function configJsonSchema(schema: z.ZodType<Config>): JsonObject {
  return z.toJSONSchema(schema, { io: 'input' }) as JsonObject
}
