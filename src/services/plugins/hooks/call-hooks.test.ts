import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { Json } from '../../../base/index.ts'
import type { GenerateRequest, RecordView } from '../../../protocol/index.ts'
import { asks, done, type Fixture, newCallId, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import { approve, change, hookSource, on, pass, refuse, type TestHook } from './hooks-fixture.ts'

const bodies = (fixture: Fixture, fits: (record: RecordView) => boolean): Record<string, unknown>[] =>
  fixture.events.flatMap((event) => (event.type === 'record' && fits(event.record) ? [event.record.body as Record<string, unknown>] : []))

const ends = (fixture: Fixture, name: string): Record<string, unknown>[] =>
  bodies(fixture, (record) => record.name === name && (record.phase === 'outcome' || record.phase === 'refused'))

/** Events of hooks are no part of a conversation, so they are read from the journal. */
async function hookEvents({ store, kernel }: Fixture): Promise<unknown[]> {
  await kernel.listSessions(1)
  const records = await store.records({ phases: ['exchange'], order: 'oldest_first', limit: 200, hydrate: true })
  return records
    .filter(({ name }) => name.startsWith('event.hook_'))
    .map(({ name, body }) => ({ ...(JSON.parse(body) as object), event: name }))
}

interface Acting {
  readonly seen: unknown[]
  readonly requests: GenerateRequest[]
  readonly fixture: Fixture
}

/** A kernel whose model calls test.act with an input, and then says `done`. */
async function acting(
  hooks: readonly TestHook[],
  config: unknown = {},
  secrets = new Map<string, string>(),
): Promise<Acting & AsyncDisposable> {
  const seen: unknown[] = []
  const requests: GenerateRequest[] = []
  const steps = [asks(['test_act', { path: 'a.txt' }]), says('done')]
  const fixture = await openFixture({
    config,
    secrets,
    hooks: hookSource(...hooks),
    play: (request) => {
      requests.push(request)
      return steps.shift() ?? says('out of script')
    },
    calls: [
      testCall(
        'test.act',
        async (input) => {
          seen.push(input)
          return done('acted')
        },
        { input: z.strictObject({ path: z.string() }) },
      ),
    ],
  })
  return { seen, requests, fixture, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
}

const lastText = ({ requests }: Acting): string => {
  const [part] = requests.at(-1)!.messages.at(-1)!.parts
  return part !== undefined && 'text' in part ? part.text : ''
}

test('a hook sees a call with its place, and one that passes it changes nothing', async () => {
  const values: unknown[] = []
  await using run = await acting([
    on('call.before', (value) => {
      values.push(value)
      return pass
    }),
  ])
  assert.equal((await run.fixture.turn('act'))['reply'], 'done')
  assert.deepEqual(run.seen, [{ path: 'a.txt' }])
  const [value] = values as Record<string, unknown>[]
  assert.deepEqual(
    [value?.['name'], value?.['input'], value?.['tier'], value?.['agent'], value?.['user'], value?.['session']],
    ['test.act', { path: 'a.txt' }, 'side_effecting', 'ox', 'ada', run.fixture.session],
  )
  assert.deepEqual(await hookEvents(run.fixture), [])
})

test('a hook refuses a call: nothing runs, and the model reads why, as data', async () => {
  await using run = await acting([on('call.before', () => refuse('not this\nfile\u001b[31m'))])
  assert.equal((await run.fixture.turn('act'))['status'], 'ok')
  assert.deepEqual(run.seen, [])
  const [refused] = bodies(run.fixture, (record) => record.phase === 'refused')
  assert.deepEqual([refused?.['status'], refused?.['code']], ['refused', 'denied'])
  assert.match(lastText(run), /^<<data [\s\S]*The plugin guard refused this test\.act call: not this file \[31m/)
  const [event] = (await hookEvents(run.fixture)) as Record<string, unknown>[]
  assert.deepEqual(
    [event?.['event'], event?.['plugin'], event?.['step'], event?.['reason']],
    ['event.hook_refused', 'guard', 'call.before', 'not this file [31m'],
  )
})

test('an input that a hook changes is what runs and what is recorded, and taints the session', async () => {
  await using run = await acting([on('call.before', ({ input }) => change({ input: { ...input, path: 'b.txt' } }))])
  await run.fixture.turn('act')
  assert.deepEqual(run.seen, [{ path: 'b.txt' }])
  const [intent] = bodies(run.fixture, (record) => record.name === 'test.act' && record.phase === 'intent')
  assert.deepEqual([intent?.['input'], intent?.['labels']], [{ path: 'b.txt' }, ['untrusted']])
  assert.match(lastText(run), /The plugin guard changed the input of this call\. It ran with \{"path":"b\.txt"\}\nacted/)
})

test('each hook sees what the one before it has left, and the first refusal is the last word', async () => {
  const paths: unknown[] = []
  const add = (plugin: string) =>
    on(
      'call.before',
      ({ input }) => {
        paths.push(input['path'])
        return change({ input: { path: `${input['path'] as string}+${plugin}` } })
      },
      { plugin },
    )
  await using run = await acting([add('one'), add('two'), on('call.before', () => refuse('no'), { plugin: 'three' }), add('four')])
  await run.fixture.turn('act')
  assert.deepEqual(paths, ['a.txt', 'a.txt+one'])
  assert.deepEqual(run.seen, [])
})

test('a hook cannot allow what the gate refuses, and does not see it', async () => {
  let asked = 0
  const hooks = [on('call.before', () => (asked++, pass))]
  await using run = await acting(hooks, { approval: { calls: { 'test.act': 'deny' } } })
  await run.fixture.turn('act')
  assert.deepEqual([asked, run.seen], [0, []])
})

test('what a hook changes is judged like anything that a model writes', async () => {
  const config = { approval: { calls: { 'test.act': 'ask' } } }
  await using run = await acting([on('call.before', () => change({ input: { path: 'c.txt' } }))], config)
  const turn = run.fixture.turn('act')
  const parked = await run.fixture.record((record) => record.phase === 'parked')
  assert.equal((parked.body as { input: string }).input, '{"path":"c.txt"}')
  await run.fixture.kernel.approve(parked.call, true)
  await turn
  assert.deepEqual(run.seen, [{ path: 'c.txt' }])
})

test('a hook demands approval: a person decides on the exact input, and no learned rule does', async () => {
  await using run = await acting([on('call.before', () => approve('it is Friday'))], { approval: { mode: 'auto' } })
  const turn = run.fixture.turn('act')
  const parked = await run.fixture.record((record) => record.phase === 'parked')
  assert.deepEqual((parked.body as { reason: string }).reason, 'the plugin guard wants your approval: it is Friday')
  assert.deepEqual(run.seen, [])
  await run.fixture.kernel.approve(parked.call, false)
  await turn
  assert.deepEqual(run.seen, [])
  assert.match(lastText(run), /The user refused this test\.act call/)
})

for (const [what, broken, problem] of [
  ['throws', () => Promise.reject(new Error('lost my mind')), /lost my mind/],
  ['is late', () => new Promise(() => {}), /did not answer within 500 ms/],
  ['answers with something else', () => ({ verdict: 'allow', value: null, reason: '' }), /not what a hook may answer/],
  ['changes a forbidden field', () => change({ name: 'shell.run' }), /^it changed what call\.before does not allow: [^✖]*"name"/],
  ['makes an input that the call does not take', () => change({ input: { path: 7 } }), /field `path`/],
] as const) {
  test(`a hook that ${what} is passed over when it fails open, and refuses when it fails closed`, async () => {
    for (const fail of ['open', 'closed'] as const) {
      await using run = await acting([on('call.before', broken as () => unknown, { fail })])
      assert.equal((await run.fixture.turn('act'))['reply'], 'done')
      assert.deepEqual(run.seen, fail === 'open' ? [{ path: 'a.txt' }] : [])
      const [event] = (await hookEvents(run.fixture)) as Record<string, unknown>[]
      assert.equal(event?.['event'], 'event.hook_failed')
      assert.match(String(event?.['reason']), problem)
      if (fail === 'closed') assert.match(lastText(run), /refused: the hook call\.before of the plugin guard must look at it, and failed: /)
    }
  })
}

test('a hook sees the result, and replaces it or withholds it; the effect stays on record', async () => {
  const values: unknown[] = []
  await using replaced = await acting([
    on('call.after', (value) => {
      values.push([value.name, value.status, value.ok, value.text])
      return change({ text: 'something else' })
    }),
  ])
  await replaced.fixture.turn('act')
  assert.deepEqual(values, [['test.act', 'ok', true, 'acted']])
  assert.match(lastText(replaced), /^<<data \S+\nsomething else\n/)
  assert.deepEqual(ends(replaced.fixture, 'test.act')[0]?.['labels'], ['untrusted'])

  await using withheld = await acting([on('call.after', () => refuse('it names a customer'))])
  await withheld.fixture.turn('act')
  assert.deepEqual(withheld.seen, [{ path: 'a.txt' }])
  assert.match(lastText(withheld), /The plugin guard refused the result of test\.act: it names a customer/)
  assert.equal(ends(withheld.fixture, 'test.act')[0]?.['status'], 'failed')
})

test('hooks see handles in the place of secrets', async () => {
  const values: string[] = []
  const look = (value: object): unknown => (values.push(JSON.stringify(value)), pass)
  const steps = ['message.received', 'context.compose', 'model.before', 'model.after', 'call.before', 'call.after'] as const
  const secrets = new Map([['TOKEN', 'hunter2-hunter2-hunter2']])
  const requests: GenerateRequest[] = []
  const play = [asks(['test_act', { path: 'a.txt' }]), says('it is hunter2-hunter2-hunter2')]
  await using fixture = await openFixture({
    secrets,
    hooks: hookSource(...steps.map((step) => on(step, look))),
    play: (request) => (requests.push(request), play.shift()!),
    calls: [testCall('test.act', async () => done('found hunter2-hunter2-hunter2'))],
  })
  await fixture.turn('use hunter2-hunter2-hunter2')
  assert.ok(values.length >= 8, `${values.length}`)
  assert.deepEqual(
    values.filter((value) => value.includes('hunter2')),
    [],
  )
})

test('a message can be changed, refused, and made to wait for a person', async () => {
  const texts: string[] = []
  const play = (request: GenerateRequest) => {
    texts.push(JSON.stringify(request.messages.at(-1)))
    return says('hello')
  }
  const changing = on('message.received', ({ text, first, from }) => change({ text: `${text} (${first}, ${from})` }))
  await using changed = await openFixture({ hooks: hookSource(changing), play })
  await changed.turn('hi')
  assert.match(texts[0]!, /hi \(true, user:ada\)/)
  await changed.turn('hi')
  assert.match(texts[1]!, /hi \(false, user:ada\)/)

  await using refused = await openFixture({ hooks: hookSource(on('message.received', () => refuse('not now'))), play })
  await assert.rejects(refused.turn('hi'), /The plugin guard refused this message: not now/)

  await using waits = await openFixture({ hooks: hookSource(on('message.received', () => approve('who is that?'))), play })
  const before = texts.length
  const { turn } = await waits.kernel.sendTurn({ session: waits.session, clientId: newCallId(), text: 'hi' })
  const parked = await waits.record((record) => record.name === 'hook.ask' && record.phase === 'parked')
  assert.equal(texts.length, before)
  assert.match((parked.body as { reason: string }).reason, /the plugin guard wants your approval of the message: who is that\?/)
  await waits.kernel.approve(parked.call, true)
  await waits.record((record) => (record.call as string) === turn && record.phase === 'outcome')
  assert.equal(texts.length, before + 1)
})

test('a request to a model can be narrowed and refused, and its answer changed', async () => {
  const values: Json[] = []
  await using run = await acting([
    on('model.before', (value) => {
      values.push({ role: value.role, text: value.text, messages: value.messages })
      return change({ max_output_tokens: 10, temperature: 0.5 })
    }),
    on('model.after', ({ text }) => (text === 'done' ? change({ text: 'DONE' }) : pass)),
  ])
  const { reply } = await run.fixture.turn('act')
  assert.equal(reply, 'DONE')
  assert.deepEqual(values[0], { role: 'user', text: 'act', messages: 1 })
  assert.deepEqual([run.requests[0]?.maxOutputTokens, run.requests[0]?.settings?.temperature], [10, 0.5])

  await using refused = await acting([on('model.before', () => refuse('over quota'))])
  const outcome = await refused.fixture.turn('act')
  assert.deepEqual([outcome['status'], refused.requests.length], ['limit', 0])
  assert.match(String(outcome['reply']), /The plugin guard refused this request to the model: over quota/)
})
