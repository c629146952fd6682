/** Whatever a plugin may answer to a hook, at every step: the step ends with a value, and nothing but what its schema allows has changed. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { DecidingStep, HookValues } from '../../../protocol/index.ts'
import { knowing } from '../../../kernel/kernel-fixture.ts'
import { createHookRunner } from './run-hooks.ts'

const place = { session: '', turn: '', agent: 'ox', user: 'ada' }
const counts = { input_tokens: 9, output_tokens: 5 }
const values: { readonly [Step in DecidingStep]: HookValues[Step] } = {
  'message.received': { ...place, id: 'm', text: 'hi', from: 'user:ada', attachments: [], first: true },
  'respond.decide': { ...place, text: 'hi', respond: true },
  'context.compose': { ...place, system: 'You are ox.', text: 'hi', append: '' },
  'model.before': {
    ...place,
    call: 'g',
    model: 'openai/gpt-5',
    role: 'user',
    text: 'hi',
    messages: 1,
    input_tokens: 9,
    max_output_tokens: 100,
    temperature: null,
    top_p: null,
  },
  'model.after': { ...place, ...counts, call: 'g', status: 'ok', text: 'let me see', calls: [] },
  'call.before': { ...place, call: 'c.0', name: 'file.read', input: { path: 'a' }, tier: 'read_only' },
  'call.after': { ...place, call: 'c.0', name: 'file.read', input: { path: 'a' }, status: 'ok', ok: true, text: 'x', duration_ms: 3 },
}
const steps = Object.keys(values) as readonly DecidingStep[]

/** What a changed field may hold; a field that is not here must never change. */
const may: { readonly [Step in DecidingStep]: Readonly<Record<string, (value: unknown) => boolean>> } = {
  'message.received': { text: (value) => typeof value === 'string' && value !== '' },
  'respond.decide': { respond: (value) => value === false },
  'context.compose': { append: (value) => typeof value === 'string' },
  'model.before': {
    max_output_tokens: (value) => Number.isSafeInteger(value) && Number(value) > 0,
    temperature: (value) => typeof value === 'number' && value >= 0 && value <= 2,
    top_p: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  },
  'model.after': { text: (value) => typeof value === 'string' },
  'call.before': { input: (value) => typeof value === 'object' && value !== null && !Array.isArray(value) },
  'call.after': { text: (value) => typeof value === 'string', ok: (value) => typeof value === 'boolean' },
}

const verdicts = fc.constantFrom('pass', 'change', 'refuse', 'approve', 'allow', '', 1, null)
const fields = fc.constantFrom(
  ...'text respond append max_output_tokens temperature top_p input ok name tier system status verdict __proto__ constructor'.split(' '),
)
const changed = fc.oneof(
  fc.dictionary(fields, fc.oneof(fc.string(), fc.boolean(), fc.double(), fc.integer(), fc.object(), fc.anything()), { maxKeys: 2 }),
  fc.record({ input: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.anything()) }),
  fc.anything({ withNullPrototype: true }),
  fc.constant(null),
)
const reasons = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 2_000 }), fc.anything())
const answers = fc.oneof(
  { weight: 1, arbitrary: fc.anything() },
  { weight: 2, arbitrary: fc.record({ verdict: verdicts, value: changed, reason: reasons }) },
  {
    weight: 2,
    arbitrary: fc.record({ verdict: fc.constantFrom('pass', 'change', 'refuse', 'approve'), value: changed, reason: fc.string() }),
  },
)

/** One that changes each step as it allows: chance alone seldom does. */
const examples: [DecidingStep, unknown][] = Object.entries({
  'message.received': { text: 'other' },
  'respond.decide': { respond: false },
  'context.compose': { append: 'more' },
  'model.before': { max_output_tokens: 5, temperature: 1, top_p: 0 },
  'model.after': { text: '' },
  'call.before': { input: { path: 'b' } },
  'call.after': { text: 'other', ok: false },
}).map(([step, value]) => [step as DecidingStep, { verdict: 'change', value, reason: '' }])

const isRefusal = (answer: unknown): boolean => (answer as { verdict?: unknown } | null | undefined)?.verdict === 'refuse'

/** @param runs how many answers are tried */
export async function tryAnswers(runs: number): Promise<void> {
  let answer: unknown
  const noted = new Map<string, number>()
  const runner = createHookRunner({
    source: {
      loading: () => null,
      at: () => [{ plugin: 'wild', fail: 'closed' }],
      ready: () => null,
      kept: async () => [],
      run: async () => answer as never,
    },
    secrets: knowing(),
    noteEvent: (kind) => void noted.set(kind, (noted.get(kind) ?? 0) + 1),
  })
  const property = fc.asyncProperty(fc.constantFrom(...steps), answers, async (step, given) => {
    answer = given
    const { changes, asks, refused } = await runner.decide(step, values[step], null)
    for (const [field, value] of Object.entries(changes)) assert.equal(may[step][field]?.(value), true, `${step} changed ${field}`)
    const { verdict } = Object(given) as { readonly verdict?: unknown }
    // Nothing that a plugin says lets a step go on that it was to look at, but the words for it.
    if (refused === null) assert.ok(verdict === 'pass' || verdict === 'change' || verdict === 'approve')
    if (refused?.failed === false) assert.ok(isRefusal(given))
    if (verdict === 'pass') assert.deepEqual(changes, {})
    assert.equal(asks.length, refused === null && verdict === 'approve' ? 1 : 0)
    for (const reason of [refused?.reason ?? '', ...asks.map((each) => each.reason)])
      assert.ok(reason.length <= 300 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(reason), JSON.stringify(reason))
  })
  await fc.assert(property, { numRuns: runs, endOnFailure: true, examples })
  // Each outcome occurred, so that nothing here holds only for lack of an example.
  assert.deepEqual([...noted.keys()].toSorted(), ['hook_asked', 'hook_changed', 'hook_failed', 'hook_refused'])
}
