/** One plan that two guests on one store apply. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { type Fixture, user } from '../../kernel/kernel-fixture.ts'
import { type Place, sent, withPlans } from './plans-fixture.ts'

const both = [{ to: 'a' }, { to: 'b' }]
const messages = both.map((one) => ['mail_send', one] as const)

/** Each of two guests applies it, the second one later. @returns what they said */
async function applyTwice(
  { call, plan }: Place,
  other: Fixture,
  calls: readonly (readonly [string, unknown])[],
  laterMs: number,
): Promise<string[]> {
  const made = await plan(...calls)
  const asked = { plan: made.id, digest: made.digest }
  const first = call('plan.apply', asked)
  await pause(laterMs)
  const second = other.kernel.call('plan.apply', asked)
  // Whoever only waits for the other guest looks once a minute, or was told that the other has the session; asked again, both say the same.
  await Promise.any([first, second].map(async (one) => assert.match((await one).text, /^Applied/)))
  return Promise.all([call('plan.apply', asked), other.kernel.call('plan.apply', asked)]).then((all) =>
    all.map((one) => one.text.replace(made.id, 'It')),
  )
}

const told = 'It is applied already, and nothing was done twice.'

test('of two guests on one store that apply one plan, one does it and the other is told so', async () => {
  const store = { ...(await openMemoryStore({ user })), close: async () => {} } as Store
  await withPlans(
    async (place) => {
      const other = await place.other()
      for (const laterMs of [0, 2, 10]) {
        sent.length = 0
        assert.deepEqual(await applyTwice(place, other, messages, laterMs), [told, told], `${laterMs} ms later`)
        assert.deepEqual(sent, both)
        sent.length = 0
        place.write('a.txt', 'old\n')
        const withFile = [['file_write', { path: 'a.txt', text: 'new\n' }] as const, ...messages]
        assert.deepEqual(await applyTwice(place, other, withFile, laterMs), [told, told], `${laterMs} ms later, with a file`)
        assert.deepEqual([place.read('a.txt'), sent], ['new\n', both])
      }
    },
    { store },
  )
})
