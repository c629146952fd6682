/** Programs that run programs: each call has to be on the list of all of them, with its input. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { Call } from '../../protocol/index.ts'
import { openPrograms, type ProgramFixture, programOf } from './program-fixture.ts'

function counted(name: string, more: Partial<Call> = {}) {
  const seen: unknown[] = []
  const call = testCall(
    name,
    async ({ text }: { text?: string }) => {
      seen.push(text ?? null)
      return { output: { said: text ?? '' }, text: `noted ${text ?? ''}` }
    },
    more,
  )
  return { call, seen }
}

const auto = { approval: { mode: 'auto' } } as const
const inner = programOf('inner', 'calls = ["test.note"]', `export default ({ text }) => oxbow.call('test.note', { text }).output.said`)
const runs = (name: string, program: string, rights: string) =>
  programOf(name, rights, `export default ({ text }) => oxbow.run('${program}', { text })`)

async function refusedNames({ store }: ProgramFixture): Promise<readonly string[]> {
  const records = await store.records({ phases: ['refused'], order: 'oldest_first', limit: 20, hydrate: true })
  return records.map(({ name, actor }) => `${actor} ${name}`)
}

test('an inner program makes only the calls that the outer one lists, though the right is common', async () => {
  // Both calls have one right, so only the list of calls tells them apart.
  const note = counted('test.note', { right: 'test.both' })
  const other = counted('test.other', { right: 'test.both' })
  const outer = runs('outer', 'inner', 'calls = ["program.run", "test.other"]')
  await using guest = await openPrograms([inner, outer], { calls: [note.call, other.call], config: auto })
  assert.equal((await guest.run('inner', { text: 'alone' })).result, 'alone')
  const run = await guest.run('outer', { text: 'below' })
  assert.equal(run.status, 'failed')
  assert.match(run.failure!.message, /The program outer does not list the call test\.note\. What it lists bounds the programs that it runs/)
  assert.deepEqual(note.seen, ['alone'])
  assert.deepEqual(await refusedNames(guest), ['program:inner test.note'])
  const [refused] = await guest.store.records({ phases: ['refused'], order: 'oldest_first', limit: 1, hydrate: true })
  assert.match(refused!.body, /this line under \[rights\] would allow it: calls = \[.*test\.other.*test\.note/)
})

test('patterns of the outer program bind what the inner one sends, at every level', async () => {
  const note = counted('test.note')
  const bound = 'calls = ["program.run", { call = "test.note", input = { text = "hello *" } }]'
  const middle = runs('middle', 'inner', 'calls = ["program.run", "test.note"]')
  const programs = [inner, middle, runs('near', 'inner', bound), runs('far', 'middle', bound)]
  await using guest = await openPrograms(programs, { calls: [note.call], config: auto })
  for (const name of ['near', 'far']) {
    assert.equal((await guest.run(name, { text: 'hello Ada' })).result, 'hello Ada', name)
    const refused = await guest.run(name, { text: 'bye' })
    assert.equal(refused.status, 'failed', name)
    assert.match(refused.failure!.message, new RegExp(`The program ${name} may not make the call test\\.note with this text`))
  }
  assert.deepEqual(note.seen, ['hello Ada', 'hello Ada'])
})

test('a judgement of a model is a call as any other, and clock, chance and waiting are free', async () => {
  const asking = programOf(
    'asking',
    'calls = ["program.ask"]',
    `export default () => [oxbow.now() > 0, oxbow.random() < 1, oxbow.ask('Is it?')]`,
  )
  // It may start agents, so that the right to ask models is common.
  const without = runs('without', 'asking', 'calls = ["program.run", "agent.spawn"]')
  const listing = runs('listing', 'asking', 'calls = ["program.run", "program.ask"]')
  await using guest = await openPrograms([asking, without, listing], { play: () => says('yes'), config: auto })
  assert.deepEqual((await guest.run('listing')).result, [true, true, 'yes'])
  const refused = await guest.run('without')
  assert.match(refused.failure?.message ?? '', /The program without does not list the call program\.ask/)
})

test('an agent that follows an inner program is held to both lists', async () => {
  const note = counted('test.note', { right: 'test.both' })
  const other = counted('test.other', { right: 'test.both' })
  const followed = programOf('followed', 'calls = ["test.note", "test.other"]')
  const outer = runs('outer', 'followed', 'calls = ["program.run", "test.note"]')
  const play = (request: { readonly messages: readonly { readonly role: string; readonly parts: readonly unknown[] }[] }) => {
    const done = request.messages.filter(({ role }) => role === 'tool').length
    return done === 0 ? asks(['test_other', { text: 'x' }]) : done === 1 ? asks(['test_note', { text: 'in' }]) : says('done')
  }
  await using guest = await openPrograms([followed, outer], { calls: [note.call, other.call], play: play as never, config: auto })
  const run = await guest.run('outer')
  assert.equal(run.result, 'done', JSON.stringify(run.failure))
  assert.deepEqual([note.seen, other.seen], [['in'], []])
  assert.deepEqual(await refusedNames(guest), ['agent:followed test.other'])
})

test('an inner program for which nobody waits goes on under the list of the outer one', async () => {
  const entered = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const slow = testCall('test.slow', async () => {
    entered.resolve()
    await over.promise
    return { output: {}, text: '' }
  })
  const note = counted('test.note')
  const tail = `export default () => { oxbow.call('test.slow'); return oxbow.call('test.note', { text: 'later' }).output.said }`
  const starter = `export default () => oxbow.call('program.run', { program: 'tail', wait: false }).output.id`
  const listed = 'calls = ["program.run", "test.slow", "test.note"]'
  const programs = [programOf('tail', 'calls = ["test.slow", "test.note"]', tail), programOf('starter', listed, starter)]
  await using guest = await openPrograms(programs, { calls: [slow, note.call], config: auto })
  const begun = await guest.run('starter')
  assert.equal(begun.status, 'success', JSON.stringify(begun.failure))
  await entered.promise
  over.resolve()
  const run = await guest.ended(begun.result as string)
  assert.deepEqual([run.status, run.result], ['success', 'later'], JSON.stringify(run.failure))
})
