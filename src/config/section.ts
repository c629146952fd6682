/**
 * Sections of `config.toml` that services bring. A section is part of each start, which has checked values and need not load zod: so a
 * schema is given what it is made of.
 */
import type { z } from 'zod'
import { ownValue } from '../base/index.ts'
import type { Config } from './config.ts'

/** What sections are made of. Not zod itself: a bundle has to keep all of a library that is passed as one value, some 580 kB with its languages. */
export type SectionKinds = Pick<typeof z, 'array' | 'boolean' | 'enum' | 'int' | 'number' | 'record' | 'strictObject' | 'string'>

/** A section of `config.toml`, the keys that a service adds to another's section, or a list of tables, `[[NAME]]`. */
export interface ConfigSection<Schema extends z.ZodObject | z.ZodArray = z.ZodObject | z.ZodArray> {
  readonly name: string
  readonly schema: (by: SectionKinds) => Schema
}

/**
 * What stands in `config.ts` of a service's folder: `service.ts` names it, and what it loads reads it with `sectionOf`.
 * @param schema each key has a default and a description: `docs/configuration.md` and the page of settings are made of them
 */
export function configSection<Schema extends z.ZodObject | z.ZodArray>(
  name: string,
  schema: ConfigSection<Schema>['schema'],
): ConfigSection<Schema> {
  return { name, schema }
}

/** The checked values of a section. */
export type SettingsOf<Section extends ConfigSection> = z.output<ReturnType<Section['schema']>>

/** @returns the settings of a service. The configuration was checked with its section */
export function sectionOf<Section extends ConfigSection>({ name }: Section, config: Config): SettingsOf<Section> {
  const settings = ownValue(config as unknown as Readonly<Record<string, SettingsOf<Section>>>, name)
  if (settings !== undefined) return settings
  throw new Error(`the configuration was checked without [${name}]: check it with configSchema of src/services/index.ts`)
}

/** Kind of the document with the newest configuration that a guest has taken up. */
export const configCategory = 'system/configuration'
