/** `[counter]` of `config.toml`. */
import { configSection } from '../../../src/config/index.ts'

export const counterConfig = configSection('counter', (by) =>
  by.strictObject({ most: by.int().min(1).max(1_000).default(5).describe('Where the counter stops.') }),
)
