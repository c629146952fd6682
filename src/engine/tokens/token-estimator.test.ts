import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Usage } from '../../protocol/index.ts'
import { requestsOf, sessions } from './estimate-fixture.ts'
import { createTokenEstimator, type TokenEstimate } from './token-estimator.ts'
import { scaled } from '../../../test/support/scale.ts'

const usage = (inputTokens: number, estimated = false): Usage => ({ inputTokens, outputTokens: 1, estimated })

interface Turn {
  readonly counted: number
  readonly reported: number
  readonly conversation?: string
}

/** Errors of the estimates before each turn, as parts of what was reported then, and how many were within their bound. */
function play(turns: readonly Turn[]): { readonly errors: readonly number[]; readonly within: number } {
  const estimator = createTokenEstimator()
  let within = 0
  const errors = turns.map((turn) => {
    const { tokens, errorBound } = estimator.estimate('m', turn.counted, turn.conversation)
    const error = Math.abs(tokens - turn.reported)
    if (error <= errorBound) within += 1
    const seen = { counted: turn.counted, reported: usage(turn.reported) }
    estimator.observe('m', turn.conversation === undefined ? seen : { ...seen, conversation: turn.conversation })
    return error / turn.reported
  })
  return { errors, within }
}

const turnsOf = (text: string, conversation?: string): readonly Turn[] =>
  requestsOf(text).map((request) => (conversation === undefined ? request : { ...request, conversation }))
const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length
const at = (plays: readonly { readonly errors: readonly number[] }[], place: number): readonly number[] =>
  plays.map(({ errors }) => errors[place] ?? NaN)

/** Two conversations of different kinds with the same model, turn by turn. */
const mixed = sessions.flatMap(([tokenizer, kind, first]) =>
  sessions.filter(([same, other]) => same === tokenizer && other !== kind).map(([, , , second]) => [first, second] as const),
)

void describe('the token estimate', () => {
  void it('is within 26 % before any reply, 8 % after one, 2 % after three and 1 % after ten, for every tokenizer and kind of text', () => {
    const plays = sessions.map(([, , first]) => play(turnsOf(first)))
    // Mean and worst, a little over what was measured.
    const bounds = [
      [0, 0.18, 0.26],
      [1, 0.03, 0.08],
      [3, 0.006, 0.02],
      [10, 0.003, 0.01],
    ] as const
    for (const [replies, usual, worst] of bounds) {
      const errors = at(plays, replies)
      assert.ok(mean(errors) < usual && Math.max(...errors) < worst, `after ${replies}: ${mean(errors)}, ${Math.max(...errors)}`)
    }
    assert.ok(plays.every(({ errors, within }) => within === errors.length))
  })

  void it('keeps conversations apart that take turns with one model', () => {
    const plays = mixed.map(([first, second]) => {
      const [one, two] = [turnsOf(first, 'a'), turnsOf(second, 'b')]
      return play(one.flatMap((turn, place) => [turn, ...two.slice(place, place + 1)]))
    })
    assert.ok(mean(at(plays, 3)) < 0.03)
    assert.ok(mean(at(plays, 10)) < 0.005 && Math.max(...at(plays, 10)) < 0.02)
    const all = plays.reduce((sum, { errors }) => sum + errors.length, 0)
    assert.ok(plays.reduce((sum, { within }) => sum + within, 0) > all * 0.999)
  })

  void it('begins a new conversation, of another kind of text, with what is known of the model', () => {
    const plays = mixed.map(([first, second]) => play([...turnsOf(first, 'a').slice(0, 10), ...turnsOf(second, 'b')]))
    assert.ok(mean(at(plays, 10)) < 0.03 && Math.max(...at(plays, 10)) < 0.11)
    assert.ok(plays.every(({ errors, within }) => within === errors.length))
  })

  void it('ignores replies whose usage was estimated, or cannot be true', () => {
    const estimator = createTokenEstimator()
    estimator.observe('m', { counted: 1_000, reported: usage(1_300) })
    const before = estimator.estimate('m', 1_200)
    const lies = [0, 1, 249, 9_001, -5, NaN, Infinity, Number.MAX_SAFE_INTEGER]
    for (const inputTokens of lies) estimator.observe('m', { counted: 1_000, reported: usage(inputTokens) })
    for (const counted of [0, -1, NaN, Infinity]) estimator.observe('m', { counted, reported: usage(1_000) })
    estimator.observe('m', { counted: 1_000, reported: usage(2_000, true) })
    assert.deepEqual(estimator.estimate('m', 1_200), before)
  })

  void it('keeps models apart, whatever their names, and reports the larger error bound of a new one', () => {
    const estimator = createTokenEstimator()
    for (const name of ['__proto__', 'constructor', '']) {
      assert.deepEqual(estimator.estimate(name, 1_000), { tokens: 1_100, errorBound: 550 })
      estimator.observe(name, { counted: 1_000, reported: usage(2_000) })
      assert.equal(estimator.estimate(name, 1_000).tokens, 2_000)
    }
    assert.equal(estimator.estimate('toString', 1_000).tokens, 1_100)
  })

  void it('forgets the models that were used longest ago, and never the one in use', () => {
    const estimator = createTokenEstimator()
    const seen = { counted: 1_000, reported: usage(2_000) }
    for (let i = 0; i < 1_000; i++) {
      estimator.observe(`m${i}`, seen)
      if (i > 0) assert.equal(estimator.estimate('kept', 1_000).tokens, 2_000)
      estimator.observe('kept', seen)
    }
    assert.equal(estimator.estimate('m0', 1_000).tokens, 1_100)
  })

  void it('of a conversation that was shortened starts from a request of that size, not from far above it', () => {
    const estimator = createTokenEstimator()
    // It begins in English, and goes on in a language that costs more.
    estimator.observe('m', { counted: 2_000, reported: usage(2_400), conversation: 'a' })
    for (const counted of [20_000, 30_000, 40_000]) {
      estimator.observe('m', { counted, reported: usage(2_400 + (counted - 2_000) * 1.6), conversation: 'a' })
    }
    estimator.observe('m', { counted: 41_000, reported: usage(64_000), conversation: 'a' })
    const { tokens } = estimator.estimate('m', 2_100, 'a')
    assert.ok(tokens > 2_400 && tokens < 2_600, String(tokens))
  })

  void it('is a whole number with a bound and never below a quarter of the count, whatever was seen', () => {
    const number = fc.oneof(fc.integer({ min: -10, max: 100_000 }), fc.double(), fc.constantFrom(NaN, Infinity))
    const step = fc.record({ counted: number, inputTokens: number, estimated: fc.boolean(), conversation: fc.constantFrom('a', 'b') })
    fc.assert(
      fc.property(fc.array(step), number, (steps, counted) => {
        const estimator = createTokenEstimator()
        for (const each of steps) estimator.observe('m', { ...each, reported: usage(each.inputTokens, each.estimated) })
        const found: TokenEstimate = estimator.estimate('m', counted, 'a')
        assert.ok(Number.isInteger(found.tokens) && Number.isInteger(found.errorBound) && found.errorBound >= 0)
        assert.ok(!(counted < 1e12) || found.tokens >= counted / 4)
      }),
      { numRuns: scaled(1_000) },
    )
  })
})
