import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readCharacter } from './read-character.ts'
import type { ReadCharacter } from './character.ts'

const fixtures = new URL('../../../test/characters/fixtures/', import.meta.url)
const fileOf = (name: string): string => readFileSync(new URL(name, fixtures), 'utf8')

async function read(text: string, strict = false): Promise<ReadCharacter> {
  const reading = await readCharacter(text, { strict })
  assert.ok(reading.ok, JSON.stringify(reading))
  return reading.read
}

async function problemsOf(file: unknown, strict = false): Promise<readonly string[]> {
  const reading = await readCharacter(typeof file === 'string' ? file : JSON.stringify(file), { strict })
  return reading.ok ? [] : reading.problems
}

test('each form of a character becomes the same fields', async () => {
  const old = await read(fileOf('lighthouse.character.json'))
  assert.equal(old.form, 'elizaos-0')
  assert.deepEqual(old.character.plugins, ['@elizaos/plugin-twitter'])
  assert.deepEqual(old.character.messageExamples[0]![1], {
    name: 'Lume',
    text: 'Danger on that side. Keep the light to your left when you come home.',
    actions: [],
  })
  const current = await read(fileOf('baker.character.json'), true)
  assert.equal(current.form, 'elizaos-1')
  assert.deepEqual(current.character.bio, ['Bakes at four in the morning and talks about it at five.'])
  assert.deepEqual(current.character.knowledge, [
    { kind: 'text', text: 'Rye needs a sour dough.' },
    { kind: 'file', path: 'docs/hours.md', shared: false },
    { kind: 'folder', path: 'docs', shared: true },
  ])
  assert.deepEqual(current.character.messageExamples[0]![1]!.actions, ['REPLY'])
  assert.deepEqual(Object.keys(current.character.templates), ['messageHandlerTemplate', 'replyTemplate'])
  const newer = await read(fileOf('calm.character.json'))
  assert.equal(newer.form, 'elizaos-2')
  assert.equal(newer.character.messageExamples[1]![1]!.text, 'anytime.')
  assert.deepEqual(newer.character.knowledge, [
    { kind: 'file', path: 'docs/hours.md', shared: false },
    { kind: 'folder', path: 'docs', shared: true },
  ])
})

test('the XML of ZoeyOS becomes a character, with templates and settings under their names in elizaOS', async () => {
  const { form, character, original } = await read(fileOf('zoey.character.xml'))
  assert.equal(form, 'zoeyos-xml')
  assert.deepEqual(character.bio, ['Repairs radios & clocks.', 'Talks to whoever brings one.'])
  assert.deepEqual(character.style, { all: ['Plain words'], chat: ['Ask for the model number'], post: ['One photo, one line'] })
  assert.deepEqual(character.messageExamples, [
    [
      { name: '{{user1}}', text: 'It only hums.', actions: [] },
      { name: 'Zora', text: 'Then the filter capacitor has dried out.', actions: [] },
    ],
  ])
  assert.deepEqual(character.templates, { messageHandlerTemplate: '<task>Answer as {{agentName}}</task>' })
  assert.deepEqual(original['settings'], { model_provider: 'ollama', temperature: 0.7, training_enabled: false })
  assert.deepEqual(original['storage'], { adapter: 'sqlite', url: '${ZORA_DB}' })
  assert.deepEqual(original['voice'], { enabled: true, speed: 1.1, triggers: ['zora', 'hey zora'] })
})

test('forms of 0.x that are rare are read too: objects of plugins, flat examples, an action, secrets of both places', async () => {
  const { character } = await read(
    JSON.stringify({
      name: 'Ada',
      plugins: [{ name: 'solana', actions: [] }, 'x', 'x'],
      messageExamples: [[{ name: 'Ada', text: 'flat' }], [{ user: 'Ada', content: { text: 'old', action: 'NONE' } }]],
      settings: { secrets: { A: 'settings', B: 'settings' } },
      secrets: { A: 'own', C: 3, D: true, E: null },
    }),
  )
  assert.deepEqual(character.plugins, ['solana', 'x'])
  assert.deepEqual(character.messageExamples.flat(), [
    { name: 'Ada', text: 'flat', actions: [] },
    { name: 'Ada', text: 'old', actions: ['NONE'] },
  ])
  assert.deepEqual(character.secrets, { A: 'own', B: 'settings', C: 3, D: true })
})

