/** The laws of the wrapper, over chains of models that fail at random. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { it } from 'node:test'
import * as fc from 'fast-check'
import type { ErrorCode } from '../../base/index.ts'
import type { ModelEvent } from '../../protocol/index.ts'
import { collect, requestOf } from '../model-contract.ts'
import { broken, chain, fakeModel, fastLimits, type Step, usage } from './chain-fixture.ts'
import { scaled } from '../../../test/support/scale.ts'

interface Try {
  /** How many texts each batch holds. */
  readonly batches: readonly number[]
  /** The last batch holds texts, too. */
  readonly together: number
  readonly end: 'finish' | 'open' | 'throw' | 'hang' | { readonly code: ErrorCode; readonly retry: boolean }
  readonly used: number
}

const triesThatEnd = (...further: readonly 'hang'[]): fc.Arbitrary<Try> =>
  fc.record({
    batches: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    together: fc.integer({ min: 0, max: 2 }),
    end: fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom<'finish' | 'open' | 'throw' | 'hang'>('finish', 'open', 'throw', ...further) },
      {
        weight: 3,
        arbitrary: fc.record({
          code: fc.constantFrom<ErrorCode>('model_unreachable', 'model_overloaded', 'model_auth', 'model_garbled', 'model_refused'),
          retry: fc.boolean(),
        }),
      },
    ),
    used: fc.integer({ min: 0, max: 9 }),
  })

interface Planned {
  readonly steps: readonly Step[]
  /** What a consumer has that holds this try and nothing else. */
  readonly text: string
  readonly usage: number
}

/** @param name tells each text of each try from all others */
function plan({ batches, together, end, used }: Try, name: string): Planned {
  let count = 0
  const piece = (): ModelEvent => ({ type: 'text', text: `${name}.${count++};` })
  const steps: Step[] = batches.map((length) => Array.from({ length }, piece))
  const text = (): string => Array.from({ length: count }, (_, place) => `${name}.${place};`).join('')
  if (typeof end === 'string' && end !== 'finish') return { steps: end === 'open' ? steps : [...steps, end], text: text(), usage: 0 }
  const last = Array.from({ length: together }, piece)
  if (end === 'finish') {
    const call: ModelEvent = { type: 'tool_call', call: { type: 'tool_call', id: name, name: 'f', arguments: '{}' } }
    last.push(call, { type: 'finish', reason: 'tool_calls', usage: usage(used) })
  } else
    last.push(broken(end.code, { ...(end.retry ? { waitMs: 0 } : {}), used: { inputTokens: 0, outputTokens: used, estimated: false } }))
  return { steps: [...steps, last], text: text(), usage: end === 'finish' ? used + 10 : used }
}

const chains = (tries: fc.Arbitrary<Try>): fc.Arbitrary<Try[][]> =>
  fc.array(fc.array(tries, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })

const name = (route: number, place: number): string => `${'abc'.charAt(route)}${place}`

/** A consumer that honours `restarted`. */
function consume(events: readonly ModelEvent[]) {
  const held = { text: '', calls: [] as string[], label: 'fake/a', tokens: 0, ends: 0, finished: false }
  for (const event of events) {
    if (event.type === 'text') held.text += event.text
    if (event.type === 'tool_call') held.calls.push(event.call.id)
    if (event.type === 'restarted') {
      held.text = ''
      held.calls = []
      held.label = event.model
    }
    if (event.type === 'finish' || event.type === 'error') {
      held.ends += 1
      held.finished = event.type === 'finish'
    }
    if (event.type === 'error') for (const each of event.unseen ?? []) held.tokens += each.usage.inputTokens + each.usage.outputTokens
    if ('usage' in event) held.tokens += event.usage.inputTokens + event.usage.outputTokens
  }
  return held
}

void it('a consumer that honours restarts holds exactly one try at the end, whole or with an error, and every token was counted once', async () => {
  await fc.assert(
    fc.asyncProperty(chains(triesThatEnd()), async (routes) => {
      const plans = routes.map((each, route) => each.map((one, place) => plan(one, name(route, place))))
      const models = plans.map((each) => fakeModel(...each.map(({ steps }) => steps)))
      const events = await collect(
        chain(models, { limits: { ...fastLimits, backoffBaseMs: 0, breakerFailures: Infinity } }),
        requestOf('x'),
      )
      const held = consume(events)

      // Every try that was made, in order of the chain.
      const made = models.flatMap((model, route) =>
        model.requests.map((_, place) => plans[route]![Math.min(place, plans[route]!.length - 1)]!),
      )
      assert.equal(held.ends, 1)
      assert.deepEqual([events.at(-1)?.type === 'finish' || events.at(-1)?.type === 'error'], [true])
      assert.equal(
        held.tokens,
        made.reduce((sum, each) => sum + each.usage, 0),
      )
      assert.equal(new Set(held.calls).size, held.calls.length)
      if (held.finished) assert.equal(held.text, made.at(-1)!.text)
      else assert.ok(held.text === '' || made.some(({ text }) => text === held.text), `${held.text} is no try`)
      // The consumer knows whose text it holds.
      if (held.text !== '') assert.equal(held.label, `fake/${held.text.charAt(0)}`)
      for (const model of models) assert.ok(model.requests.length <= fastLimits.maxTries && model.running === 0)
    }),
    { numRuns: scaled(300) },
  )
})

void it('whenever it is cancelled or left, it ends at most once, stops its model and leaves no listener behind', async () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  await fc.assert(
    fc.asyncProperty(chains(triesThatEnd('hang')), fc.nat(12), fc.boolean(), async (routes, turns, leaves) => {
      const models = routes.map((each, route) => fakeModel(...each.map((one, place) => plan(one, name(route, place)).steps)))
      const control = new AbortController()
      const iterator = chain(models).generate(requestOf('x'), control.signal)[Symbol.asyncIterator]()
      const events: ModelEvent[] = []
      const reading = (async () => {
        for (let result = await iterator.next(); result.done !== true; result = await iterator.next()) events.push(...result.value)
      })()
      for (let round = 0; round < turns; round += 1) await turn()
      if (leaves) await iterator.return?.()
      else control.abort()
      await reading
      await turn()
      const { ends } = consume(events)
      assert.ok(leaves ? ends <= 1 : ends === 1, `${ends} ends`)
      assert.equal(
        models.reduce((sum, { running }) => sum + running, 0),
        0,
      )
      assert.equal(getEventListeners(control.signal, 'abort').length, 0)
    }),
    { numRuns: scaled(200) },
  )
})
