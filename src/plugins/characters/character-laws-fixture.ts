/** What holds for any text as the file of a character. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { isObject, parseObject } from '../../base/index.ts'
import { characterProblem, promptOf } from './character-agent.ts'
import { takeSecrets, withSecrets } from './character-secrets.ts'
import { maxPromptCharacters } from './limits.ts'
import { readCharacter } from './read-character.ts'

const folder = new URL('../../../test/characters/fixtures/', import.meta.url)
const files = readdirSync(folder)
  .filter((name) => /\.(?:json|xml)$/.test(name))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))

const keys = fc.constantFrom(
  ...'name system bio lore style all chat messageExamples examples content text user knowledge item case value path directory plugins clients templates settings secrets API_KEY __proto__ constructor toString'.split(
    ' ',
  ),
)
const value = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom('', '{{user1}}', '${HOME}', '[secret:a.B]', 'ü\u0000\u202E', null, 0, true, 'x'.repeat(3_000)),
    fc.string(),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(keys, fc.string({ maxLength: 8 })), tie('node'), { maxKeys: 6 }),
  ),
})).node

/** A file with some of its text cut, doubled or exchanged. */
const damaged = fc
  .tuple(
    fc.constantFrom(...files),
    fc.nat(),
    fc.nat({ max: 200 }),
    fc.constantFrom('', '"', '{', ']', '<', '&#0;', '<![CDATA[', '1', 'null', '\u0000'),
  )
  .map(([text, at, length, put]) => {
    const start = at % text.length
    return text.slice(0, start) + put + text.slice(start + length)
  })
const named = fc.dictionary(keys, value, { maxKeys: 8 }).map((file) => JSON.stringify({ ...file, name: file['name'] ?? 'Ada' }))
const anyFile = fc.oneof(
  named,
  value.map((each) => JSON.stringify(each) ?? ''),
  damaged,
  fc.string(),
)

export function checkLaws(runs: number): Promise<void> {
  const environment = { values: { HOME: '/home/ada' }, allowed: ['HOME'] }
  return fc.assert(
    fc.asyncProperty(anyFile, async (text) => {
      const reading = await readCharacter(text)
      if (!reading.ok) {
        assert.ok(reading.problems.length > 0 && reading.problems.every((problem) => problem !== ''))
        return
      }
      const { original, character } = reading.read
      assert.notEqual(character.name, '')
      assert.equal(({} as { polluted?: unknown }).polluted, undefined)
      const taken = takeSecrets(original, 'ada', environment)
      const values = Object.fromEntries(taken.secrets.map((secret) => [secret.name, secret.value]))
      const isPlain = !JSON.stringify(original).includes('${')
      if (isPlain) assert.equal(JSON.stringify(withSecrets(taken.original, values)), JSON.stringify(original))
      const kept = parseObject(JSON.stringify(taken.original))
      assert.ok(isObject(kept))
      assert.equal(characterProblem(JSON.stringify(kept)), '')
      const compose = promptOf(kept, taken.variables)
      assert.ok(compose('a').length <= maxPromptCharacters)
      assert.equal(compose('a'), compose('a'))
    }),
    { numRuns: runs },
  )
}
