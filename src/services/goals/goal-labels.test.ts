/** Labels and files of goals, against whoever works on them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowing, openGoals, seedWith } from './goal-fixture.ts'

const secretly = { ...allowing, flow: { source: [{ path: '/shared/secret.txt', labels: ['private'] }] } }

test('what a goal returns has the labels of all that was read for it, also once it is over', async () => {
  const criteria = [{ text: 'It is known.', check: { kind: 'file', path: '/shared/secret.txt', contains: 'canary' } }]
  await using place = await openGoals({ work: () => [['file_write', { path: '/shared/out', text: 'x' }]] }, { config: secretly })
  place.write('secret.txt', 'canary\n')
  const { id } = await place.start('Know it.', { seed: seedWith(criteria) })
  await place.ended(id)
  for (const [name, input] of [
    ['goal.show', { goal: id }],
    ['goal.lineage', { goal: id }],
    ['goal.list', { all: true }],
  ] as const) {
    const shown = await place.guest.kernel.call(name, input)
    assert.ok(shown.labels?.includes('private') === true, `${name} ${JSON.stringify(shown.labels)}`)
  }
})
