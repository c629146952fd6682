import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { testCall, user } from '../../kernel/kernel-fixture.ts'
import type { TurnId } from '../../base/index.ts'
import type { Call } from '../../protocol/index.ts'
import { programVerbs } from './program-verbs.ts'
import { openPrograms, programOf } from './program-fixture.ts'
import { digestOf, type PastCall } from './program-record.ts'
import { runProgramScript } from './program-script.ts'

/** A call that counts how often it ran, and asks the person if its text says so. */
function counted(name: string, more: Partial<Call> = {}) {
  const seen: unknown[] = []
  const call = testCall(
    name,
    async (input: { text?: string }) => {
      seen.push(input.text ?? null)
      return { output: { said: input.text ?? '', count: seen.length }, text: `${input.text ?? ''} ${seen.length}` }
    },
    more,
  )
  return { call, seen }
}

test('a script makes calls, and returns what they returned', async () => {
  const note = counted('test.note')
  const script = `export default ({ who }) => {
    const { output, ok } = oxbow.call('test.note', { text: who })
    console.log('noted', who)
    return { ok, said: output.said, at: typeof oxbow.now(), chance: oxbow.random() < 1 }
  }`
  await using guest = await openPrograms([programOf('greet', 'calls = ["test.note"]', script)], { calls: [note.call] })
  const run = await guest.run('greet', { who: 'Ada' })
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  assert.deepEqual(run.result, { ok: true, said: 'Ada', at: 'number', chance: true })
  assert.equal(run.printed, 'noted Ada\n')
  assert.deepEqual(note.seen, ['Ada'])
})

test('a program that says by its result that it has not done its work is a call that reports a failure', async () => {
  for (const [result, ok] of [
    ['{ ok: false }', false],
    ['{ ok: true }', true],
    ['{ ok: 0 }', true],
    ['false', true],
    ['[]', true],
  ] as const) {
    await using guest = await openPrograms([programOf('deploys', '', `export default () => (${result})`)])
    const outcome = await guest.kernel.call('program.run', { program: 'deploys' })
    assert.deepEqual([outcome.status, 'ok' in outcome && outcome.ok], ['ok', ok], result)
  }
})

test('a call that is not listed is refused on record, with the line that would allow it', async () => {
  const note = counted('test.note')
  const other = counted('test.other')
  const script = `export default () => { try { oxbow.call('test.other', { text: 'x' }) } catch (error) { return error.code + ' ' + error.message } }`
  await using guest = await openPrograms([programOf('sly', 'calls = ["test.note"]', script)], { calls: [note.call, other.call] })
  const run = await guest.run('sly')
  assert.match(run.result as string, /^denied .*does not list the call test\.other.*calls = \["test\.note", "test\.other"\]/s)
  assert.deepEqual(other.seen, [])
  const records = await guest.store.records({
    session: run.session as never,
    phases: ['refused'],
    order: 'oldest_first',
    limit: 10,
    hydrate: true,
  })
  assert.equal(records.length, 1)
  assert.equal(records[0]!.actor, 'program:sly')
  assert.match(records[0]!.body, /does not list the call/)
})

test('a call without an input has an empty one', async () => {
  const note = counted('test.note')
  await using guest = await openPrograms(
    [programOf('bare', 'calls = ["test.note"]', `export default () => oxbow.call('test.note').output.said`)],
    {
      calls: [note.call],
    },
  )
  const run = await guest.run('bare')
  assert.deepEqual([run.status, note.seen], ['success', [null]], JSON.stringify(run.failure))
})

test('patterns of a listed call bind its input', async () => {
  const note = counted('test.note')
  const script = `export default ({ text }) => oxbow.call('test.note', { text }).output.said`
  const rights = 'calls = [{ call = "test.note", input = { text = ["hello *", "bye"] } }]'
  await using guest = await openPrograms([programOf('polite', rights, script)], { calls: [note.call] })
  assert.equal((await guest.run('polite', { text: 'hello Ada' })).result, 'hello Ada')
  assert.equal((await guest.run('polite', { text: 'bye' })).result, 'bye')
  const refused = await guest.run('polite', { text: 'hell' })
  assert.equal(refused.status, 'failed')
  assert.match(refused.failure!.message, /\{ call = "test\.note", input = \{ text = "hell" \} \}/)
})

test('a script has no clock and no chance of its own', async () => {
  const script = `export default () => [() => Date.now(), () => new Date(), () => Date(), () => Math.random(), () => new (new Date(0).constructor)()]
    .map((each) => { try { return String(each()) } catch (error) { return error.message } }).concat(new Date(0).toISOString())`
  await using guest = await openPrograms([programOf('still', '', script)])
  const { result } = await guest.run('still')
  const told = result as string[]
  assert.equal(told.length, 6)
  for (const one of told.slice(0, 5)) assert.match(one, /is not available in a program/)
  assert.equal(told[5], '1970-01-01T00:00:00.000Z')
})

