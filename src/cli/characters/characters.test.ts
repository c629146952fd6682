/** `oxbow character` on files, without a guest: what has neither secrets nor knowledge needs none. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-character-test-'))
const home = join(root, 'home')
after(() => rmSync(root, { recursive: true }))
const fixture = (name: string): string => fileURLToPath(new URL(`../../../test/characters/fixtures/${name}`, import.meta.url))

async function character(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: { OXBOW_HOME: home, ...env }, version: '1.2.3' } as unknown as Terminal
  const exit = await runProgram(['character', ...words], terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '').replaceAll(/\s+/g, ' ') }
}

function write(name: string, content: object): string {
  const path = join(root, name)
  writeFileSync(path, JSON.stringify(content))
  return path
}

test('a check shows what a file has and warns of what no form has; strict refuses that', async () => {
  const shown = await character(['check', fixture('zoey.character.xml'), '--json'])
  assert.equal(shown.exit, 0)
  const { form, name, plugins } = JSON.parse(shown.out)
  assert.deepEqual([form, name, plugins], ['zoeyos-xml', 'Zora', ['bootstrap']])
  const typo = write('typo.json', { name: 'Ada', bio: 'x', adjectifs: [] })
  assert.match((await character(['check', typo])).err, /warning: adjectifs is no field of a character; did you mean adjectives\?/)
  const strict = await character(['check', typo, '--strict'])
  assert.equal(strict.exit, 2)
  assert.match(strict.err, /error: .*adjectifs is no field.* hint: /)
  assert.match((await character(['check', join(root, 'none.json')])).err, /cannot be read hint: /)
})

test('a character becomes an agent, shows its prompt by the message, and is exported as it was', async () => {
  const file = {
    name: 'Dr. Ada',
    bio: ['Lives in ${CITY}.'],
    adjectives: ['calm', 'quick'],
    clients: ['direct'],
    extra: { kept: [1, null] },
  }
  const path = write('ada.json', file)
  const made = await character(['import', path, '--env', 'CITY', '--right', 'web.read', '--json'], { CITY: 'Lagos', HOME: '/home/ada' })
  assert.equal(made.exit, 0, made.err)
  assert.deepEqual(JSON.parse(made.out), {
    agent: 'dr-ada',
    form: 'elizaos-0',
    secrets: [],
    variables: ['CITY'],
    knowledge: [],
    ingested: 0,
  })
  const toml = readFileSync(join(home, 'agents/dr-ada.toml'), 'utf8')
  assert.match(toml, /rights = \[ "web.read" \]\n[^]*memory = "own"\n[^]*CITY = "Lagos"/)
  const prompts = await Promise.all(
    ['a', 'a', 'b', 'c', 'd', 'e'].map(
      async (id) => JSON.parse((await character(['show', 'dr-ada', '--message', id, '--json'])).out).prompt,
    ),
  )
  assert.match(prompts[0], /About Dr\. Ada:\n- Lives in Lagos\./)
  assert.equal(prompts[0], prompts[1])
  assert.ok(new Set(prompts).size > 1)
  assert.deepEqual(JSON.parse((await character(['export', 'dr-ada'])).out), file)
  const out = join(root, 'out.json')
  assert.equal((await character(['export', 'dr-ada', '--out', out])).exit, 0)
  assert.deepEqual(JSON.parse(readFileSync(out, 'utf8')), file)
  assert.match((await character(['import', path])).err, /there is an agent dr-ada already hint: --replace/)
  assert.equal((await character(['import', path, '--replace'])).exit, 0)
})

test('an import reads no file outside of the folder of the character, and a dry run writes nothing', async () => {
  const folder = join(root, 'folder')
  mkdirSync(folder)
  writeFileSync(join(root, 'private.txt'), 'private')
  symlinkSync(join(root, 'private.txt'), join(folder, 'link.txt'))
  writeFileSync(join(folder, 'own.txt'), 'own')
  writeFileSync(join(folder, '.env.txt'), 'hidden')
  const knowledge = [
    { path: '../private.txt' },
    { path: '/etc/passwd' },
    { path: 'link.txt' },
    { path: 'own.txt' },
    { path: 'none.txt' },
    { directory: '..' },
    { directory: '.' },
    { path: '.env.txt' },
  ]
  const path = write('folder/spy.json', { name: 'Spy', bio: 'x', knowledge, secrets: { TOKEN: 'token-0123456789' } })
  const { exit, out, err } = await character(['import', path, '--dry-run', '--json'])
  assert.equal(exit, 0, err)
  assert.match(out, /"knowledge":\["own.txt"\]/)
  assert.match(out, /"secrets":\["spy.TOKEN"\]/)
  assert.doesNotMatch(out + err, /token-0123/)
  assert.equal(err.match(/outside of the character's folder/g)?.length, 4)
  assert.match(err, /there is no file none\.txt/)
  assert.match(err, /\. is the character's folder with all that is in it/)
  assert.match(err, /\.env\.txt is hidden/)
  assert.equal(existsSync(join(home, 'agents/spy.toml')), false)
})

test('an invalid name of an agent, or an unknown right, is refused before anything is written', async () => {
  const path = write('name.json', { name: '日本', bio: 'x' })
  assert.match((await character(['import', path])).err, /cannot be the name of an agent hint: /)
  assert.equal((await character(['import', path, '--as', '../up'])).exit, 2)
  assert.match((await character(['import', path, '--as', 'nihon', '--right', 'no such'])).err, /error: .+ hint: /)
  assert.match((await character(['show', 'nihon'])).err, /there is no character nihon/)
})
