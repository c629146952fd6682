/** `oxbow sessions` from end to end: the real program with a real guest. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

interface Listed {
  readonly id: string
  readonly title: string
  readonly turns: number
  readonly archived_at?: number
  readonly parent?: string
}

let home: Home

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n[resources]\ncpu_percent = 100\nload_per_processor = 1000\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

const list = (...args: readonly string[]): Promise<Listed[]> => home.json<Listed>('sessions', ...args)

async function say(text: string): Promise<string> {
  return (await home.json<{ session: string }>('run', text))[0]!.session
}

void test('sessions are listed with the first line as title, renamed, searched, archived and restored', async () => {
  const id = await say('help\nplease')
  assert.deepEqual(
    (await list()).map(({ id: each, title, turns }) => [each, title, turns]),
    [[id, 'help', 1]],
  )
  const renamed = await home.oxbow(['sessions', 'rename', id, 'Taxes', '2026'])
  assert.deepEqual([renamed.exit, renamed.out], [0, '"help" is now "Taxes 2026".\n'])
  assert.deepEqual(
    (await list('--search', '2026 taxes')).map((each) => each.id),
    [id],
  )
  assert.deepEqual(await list('--search', 'holidays'), [])
  assert.match((await home.oxbow(['sessions', 'archive', id])).out, /is archived/)
  assert.deepEqual(await list(), [])
  assert.ok((await list('--archived'))[0]!.archived_at! > 0)
  assert.equal((await home.oxbow(['media', id])).out, 'Nothing was sent in this session.\n')
  assert.match((await home.oxbow(['sessions', 'archive', id, '--undo'])).out, /is no longer archived/)
  assert.equal((await list()).length, 1)
})

void test('a session is shown with its messages numbered, and forked after one of these numbers', async () => {
  const id = await say('write "one" to numbered.txt')
  await home.json('run', 'write "two" to numbered.txt', '--session', id)
  const shown = await home.json<{ message: number; text: string; status: string; reply: string }>('sessions', 'show', id)
  assert.deepEqual(
    shown.map(({ message, text, status }) => [message, text, status]),
    [
      [1, 'write "one" to numbered.txt', 'ok'],
      [2, 'write "two" to numbered.txt', 'ok'],
    ],
  )
  assert.match((await home.oxbow(['sessions', 'show', id])).out, /^1 .* you\n {3}write "one"[^]*numbered\.txt[^]*\n2 /)
  const [fork] = await home.json<{ session: string }>('sessions', 'fork', id, '--at', '1')
  const kept = await home.json<{ text: string; reply: string }>('sessions', 'show', fork!.session)
  assert.deepEqual(
    kept.map(({ text, reply }) => [text, reply]),
    shown.slice(0, 1).map(({ text, reply }) => [text, reply]),
  )
  const beyond = await home.oxbow(['sessions', 'fork', id, '--at', '3'])
  assert.deepEqual([beyond.exit, /The session has 2 messages/.test(beyond.err)], [errorTable.bad_input.exit, true])
  for (const each of [fork!.session, id]) await home.oxbow(['sessions', 'delete', each, '--yes'])
})

void test('a session is forked and continues from the shared messages; delete needs --yes, and reports what prevents it', async () => {
  const [{ id } = { id: '' }] = await list('--search', 'taxes')
  const [forked] = await home.json<{ session: string; parent: string }>('sessions', 'fork', id, '--title', 'Another way')
  const [fork] = await list('--search', 'another way')
  assert.equal(fork?.parent, id)
  assert.deepEqual(forked, { session: fork.id, parent: id })
  const [went] = await home.json<{ session: string; status: string }>('run', 'help', '--session', fork.id)
  assert.deepEqual([went?.session, went?.status], [fork.id, 'ok'])

  const dry = await home.oxbow(['sessions', 'delete', fork.id])
  assert.deepEqual([dry.exit, /Add --yes/.test(dry.err)], [errorTable.approval_required.exit, true])
  const asked = await home.oxbow(['sessions', '--json', 'delete', fork.id])
  assert.deepEqual([asked.exit, JSON.parse(asked.out)], [errorTable.approval_required.exit, { session: fork.id, deleted: false }])
  assert.deepEqual(await home.json('sessions', 'rename', fork.id, 'A', 'way'), [{ session: fork.id, title: 'A way' }])
  assert.deepEqual(await home.json('sessions', 'archive', fork.id), [{ session: fork.id, archived: true }])
  for (const how of [['--yes'], ['--dry-run'], []]) {
    const inTheWay = await home.oxbow(['sessions', 'delete', id, ...how])
    assert.deepEqual([inTheWay.exit, /is a fork of this session/.test(inTheWay.err)], [errorTable.bad_input.exit, true], how.join())
  }
  for (const each of [fork.id, id]) assert.equal((await home.oxbow(['sessions', 'delete', each, '--yes'])).exit, 0)
  assert.deepEqual(await list('--archived'), [])
  const unknown = await home.oxbow(['sessions', 'rename', id, 'x'])
  assert.deepEqual([unknown.exit, /^error: [^]*\nhint: /.test(unknown.err)], [errorTable.not_found.exit, true])
  const audit = await home.oxbow(['audit', 'verify'])
  assert.deepEqual([audit.exit, /bodies are erased/.test(audit.out)], [0, true], audit.out)
})

void test('--continue goes on with the own conversation, not with the session of an agent that ran since', async () => {
  const id = await say('write "mine" to mine.txt')
  assert.equal((await home.oxbow(['spawn', '--wait', 'list files'])).exit, 0)
  const [newest] = await list()
  assert.notEqual(newest!.id, id, 'the session of the agent is the newest')
  assert.equal((await home.json<{ session: string }>('run', '--continue', 'list files'))[0]!.session, id)
})