test('a run that waits for an approval goes on in another guest, and repeats nothing', async () => {
  const store = await openMemoryStore({ user })
  const note = counted('test.note', { effect: 'once' })
  const ask = counted('test.ask', { tier: 'privileged', asks: () => 'May it?' })
  const script = `export default () => {
    const first = oxbow.call('test.note', { text: 'a' }).output.count
    const second = oxbow.call('test.ask', { text: String(oxbow.random()) }).output.count
    const third = oxbow.call('test.note', { text: 'b' }).output.count
    return [first, second, third]
  }`
  const programs = [programOf('patient', 'calls = ["test.note", "test.ask"]', script)]
  const calls = [note.call, ask.call]
  const unclosed = { ...store, close: async () => {} }
  const first = await openPrograms(programs, { calls, store: unclosed })
  const { id } = await first.begin('patient')
  const waiting = await first.until(id, ({ status }) => status === 'waiting')
  assert.equal(waiting.waiting_for, 'an approval')
  await first.kernel.close()
  await using second = await openPrograms(programs, { calls, store })
  let parked: readonly { readonly call: string; readonly reason?: string }[] = []
  for (let left = 400; left > 0 && parked.length === 0; left--) {
    parked = await second.ok<{ call: string }[]>('approval.list', {})
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal(parked[0]!.reason, 'Program patient: May it?')
  await second.ok('call.decide', { call: parked[0]!.call, allow: true })
  const run = await second.ended(id)
  assert.deepEqual(run.result, [1, 1, 2], JSON.stringify(run.failure))
  assert.deepEqual(note.seen, ['a', 'b'])
  assert.equal(ask.seen.length, 1)
})

test('a script that makes another call than the one on record ends the run, and cannot catch that', async () => {
  const script = `export default () => { try { oxbow.call('test.note', { text: 'new' }) } catch { return 'caught' } }`
  const made: string[] = []
  const run = (past: Map<number, PastCall>) =>
    runProgramScript({
      run: 'r' as TurnId,
      source: script,
      input: {},
      past,
      hide: (input) => input,
      note: () => {},
      make: async (_, name) => {
        made.push(name)
        return { status: 'ok', output: null, text: '', ok: true }
      },
      signal: new AbortController().signal,
    })
  const outcome = { status: 'ok', output: null, text: '', ok: true } as const
  const other = new Map([[0, { name: 'test.note', digest: digestOf({ text: 'old' }), outcome }]])
  await assert.rejects(run(other), { code: 'program_diverged', message: /call 0 is test\.note with another input/ })
  await assert.rejects(run(new Map([[0, { name: 'test.other', digest: '', outcome }]])), { message: /test\.note instead of test\.other/ })
  assert.deepEqual(made, [])
  const same = await run(new Map([[0, { name: 'test.note', digest: digestOf({ text: 'new' }), outcome }]]))
  assert.equal(same.failure, null)
  assert.deepEqual(made, [])
})

test('a script that waits long is not in memory, and goes on with the answer', async () => {
  let starts = 0
  const answer = Promise.withResolvers<void>()
  const run = runProgramScript({
    run: 'r' as TurnId,
    source: `export default () => { const a = oxbow.call('test.start').text; return a + oxbow.call('test.slow').text }`,
    input: {},
    past: new Map(),
    hide: (input) => input,
    note: () => {},
    async make(_, name) {
      if (name === 'test.start') starts += 1
      else await answer.promise
      return { status: 'ok', output: null, text: name, ok: true }
    },
    signal: new AbortController().signal,
    parkAfterMs: 1,
  })
  setTimeout(answer.resolve, 50)
  assert.deepEqual((await run).value, 'test.starttest.slow')
  assert.equal(starts, 1)
})

test('input and result are checked, and a run that does not fit says where', async () => {
  const more = ''
  const toml = programOf('typed', '', 'export default ({ n }) => n < 10 ? n : "many"', more)
  const schemas = '\n[input]\ntype = "object"\nproperties = { n = { type = "integer" } }\nrequired = ["n"]\n\n[result]\ntype = "integer"\n'
  await using guest = await openPrograms([{ ...toml, toml: toml.toml + schemas }])
  assert.equal((await guest.run('typed', { n: 3 })).result, 3)
  const wrong = await guest.run('typed', { n: 30 })
  assert.equal(wrong.failure?.code, 'tool_failed')
  assert.match(wrong.failure.message, /\[result\]/)
  const refused = await guest.kernel.call('program.run', { program: 'typed', input: {} })
  assert.equal(refused.status, 'failed')
  assert.match(refused.text, /\[input\]/)
  assert.match(refused.text, /oxbow program info typed/)
})

test('a script that fails says why in its own words', async () => {
  const asks = programOf('asks', '', `export default () => { throw new Error('Which folder? Say it with folder.') }`)
  const broken = programOf('broken', '', 'export default () => nothing.there')
  await using guest = await openPrograms([asks, broken])
  assert.equal((await guest.run('asks')).failure?.message, 'The program failed: Which folder? Say it with folder.')
  assert.match((await guest.run('broken')).failure?.message ?? '', /^The program failed: ReferenceError: .*nothing.*\.$/)
})

test('programs run programs with the rights that both have, five levels deep', async () => {
  const note = counted('test.note')
  const deep = programOf(
    'deep',
    'calls = ["program.run"]',
    `export default ({ n }) => { try { return oxbow.run('deep', { n: n + 1 }) } catch (error) { return [n, error.message] } }`,
  )
  const inner = programOf('inner', 'calls = ["test.note"]', `export default () => oxbow.call('test.note', { text: 'in' }).output.said`)
  const outer = programOf('outer', 'calls = ["program.run"]', `export default () => oxbow.run('inner')`)
  const both = programOf('both', 'calls = ["program.run", "test.note"]', `export default () => oxbow.run('inner')`)
  await using guest = await openPrograms([deep, inner, outer, both], { calls: [note.call], config: { approval: { mode: 'auto' } } })
  assert.equal((await guest.run('both')).result, 'in')
  assert.deepEqual(note.seen, ['in'])
  const without = await guest.run('outer')
  assert.equal(without.status, 'failed')
  assert.deepEqual(note.seen, ['in'])
  const { result } = await guest.run('deep', { n: 1 })
  assert.equal((result as [number])[0], 5)
})

test('a script that lists them learns of calls, and checks programs', async () => {
  const note = counted('test.note')
  const script = `export default ({ files }) => [
    oxbow.call('program.calls', {}).output.calls.filter(({ name }) => name.startsWith('test.') || name === 'program.install').map(({ name }) => name),
    oxbow.call('program.calls', { names: ['test.note'] }).output.calls.map(({ input, bound_by }) => [input.type, bound_by]),
    oxbow.call('program.verify', { name: 'other', files }).output.warnings.map(({ message }) => message),
  ]`
  await using guest = await openPrograms([programOf('author', 'calls = ["program.calls", "program.verify"]', script)], {
    calls: [note.call],
  })
  const { toml, text } = programOf('other', 'calls = ["test.note"]\nsecrets = ["TOKEN"]')
  const run = await guest.run('author', { files: { toml, instructions: text, script: 'export default () => 1' } })
  assert.deepEqual(
    run.result,
    [
      ['test.note'],
      [['object', '']],
      ['lists test.note, which main.js does not name', 'lists the secret TOKEN, which main.js does not name'],
    ],
    JSON.stringify(run.failure),
  )
})

test('a script that recurses or forges a call ends, and the guest lives on', async () => {
  const recurse = programOf('recurse', '', 'export default () => { const f = () => f() + 1; return f() }')
  const forge = programOf(
    'forge',
    '',
    `export default () => { try { oxbow.call('program.wait', { until: 'x' }) } catch (error) { return error.code } }`,
  )
  await using guest = await openPrograms([recurse, forge])
  assert.equal((await guest.run('recurse')).status, 'failed')
  assert.equal((await guest.run('forge')).result, 'bad_input')
})

test('the list tells programs that are on from those that only run when a person starts them', () => {
  const verb = (words: string) => programVerbs.find((each) => each.words === words)!
  const program = { version: '1.0.0', kind: 'script', place: 'bundled', hides_own: false, on_trial: false, problem: '', description: 'x' }
  const programs = [
    { ...program, name: 'a', enabled: true, active: true },
    { ...program, name: 'b', enabled: true, active: false },
    { ...program, name: 'c', enabled: false, active: false },
  ]
  const shown = verb('program list').show!({ programs } as never, { options: {} } as never) as string
  assert.deepEqual(
    shown.split('\n').map((line) => line.trim().split(/ {2,}/)[4]),
    ['STATE', 'on', 'ready', 'off'],
  )
  assert.equal(verb('program show <run>').fails!({ status: 'failed' } as never), null)
  const none = (all: boolean) => verb('program runs').show!({ runs: [] } as never, { options: { all } } as never) as string
  assert.match(none(false), /--all/)
  assert.doesNotMatch(none(true), /--all/)
})
