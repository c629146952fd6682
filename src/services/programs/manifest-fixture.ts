/** Manifests that are whole, and broken in every way, for tests. */
import fc from 'fast-check'

export const whole = `[program]
name = "tidy"
version = "1.2.0"
description = "Tidies a folder."
author = "Ada"

[rights]
calls = ["file.read", { call = "file.write", input = { path = "/shared/notes/*" } }]
paths = ["/shared/notes"]
hosts = ["*.example.org"]
secrets = ["TOKEN"]
spend = { tokens = 1000 }
time_s = 600

[[schedule]]
name = "hourly"
every_s = 3600

[input]
type = "object"

[result]
type = "string"
`

const pieces = [
  '[rights]',
  '[[schedule]]',
  '__proto__',
  'constructor',
  '= {',
  '"""',
  '\u0000',
  '\u{1f600}',
  '9e999',
  '[a.b.c]',
  '{'.repeat(80),
  '['.repeat(200),
  'calls',
  '-1',
  'true',
]

/** Texts of which some are manifests with a change, and some anything. */
export function brokenManifests(): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.nat(whole.length),
    fc.nat(60),
    fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 20 })),
  )
  const changed = fc
    .array(change, { minLength: 1, maxLength: 4 })
    .map((changes) => changes.reduce((text, [at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length), whole))
  return fc.oneof(
    changed,
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((all) => all.join('\n')),
  )
}
