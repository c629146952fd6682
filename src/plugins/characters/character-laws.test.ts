import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { checkLaws } from './character-laws-fixture.ts'
import { takeSecrets, withSecrets } from './character-secrets.ts'
import { readCharacter } from './read-character.ts'

const fixtures = new URL('../../../test/characters/fixtures/', import.meta.url)

test('the files of each form come back without loss: what an import keeps, and the values of its handles, are the file', async () => {
  const names = readdirSync(fixtures).filter((name) => name.endsWith('.json'))
  assert.ok(names.length >= 5)
  for (const name of names) {
    const text = readFileSync(new URL(name, fixtures), 'utf8')
    const reading = await readCharacter(text)
    assert.ok(reading.ok, name)
    const { original, secrets } = takeSecrets(reading.read.original, 'agent', { values: {}, allowed: [] })
    const kept = JSON.stringify(original, null, 2)
    for (const { value } of secrets) assert.ok(!kept.includes(value), name)
    const again = await readCharacter(kept)
    assert.ok(again.ok, name)
    const values = Object.fromEntries(secrets.map((secret) => [secret.name, secret.value]))
    assert.equal(JSON.stringify(withSecrets(again.read.original, values)), JSON.stringify(JSON.parse(text)), name)
    const { character } = again.read
    assert.deepEqual({ ...character, secrets: {}, settings: {} }, { ...reading.read.character, secrets: {}, settings: {} }, name)
  }
})

test('a file is a character or has reasons, whatever is in it', () => checkLaws(150))
