/** A character from its file to its answer, in a real guest: its secrets are seen nowhere, and what it is to know reaches its prompt alone. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makePdf } from '../../src/tools/pdf/pdf-fixture.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { type Home, openHome } from '../support/program.ts'

const secret = 'tea-8f21c07b44aa'
const file = {
  name: 'Alfred',
  system: 'You are Alfred, the keeper of a house by the sea.',
  bio: ['Keeps the house in order.'],
  knowledge: ['The cellar opens with the copper key.', { path: 'rules.pdf' }, { directory: 'people' }],
  settings: { secrets: { TEA_API_KEY: secret }, voice: { model: 'en_GB' } },
}

let home: Home
let model: TestModel

before(async () => {
  const search = { tool_call: { name: 'memory_search', arguments: { query: 'copper key', tags: ['agent-alfred'] } } }
  const answer = { events: [{ text: 'At once.' }] }
  model = await startModel({ turns: [{ match: 'lanterns', steps: [{ events: [search] }, answer] }, { steps: [answer] }] })
  home = await openHome(`[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n[memory]\nembedder = "none"\n`)
  mkdirSync(join(home.folder, 'alfred', 'people'), { recursive: true })
  writeFileSync(join(home.folder, 'alfred', 'alfred.json'), JSON.stringify(file))
  writeFileSync(join(home.folder, 'alfred', 'rules.pdf'), makePdf([['Lanterns are lit at quarter past seven.']], 'Rules of the house'))
  writeFileSync(join(home.folder, 'alfred', 'people', 'keeper.txt'), 'The lighthouse keeper is called Barnaby Quill.')
})
after(async () => {
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** Everything that the home keeps, but for the file as its author wrote it. */
function kept(): string {
  const files = readdirSync(home.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const texts = files
    .filter(({ name }) => name !== 'alfred.json')
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'))
  return texts.join('\n')
}

void test('an import ingests texts, folders and PDFs, and hides secrets', async () => {
  const { exit, out, err } = await home.oxbow(['character', 'import', join(home.folder, 'alfred', 'alfred.json')])
  assert.equal(exit, 0, err)
  assert.match(out, /Secrets: alfred\.TEA_API_KEY\./)
  assert.match(out, /Knowledge: 3 documents in its memory: knowledge-of-the-character\.md, rules\.pdf, people\/keeper\.txt\./)
  assert.equal(err, '')
  assert.ok(!kept().includes(secret))
  const imported = readFileSync(join(home.folder, 'agents', 'alfred.character.json'), 'utf8')
  assert.match(imported, /"TEA_API_KEY": "\[secret:alfred\.TEA_API_KEY\]"/)
  const whole = await home.oxbow(['character', 'export', 'alfred', '--secrets'])
  assert.deepEqual(JSON.parse(whole.out), file)
})

void test('what it knows is in the prompt of each first message, whatever that says', async () => {
  for (const cold of ['hello', 'ok', 'What is new?']) {
    await home.oxbow(['run', '--agent', 'alfred', cold])
    assert.match(
      String(model.requests.at(-1)?.[0]?.content),
      /What Alfred knows:\n- The cellar opens with the copper key\.\n\(In memory, to be searched: rules\.pdf, people\.\)/,
    )
  }
})

void test('a question is answered from what was ingested, in the voice of the character, and no secret is in the prompt', async () => {
  const ran = await home.oxbow(['run', '--agent', 'alfred', `Who is the lighthouse keeper, and when are lanterns lit? Use ${secret}.`])
  assert.equal(ran.out, 'At once.\n', ran.err)
  const [system, ...messages] = model.requests.at(-1) ?? []
  assert.match(String(system?.content), /You are Alfred, the keeper of a house by the sea/)
  // What memory finds too late for the first request of a turn stands in the next.
  const recalled = JSON.stringify(messages.filter(({ role }) => role === 'user'))
  assert.match(recalled, /Barnaby Quill/)
  assert.match(recalled, /quarter past seven/)
  assert.match(model.results().join(), /opens with the copper key/)
  assert.ok(!JSON.stringify(model.requests).includes(secret))
  assert.ok(!kept().includes(secret))
})
