import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clear, command, openGoals, seedWith, verdict } from './goal-fixture.ts'

test('a clear request is worked on at once; what is made passes its check on a clean branch and is merged', async () => {
  await using place = await openGoals({
    seed: () => seedWith([command('There is a greeting.', 'grep -q hello greeting.txt')]),
    work: () => [['file_write', { path: '/shared/greeting.txt', text: 'hello\n' }]],
  })
  const { id } = await place.start('Write a greeting to greeting.txt.')
  const goal = await place.ended(id)
  assert.equal(goal.status, 'reached', JSON.stringify(goal, null, 1))
  assert.equal(place.read('greeting.txt'), 'hello\n')
  assert.deepEqual(
    place.asked.filter((role) => role !== 'other'),
    ['interview', 'seed', 'worker', 'worker'],
  )
  assert.match(goal.end!.text, /passed: There is a greeting/)
  assert.equal(goal.seed!.request, 'Write a greeting to greeting.txt.')
})

test('a request that is unclear is asked about, the answers are in the seed, and nothing is asked twice', async () => {
  const questions = [
    { type: 'single', text: 'In which form?', choices: ['CSV', 'JSON'] },
    { type: 'yes_no', text: 'With a head?', choices: [] },
  ]
  let round = 0
  await using place = await openGoals({
    interview: () => (round++ === 0 ? { ...clear, scores: { goal: 0.5, constraints: 0.5, success: 0.5 }, questions } : clear),
    seed: () => seedWith([command('It is there.', 'test -f out')]),
    work: () => [['shell_exec', { command: 'touch out' }]],
  })
  const { id } = await place.start('Export it.')
  const asking = await place.until(id, ({ waiting_for: waits }) => waits === 'an answer')
  assert.deepEqual(
    asking.questions.map(({ text }) => text),
    ['In which form?', 'With a head?'],
  )
  const wrong = await place.guest.kernel.call('goal.answer', { goal: id, answers: ['XML', 'yes'] })
  assert.match(JSON.stringify(wrong), /it takes one of/)
  await place.ok('goal.answer', { goal: id, answers: ['json', 'yes'] })
  const goal = await place.ended(id)
  assert.equal(goal.status, 'reached', JSON.stringify(goal.end))
  assert.deepEqual(goal.seed!.answers, [
    { question: 'In which form?', answer: 'JSON' },
    { question: 'With a head?', answer: 'yes' },
  ])
  assert.equal(goal.rounds[0]!.ambiguity, 0.5)
})

test('what fails evolves from the best generation, with a parent each, and at most three generations', async () => {
  let tries = 0
  await using place = await openGoals({
    seed: () => seedWith([command('Two.', 'test -f a'), command('Three.', 'test -f b'), command('Four.', 'test -f c')]),
    evolve: () => seedWith([command('Nothing.', 'true')]),
    work: () => [['file_write', { path: `/shared/${'ab'[tries++] ?? 'z'}`, text: 'x' }]],
  })
  const { id } = await place.start('Make three files.')
  const goal = await place.ended(id)
  assert.deepEqual([goal.status, goal.end!.reason, goal.generations_total], ['ended', 'generations', 3])
  const { generations } = await place.ok<{ generations: readonly { seed: string; parent: string; score: number; best: boolean }[] }>(
    'goal.lineage',
    { goal: id },
  )
  assert.deepEqual(
    generations.map(({ parent }) => parent),
    ['', generations[0]!.seed, generations[1]!.seed],
  )
  assert.ok(generations[1]!.score > generations[0]!.score, JSON.stringify(generations))
  // An evolved seed keeps every check.
  assert.equal(goal.seed!.criteria.length, 4)
  // What was not reached is no part of the workspace: it stays on a branch.
  assert.equal(place.read('a'), null)
  const kept = goal.end!.branch
  await place.ok('branch.merge', { branch: kept })
  assert.equal(place.read('a'), 'x')
  assert.equal(place.read('b'), 'x')
})

test('who edits the tests of the seed fails, whatever the tests say', async () => {
  await using place = await openGoals({
    seed: () => seedWith([command('The test passes.', 'sh test/run.sh')], { tests: ['test'] }),
    work: () => [['file_write', { path: '/shared/test/run.sh', text: 'exit 0\n' }]],
  })
  place.write('test/run.sh', 'exit 1\n')
  const { id } = await place.start('Make the test pass.', { max_generations: 1 })
  const goal = await place.ended(id)
  assert.equal(goal.status, 'ended')
  assert.match(goal.end!.text, /failed: The tests are as they were\. \(Changed: \/shared\/test\/run\.sh/)
})

test('what only a model can judge is reviewed and then judged by a quorum; silent judges count as none, and disagreement is told', async () => {
  await using place = await openGoals({
    seed: () => seedWith([{ text: 'It reads well.', check: null }]),
    work: () => [['file_write', { path: '/shared/text.md', text: 'A text.\n' }]],
    review: () => verdict(true, 0.9),
    judge: (_, at) => (at % 3 === 0 ? verdict(true, 0.9) : at % 3 === 1 ? verdict(false, 0.4, 'It is too short.') : 'I cannot say.'),
  })
  const { id } = await place.start('Write a text.', { max_generations: 1 })
  const goal = await place.ended(id)
  const [generation] = goal.generations
  assert.equal(generation!.review!.quorum, 2)
  assert.equal(goal.status, 'ended', JSON.stringify(goal.end))
  assert.match(generation!.notes.join('\n'), /It is too short/)
  assert.match(generation!.notes.join('\n'), /The judges disagree/)
})
