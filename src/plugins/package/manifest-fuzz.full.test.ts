/** 10 000 manifests each of random text, random JSON, and good ones with something exchanged; `manifest.test.ts` runs a few of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError, type Json, type JsonObject } from '../../base/index.ts'
import { parseManifest } from './manifest.ts'
import { compareRights, rightEntries, rightLines } from './rights.ts'
import { checkSettings } from './settings-schema.ts'
import { signerOf } from './signature.ts'

const good = { name: 'weather', version: '1.2.0', sdk: '^1.0.0', entry: 'index.js' }
const rights = ['calls', 'hosts', 'secrets', 'paths', 'memory', 'models', 'spend_per_day'] as const
const fields = ['name', 'version', 'sdk', 'entry', 'program', 'dependencies', 'optional', 'priority', 'configSchema', 'rights', '__proto__']
const schemaKeys = ['type', 'properties', 'required', 'items', 'enum', 'default', 'minimum', 'maxLength', 'additionalProperties', 'pattern']

const value = fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<Json>
const schema = fc.letrec<{ node: JsonObject }>((tie) => ({
  node: fc.dictionary(fc.constantFrom(...schemaKeys), fc.oneof(value, tie('node'), fc.constantFrom('object', 'string', 'array', 'number'))),
})).node
const broken = fc.oneof(
  fc.tuple(fc.constantFrom(...fields), value).map(([key, each]) => ({ ...good, [key]: each })),
  fc.tuple(fc.constantFrom(...rights), value).map(([key, each]) => ({ ...good, rights: { [key]: each } })),
  schema.map((each) => ({ ...good, configSchema: { type: 'object', ...each } })),
)

void test('whatever a manifest contains, it is either usable throughout or an error', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    broken.map((each) => JSON.stringify(each)),
  )
  fc.assert(
    fc.property(text, value, (each, settings) => {
      try {
        const manifest = parseManifest(each)
        rightEntries(manifest)
        rightLines(manifest.rights)
        compareRights(null, manifest.rights)
        checkSettings(manifest.configSchema, { any: settings })
      } catch (error) {
        assert.ok(isOxbowError(error, 'bad_input'), String(error))
      }
    }),
    { numRuns: 10_000 },
  )
})

void test('whatever a signature contains, it is refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.record({ key: fc.base64String(), signature: fc.base64String() }).map((each) => JSON.stringify(each)),
      ),
      (text) => {
        assert.throws(
          () => signerOf([], text),
          (error) => isOxbowError(error, 'denied'),
        )
      },
    ),
    { numRuns: 10_000 },
  )
})
