import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isObject, parseObject } from '../../base/index.ts'
import { agentNameOf, characterProblem, descriptionOf, elizaCharacter, promptOf } from './character-agent.ts'
import { characterPrompt } from './character-prompt.ts'
import { ownSecrets, takeSecrets, withSecrets } from './character-secrets.ts'
import type { Knowledge } from './character.ts'
import { maxKnowledgeCharacters, maxPromptCharacters } from './limits.ts'

const fixtures = new URL('../../../test/characters/fixtures/', import.meta.url)

function fixture(name: string) {
  const file = parseObject(readFileSync(new URL(`${name}.character.json`, fixtures), 'utf8'))
  assert.ok(isObject(file))
  return file
}

test('a prompt has every part of a character that a conversation needs, and its placeholders have names', () => {
  const prompt = promptOf(fixture('lighthouse'), {})('message')
  for (const part of [
    /About Lume:\n- Keeps a lighthouse’s log/,
    /Background:\n- Built in 1871/,
    /How Lume writes:\n- short sentences\n- exact numbers\n- answers before it asks/,
    /\n[A-Z]\w+: What does a flashing red light mean\?\nLume: Danger on that side/,
    /likes to talk about navigation, weather, harbours\./,
    /In this answer, Lume is (?:steady|watchful|dry|patient)\./,
  ])
    assert.match(prompt, part)
  assert.doesNotMatch(prompt, /\{\{/)
  assert.match(promptOf(fixture('calm'), {})('m'), /- Maren asks before she guesses\.[^]*: thanks\nMaren: anytime\./)
})

test('choices follow from the id of the message, and differ between messages', () => {
  const compose = promptOf(fixture('graph'), {})
  const prompts = Array.from({ length: 20 }, (_, at) => compose(`message ${at}`))
  assert.deepEqual(
    prompts,
    Array.from({ length: 20 }, (_, at) => promptOf(fixture('graph'), {})(`message ${at}`)),
  )
  assert.ok(new Set(prompts).size > 15)
  for (const prompt of prompts) assert.equal(prompt.match(/^- (?:Fact number|Answers from)/gm)?.length, 10)
})

test('a variable is put in only where it has a value', () => {
  const character = { ...empty, system: 'In ${SHOP}, not ${OTHER}, ${constructor} or {{unknown}}.' }
  assert.equal(
    characterPrompt(character, { seed: '', variables: { SHOP: 'Rye & Co' } }),
    'In Rye & Co, not ${OTHER}, ${constructor} or {{unknown}}.',
  )
})

test('a huge character has a prompt of limited size', () => {
  const long = Array.from({ length: 500 }, (_, at) => `${at} ${'x'.repeat(5_000)}`)
  const prompt = characterPrompt({ ...empty, system: 'y'.repeat(50_000), bio: long, lore: long, topics: long }, { seed: 'a' })
  assert.ok(prompt.length <= maxPromptCharacters && prompt.startsWith('yyy'), String(prompt.length))
})

test('what a character knows is in every prompt, whatever the message says, and what does not fit is named', () => {
  const known = {
    ...empty,
    bio: ['Brews tea.'],
    knowledge: [fact('The cellar opens with the copper key.'), fact('The cat is called Tin.')],
  }
  const prompts = ['hello', 'ok', 'thanks!', 'what now?', 'tell me more', ''].map((seed) => characterPrompt(known, { seed }))
  for (const prompt of prompts)
    assert.match(prompt, /What Ada knows:\n- The cellar opens with the copper key\.\n- The cat is called Tin\.\n\nAbout Ada/)
  const much = Array.from({ length: 300 }, (_, at) => fact(`Fact ${at}: ${'x'.repeat(100)}`))
  const [first] = characterPrompt(
    { ...empty, knowledge: [...much, { kind: 'file', path: 'rules.pdf', shared: false }] },
    { seed: '' },
  ).split('\n\n')
  assert.ok(first!.length <= maxKnowledgeCharacters + 300, String(first!.length))
  assert.match(first!, /- Fact 0: x+\n[^]*\n\(In memory, to be searched: more facts, and rules\.pdf\.\)$/)
})

const fact = (said: string): Knowledge => ({ kind: 'text', text: said })

const empty = {
  name: 'Ada',
  system: '',
  knowledge: [],
  bio: [],
  lore: [],
  adjectives: [],
  topics: [],
  style: { all: [], chat: [], post: [] },
  messageExamples: [],
  postExamples: [],
}

test('secrets become handles, and come back with their values', () => {
  const original = fixture('baker')
  const environment = {
    values: { ORDERS_TOKEN: 'orders-5561-aa', SHOP_NAME: 'Rye & Co', HOME: '/home/ada' },
    allowed: ['ORDERS_TOKEN', 'SHOP_NAME'],
  }
  const taken = takeSecrets(original, 'odile', environment)
  assert.deepEqual(taken.secrets, [
    { name: 'odile.SHOP_API_KEY', value: 'shop-key-91bd02aa', at: 'settings.SHOP_API_KEY' },
    { name: 'odile.ORDERS_TOKEN', value: 'orders-5561-aa', at: 'secrets.ORDERS_TOKEN' },
  ])
  assert.deepEqual(taken.variables, { SHOP_NAME: 'Rye & Co' })
  assert.deepEqual(taken.warnings, [])
  const names = ['odile.SHOP_API_KEY', 'odile.ORDERS_TOKEN']
  assert.deepEqual(ownSecrets(taken.original, 'odile', names), names)
  assert.deepEqual(ownSecrets({ bio: ['[secret:bank.TOKEN]', '[secret:odile.OTHER]'] }, 'odile', ['bank.TOKEN']), [])
  assert.doesNotMatch(JSON.stringify(taken.original), /91bd02aa|5561/)
  const values = Object.fromEntries(taken.secrets.map(({ name, value }) => [name, value]))
  assert.deepEqual(withSecrets(taken.original, values), { ...original, secrets: { ORDERS_TOKEN: 'orders-5561-aa' } })
  // What was exported with handles moves nothing when it is imported again.
  assert.deepEqual(takeSecrets(taken.original, 'odile', environment).secrets, [])
})

test('values that would hide ordinary words are no secrets, and stay', () => {
  const taken = takeSecrets(fixture('council'), 'relay', { values: {}, allowed: [] })
  assert.deepEqual(
    taken.secrets.map(({ name }) => name),
    ['relay.REPORTS_TOKEN'],
  )
  assert.deepEqual(takeSecrets(fixture('graph'), 'guide', { values: {}, allowed: [] }).secrets, [])
})

test('only variables that a person lists are taken from the environment, and no secret into a text', () => {
  const file = { name: 'A', bio: 'Lives in ${HOME}, with ${API_KEY} and ${NONE}.', secrets: { X: '${API_KEY}', Y: '${HOME}' } }
  const values = { HOME: '/home/ada', API_KEY: 'key-0123456789' }
  const none = takeSecrets(file, 'a', { values, allowed: [] })
  assert.deepEqual([none.secrets, none.variables, none.original], [[], {}, file])
  assert.equal(none.warnings.length, 5)
  const some = takeSecrets(file, 'a', { values, allowed: ['API_KEY', 'NONE'] })
  assert.deepEqual(
    some.secrets.map(({ value }) => value),
    ['key-0123456789'],
  )
  assert.deepEqual(some.variables, {})
  assert.match(some.warnings.join('\n'), /bio: \$\{API_KEY\} is a secret by its name/)
  assert.match(some.warnings.join('\n'), /there is no variable NONE/)
  const url = { name: 'A', bio: 'At ${SHOP}', secrets: { KEY: 'half-${NONE}-known' } }
  const urls = takeSecrets(url, 'a', { values: { SHOP: 'https://ada:hunter22@shop.example' }, allowed: ['SHOP'] })
  assert.deepEqual(urls.variables, {})
  assert.match(urls.warnings.join('\n'), /bio: \$\{SHOP\} is a secret by its value/)
  assert.deepEqual(urls.original['secrets'], { KEY: '[secret:a.KEY]' })
})

test('secrets are found under any name and at any place that is not text; what only begins like a handle is not a handle', () => {
  const file = {
    name: 'A',
    bio: 'x',
    mcpServers: { git: { env: { GIT_PAT: 'pat-00112233', NOTE: 'not secret' } } },
    apiKey: 'key-00112233',
    settings: { API_KEY_2: 'key-44556677', seedPhrase: 'one two three', discord: { pin: '20261123' } },
    secrets: { A: '[secret:x] and a real one' },
    messageExamples: [[{ name: 'A', content: { text: 'x', token: 'is a word' } }]],
  }
  const { secrets, original } = takeSecrets(file, 'a', { values: {}, allowed: [] })
  assert.deepEqual(
    secrets.map(({ at }) => at),
    ['mcpServers.git.env.GIT_PAT', 'apiKey', 'settings.API_KEY_2', 'settings.seedPhrase', 'settings.discord.pin', 'secrets.A'],
  )
  const values = Object.fromEntries(secrets.map(({ name, value }) => [name, value]))
  assert.deepEqual(withSecrets(original, values), file)
})

test('a character has a name as an agent, and a sentence by which others choose it', () => {
  assert.equal(agentNameOf({ name: ' Dr. Ada Novák ' }), 'dr-ada-novak')
  assert.equal(agentNameOf({ name: '007 Bond' }), 'bond')
  assert.equal(agentNameOf({ name: '日本' }), '')
  assert.equal(descriptionOf({ name: 'Maren', bio: ['{{name}} asks.'], system: '' }), 'Maren: Maren asks.')
  assert.equal(characterProblem('{"name":"A","bio":1}'), 'its character: bio is a number, not a list')
  assert.equal(characterProblem('{'), 'its character is not valid JSON')
})

test('plugins of elizaOS read each form as one of 1.x, without secrets', () => {
  const old = elizaCharacter(fixture('council'))
  assert.deepEqual(old?.['bio'], [
    'Knows the opening hours of every office',
    'Connects people with the right desk',
    'Began as a phone line in 1998',
  ])
  assert.deepEqual(old['settings'], { voice: { model: 'en_US-hfc_female-medium' } })
  assert.doesNotMatch(JSON.stringify(old), /rpt-7f3c/)
  const [[question]] = old['messageExamples'] as unknown as [[object]]
  assert.deepEqual(question, { name: '{{user1}}', content: { text: 'Where do I report a broken lamp?' } })
  assert.equal(elizaCharacter(fixture('calm'))?.['id'], '7d0b2c5e-31f4-0a86-9b1d-2f6c8e4a7b93')
  assert.equal(elizaCharacter({ bio: 1 }), null)
})

test('a conversation has nothing of what a character has for posts, and no person in an example has its name', () => {
  const ada = { name: 'Ada Lovelace', messageExamples: [[{ name: '{{user1}}', text: 'Hi, I am {{name1}} and {{user2}}.' }]] }
  for (let seed = 0; seed < 50; seed++) {
    const prompt = characterPrompt(
      { ...empty, ...ada, style: { all: [], chat: [], post: ['in capitals'] }, postExamples: ['FIRST POST'] } as never,
      {
        seed: String(seed),
      },
    )
    assert.doesNotMatch(prompt, /in capitals|FIRST POST|\bpost/)
    assert.doesNotMatch(prompt, /\bAda:|I am Ada\b|and Ada\b/)
  }
})
