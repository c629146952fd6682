import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { scaled } from '../../../test/support/scale.ts'
import { goalVerbs } from './goal-verbs.ts'
import { editedTests, numberIn } from './goal-checks.ts'
import { disagreement, evaluate, quorumOf, verdictIn } from './goal-judging.ts'
import { ambiguityOf, isClear, isImpatient, isSmallTalk, readAnswer, readInterview } from './interview.ts'
import { checkSeed, evolved, readSeed, type Seed, seedHash } from './seed.ts'
import { bestOf, endAfter } from './stop-rules.ts'

const runs = { numRuns: scaled(10_000, 500) }

test('the ambiguity follows the formula, and the threshold itself is clear', () => {
  assert.equal(ambiguityOf({ goal: 0.3, constraints: 0.2, success: 0.2 }), 0.76)
  assert.equal(isClear({ goal: 0.8, constraints: 0.8, success: 0.8 }), true)
  assert.equal(isClear({ goal: 0.79, constraints: 0.8, success: 0.8 }), false)
})

test('greetings are no goals, requests are, and “just do it” asks nothing', () => {
  for (const said of ['hi', 'Hello!', 'thanks', 'Good morning.', 'how are you?']) assert.ok(isSmallTalk(said), said)
  for (const said of ['hi, sort the list', 'thanks.md is too long: shorten it', 'Make it good']) assert.ok(!isSmallTalk(said), said)
  assert.ok(isImpatient('Sort the list. Just do it.'))
  assert.ok(!isImpatient('Do it justice.'))
})

test('whatever a model answers to an interview or for a seed is read or refused with a problem, and never throws', () => {
  const almost = fc.record(
    {
      goal: fc.oneof(fc.string(), fc.constant('x')),
      criteria: fc.array(fc.record({ text: fc.string(), check: fc.oneof(fc.constant(null), fc.object()) })),
      tasks: fc.array(fc.record({ id: fc.string(), goal: fc.string(), needs: fc.array(fc.string()) })),
      tests: fc.array(fc.string()),
      scores: fc.record({ goal: fc.double(), constraints: fc.double(), success: fc.double() }),
      questions: fc.array(fc.object()),
    },
    { requiredKeys: [] },
  )
  const answers = fc.oneof(
    fc.string(),
    fc.json(),
    almost.map((value) => JSON.stringify(value)),
    almost.map((value) => `Sure:\n\`\`\`json\n${JSON.stringify(value)}\n\`\`\``),
  )
  fc.assert(
    fc.property(answers, (answer) => {
      for (const read of [readSeed(answer), readInterview(answer)])
        if ('problem' in read) assert.notEqual(read.problem, '')
        else assert.doesNotThrow(() => JSON.stringify(read.value))
    }),
    runs,
  )
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
  assert.ok('problem' in readSeed(deep))
  assert.ok('problem' in readInterview(deep))
})

test('tasks that need each other, or what is not there, are refused', () => {
  const seed = (tasks: readonly object[]) => checkSeed({ goal: 'g', criteria: [{ text: 'c' }], tasks })
  const problem = (tasks: readonly object[]): string => (seed(tasks) as { problem: string }).problem
  assert.match(
    problem([
      { id: 'a', goal: 'x', needs: ['b'] },
      { id: 'b', goal: 'x', needs: ['a'] },
    ]),
    /need each other: a, b/,
  )
  assert.match(problem([{ id: 'a', goal: 'x', needs: ['c'] }]), /needs c, which is not a task/)
  assert.match(
    problem([
      { id: 'a', goal: 'x' },
      { id: 'a', goal: 'y' },
    ]),
    /same id/,
  )
  assert.ok(
    'value' in
      seed([
        { id: 'a', goal: 'x', needs: ['b'] },
        { id: 'b', goal: 'x' },
      ]),
  )
})

const seedOf = (more: Partial<Seed> = {}): Seed => ({
  goal: 'g',
  constraints: [],
  criteria: [{ text: 'c', check: { kind: 'file', path: 'a', exists: true, contains: '' } }],
  tests: ['test'],
  tasks: [],
  request: 'r',
  answers: [],
  assumptions: [],
  generation: 0,
  parent: '',
  by: 'model',
  ...more,
})

test('the hash follows from the content, whatever the order of fields, and an evolved seed keeps every criterion and test', () => {
  const seed = seedOf()
  const turned = Object.fromEntries(Object.entries(seed).toReversed()) as unknown as Seed
  assert.equal(seedHash(seed), seedHash(turned))
  assert.notEqual(seedHash(seed), seedHash(seedOf({ goal: 'h' })))
  const next = evolved(seed, { goal: 'easier', constraints: ['k'], criteria: [{ text: 'easy', check: null }], tests: [], tasks: [] })
  assert.deepEqual([next.goal, next.constraints, next.tests], ['g', ['k'], ['test']])
  assert.deepEqual(
    next.criteria.map(({ text }) => text),
    ['c', 'easy'],
  )
})

