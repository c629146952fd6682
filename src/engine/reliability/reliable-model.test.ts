import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ModelEvent } from '../../protocol/index.ts'
import { collect, describeModelContract, requestOf } from '../model-contract.ts'
import { contractScenario } from '../scripted/scenario-fixture.ts'
import { createScriptedModel } from '../scripted/scripted-model.ts'
import {
  answer,
  broken,
  chain,
  dropped,
  facts,
  failureOf,
  fakeModel,
  manualClock,
  outcome,
  overloaded,
  routeTo,
  say,
  usage,
} from './chain-fixture.ts'

for (const [name, fallbacks] of [
  ['alone', []],
  ['with a fallback', [fakeModel([[dropped]])]],
] as const) {
  describeModelContract(`the reliability wrapper ${name}`, () =>
    Promise.resolve({
      model: chain([createScriptedModel(contractScenario), ...fallbacks]),
      text: requestOf('say'),
      toolCall: requestOf('call'),
      failure: requestOf('fail'),
      endless: requestOf('hang'),
      close: () => Promise.resolve(),
    }),
  )
}

const ask = requestOf('x')
const restartsOf = (events: readonly ModelEvent[]) => events.flatMap((event) => (event.type === 'restarted' ? [event] : []))

void it('an answer of one try is passed on batch by batch, the empty ones left out', async () => {
  const batches: (readonly ModelEvent[])[] = []
  const model = chain([fakeModel([[], ...answer])])
  for await (const batch of model.generate(ask, new AbortController().signal)) batches.push(batch)
  assert.deepEqual(batches, answer)
})

void describe('trying again', () => {
  void it('is silent while nothing was shown', async () => {
    const model = fakeModel([[overloaded]], [[overloaded]], answer)
    assert.deepEqual(await collect(chain([model]), ask), answer.flat())
    assert.equal(model.requests.length, 3)
  })

  void it('ends after the limit of tries with the last error', async () => {
    const model = fakeModel([[overloaded]])
    const events = await collect(chain([model]), ask)
    assert.deepEqual([events, model.requests.length], [[overloaded], 3])
  })

  void it('is not done where it cannot help', async () => {
    for (const code of ['model_auth', 'model_refused', 'model_garbled'] as const) {
      const model = fakeModel([[broken(code)]])
      assert.equal(outcome(await collect(chain([model]), ask)), `|${code}`)
      assert.equal(model.requests.length, 1)
    }
  })

  void it('waits as long as the endpoint asks, but not beyond the cap: that is reported with the wait', async () => {
    const patient = fakeModel([[broken('model_rate_limited', { waitMs: 1 })]], answer)
    assert.equal(outcome(await collect(chain([patient]), ask)), 'all well|stop')
    const long = broken('model_rate_limited', { waitMs: 77_000 })
    const impatient = fakeModel([[long]], answer)
    assert.deepEqual(await collect(chain([impatient]), ask), [long])
  })

  void it('does not begin when the time for all tries would be over', async () => {
    const model = fakeModel([[broken('model_rate_limited', { waitMs: 20_000 })]], answer)
    const events = await collect(chain([model], { limits: { totalMs: 20_000 }, clock: manualClock() }), ask)
    assert.equal(failureOf(events).code, 'model_rate_limited')
  })
})

void describe('an answer that breaks off after it was shown', () => {
  const half = [[say('hal')], [{ ...dropped, usage: usage(2) } as ModelEvent]]

  void it('restarts with an event that has the reason and the usage of the failed try', async () => {
    const model = fakeModel(half, answer)
    const events = await collect(chain([model]), ask)
    assert.deepEqual(events, [
      say('hal'),
      { type: 'restarted', model: 'fake/a', why: dropped.type === 'error' && dropped.failure, usage: usage(2) },
      ...answer.flat(),
    ])
  })

  void it('is asked for once more, and then the next model is', async () => {
    const [a, b] = [fakeModel(half), fakeModel(answer)]
    const events = await collect(chain([a, b]), ask)
    assert.deepEqual([outcome(events), a.requests.length, b.requests.length], ['all well|stop', 2, 1])
    assert.deepEqual(
      restartsOf(events).map(({ model }) => model),
      ['fake/a', 'fake/b'],
    )
  })

  void it('begins anew twice at most', async () => {
    const [a, b, c] = [fakeModel(half), fakeModel(half), fakeModel(answer)]
    const events = await collect(chain([a, b, c]), ask)
    assert.deepEqual([restartsOf(events).length, outcome(events), c.requests.length], [2, 'hal|model_unreachable', 0])
  })

  void it('stays when nobody gives a better one: its text, its usage, and one error', async () => {
    const model = fakeModel(half, [[broken('model_unreachable', { message: 'Nobody is there.' })]])
    const events = await collect(chain([model]), ask)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['text', 'error'],
    )
    assert.equal(failureOf(events).message, 'Nobody is there.')
    const last = events.at(-1)
    assert.deepEqual(last?.type === 'error' && last.usage, usage(2))
  })

  void it('counts reasoning as shown', async () => {
    const model = fakeModel([[{ type: 'reasoning', text: 'hm' }], [dropped]], answer)
    assert.equal(restartsOf(await collect(chain([model]), ask)).length, 1)
  })

  void it('is held back as long as there is hope, when it came together with its error', async () => {
    const together = [[say('half'), { ...dropped, usage: usage(2) } as ModelEvent]]
    assert.deepEqual(
      (await collect(chain([fakeModel(together, answer)]), ask)).map(({ type }) => type),
      ['restarted', 'text', 'text', 'finish'],
    )
    assert.equal(outcome(await collect(chain([fakeModel(together)]), ask)), 'half|model_unreachable')
    assert.equal(outcome(await collect(chain([fakeModel([[say('free'), dropped]])]), ask)), 'free|model_unreachable')
  })
})

