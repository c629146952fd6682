/** Whatever a plugin may answer to a hook: the step ends with a value, and nothing but what its schema allows has changed. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { knowing } from '../kernel-fixture.ts'
import { createHookRunner } from './run-hooks.ts'

const place = { session: '', turn: '', agent: 'ox', user: 'ada' }
const value = { ...place, call: 'c.0', name: 'file.read', input: { path: 'a' }, tier: 'read_only' }

const verdicts = fc.constantFrom('pass', 'change', 'refuse', 'approve', 'allow', '', 1, null)
const values = fc.oneof(
  fc.anything({ withNullPrototype: true }),
  fc.record({ input: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.anything()) }),
  fc.record({ input: fc.object(), name: fc.string() }),
)
const reasons = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 2_000 }), fc.anything())
const answers = fc.oneof(fc.anything(), fc.record({ verdict: verdicts, value: values, reason: reasons }))

/** @param runs how many answers are tried */
export async function tryAnswers(runs: number): Promise<void> {
  let answer: unknown
  const noted: string[] = []
  const runner = createHookRunner({
    source: {
      loading: () => null,
      at: () => [{ plugin: 'wild', fail: 'closed' }],
      ready: () => null,
      run: async () => answer as never,
    },
    secrets: knowing(),
    noteEvent: (kind) => void noted.push(kind),
  })
  const property = fc.asyncProperty(answers, async (given) => {
    answer = given
    const { changes, refused } = await runner.decide('call.before', value, null)
    assert.deepEqual(
      Object.keys(changes).filter((field) => field !== 'input'),
      [],
    )
    if ('input' in changes) assert.equal(typeof changes.input, 'object')
    const reason = refused?.reason ?? ''
    assert.ok(reason.length <= 300 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(reason), JSON.stringify(reason))
  })
  await fc.assert(property, { numRuns: runs, endOnFailure: true })
  assert.ok(noted.length > 0)
}
