/**
 * Every kind of part of a plugin, through what a person uses: `oxbow plugin add` of a folder, a guest that runs, a model that asks for the
 * actions, and the gateway. The tests share the guest and run in order.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect, type Client } from '../../src/client/index.ts'
import { findGuest, openHome as homeOf, openWorkspace, parseUser } from '../../src/runner/index.ts'
import type { Failure, SessionId } from '../../src/base/index.ts'
import type { RecordView } from '../../src/protocol/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { inTime } from '../support/patience.ts'
import { type Home, openHome } from '../support/program.ts'

const calls = (name: string, args: object) => ({ events: [{ tool_call: { name, arguments: args } }] })
const scenario = {
  turns: [
    { match: 'Where is Voss', steps: [calls('atlas_look_up', { place: 'Voss' }), { events: [{ text: 'In Norway.' }] }] },
    { match: 'Break it', steps: [calls('atlas_crash', {}), { events: [{ text: 'Broken.' }] }] },
    { match: 'Ask around', steps: [calls('asker_ask', {}), { events: [{ text: 'Asked.' }] }] },
    { match: 'Flood it', steps: [calls('asker_flood', {}), { events: [{ text: 'Flooded.' }] }] },
    { match: 'fjord', steps: [{ events: [{ text: 'A fjord is deep.' }] }] },
    { steps: [{ events: [{ text: 'Yes.' }] }] },
  ],
}
const folderOf = (name: string): string => fileURLToPath(new URL(`every-part/${name}`, import.meta.url))

interface Outcome {
  readonly status: string
  readonly text: string
  readonly reply: string
  readonly failure: Failure | null
  readonly providers: readonly string[]
  readonly problems: readonly { readonly name: string; readonly problem: string }[]
}

let model: TestModel
let home: Home
let client: Client | undefined
let url = ''
let token = ''
const records: RecordView[] = []
const watching = new Set<() => void>()

before(async () => {
  model = await startModel(scenario)
  home = await openHome(`
[model]
provider = "openai"
base_url = "${model.config.base_url}"
name = "gpt-5-mini"
[providers."plugin:atlas".models.TEXT_LARGE]
input_price = 0
output_price = 0
[providers."plugin:asker".models.TEXT_LARGE]
input_price = 0
output_price = 0
[memory]
embedder = "none"
index_messages = false
[agent]
rights = ["file.read", "file.write", "model.use", "plugin.atlas", "plugin.asker"]
[approval]
side_effecting = "allow"
privileged = "allow"
[schedules]
min_interval_s = 1
[plugins]
tier = "unlimited"
`)
  for (const name of ['atlas', 'asker']) {
    const [preview] = await home.json<{ target: { tree_hash: string } }>('plugin', 'add', folderOf(name), '--dry-run')
    const [added] = await home.json<{ problems: readonly string[] }>('plugin', 'add', folderOf(name), '--digest', preview!.target.tree_hash)
    assert.deepEqual(added!.problems, [])
  }
  const guest = await findGuest(openWorkspace(homeOf({ OXBOW_HOME: home.folder }), parseUser('default')))
  ;({ url, token } = guest!)
  client = await connect({ url, token, client: 'test' })
})

after(async () => {
  await client?.close()
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** What the atlas has written to its own folder. */
function kept(file: string): readonly string[] {
  const path = join(home.folder, 'users/default/internal/plugins/atlas', file)
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
}

async function until(what: string, is: () => boolean): Promise<void> {
  await inTime(
    (async () => {
      while (!is()) await new Promise((resolve) => setTimeout(resolve, 20))
    })(),
    () => what,
  )
}

async function say(text: string, usingModel?: string): Promise<SessionId> {
  const { id } = await client!.createSession(text)
  await client!.follow(id, 0, (event) => {
    if (event.type === 'record') records.push(event.record)
    for (const look of watching) look()
  })
  await client!.sendTurn({ session: id, text, model: usingModel })
  await outcome(id, 'turn.send')
  return id
}

function outcome(session: SessionId, name: string): Promise<Outcome> {
  const found = Promise.withResolvers<Outcome>()
  const look = (): void => {
    const record = records.find((each) => each.session === session && each.name === name && /^(outcome|refused)$/.test(each.phase))
    if (record !== undefined) found.resolve(record.body as unknown as Outcome)
  }
  watching.add(look)
  look()
  return inTime(found.promise, () => `the end of ${name}; there are ${records.map((each) => `${each.name} ${each.phase}`).join(', ')}`)
}

void test('a model calls an action, whose service starts once, and sees what providers say in their order', async () => {
  const session = await say('Where is Voss?')
  const action = await outcome(session, 'atlas.look_up')
  assert.equal(action.text, 'Voss is in Norway, near Bergen; ok, refused')
  assert.equal(kept('services').length, 1, 'three asked for it at once')
  const prompt = JSON.stringify(model.requests[0])
  assert.match(prompt, /FIRST: maps of Norway\..{1,9}LAST: the sea\./)
  assert.doesNotMatch(prompt, /TIDES: |KEEPER: /)
  const { providers, problems } = await outcome(session, 'plugin.provide')
  assert.deepEqual(providers, ['atlas/LAST', 'atlas/FIRST'])
  assert.deepEqual(
    problems.map(({ name, problem }) => `${name}: ${problem}`),
    ['LATE: It did not answer within 200 ms.', 'BROKEN: the ink is dry'],
  )
})