void describe('the next model of the chain', () => {
  void it('is asked when the one before stays down, and the consumer learns which model answers', async () => {
    const [a, b] = [fakeModel([[overloaded]]), fakeModel(answer)]
    const events = await collect(chain([a, b]), ask)
    assert.equal(a.requests.length, 3)
    assert.deepEqual(events[0], {
      type: 'restarted',
      model: 'fake/b',
      why: overloaded.type === 'error' && overloaded.failure,
      usage: { inputTokens: 0, outputTokens: 0, estimated: false },
    })
    assert.deepEqual(events.slice(1), answer.flat())
  })

  void it('has as many tries as the one before', async () => {
    const [a, b] = [fakeModel([[overloaded]]), fakeModel([[overloaded]], [[overloaded]], answer)]
    assert.equal(outcome(await collect(chain([a, b]), ask)), 'all well|stop')
  })

  void it('is asked at once after a wrong key, a used up quota, an unknown model, garbage or a wait over the cap', async () => {
    for (const first of [
      broken('model_auth'),
      broken('model_rate_limited'),
      broken('model_refused', { message: 'https://x answered 404: no such model', status: 404 }),
      broken('model_refused', { message: 'https://x answered 402.', status: 402 }),
      broken('model_garbled'),
      broken('model_stalled'),
      broken('model_rate_limited', { waitMs: 60_000 }),
      broken('bad_config'),
    ]) {
      const [a, b] = [fakeModel([[first]]), fakeModel(answer)]
      assert.equal(outcome(await collect(chain([a, b]), ask)), 'all well|stop', JSON.stringify(first))
      assert.equal(a.requests.length, 1)
    }
  })

  void it('is not asked when a request was understood and refused, was too long, or was cancelled', async () => {
    for (const first of [
      broken('model_refused', { message: 'https://x answered 400: no.', status: 400 }),
      broken('context_overflow'),
      broken('cancelled'),
    ]) {
      const [a, b] = [fakeModel([[first]]), fakeModel(answer)]
      assert.deepEqual(await collect(chain([a, b]), ask), [first])
      assert.equal(b.requests.length, 0)
    }
  })

  void it('gets the request under its own name and within its own limits', async () => {
    const [a, b] = [fakeModel([[broken('model_auth')]]), fakeModel(answer)]
    const small = routeTo(b, 'b', { facts: async () => ({ ...facts, maxOutputTokens: 30 }) })
    await collect(chain([a, small]), requestOf('x', { maxOutputTokens: 5_000 }))
    const sent = [...a.requests, ...b.requests].map(({ model, maxOutputTokens, messages }) => ({ model, maxOutputTokens, messages }))
    const { messages } = ask
    assert.deepEqual(sent, [
      { model: 'a', maxOutputTokens: 1_000, messages },
      { model: 'b', maxOutputTokens: 30, messages },
    ])
  })

  void it('is skipped when its window cannot hold the request, and the last error mentions it', async () => {
    const [a, b, c] = [fakeModel([[broken('model_auth')]]), fakeModel(answer), fakeModel([[broken('model_auth')]])]
    const small = routeTo(b, 'b', { facts: async () => ({ ...facts, contextTokens: 2_000 }) })
    const events = await collect(chain([a, small, c]), requestOf('long '.repeat(2_000)))
    assert.deepEqual([b.requests.length, c.requests.length], [0, 1])
    assert.equal(failureOf(events).code, 'model_auth')
    assert.match(
      failureOf(events).message,
      /^fake\/a: It is model_auth\. Then fake\/b: .* window of fake\/b \(2000 tokens\)\. Then fake\/c: /,
    )
  })

  void it('is not asked in place of a chosen model whose window seems too small: that model reports it itself', async () => {
    const a = fakeModel(answer)
    const small = routeTo(a, 'a', { facts: async () => ({ ...facts, contextTokens: 10 }) })
    await collect(chain([small, fakeModel(answer)]), requestOf('long '.repeat(2_000)))
    assert.equal(a.requests.length, 1)
  })

  void it('that reports that its window is too small is skipped, too', async () => {
    const long = broken('context_overflow')
    const models = [fakeModel([[broken('model_auth')]]), fakeModel([[long]]), fakeModel(answer)]
    assert.equal(outcome(await collect(chain(models), ask)), 'all well|stop')
  })

  void it('is asked when the one before cannot be loaded, or throws', async () => {
    const unloaded = routeTo(fakeModel([]), 'a', { open: () => Promise.reject(new Error('no such package')) })
    const unknown = routeTo(fakeModel([]), 'a', { facts: () => Promise.reject(new Error('unknown model')) })
    for (const first of [unloaded, unknown, fakeModel(['throw']), fakeModel([])]) {
      assert.equal(outcome(await collect(chain([first, fakeModel(answer)]), ask)), 'all well|stop')
    }
    assert.match(failureOf(await collect(chain([unloaded]), ask)).message, /fake\/a could not be asked: no such package/)
    assert.equal(failureOf(await collect(chain([fakeModel(['throw'])]), ask)).code, 'internal_failure')
    assert.equal(failureOf(await collect(chain([fakeModel([])]), ask)).code, 'model_garbled')
  })
})