test('an answer fits its question, or says what the question takes', () => {
  const single = { type: 'single', text: 'q', choices: ['CSV', 'JSON'] } as const
  assert.deepEqual(readAnswer({ ...single, choices: [...single.choices] }, 'csv'), { value: 'CSV' })
  assert.deepEqual(readAnswer({ type: 'multi', text: 'q', choices: ['a', 'b', 'c'] }, 'c, a'), { value: 'a, c' })
  assert.ok('problem' in readAnswer({ type: 'multi', text: 'q', choices: ['a'] }, 'a, z'))
  assert.deepEqual(readAnswer({ type: 'yes_no', text: 'q', choices: [] }, true), { value: 'yes' })
  assert.ok('problem' in readAnswer({ type: 'yes_no', text: 'q', choices: [] }, 'perhaps'))
  assert.ok('problem' in readAnswer({ type: 'text', text: 'q', choices: [] }, '  '))
})

test('tests count as edited by file, folder and pattern, and without backtracking', () => {
  const changed = ['/shared/test/a/b.ts', '/shared/src/x.test.ts', '/shared/tests.md']
  assert.deepEqual(editedTests(['test'], changed), ['/shared/test/a/b.ts'])
  assert.deepEqual(editedTests(['**/*.test.ts'], changed), ['/shared/src/x.test.ts'])
  assert.deepEqual(editedTests(['/shared/tests.md'], changed), ['/shared/tests.md'])
  assert.deepEqual(editedTests(['src/*.ts'], ['/shared/src/a/b.ts']), [])
  assert.deepEqual(editedTests([`${'*a'.repeat(200)}b`], [`/shared/${'a'.repeat(500)}`]), [])
})

const outcome = (score: number, passed = false, failure = '') => ({ score, passed, failure })

test('each rule ends a goal, and the best generation is what passed before what scored', () => {
  assert.equal(endAfter([outcome(0.8, true)], 3), 'passed')
  assert.equal(endAfter([outcome(0.79, true)], 3), null)
  assert.equal(endAfter([outcome(0.1), outcome(0.2), outcome(0.3)], 3), 'generations')
  assert.equal(endAfter([outcome(0.5), outcome(0.5), outcome(0.54)], 9), 'no_gain')
  assert.equal(endAfter([outcome(0.5), outcome(0.5), outcome(0.55)], 9), null)
  assert.equal(endAfter([outcome(0.1, false, 'x'), outcome(0.3, false, 'x'), outcome(0.5, false, 'x')], 9), 'same_failure')
  assert.equal(bestOf([outcome(0.7), outcome(0.5, true), outcome(0.5, true)]), 1)
  assert.equal(bestOf([]), -1)
})

test('a failed check keeps the score below what passes, a silent judge has not agreed, and disagreement is told', () => {
  const check = (status: 'passed' | 'failed' | 'flaky') => ({ text: 't', check: 'c', status, evidence: '', wrote: [] })
  const yes = { passed: true, score: 1, notes: [] }
  const no = { passed: false, score: 0.2, notes: ['bad'] }
  const all = { review: yes, judges: [yes, yes, yes], quorum: quorumOf(3) }
  assert.deepEqual(evaluate([check('passed')], null), { passed: true, score: 1, notes: [] })
  assert.equal(evaluate([check('flaky'), check('passed')], all).passed, false)
  assert.ok(evaluate([check('failed'), check('passed')], all).score < 0.8)
  assert.equal(evaluate([], all).passed, true)
  const split = { review: yes, judges: [yes, null, no], quorum: quorumOf(3) }
  assert.equal(evaluate([], split).passed, false)
  assert.ok(evaluate([], split).score < 0.8)
  assert.match(disagreement(split), /1 passed it, 1 did not, 1 gave no verdict; 2 had to/)
  for (const value of [null, [], { passed: 'yes', score: 1 }, { passed: true, score: 7 }, { passed: true, score: Number.NaN }])
    assert.equal(verdictIn(value as never), null)
})

test('a number is found in what a command prints', async () => {
  assert.equal(await numberIn('3 files, 17 lines\n', undefined), 17)
  assert.equal(await numberIn('coverage: 81.5 %, 3 files', 'coverage: ([0-9.]+)'), 81.5)
  assert.equal(await numberIn('nothing', undefined), null)
  assert.equal(await numberIn(`${'a'.repeat(100_000)}!`, '(a+)+$'), null)
})

test('a seed says what is to be reached where nobody else does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-seed-'))
  const file = join(folder, 'seed.json')
  writeFileSync(file, JSON.stringify({ goal: 'The list is clean.', criteria: [] }))
  const start = goalVerbs.find(({ words }) => words.startsWith('goal start'))!
  const inputOf = (input: object, seed?: string) =>
    start.input!(input as never, { args: {}, options: { seed } } as never) as { request: string }
  assert.equal(inputOf({}, file).request, 'The list is clean.')
  assert.equal(inputOf({ request: 'Clean it.' }, file).request, 'Clean it.')
  assert.throws(() => inputOf({}), { code: 'bad_input', hint: /--seed FILE/ })
  rmSync(folder, { recursive: true })
})
