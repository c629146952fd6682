/** `oxbow replay`, `fork`, `diff`, `sessions export|import`, `costs` and `top --all` from end to end: the real program, a real guest, a model over HTTP. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { type Home, openHome } from '../support/program.ts'

let home: Home
let model: TestModel

const write = (content: string) => ({ tool_call: { name: 'file_write', arguments: { path: 'notes.txt', text: content } } })

before(async () => {
  model = await startModel({
    turns: [
      { steps: [{ events: [write('one')] }, { events: [write('two')] }, { events: [{ text: 'Written twice.' }] }] },
      {
        steps: [
          { events: [{ tool_call: { name: 'file_read', arguments: { path: 'notes.txt' } } }] },
          { events: [{ text: 'It says two.' }] },
        ],
      },
    ],
  })
  home = await openHome(
    [
      '[model]',
      'provider = "openai"',
      `base_url = "${model.config.base_url}"`,
      'name = "gpt-5-mini"',
      'recording = "raw"',
      '[memory]',
      'embedder = "none"',
      '[approval]',
      'mode = "auto"',
      '',
    ].join('\n'),
  )
})

after(async () => {
  // What `restart` has started goes on behind it.
  await home.oxbow(['stop'])
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

interface Replayed {
  readonly turns: number
  readonly steps: number
  readonly calls: number
  readonly compared: number
  readonly divergence: {
    readonly turn: number
    readonly step: number
    readonly what: string
    readonly was: string
    readonly now: string
  } | null
}

const replay = async (point: string): Promise<Replayed> => JSON.parse((await home.oxbow(['replay', point, '--json'])).out) as Replayed

let session: string

void test('a recorded session runs again word for word, without the model', async () => {
  session = (await home.json<{ session: string }>('run', 'write notes'))[0]!.session
  await home.json('run', 'what does it say?', '--session', session)
  const asked = model.requests.length
  const found = await replay(session)
  assert.equal(found.divergence, null, JSON.stringify(found.divergence))
  assert.deepEqual([found.turns, found.steps, found.calls, found.compared], [2, 5, 3, 5])
  assert.deepEqual([(await replay(`${session.slice(0, 18)}@1.2`)).steps, (await replay(`${session}@2`)).steps], [2, 2])
  assert.equal(model.requests.length, asked)
  assert.match((await home.oxbow(['replay', session])).out, /^Nothing diverges: 2 turns, 5 steps and 3 calls in /)
})

void test('what is asked for otherwise after a change is named, with what was asked then', async () => {
  assert.equal((await home.oxbow(['config', 'set', 'agent.instructions', 'Answer in rhymes.'])).exit, 0)
  assert.equal((await home.oxbow(['restart'])).exit, 0)
  const changed = await replay(session)
  assert.deepEqual([changed.divergence?.turn, changed.divergence?.step, changed.divergence?.what], [1, 1, 'request'])
  assert.match(changed.divergence!.now, /Answer in rhymes/)
  assert.doesNotMatch(changed.divergence!.was, /rhymes/)
  const { exit, out } = await home.oxbow(['replay', session])
  assert.deepEqual([exit, /Message 1, step 1 diverges: the request to the model/.test(out)], [1, true])
  assert.equal((await home.oxbow(['config', 'unset', 'agent.instructions'])).exit, 0)
  assert.equal((await home.oxbow(['restart'])).exit, 0)
})

void test('a fork at a step works on the files as they were then, and leaves the workspace alone', async () => {
  const [made] = await home.json<{ session: string; branch: string }>('fork', `${session}@1.1`)
  assert.match(made!.branch, /^fork-/)
  // The second message of a conversation has the file read.
  await home.json('run', 'go on', '--session', made!.session)
  assert.match(model.results().at(-1)!, /\bone\b/)
  const text = readFileSync(join(home.folder, 'users', 'default', 'shared', 'notes.txt'), 'utf8')
  assert.equal(text, 'two')
  const diff = await home.oxbow(['diff', `${session}@1`, `${made!.session}@1`])
  assert.match(diff.out, /- 1\.2/)
  assert.match((await home.oxbow(['sessions', 'diff', session, made!.session])).out, /TURNS/)
})

void test('a session is exported, imported into another home, and refused when it was changed', async () => {
  const file = join(home.folder, 'session.json')
  assert.equal((await home.oxbow(['session', 'export', session, '--output', file])).exit, 0)
  assert.equal((await home.oxbow(['session', 'export', session, '--output', file])).exit, 2)
  const markdown = (await home.oxbow(['sessions', 'export', session, '--format', 'markdown'])).out
  assert.match(markdown, /^> write notes$/m)
  const [made] = await home.json<{ session: string; turns: number }>('sessions', 'import', file)
  assert.equal(made!.turns, 2)
  writeFileSync(file, readFileSync(file, 'utf8').replace('Written twice', 'Written thrice'))
  const { exit, err } = await home.oxbow(['sessions', 'import', file])
  assert.deepEqual([exit, /changed or is cut off/.test(err)], [2, true])
  assert.equal((await home.oxbow(['sessions', 'import', join(home.folder, 'none.json')])).exit, 2)
  assert.equal((await home.oxbow(['audit', 'verify'])).exit, 0)
})

void test('costs are shown by each kind of group, are what the ledger has, and are verified', async () => {
  const { exit, out } = await home.oxbow(['costs', '--verify'])
  assert.deepEqual([exit, /are equal/.test(out)], [0, true], out)
  for (const by of ['day', 'model', 'session', 'agent', 'program', 'user']) {
    const found = JSON.parse((await home.oxbow(['costs', '--by', by, '--since', 'all', '--json'])).out) as {
      lines: { key: string }[]
      sum: { tokens: number }
    }
    assert.ok(found.lines.length > 0 && found.sum.tokens > 0, by)
  }
  assert.match((await home.oxbow(['costs', '--by', 'model'])).out, /openai\/gpt-5-mini/)
})

void test('top --all shows every user of the home, also one without a guest', async () => {
  assert.equal((await home.oxbow(['sessions', '--user', 'eve'])).exit, 0)
  const text = (await home.oxbow(['top', '--all', '--once'])).out
  assert.match(text, /users: 2, with a guest: 1; today: \$/)
  assert.match(text, /default +pid \d+/)
  assert.match(text, /eve +stopped/)
  const { users } = JSON.parse((await home.oxbow(['top', '--all', '--once', '--json'])).out) as { users: { user: string; state: string }[] }
  assert.deepEqual(
    users.map(({ user, state }) => [user, state]),
    [
      ['default', 'running'],
      ['eve', 'stopped'],
    ],
  )
})
