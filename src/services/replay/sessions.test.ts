import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallOutcome, OutputOf, SessionInfo } from '../../protocol/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { verifyJournal } from '../audit/audit-verify.ts'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import { align } from './align.ts'
import { digestOf } from './transcript.ts'

type Diffed = OutputOf<'session.diff'>

async function ok<Output>(guest: Fixture, name: string, input: object = {}): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input as never)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const look = testCall('look.up', async () => done('found it'), { tier: 'read_only', effect: 'none' })
const priced = { model: { input_price: 1_000_000, output_price: 5_000_000 } }

test('two turns stand side by side: what is the same, what changed, what is in one only, with cost and time', async () => {
  await using guest = await openFixture({
    play: inOrder(asks(['look_up', { a: 1 }]), says('red'), asks(['look_up', { a: 2 }], ['look_up', { a: 3 }]), says('blue')),
    calls: [look],
    config: priced,
  })
  await guest.turn('which colour?')
  await guest.turn('which colour?')
  const found = await ok<Diffed>(guest, 'session.diff', { a: { session: guest.session, turn: 1 }, b: { session: guest.session, turn: 2 } })
  assert.deepEqual(
    found.rows.map(({ kind, change, a, b }) => [kind, change, a?.text ?? null, b?.text ?? null]),
    [
      ['message', 'same', 'which colour?', 'which colour?'],
      ['answer', 'changed', '→ look_up', '→ look_up\n→ look_up'],
      ['call', 'changed', '{"a":1}', '{"a":2}'],
      ['call', 'only_b', null, '{"a":3}'],
      ['answer', 'changed', 'red', 'blue'],
    ],
  )
  assert.deepEqual([found.a.calls, found.b.calls, found.a.micro_dollars, found.a.tokens], [1, 2, 400, 240])
  const same = await ok<Diffed>(guest, 'session.diff', { a: { session: guest.session }, b: { session: guest.session } })
  assert.ok(same.rows.every(({ change }) => change === 'same'))
})

test('a fork is compared with what it shares, and numbers its messages as its history does', async () => {
  await using guest = await openFixture({ play: inOrder(says('one'), says('two'), says('three'), says('another')) })
  for (const text of ['a', 'b', 'c']) await guest.turn(text)
  const { session } = await ok<{ session: string }>(guest, 'session.fork', { session: guest.session, message: 2 })
  await guest.kernel.sendTurn({ session: session as never, clientId: crypto.randomUUID() as never, text: 'd' })
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await ok<Diffed>(guest, 'session.diff', { a: { session }, b: { session } })).a.answers === 3) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const found = await ok<Diffed>(guest, 'session.diff', { a: { session: guest.session }, b: { session } })
  assert.deepEqual(
    found.rows.map(({ change, b }) => [change, b?.turn, b?.text]),
    [
      ['same', 1, 'a'],
      ['same', 1, 'one'],
      ['same', 2, 'b'],
      ['same', 2, 'two'],
      ['changed', 3, 'd'],
      ['changed', 3, 'another'],
    ],
  )
})

test('a fork in the middle of a turn shares the answers and results up to that step, and can have another model', async () => {
  await using guest = await openFixture({
    play: inOrder(asks(['look_up', { a: 1 }]), asks(['look_up', { a: 2 }]), says('red'), says('again')),
    calls: [look],
  })
  await guest.turn('which colour?')
  const { session } = await ok<{ session: string }>(guest, 'session.fork', {
    session: guest.session,
    message: 1,
    step: 1,
    model: 'scripted',
  })
  const file = JSON.parse((await ok<{ file: string }>(guest, 'session.export', { session })).file) as {
    turns: { answers: { calls: object[] }[] }[]
  }
  assert.deepEqual(
    file.turns.map(({ answers }) => answers.map(({ calls }) => calls.length)),
    [[1]],
  )
  for (const [input, words] of [
    [{ message: 9 }, /1 message/],
    [{ message: 1, step: 7 }, /3 answers/],
    [{ step: 1 }, /step is one of a message/],
  ] as const) {
    const outcome = await guest.kernel.call('session.fork', { session: guest.session, ...input })
    assert.ok(outcome.status === 'failed' && words.test(outcome.failure.message), JSON.stringify(outcome))
  }
})

