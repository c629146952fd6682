/** 10 000 broken manifests, and names that nobody would give a program: each is refused with a line, and nothing else happens. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../../base/index.ts'
import { scaled } from '../../../test/support/scale.ts'
import { brokenManifests } from './manifest-fixture.ts'
import { openPrograms, programOf } from './program-fixture.ts'
import { parsePackage } from './program-package.ts'

const manifests = scaled(10_000)
const names = scaled(2_000)

interface Verified {
  readonly ok: boolean
  readonly problems: readonly { readonly file: string; readonly line: number; readonly message: string }[]
}

const verified = (toml: string, name = 'tidy') => ({ name, files: { toml, instructions: 'Tidies.', script: 'export default () => 1' } })

void test(`${manifests} broken manifests are read to their end, and each has a problem or is whole`, async (t) => {
  await using guest = await openPrograms([])
  const read = { mostMs: 0, taken: 0 }
  await fc.assert(
    fc.asyncProperty(brokenManifests(), async (toml) => {
      const began = performance.now()
      const { program, problems } = await parsePackage({ name: 'tidy', toml, text: 'x' })
      read.mostMs = Math.max(read.mostMs, performance.now() - began)
      assert.equal(program === null, problems.length > 0)
      read.taken += program === null ? 0 : 1
      const lines = toml.split('\n').length
      const outcome = await guest.kernel.call('program.verify', verified(toml))
      // A text that is too long, or no text at all, is refused by the call itself.
      if (outcome.status !== 'ok') return assert.ok(['bad_input', 'limit_reached'].includes(outcome.failure.code), outcome.text)
      const said = outcome.output as unknown as Verified
      assert.equal(said.ok, said.problems.length === 0)
      if (program === null) assert.equal(said.ok, false, JSON.stringify(toml))
      for (const { line, message } of said.problems) {
        assert.ok(line >= 0 && line <= lines, `line ${line} of ${lines}`)
        assert.notEqual(message, '')
      }
    }),
    { numRuns: manifests },
  )
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  t.diagnostic(`${read.taken} were whole; the slowest took ${read.mostMs.toFixed(0)} ms to read`)
})

const fixed = [
  '',
  ' ',
  '.',
  '..',
  '../deploy',
  '/etc/passwd',
  'a/b',
  'a\\b',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'con',
  'x'.repeat(10_000),
  'tidy\u0000',
  'tidy\n',
  'tidy\u001b[2J',
  '\u202eydit',
  'TIDY',
  'tïdy',
  '-rf',
  '--json',
  '.installed',
  '*',
  '%2e%2e',
]

const oddNames = fc.oneof(fc.constantFrom(...fixed), fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }))

void test(`${names} odd names reach no program, by any call, and their manifests are refused`, async () => {
  const script = 'export default () => 1'
  await using guest = await openPrograms([programOf('tidy', '', script)])
  const calls: readonly (readonly [name: string, input: (name: string) => JsonObject])[] = [
    ['program.run', (program) => ({ program, input: {} })],
    ['program.info', (program) => ({ program })],
    ['program.verify', (name) => ({ name })],
    ['program.enable', (program) => ({ program })],
    ['program.disable', (program) => ({ program })],
    ['program.rollback', (program) => ({ program })],
    ['program.remove', (program) => ({ program })],
  ]
  const plain = /^[a-z0-9][a-z0-9_-]*$/
  await fc.assert(
    fc.asyncProperty(oddNames, fc.nat(calls.length - 1), async (name, at) => {
      if (name === 'tidy') return
      const [call, inputOf] = calls[at]!
      const outcome = await guest.kernel.call(call, inputOf(name))
      assert.notEqual(outcome.status, 'ok', `${call} of ${JSON.stringify(name)}: ${outcome.text}`)
      const { code, message } = (outcome as { failure: { code: string; message: string } }).failure
      assert.notEqual(code, 'internal_failure', `${call} of ${JSON.stringify(name)}: ${message}`)
      assert.ok(message.length < 2_000, `a message of ${message.length} characters`)
      if (plain.test(name)) return
      const { toml } = programOf('NAME', '', script)
      const { program, problems } = await parsePackage({ name, toml: toml.replace('"NAME"', () => JSON.stringify(name)), text: 'x' })
      assert.equal(program, null, JSON.stringify(name))
      assert.ok(problems.length > 0)
    }),
    { numRuns: names },
  )
  assert.equal((await guest.run('tidy')).result, 1)
})
