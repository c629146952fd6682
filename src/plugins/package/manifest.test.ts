import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError, type JsonObject } from '../../base/index.ts'
import { inRange, parseManifest } from './manifest.ts'
import { compareRights, rightEntries } from './rights.ts'
import { checkSettings } from './settings-schema.ts'

const weather = {
  name: 'weather',
  version: '1.2.0',
  sdk: '^1.0.0',
  entry: 'index.js',
  configSchema: {
    type: 'object',
    properties: { unit: { type: 'string', enum: ['c', 'f'], default: 'c' }, days: { type: 'integer', minimum: 1, maximum: 7 } },
    required: ['days'],
  },
  rights: {
    calls: ['web.read', 'file.read:/shared/trips'],
    hosts: ['api.example.com:8443'],
    secrets: ['WEATHER_KEY'],
    paths: [{ path: '/shared/maps', mode: 'write' }],
    memory: 'own',
    models: ['openai/*'],
    spend_per_day: 0.5,
  },
}

const refusal = (change: object): string => {
  try {
    parseManifest(JSON.stringify({ ...weather, ...change }))
  } catch (error) {
    assert.ok(isOxbowError(error, 'bad_input'), String(error))
    assert.notEqual(error.hint, '')
    return error.message
  }
  return ''
}

test('a manifest has defaults for what it leaves out, and its rights become entries of rights', () => {
  const manifest = parseManifest(JSON.stringify({ name: 'tiny', version: '0.1.0', sdk: '^1.0.0', entry: 'a.js', $schema: 'x' }))
  assert.deepEqual([manifest.entry, manifest.dependencies, manifest.rights.memory, manifest.program], [['a.js'], [], 'none', 'plugin-host'])
  assert.deepEqual(rightEntries(manifest), [])
  assert.deepEqual(rightEntries(parseManifest(JSON.stringify(weather))), [
    'file.read:/shared/maps',
    'file.read:/shared/trips',
    'file.write:/shared/maps',
    'memory.read:plugin.weather',
    'memory.write:plugin.weather',
    'model.use:openai/*',
    'secret.use:WEATHER_KEY',
    'text.embed',
    'web.read:api.example.com',
  ])
})

test('each wrong field of a manifest is named', () => {
  assert.match(refusal({ name: 'Weather' }), /name must have up to 40 lower-case/)
  assert.match(refusal({ entry: '../out.js' }), /entry.*must be a file in the package/)
  assert.match(refusal({ entry: 'C:\\a.js' }), /must be a file in the package/)
  assert.match(refusal({ dependencies: ['weather'] }), /depends on itself: weather → weather/)
  assert.match(refusal({ sdk: '^2.0.0' }), /for version \^2\.0\.0/)
  assert.match(refusal({ sdk: 'latest' }), /sdk must be a range/)
  assert.match(refusal({ colour: 'red' }), /colour/)
  assert.match(refusal({ rights: { paths: [{ path: '/shared/../vault' }] } }), /rights\.paths\.0\.path must be \/shared/)
  assert.match(refusal({ rights: { calls: ['read everything'] } }), /rights\.calls/)
  assert.match(refusal({ rights: { calls: ['*'] } }), /rights\.calls/)
  assert.match(refusal({ rights: { calls: ['secret.use:KEY'] } }), /belongs into secrets/)
  assert.match(refusal({ rights: { hosts: ['https://api.example.com/'] } }), /must be a host/)
  assert.match(refusal({ configSchema: { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } } }), /a has pattern/)
})

test('a version is in a range as npm has it', () => {
  const within = [
    ['1.4.0', '^1.2.3'],
    ['0.2.9', '^0.2.3'],
    ['0.0.3', '^0.0.3'],
    ['1.2.9', '~1.2.3'],
    ['1.5.0', '>=1.2.0 <2.0.0'],
    ['3.0.0', '*'],
  ]
  const outside = [
    ['2.0.0', '^1.2.3'],
    ['1.2.2', '^1.2.3'],
    ['0.3.0', '^0.2.3'],
    ['0.0.4', '^0.0.3'],
    ['1.3.0', '~1.2.3'],
    ['1.0.1', '1.0.0'],
  ]
  for (const [version = '', range = ''] of within) assert.ok(inRange(version, range), `${version} ${range}`)
  for (const [version = '', range = ''] of outside) assert.ok(!inRange(version, range), `${version} ${range}`)
})

test('settings are checked against the schema of the manifest, with its defaults', () => {
  const { configSchema } = parseManifest(JSON.stringify(weather))
  assert.deepEqual(checkSettings(configSchema, { days: 3 }), { value: { unit: 'c', days: 3 }, problems: [] })
  const problems = (settings: JsonObject): readonly string[] => checkSettings(configSchema, settings).problems
  assert.deepEqual(problems({}), ['days is missing'])
  assert.deepEqual(problems({ days: 9, unit: 'k', city: 'Bonn' }), [
    'unit must be one of "c", "f"',
    'days is above maximum, 7',
    'city is not a setting of it',
  ])
  assert.deepEqual(checkSettings({}, { any: 1 }).problems, ['any is not a setting of it'])
})

test('an update shows which rights it gains and loses', () => {
  const { rights } = parseManifest(JSON.stringify(weather))
  assert.deepEqual(compareRights(rights, rights), { added: [], removed: [] })
  const wider = compareRights(rights, { ...rights, hosts: [...rights.hosts, 'evil.example'], secrets: [], spend_per_day: 2 })
  assert.deepEqual(wider, { added: ['reach evil.example', 'spend $2 a day'], removed: ['know the secret WEATHER_KEY', 'spend $0.5 a day'] })
  assert.deepEqual(compareRights(rights, { ...rights, spend_per_day: 0.1 }).added, [])
  assert.ok(compareRights(null, rights).added.includes('keep memories of its own'))
})

test('whatever a manifest contains, the result is a manifest or an error', () => {
  fuzzManifests(100)
})

/** @param runs number of texts, half of them a good manifest with something exchanged */
function fuzzManifests(runs: number): void {
  const field = fc.constantFrom(...Object.keys(weather), ...Object.keys(weather.rights), '__proto__', 'constructor')
  const broken = fc.tuple(field, fc.jsonValue({ maxDepth: 4 })).map(([key, value]) => {
    const at = Object.hasOwn(weather.rights, key) ? { rights: { ...weather.rights, [key]: value } } : { [key]: value }
    return JSON.stringify({ ...weather, ...at })
  })
  const text = fc.oneof(fc.string(), fc.json(), broken, broken)
  fc.assert(
    fc.property(text, (each) => {
      try {
        assert.equal(typeof parseManifest(each).name, 'string')
      } catch (error) {
        assert.ok(isOxbowError(error, 'bad_input'), String(error))
      }
    }),
    { numRuns: runs },
  )
}
