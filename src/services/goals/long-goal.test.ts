/** A goal of a thousand generations, and two guests that have one goal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import type { CallId, JsonObject, SessionId, TurnId } from '../../base/index.ts'
import type { Core, Service } from '../../kernel/index.ts'
import { openFixture, user } from '../../kernel/kernel-fixture.ts'
import { services } from '../index.ts'
import { type Generation, generationChange, type Goal, goalChange, seedChange } from './goal-record.ts'
import { clear, playing } from './goal-fixture.ts'
import { type Seed, seedHash } from './seed.ts'
import type { GoalView } from './goal-view.ts'

const seed: Seed = {
  goal: 'g',
  constraints: [],
  criteria: [{ text: 'c', check: null }],
  tests: [],
  tasks: [],
  request: 'r',
  answers: [],
  assumptions: [],
  generation: 0,
  parent: '',
  by: 'model',
}
const count = 1_000

const goalId = '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11' as TurnId

const generationOf = (number: number, hash: string): Generation => ({
  goal: goalId,
  number,
  seed: hash,
  branch: `b${number}`,
  from: '',
  base: '',
  commit: 'c',
  tasks: [],
  changed: [],
  checks: [],
  review: null,
  outcome: { passed: false, score: number / count / 2, failure: '' },
  notes: ['It is not there.'],
  began_at: number,
  ended_at: number,
})

const goalOf = (last: string): Goal => ({
  id: goalId,
  session: 'ea0c1f0e-53a1-8c77-a1d0-6f0d2f3d8a11' as SessionId,
  home: '',
  starter: '',
  rights: [],
  tier: '',
  labels: [],
  request: 'r',
  options: { just_do_it: false, review: false, max_generations: count, judges: 0 },
  deadline: null,
  status: 'ended',
  phase: 'finish',
  step: 5_000,
  tries: 0,
  retry_at: null,
  failure: '',
  rounds: [],
  questions: [],
  scores: null,
  seed: last,
  generation: count - 1,
  outcomes: Array.from({ length: count }, (_, at) => ({ passed: false, score: at / count / 2, failure: '' })),
  best: { generation: count - 1, score: 0.4995, passed: false },
  ending: null,
  end: { reason: 'generations', text: 'It is not reached.', merged: '', branch: '' },
  created_at: 1,
  ended_at: 2,
})

test('a goal of a thousand generations is shown by its newest ones, and its lineage has all', async () => {
  let core: Core | undefined
  const probe: Service = {
    name: 'probe',
    calls: async (of) => {
      core = of
      return []
    },
  }
  await using guest = await openFixture({ services: [...services, probe] })
  await guest.kernel.call('goal.list', {})
  const by = { caller: { actor: 'kernel', session: '', turn: '' }, call: core!.newId() as CallId, name: 'goal.step' } as const
  const hashes: string[] = []
  for (let number = 0; number < count; number++) {
    const own: Seed = { ...seed, generation: number, parent: hashes.at(-1) ?? '' }
    hashes.push(seedHash(own))
    await core!.documents.put(by, [generationChange(generationOf(number, hashes.at(-1)!)), seedChange(hashes.at(-1)!, own)])
  }
  const goal = goalOf(hashes.at(-1)!)
  await core!.documents.put(by, [goalChange(goal)])
  const ask = async <Output>(name: string, input: JsonObject): Promise<Output> => {
    const outcome = await guest.kernel.call(name, input)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as unknown as { output: Output }).output
  }
  const view = await ask<GoalView>('goal.show', { goal: goalId })
  assert.deepEqual([view.generations_total, view.generations.length, view.generations.at(-1)!.number], [count, 20, count])
  const lineage = await ask<{ generations: readonly { seed: string; parent: string }[] }>('goal.lineage', { goal: goalId, limit: 1_000 })
  assert.deepEqual(
    lineage.generations.map((each) => each.seed),
    hashes,
  )
  assert.ok(lineage.generations.slice(1).every(({ parent }, at) => parent === hashes[at]))
  if (process.env['OXBOW_SHOW_TIMES'] !== undefined) {
    const began = performance.now()
    for (let i = 0; i < 20; i++) await ask('goal.show', { goal: goalId })
    process.stdout.write(`goal.show: ${((performance.now() - began) / 20).toFixed(1)} ms\n`)
  }
})

test('of two guests on one store one works on a goal, and the other sees it', async () => {
  const store = { ...(await openMemoryStore({ user })), close: async () => {} } as Store
  const first = playing({
    interview: () => ({
      ...clear,
      scores: { goal: 0, constraints: 0, success: 0 },
      questions: [{ type: 'text', text: 'And?', choices: [] }],
    }),
  })
  const second = playing({})
  await using one = await openFixture({ store, play: first.play })
  await using other = await openFixture({ store, play: second.play })
  const begun = await one.kernel.call('goal.start', { request: 'Make it.' })
  assert.equal(begun.status, 'ok', JSON.stringify(begun))
  const { id } = (begun as unknown as { output: GoalView }).output
  const phaseIn = async (guest: typeof one): Promise<string> =>
    ((await guest.kernel.call('goal.show', { goal: id })) as unknown as { output: GoalView }).output.phase
  for (let left = 200; left > 0 && (await phaseIn(one)) !== 'asking'; left--) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual([await phaseIn(one), await phaseIn(other)], ['asking', 'asking'])
  assert.deepEqual([first.asked.length, second.asked.length], [1, 0])
})