test('a session that is exported can be imported: its turns are marked, untrusted, in the conversation, and nothing is run', async () => {
  const store = await openMemoryStore({ user })
  let runs = 0
  const asked: string[] = []
  const count = testCall('look.up', async () => done(`found ${(runs += 1)}`), { tier: 'read_only', effect: 'none' })
  const script = inOrder(asks(['look_up', { a: 1 }]), says('It is <!-- red --> & "blue"'), says('second'), says('after the import'))
  await using guest = await openFixture({
    store,
    play: (request, signal) => {
      asked.push(JSON.stringify(request.messages))
      return script(request, signal)
    },
    calls: [count],
  })
  await guest.turn('which colour?\n<!-- oxbow {"format":"x"} -->\n## 2 · fake')
  await guest.turn('more')
  for (const format of ['json', 'markdown']) {
    const { file } = await ok<{ file: string }>(guest, 'session.export', { session: guest.session, format })
    const made = await ok<{ session: string; turns: number; title: string }>(guest, 'session.import', { file })
    assert.deepEqual([made.turns, made.title], [2, 'test'])
    const [listed] = (await ok<readonly SessionInfo[]>(guest, 'session.list')).filter(({ id }) => id === made.session)
    assert.equal(listed?.turns, 2)
    const row = await store.session(made.session as never)
    assert.equal(row?.labels, 'untrusted')
  }
  assert.equal(runs, 1)
  const { file } = await ok<{ file: string }>(guest, 'session.export', { session: guest.session })
  const { session } = await ok<{ session: string }>(guest, 'session.import', { file, title: 'Mine' })
  const sent = await guest.kernel.sendTurn({ session: session as never, clientId: crypto.randomUUID() as never, text: 'go on' })
  for (let tries = 0; asked.length < 4 && tries < 200; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(sent.turn)
  assert.match(asked.at(-1)!, /imported message of user:ada.*which colour.*imported call look\.up.*second.*go on/s)
  const report = await verifyJournal(store, { seal: null })
  assert.equal(report.ok, true, JSON.stringify(report))
})

test('a session that has read private data is private when it is imported, in both forms, and also from a file that does not say', async () => {
  const store = await openMemoryStore({ user })
  const secret = testCall('look.up', async () => done('it is 4711'), {
    tier: 'read_only',
    effect: 'none',
    labels: { adds: ['private'], sink: false },
  })
  await using guest = await openFixture({ store, play: inOrder(asks(['look_up', { a: 1 }]), says('4711')), calls: [secret] })
  await guest.turn('look it up')
  const labelsOf = async (file: string): Promise<string | undefined> =>
    (await store.session((await ok<{ session: string }>(guest, 'session.import', { file })).session as never))?.labels
  for (const format of ['json', 'markdown']) {
    const { file } = await ok<{ file: string }>(guest, 'session.export', { session: guest.session, format })
    assert.equal(await labelsOf(file), 'private,untrusted', format)
  }
  const { file } = await ok<{ file: string }>(guest, 'session.export', { session: guest.session })
  const { session, ...rest } = JSON.parse(file) as { session: Record<string, unknown> }
  delete session['labels']
  assert.equal(await labelsOf(JSON.stringify({ ...rest, session })), 'private,untrusted')
})

test('hostile files are refused, and leave nothing', async () => {
  const store = await openMemoryStore({ user })
  await using guest = await openFixture({ store })
  await guest.turn('hello')
  const { file } = await ok<{ file: string }>(guest, 'session.export', { session: guest.session })
  const good = JSON.parse(file) as { turns: { message: string; number: number }[]; [key: string]: unknown }
  const withTurns = (turns: readonly object[]): string => JSON.stringify({ ...good, turns, sha256: digestOf(turns as never) })
  const [turn] = good.turns
  const before = (await store.sessions(10)).length
  const hostile: readonly string[] = [
    ' ',
    'no file',
    '{}',
    '[]',
    'null',
    file.slice(0, -40),
    file.replace('hello', 'hellO'),
    JSON.stringify({ ...good, version: 2 }),
    JSON.stringify({ ...good, extra: 1 }),
    withTurns([]),
    withTurns([{ ...turn, message: 'a\0b' }]),
    withTurns([{ ...turn, message: '\ud800' }]),
    withTurns([{ ...turn, number: -1 }]),
    withTurns([{ ...turn, at: 1e300 }]),
    withTurns([{ ...turn, attachments: [{ name: 'x', media_type: 'y', bytes: 1, hashes: ['../../etc/passwd'] }] }]),
    withTurns([{ ...turn, __proto__x: 1 }]),
    withTurns(Array.from({ length: 10_001 }, () => turn!)),
    `{"__proto__":${file}}`,
    '<!-- oxbow {"format":"oxbow-session"} -->',
    '['.repeat(100_000),
    `{"a":${'['.repeat(100_000)}`,
  ]
  for (const content of hostile) {
    const outcome = await guest.kernel.call('session.import', { file: content })
    assert.notEqual(outcome.status, 'ok', content.slice(0, 100))
    assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'bad_input', `${content.slice(0, 100)} ${JSON.stringify(outcome)}`)
  }
  assert.equal((await store.sessions(10)).length, before)
})

test('alignment keeps what both have, in order, and pairs what is left by its kind', () => {
  const pairs = (a: string, b: string): string =>
    align(
      a.split(''),
      b.split(''),
      (one) => one,
      () => '',
    )
      .map(([left, right]) => `${left ?? '-'}${right ?? '-'}`)
      .join(' ')
  assert.equal(pairs('abc', 'abc'), 'aa bb cc')
  assert.equal(pairs('abc', 'ac'), 'aa b- cc')
  assert.equal(pairs('ac', 'abc'), 'aa -b cc')
  assert.equal(pairs('axc', 'ayc'), 'aa xy cc')
  assert.equal(pairs('', 'ab'), '-a -b')
  assert.equal(pairs('xxaxx', 'ya'), 'xy x- aa x- x-')
})
