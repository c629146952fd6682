/** Where the settings page looks for what a person types. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../src/services/index.ts'
import { configJsonSchema } from '../../src/config/index.ts'
import { sectionsOf } from '../../web/src/pages/settings/config-fields.ts'

test('a setting is found by what its table holds: every time limit of the configuration has a field', () => {
  const fields = sectionsOf(configJsonSchema(configSchema)).flatMap((section) => section.fields)
  const found = fields.filter(({ name, description, inside }) => `${name} ${description} ${inside}`.includes('timeout_s'))
  assert.deepEqual(
    found.map(({ name }) => name).filter((name) => /^(?:mcp\.servers|acp\.agents|a2a\.remotes)/.test(name)).length > 0,
    true,
    found.map(({ name }) => name).join(),
  )
})