test('an unknown field is a warning with the nearest name, and strict refuses it', async () => {
  const file = { name: 'Ada', bio: 'x', adjectifs: [], postexamples: [], style: { al: [] }, zzzzzz: 1 }
  const { warnings } = await read(JSON.stringify(file))
  assert.deepEqual(warnings, [
    'adjectifs is no field of a character; did you mean adjectives?',
    'postexamples is no field of a character; did you mean postExamples?',
    'zzzzzz is no field of a character',
    'style.al is no field of a character; did you mean all?',
  ])
  assert.deepEqual(await problemsOf(file, true), warnings)
  const inner = {
    name: 'Ada',
    bio: 'x',
    knowledge: [
      { path: 'a.md', sharde: true },
      { item: { case: 'path', value: 'b.md', $typeName: 'x' }, by: 1 },
    ],
    messageExamples: [[{ nmae: 'Ada', content: { text: 'x', any: 1 } }], { exampels: [], examples: [{ name: 'Ada', contents: {} }] }],
  }
  assert.deepEqual((await read(JSON.stringify(inner))).warnings, [
    'knowledge[0].sharde is no field of a piece of knowledge; did you mean shared?',
    'knowledge[1].by is no field of a piece of knowledge',
    'messageExamples[0][0].nmae is no field of a message; did you mean name?',
    'messageExamples[1].exampels is no field of a message; did you mean examples?',
    'messageExamples[1].examples[0].contents is no field of a message; did you mean content?',
  ])
})

test('of many unknown fields, as many as are reported are compared with the known ones', async () => {
  const file = Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [`key${at}`, 1]))
  assert.equal((await read(JSON.stringify({ name: 'Ada', bio: 'x', ...file }))).warnings.length, 50)
})

test('a number that JSON would round causes a warning, one in a text does not', async () => {
  const { warnings } = await read(
    '{"name":"Ada","bio":"9007199254740993","settings":{"channel":1234567890123456789,"even":9007199254740992}}',
  )
  assert.deepEqual(warnings, ['channel is the number 1234567890123456789, which cannot be kept exactly; write it as a text, in quotes'])
})

test('what is wrong names its place, and everything that is wrong is named', async () => {
  assert.deepEqual(await problemsOf({ bio: 5, topics: ['a', 7], style: [], messageExamples: [{}, [3]], knowledge: [{}] }), [
    'name is missing: a character has a name',
    'bio is a number, not a list',
    'topics[1] is a number, not a text',
    'style is a list, not an object',
    'messageExamples[1][0] is a number, not an object',
    'knowledge[0] is neither a text nor {path} nor {directory}',
  ])
  assert.match((await problemsOf('{"name":'))[0]!, /^The file is not valid JSON/)
  assert.match((await problemsOf('[]'))[0]!, /holds no object/)
  assert.match((await problemsOf('<agent/>'))[0]!, /its root is <agent>, not <character>/)
})

test('hostile files are refused: entities that grow, depth, size, and names of the prototype', async () => {
  const bomb = `<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><character><name>&b;</name></character>`
  assert.match((await problemsOf(bomb))[0]!, /not valid XML/)
  assert.match((await problemsOf(`<character>${'<a>'.repeat(50_000)}`))[0]!, /nested more than 32 levels/)
  assert.match((await problemsOf(`{"name":"a","x":${'['.repeat(40)}${']'.repeat(40)}}`))[0]!, /nested more than 32 levels/)
  assert.match((await problemsOf(`{"name":"${'a'.repeat(600_000)}"}`))[0]!, /at most 524288/)
  const { character } = await read('{"name":"Ada","bio":"x","settings":{"__proto__":{"polluted":true}},"templates":{"constructor":"x"}}')
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  assert.deepEqual(Object.keys(character.templates), ['constructor'])
  const xml = '<character><name>A</name><constructor>1</constructor><__proto__><polluted>1</polluted></__proto__></character>'
  assert.equal((await read(xml)).character.name, 'A')
})
