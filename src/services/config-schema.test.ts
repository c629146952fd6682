import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchemaWith, type SectionKinds, sectionOf } from '../config/index.ts'
import { configSchema as ownSchema, parseConfig as parseOwn } from '../config/index.ts'
import { agentsConfig } from './agents/config.ts'
import { configSchema, parseConfig } from './config-schema.ts'
import { services } from './list.ts'

const section = (name: string) => [{ config: [{ name, schema: (by: SectionKinds) => by.strictObject({ most: by.int().default(1) }) }] }]

test('sections of services stand with them, and the configuration has them all', () => {
  const named = services.flatMap(({ config }) => config ?? []).map(({ name }) => name)
  assert.deepEqual([...new Set(named)].sort(), [
    'agents',
    'audit',
    'channels',
    'exec',
    'goals',
    'logs',
    'notify',
    'resources',
    'respond',
    'schedule',
    'schedules',
    'telemetry',
    'versions',
    'voice',
  ])
  const own = Object.keys(ownSchema.parse({}))
  assert.deepEqual(
    named.filter((name) => own.includes(name)),
    [],
  )
  assert.deepEqual(Object.keys(configSchema.parse({})).sort(), [...new Set([...own, ...named])].sort())
})

test('several services add keys to one section, and each key is checked', () => {
  const config = parseConfig({ agents: { max_depth: 1, max_running: 2 } }, 'this test')
  assert.equal(sectionOf(agentsConfig, config).max_depth, 1)
  assert.throws(() => parseConfig({ agents: { max_depths: 1 } }, 'this test'), /agents/)
})

test('nobody describes what another part describes', () => {
  assert.throws(() => configSchemaWith(section('turn')), /\[turn\] describes turn/)
  assert.throws(() => configSchemaWith([...section('counter'), ...section('counter')]), /\[counter\] describes most/)
})

test('settings of a service that the configuration was not checked with are a fault, not a default', () => {
  assert.throws(() => sectionOf(agentsConfig, parseOwn({}, 'this test')), /checked without \[agents\]/)
})
