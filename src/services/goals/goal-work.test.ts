/** Tasks of a goal that run at once: each on a branch of its own, merged, and done again where they conflict. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowing, command, openGoals, type Roles, seedWith } from './goal-fixture.ts'

const task = (id: string, ...needs: readonly string[]) => ({ id, goal: `Do ${id}.`, needs: [...needs] })
const partOf = (goal: string): string => /Do (\w+)\./.exec(goal)![1]!
const edit = (path: string, find: string, replace: string) => ['file_edit', { path, find, replace }] as const

test('two tasks that change different lines of one file, and do not need each other, both stay', async () => {
  await using place = await openGoals({
    seed: () => seedWith([command('Both.', 'grep -q A list && grep -q B list')], { tasks: [task('first'), task('last')] }),
    work: (goal) => [partOf(goal) === 'first' ? edit('/shared/list', 'a\n', 'A\n') : edit('/shared/list', 'b\n', 'B\n')],
  })
  place.write('list', 'a\n1\n2\n3\n4\nb\n')
  const { id } = await place.start('Write them large.', { max_generations: 1 })
  const goal = await place.ended(id)
  assert.equal(goal.status, 'reached', JSON.stringify(goal, null, 1))
  assert.equal(place.read('list'), 'A\n1\n2\n3\n4\nB\n')
  assert.deepEqual(goal.generations[0]!.notes, [])
  const { branches } = await place.ok<{ branches: readonly unknown[] }>('branch.list', {})
  assert.deepEqual(branches, [], 'no branch of a part is left')
})

test('of two tasks that change the same lines the later one is done again upon the other, and the conflict is told', async () => {
  const goals: string[] = []
  await using place = await openGoals({
    seed: () => seedWith([command('Both.', 'grep -q one list && grep -q two list')], { tasks: [task('one'), task('two')] }),
    work(goal) {
      goals.push(goal)
      const part = partOf(goal)
      return [['shell_exec', { command: goal.includes('Do your part again') ? `echo ${part} >> list` : `echo ${part} > list` }]]
    },
  })
  place.write('list', 'none\n')
  const { id } = await place.start('List both.', { max_generations: 1 })
  const goal = await place.ended(id)
  assert.equal(goal.status, 'reached', JSON.stringify(goal, null, 1))
  assert.equal(place.read('list'), 'one\ntwo\n')
  assert.equal(goals.length, 3)
  assert.match(goals[2]!, /\/shared\/list: both have changed the same part/)
  assert.match(goal.generations[0]!.notes.join('\n'), /The part two and others changed the same: .*It was done again/)
  assert.deepEqual(
    goal.generations[0]!.tasks.map(({ task: of, status }) => [of, status]),
    [
      ['one', 'success'],
      ['two', 'success'],
    ],
  )
})

test('a task has the files of those that it needs, and what they say; more than five are done in groups', async () => {
  const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => task(id))
  const said: string[] = []
  await using place = await openGoals({
    seed: () => seedWith([command('All.', 'test "$(cat all)" = abcdef')], { tasks: [...many, task('all', ...many.map(({ id }) => id))] }),
    work(goal) {
      const part = partOf(goal)
      if (part !== 'all') return [['file_write', { path: `/shared/parts/${part}`, text: part }]]
      said.push(goal)
      return [['shell_exec', { command: 'cat parts/* > all' }]]
    },
  })
  const { id } = await place.start('Join them.', { max_generations: 1 })
  const goal = await place.ended(id)
  assert.equal(goal.status, 'reached', JSON.stringify(goal, null, 1))
  assert.equal(place.read('all'), 'abcdef')
  assert.match(said[0]!, /What others say of the parts that yours builds upon:\n\[a\]\n/)
})

test('a goal whose agents wait for a place says so, and works once there is one', async () => {
  const seed = seedWith([command('It is there.', 'test -f out')])
  const waits = 'until test -f /shared/go; do sleep 0.05; done; touch out'
  const roles: Roles = { seed: () => seed, work: () => [['shell_exec', { command: waits }]] }
  await using place = await openGoals(roles, { config: { ...allowing, agents: { max_running: 1 } } })
  const first = await place.start('Make it.')
  await place.until(first.id, ({ phase, waiting_for: waiting }) => phase === 'execute' && waiting === '')
  const second = await place.start('Make it, too.')
  const waiting = await place.until(second.id, ({ waiting_for: of }) => of !== '')
  assert.deepEqual([waiting.phase, waiting.waiting_for], ['execute', 'a place'])
  place.write('go', '')
  for (const { id } of [first, second]) assert.equal((await place.ended(id)).status, 'reached')
})