void test('an evaluator looks at the turn, with the values of the providers and the action', async () => {
  await until('a review', () => kept('reviews').length > 0)
  assert.deepEqual(JSON.parse(kept('reviews')[0]!), ['Where is Voss?', true, ['In Norway.'], { near: 'Bergen', looked_up: 'Voss' }])
})

void test('another plugin uses its models and its service, and the model of the guest where it has none', async () => {
  const session = await say('Ask around.')
  const { text } = await outcome(session, 'asker.ask')
  assert.match(text, /^\{/)
  assert.deepEqual(JSON.parse(text), {
    vector: [4, 1],
    text: 'atlas heard hello',
    own: 'A fjord is deep.',
    service: 'The service gazetteer of atlas runs.',
  })
})

void test('a plugin is the model of a turn', async () => {
  const { reply, status: ended, ...rest } = await outcome(await say('Hello, atlas.', 'plugin:atlas'), 'turn.send')
  assert.equal(ended, 'ok', JSON.stringify(rest))
  assert.match(reply, /^atlas heard You are ox.*User: Hello, atlas\.\n\nAssistant:$/s)
  const { status, failure } = await outcome(await say('Hello?', 'plugin:asker'), 'turn.send')
  assert.match(`${status}: ${failure?.message}`, /^failed: The plugin asker serves no model TEXT_LARGE/)
})

void test('routes answer below the name of the plugin, and only the public one without a token', async () => {
  const base = `${url.replace('ws:', 'http:').replace('/ws', '')}/plugins/atlas`
  assert.deepEqual(await (await fetch(`${base}/open`)).json(), { open: true })
  assert.equal((await fetch(`${base}/closed`)).status, 401)
  const closed = await fetch(`${base}/closed?x=1`, { headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([closed.status, await closed.json()], [200, { x: '1' }])
})

void test('a task runs once for each due time', async () => {
  await until('three runs', () => kept('tasks').length >= 3)
  const due = kept('tasks').map(Number)
  assert.equal(new Set(due).size, due.length)
  assert.ok(due.every((at, i) => i === 0 || (at > due[i - 1]! && (at - due[0]!) % 1_000 === 0)))
})

void test('it hears of all events, and after too many learns how many it has lost', async () => {
  await say('Flood it.')
  const held = kept('events').length
  writeFileSync(join(home.folder, 'users/default/internal/plugins/atlas/released'), '')
  await until('the notice', () => kept('events').some((line) => line.startsWith('RESYNC')))
  const events = kept('events')
  assert.ok(held < events.length)
  for (const name of ['MESSAGE_RECEIVED', 'RUN_STARTED', 'ACTION_STARTED', 'ACTION_COMPLETED', 'MODEL_USED', 'MESSAGE_SENT', 'RUN_ENDED'])
    assert.ok(events.includes(name), name)
  assert.match(
    events.find((line) => line.startsWith('RESYNC'))!,
    /^RESYNC \d+$/,
  )
})

void test('a crash in an action is reported as what it is, and the host and its service start again', async () => {
  const session = await say('Break it.')
  const { status, text } = await outcome(session, 'atlas.crash')
  assert.match(`${status}: ${text}`, /^failed: Error \(outcome_unknown\): The plugin atlas ended during this call/)
  const started = kept('services').filter((line) => line !== 'stopped').length
  const again = kept('starts').length
  await until('another host', () => kept('starts').length > again)
  await until('its service', () => kept('services').filter((line) => line !== 'stopped').length > started)
})

void test('five crashes disable it, with a notice, and a reload starts it again', async (t) => {
  const notices: string[] = []
  const listener = await connect({ url, token, client: 'test', onNotice: ({ kind }) => notices.push(kind) })
  t.after(() => listener.close())
  const phase = async (): Promise<string> => {
    const [info] = await home.json<{ state: { phase: string } }>('plugin', 'info', 'atlas')
    return info!.state.phase
  }
  for (let crashes = 1; crashes < 5; crashes++) {
    const starts = kept('starts').length
    await say('Break it.')
    if (crashes < 4) await until('the next host', () => kept('starts').length > starts)
  }
  assert.equal(await phase(), 'disabled')
  await until('a notice', () => notices.includes('plugin_disabled'))
  const session = await say('Where is Voss?')
  assert.match((await outcome(session, 'atlas.look_up')).text, /is disabled: its host failed 5 times in ten minutes/)
  assert.equal((await home.oxbow(['plugin', 'reload', 'atlas'])).exit, 0)
  assert.equal(await phase(), 'running')
  const well = await say('Where is Voss?')
  assert.match((await outcome(well, 'atlas.look_up')).text, /^Voss is in Norway/)
})
