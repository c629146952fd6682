/** The whole configuration: what Oxbow has without services, and the sections of all of them. A start of the guest does not load it. */
import type { z } from 'zod'
import { type Config, configSchemaWith, parseConfig as parseBy } from '../config/index.ts'
import { services } from './list.ts'

/** The only source of defaults and of `docs/configuration.md`. */
export const configSchema: z.ZodType<Config> = configSchemaWith(services)

/**
 * @param value a parsed TOML document, not yet checked
 * @throws OxbowError `bad_config` that names each wrong key, where it was found, and what was expected
 */
export const parseConfig = (value: unknown, where: string): Config => parseBy(value, where, configSchema)
