/** Plugins through `oxbow plugin`, with a guest that serves: what one that is wrong, or asks for money, does to everything else. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome, type Ran } from '../support/program.ts'
import { startModel, type TestModel } from '../support/model.ts'

/** @returns the folder of a plugin */
function writePlugin(home: Home, name: string, source: string, more: { readonly entry?: string; readonly rights?: object } = {}): string {
  const folder = join(home.folder, name)
  mkdirSync(folder, { recursive: true })
  const { entry = 'index.js', rights = {} } = more
  writeFileSync(join(folder, 'oxbow.plugin.json'), JSON.stringify({ name, version: '1.0.0', sdk: '^1.0.0', entry, rights }))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, type: 'module' }))
  writeFileSync(join(folder, 'index.js'), source)
  return folder
}

async function add(home: Home, folder: string, ...options: readonly string[]): Promise<Ran> {
  const asked = await home.oxbow(['plugin', 'add', folder, ...options])
  const hash = /--digest ([0-9a-f]{64})/.exec(asked.err)?.[1]
  return hash === undefined ? asked : home.oxbow(['plugin', 'add', folder, '--digest', hash, ...options])
}

const configOf = ({ folder }: Home): string => readFileSync(join(folder, 'config.toml'), 'utf8')

const modelConfig = (url: string): string =>
  `[model]\nprovider = "openai"\nname = "unpriced-model"\ncontext_tokens = 100000\nbase_url = "${url}"\n[memory]\nembedder = "none"\n`

