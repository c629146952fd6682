/** How goals are stopped, paused and edited, what their checks meet, and how long a long one takes to be shown. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { clear, command, openGoals, seedWith, verdict } from './goal-fixture.ts'

const small = seedWith([command('It is there.', 'test -f out')])

test('with --review the seed waits, is edited under a hash of its own, and is worked on as it is then', async () => {
  await using place = await openGoals({ seed: () => small, work: () => [['file_write', { path: '/shared/other', text: 'x' }]] })
  const { id } = await place.start('Make it.', { review: true })
  const waiting = await place.until(id, ({ phase, seed }) => phase === 'review' && seed !== null)
  const edited = seedWith([command('The other is there.', 'test -f other')])
  const { seed_hash: hash } = await place.ok<{ seed_hash: string }>('goal.edit', { goal: id, seed: edited })
  assert.notEqual(hash, waiting.seed_hash)
  await place.ok('goal.answer', { goal: id, answers: ['yes'] })
  const goal = await place.ended(id)
  assert.deepEqual([goal.status, goal.seed!.by, goal.seed!.parent], ['reached', 'person', waiting.seed_hash])
  const late = await place.guest.kernel.call('goal.edit', { goal: id, seed: edited })
  assert.match(JSON.stringify(late), /is over: reached/)
})

test('answers of models that cannot be read are asked for again, then the person is asked; small talk ends at once', async () => {
  await using place = await openGoals({ interview: () => 'What a nice goal!', seed: () => small })
  const { id } = await place.start('Do something with it.')
  const asking = await place.until(id, ({ questions }) => questions.length > 0)
  assert.deepEqual([asking.questions[0]!.type, asking.rounds.length], ['text', 0])
  assert.equal(place.asked.filter((role) => role === 'interview').length, 2)
  const stopped = await place.ok<{ status: string; stopped: boolean; end: { reason: string } }>('goal.stop', { goal: id })
  assert.deepEqual([stopped.status, stopped.stopped, stopped.end.reason], ['ended', true, 'person'])
  const talk = await place.start('hello there')
  assert.equal((await place.ended(talk.id)).end!.reason, 'small_talk')
})

test('at most three rounds are asked, whatever the model says', async () => {
  const unclear = { ...clear, scores: { goal: 0, constraints: 0, success: 0 }, questions: [{ type: 'text', text: 'And?', choices: [] }] }
  await using place = await openGoals({
    interview: () => unclear,
    seed: () => small,
    work: () => [['file_write', { path: '/shared/out', text: 'x' }]],
  })
  const { id } = await place.start('Make it.')
  for (let round = 0; round < 3; round++) {
    await place.until(id, ({ questions, rounds }) => questions.length > 0 && rounds.length === round)
    await place.ok('goal.answer', { goal: id, answers: ['so'] })
  }
  assert.equal((await place.ended(id)).rounds.length, 3)
})

test('a check that hangs, depends on chance, or writes is told, and the clean branch alone has what it wrote', async () => {
  const chance = { text: 'By chance.', check: { kind: 'command', command: 'test ! -f seen && touch seen', runs: 2 } }
  await using place = await openGoals({
    seed: () => seedWith([command('Hangs.', 'sleep 30', { timeout_s: 1 }), chance, command('Writes.', 'echo x > written')]),
  })
  const { id } = await place.start('Check it.', { max_generations: 1 })
  const [generation] = (await place.ended(id)).generations
  assert.deepEqual(
    generation!.checks.map(({ status }) => status),
    ['failed', 'flaky', 'passed'],
  )
  assert.match(generation!.checks[0]!.evidence, /longer than 1 s/)
  assert.deepEqual(generation!.checks[2]!.wrote, ['/shared/written'])
  assert.match(generation!.notes.join('\n'), /“Writes\.” changed/)
  assert.equal(place.read('written'), null)
})

test('a deadline ends it, and a budget that is used up ends it with its reason', async () => {
  await using place = await openGoals({ seed: () => small, interview: () => clear })
  const late = await place.start('Wait for me.', { review: true, deadline_s: 1 })
  assert.equal((await place.ended(late.id)).end!.reason, 'deadline')
  const poor = await place.start('Make it.', { budget: { tokens: 50 } })
  assert.equal((await place.ended(poor.id)).end!.reason, 'tokens')
})

test('a paused goal does no step, and goes on when it is resumed', async () => {
  await using place = await openGoals({ seed: () => small, work: () => [['file_write', { path: '/shared/out', text: 'x' }]] })
  const { id } = await place.start('Make it.', { review: true })
  await place.until(id, ({ phase }) => phase === 'review')
  await place.ok('goal.pause', { goal: id })
  await place.ok('goal.resume', { goal: id })
  await place.ok('goal.answer', { goal: id, answers: [true] })
  assert.equal((await place.ended(id)).status, 'reached')
})

test('what was checked is merged, and not what has come to its branch since', async () => {
  let root = ''
  await using place = await openGoals({
    seed: () => seedWith([command('It is there.', 'test -f out'), { text: 'It is nice.', check: null }]),
    work: () => [['file_write', { path: '/shared/out', text: 'checked' }]],
    review() {
      const branches = join(root, 'branches')
      for (const name of readdirSync(branches, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('/out'))) {
        writeFileSync(join(branches, name), 'changed after the checks')
        writeFileSync(join(branches, name, '..', 'later'), 'never checked')
      }
      return verdict(true, 1)
    },
  })
  root = place.root
  const { id } = await place.start('Make it.')
  const goal = await place.ended(id)
  assert.deepEqual([goal.status, place.read('out'), place.read('later')], ['reached', 'checked', null], goal.end!.text)
  assert.deepEqual(await place.ok<{ branches: unknown[] }>('branch.list', {}).then(({ branches }) => branches), [])
})