let model: TestModel
let home: Home
before(async () => {
  model = await startModel({ turns: [{ match: '', steps: [{ events: [{ text: 'still here' }] }] }] })
  home = await openHome(modelConfig(model.config.base_url))
})
after(async () => {
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const broken: readonly (readonly [name: string, source: string, entry: string, why: RegExp])[] = [
  ['lost', 'export default {}', 'other.js', /other\.js/],
  ['throwing', 'throw new Error("out of luck")', 'index.js', /out of luck/],
  ['garbled', 'export default {', 'index.js', /Unexpected end of input|SyntaxError/],
  ['partless', 'export const x = 1', 'index.js', /exports no plugin/],
  ['spinning', '\nfor (;;);', 'index.js', /does not answer\. index\.js:2: the code does not come back/],
  [
    'renamed',
    'console.log("begins"); export default { name: "other" }',
    'index.js',
    /definePlugin has the name "other", and oxbow\.plugin\.json "renamed"/,
  ],
  [
    'careless',
    'export default { name: "careless", hooks: [{ step: "call.before", fail: "close", run() {} }] }',
    'index.js',
    /fail "close", which must be one of open, closed/,
  ],
]

const keptOf = ({ folder }: Home, name: string): boolean =>
  [`plugins/${name}`, `users/default/internal/plugins/${name}`, `users/default/internal/plugins/.logs/${name}.log`].some((path) =>
    existsSync(join(folder, path)),
  )

void test('a plugin that does not start is not installed, says why, and leaves nothing behind', async () => {
  for (const [name, source, entry, why] of broken) {
    const added = await add(home, writePlugin(home, name, source, { entry }), '--grant')
    assert.notEqual(added.exit, 0, `${name}: ${added.out}`)
    assert.match(added.err, why, name)
    assert.deepEqual(await home.json('plugin', 'list'), [[]], name)
    assert.doesNotMatch(configOf(home), new RegExp(`plugin\\.${name}`))
    assert.ok(!keptOf(home, name), name)
  }
  // With a guest that runs, too.
  await home.oxbow(['start'])
  const added = await add(home, writePlugin(home, 'failing', 'console.log("begins")\nthrow new Error("out of luck")'), '--grant')
  assert.match(added.err, /It wrote:\n {2}begins\n[^]*error: failing is not installed\. index\.js:2: Error: out of luck\n/)
  assert.ok(!keptOf(home, 'failing'))
})

void test('a name that looks like another one is shown with a warning', async () => {
  const fine = (name: string): string => writePlugin(home, name, `export default { name: '${name}' }`)
  assert.doesNotMatch((await add(home, fine('weather'))).err, /looks like/)
  assert.match((await home.oxbow(['plugin', 'add', fine('vveather')])).err, /warning: the name vveather looks like weather/)
  assert.match((await home.oxbow(['plugin', 'add', fine('mernory')])).err, /warning: the name mernory looks like memory/)
})

const spender = `export default { name: 'spender',
  actions: [{ name: 'ask', description: 'Asks.', effect: 'none', async handler(runtime) {
    const done = await runtime.call('memory.search', { query: 'x' })
    return { success: true, text: done.status }
  } }],
}`

void test('the budget of a plugin binds the plugin alone, and goes with it', async () => {
  const folder = writePlugin(home, 'spender', spender, { rights: { calls: ['memory.read'], memory: 'read', spend_per_day: 0.5 } })
  const added = await add(home, folder, '--grant')
  assert.equal(added.exit, 0, added.err)
  const asked = await home.oxbow(['call', 'spender.ask', '{}'])
  assert.equal(asked.exit, 0, asked.err)
  const scopes = async (): Promise<string> => JSON.stringify(await home.json('budget', 'list'))
  assert.match(await scopes(), /plugin:spender/)
  const said = await home.oxbow(['run', 'hello'])
  assert.match(said.out, /still here/, said.err)
  const removed = await home.oxbow(['plugin', 'remove', 'spender'])
  assert.equal(removed.exit, 0, removed.err)
  assert.doesNotMatch(await scopes(), /plugin:spender/)
  assert.match((await home.oxbow(['run', 'hello'])).out, /still here/)
  assert.equal((await add(home, folder, '--grant')).exit, 0)
  assert.equal((await home.oxbow(['call', 'spender.ask', '{}'])).exit, 0)
  assert.match(await scopes(), /plugin:spender/, 'installed again, it has its budget again')
})

void test('the budget of a plugin goes with it without a guest that runs, too', async () => {
  const folder = writePlugin(home, 'thrifty', spender.replace("'spender'", "'thrifty'"), {
    rights: { calls: ['memory.read'], memory: 'read', spend_per_day: 0.5 },
  })
  await home.oxbow(['stop'])
  const added = await add(home, folder, '--grant')
  assert.match(added.out, /It has 1 action\./)
  assert.equal((await home.oxbow(['call', 'thrifty.ask', '{}'])).exit, 0)
  assert.match(JSON.stringify(await home.json('budget', 'list')), /plugin:thrifty/)
  assert.equal((await home.oxbow(['plugin', 'remove', 'thrifty'])).exit, 0)
  assert.doesNotMatch(JSON.stringify(await home.json('budget', 'list')), /plugin:thrifty/)
})

/** Notes something, and tells what it finds of its own. */
const noter = (text: string): string => `export default { name: 'noter',
  actions: [
    { name: 'note', description: 'Notes.', async handler(runtime) { await runtime.memory.save('${text}'); return { success: true } } },
    { name: 'look', description: 'Looks.', effect: 'none', async handler(runtime) {
      return { success: true, text: (await runtime.memory.search('kettle')).text }
    } },
    { name: 'look_at_all', description: 'Looks.', effect: 'none', async handler(runtime) {
      return { success: true, text: (await runtime.memory.search('kettle', { tags: [] })).text }
    } },
  ],
}`

void test('another plugin with the name of a removed one does not see what that one has noted, with and without a guest that runs', async () => {
  const rights = { memory: 'own' }
  const look = async (): Promise<string> => (await home.oxbow(['call', 'noter.look', '{}'])).out
  for (const [text, isRunning] of [
    ['The kettle is red.', true],
    ['The kettle is blue.', false],
  ] as const) {
    await home.oxbow([isRunning ? 'start' : 'stop'])
    const added = await add(home, writePlugin(home, 'noter', noter(text), { rights }), '--grant')
    assert.equal(added.exit, 0, added.err)
    assert.doesNotMatch(await look(), /kettle/)
    assert.equal((await home.oxbow(['call', 'noter.note', '{}'])).exit, 0)
    assert.ok((await look()).includes(text))
    const all = await home.oxbow(['call', 'noter.look_at_all', '{}'])
    assert.ok(all.out.includes(text), `all that it may read is its own: ${all.err}`)
    if (!isRunning) await home.oxbow(['stop'])
    const removed = await home.oxbow(['plugin', 'remove', 'noter'])
    assert.equal(removed.exit, 0, removed.err)
    const notes = await home.oxbow(['memory', 'search', 'kettle'])
    assert.ok(notes.out.includes(text) && notes.out.includes('the plugin noter'), notes.out)
  }
})

void test('emptying a plugin that there is not says so, with and without a guest that runs', async () => {
  for (const verb of ['start', 'stop']) {
    await home.oxbow([verb])
    for (const name of ['nosuch', '__proto__', 'constructor', '../noter', 'x'.repeat(10_000)]) {
      const { exit, err, out } = await home.oxbow(['plugin', 'clear', name])
      assert.deepEqual([exit, out], [4, ''], err)
      assert.match(err, /^error: There is no plugin /)
    }
  }
  assert.match((await home.oxbow(['plugin', 'clear', 'noter'])).out, /^noter keeps nothing any more\.$/m)
})

const looker = `import { appendFileSync } from 'node:fs'
export default { name: 'looker',
  evaluators: [{ name: 'looks', description: 'Looks.', alwaysRun: true, async validate() { return true },
    async handler() { appendFileSync('/data/seen', 'x') } }],
  actions: [{ name: 'seen', description: 'Tells.', effect: 'none', async handler() {
    const { readFileSync, existsSync } = await import('node:fs')
    return { success: true, text: existsSync('/data/seen') ? readFileSync('/data/seen', 'utf8') : 'nothing' }
  } }],
}`

void test('an evaluator sees the turn of a one-shot run before its guest ends', async () => {
  assert.equal((await add(home, writePlugin(home, 'looker', looker), '--grant')).exit, 0)
  for (const text of ['hello', 'hello again']) assert.match((await home.oxbow(['run', text])).out, /still here/)
  assert.match((await home.oxbow(['call', 'looker.seen', '{}'])).out, /^xx$/m)
})

const parrot = `export default { name: 'parrot', models: {
  async *TEXT_LARGE(runtime, { messages }) { yield 'You said: '; yield messages.at(-1).content },
  TEXT_EMBEDDING: () => [1, 2],
} }`

void test('a model of a plugin answers, and stands among the models that can be chosen, with and without a guest that runs', async () => {
  const added = await add(home, writePlugin(home, 'parrot', parrot), '--grant')
  assert.equal(added.exit, 0, added.err)
  const usable = async (): Promise<string> => JSON.stringify(await home.json('call', 'model.usable', '{"limit": 5}'))
  for (const verb of ['start', 'stop']) {
    await home.oxbow([verb])
    assert.match(await usable(), /"plugin:parrot\/TEXT_LARGE"/, verb)
    assert.doesNotMatch(await usable(), /TEXT_EMBEDDING/)
    assert.match((await home.oxbow(['models'])).out, /^plugin:parrot\/TEXT_LARGE /m)
    assert.match((await home.oxbow(['run', '--model', 'plugin:parrot', 'hello'])).out, /You said: .*hello/s)
  }
})
