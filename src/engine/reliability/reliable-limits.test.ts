import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Model, ModelEvent } from '../../types/index.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf, textOfEvents } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { createBreakers } from './breakers.ts'
import {
  answer,
  broken,
  chain,
  dropped,
  failureOf,
  fakeModel,
  finish,
  manualClock,
  outcome,
  overloaded,
  routeTo,
  say,
} from './chain-fixture.ts'

const ask = requestOf('x')
const never = new AbortController().signal
const iterate = (model: Model, signal = never) => model.generate(ask, signal)[Symbol.asyncIterator]()

void describe('an endpoint that is down', () => {
  void it('is not asked any more after five failures in a row: the error says until when, and a fallback is asked at once', async () => {
    const clock = manualClock()
    const breakers = createBreakers(clock)
    const a = fakeModel([[overloaded]])
    const one = chain([a], { clock, breakers })
    await collect(one, ask)
    assert.equal(failureOf(await collect(one, ask)).message, 'It is model_overloaded.')
    assert.equal(a.requests.length, 5)
    const left = await collect(one, ask)
    assert.match(
      failureOf(left).message,
      /a\.example failed 5 times in a row and is asked again in 30 seconds, at 2026-11-21 00:00:31 UTC\. The last/,
    )
    assert.deepEqual(left[0]?.type === 'error' && left[0].retry, { waitMs: 30_000 })
    assert.equal(outcome(await collect(chain([a, fakeModel(answer)], { clock, breakers }), ask)), 'all well|stop')
    assert.equal(a.requests.length, 5)
  })

  void it('is tried by one request after its time, and asked by all again when that one is answered', async () => {
    const clock = manualClock()
    const breakers = createBreakers(clock)
    const a = fakeModel(...Array.from({ length: 5 }, () => [[overloaded]]), [[say('back')], 'hang'], answer)
    const model = chain([a], { clock, breakers })
    await collect(model, ask)
    await collect(model, ask)
    clock.move(30_000)
    const control = new AbortController()
    const probe = iterate(model, control.signal)
    const first = probe.next()
    assert.match(failureOf(await collect(model, ask)).message, /when the request that tries it now/)
    await first
    assert.equal(outcome(await collect(model, ask)), 'all well|stop')
    control.abort()
    await probe.next()
  })

  void it('is not suspected for errors that are not its own', async () => {
    const a = fakeModel([[broken('model_auth')]])
    for (let round = 0; round < 7; round += 1) await collect(chain([a]), ask)
    assert.equal(a.requests.length, 7)
  })
})

void describe('silence', () => {
  const limits = { firstTokenMs: 40, betweenTokensMs: 20 }

  void it('before the first event ends the try, and the next model is asked', async () => {
    const models = [fakeModel(['hang']), fakeModel(answer)]
    const events = await collect(chain(models, { limits }), ask)
    assert.equal(outcome(events), 'all well|stop')
    const [first] = events
    assert.match(first?.type === 'restarted' ? first.why.message : '', /fake\/a did not begin to answer in 40 ms/)
    assert.equal(models[0]?.running, 0)
  })

  void it('inside an answer is a stall, and what the try used is still told', async () => {
    const events = await collect(chain([fakeModel([[say('so')], 'hang'])], { limits }), ask)
    assert.equal(outcome(events), 'so|model_stalled')
    assert.match(failureOf(events).message, /stopped in the middle of its answer/)
    const last = events.at(-1)
    assert.deepEqual(last?.type === 'error' && last.usage, { inputTokens: 5, outputTokens: 1, estimated: true })
  })

  void it('of a model that does not even hear the abort ends all the same', async () => {
    const events = await collect(chain([fakeModel([[say('so')], 'deaf'])], { limits }), ask)
    assert.equal(outcome(events), 'so|model_stalled')
  })

  void it('of a model that cannot be loaded ends all the same', async () => {
    const stuck = routeTo(fakeModel([]), 'a', { open: () => new Promise(() => undefined) })
    assert.equal(outcome(await collect(chain([stuck], { limits }), ask)), '|model_stalled')
  })

  void it('is not what a model keeps while it writes a long tool call', async () => {
    const clock = manualClock()
    const writing = {
      generate: async function* (request: typeof ask) {
        for (let piece = 0; piece < 4; piece += 1) {
          clock.move(30)
          request.onProgress?.()
          await clock.looked()
        }
        yield [finish(1)]
      },
    }
    assert.equal(outcome(await collect(chain([writing], { limits, clock }), ask)), '|stop')
  })

  void it('is broken by the wire for each piece of a tool call, and for nothing that is given out or empty', () => {
    let pieces = 0
    const options = {
      limits: modelLimits,
      origin: 'https://a.example',
      key: '',
      model: 'a',
      requestChars: 1,
      onProgress: () => void (pieces += 1),
    }
    const reader = chatWire.createReader(options)
    const told = (delta: object): number => {
      reader.feed(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`, [])
      return pieces
    }
    const call = { index: 0, id: 'c', function: { name: 'f', arguments: '{"a' } }
    assert.deepEqual([told({ content: 'x' }), told({}), told({ tool_calls: [call] })], [0, 0, 1])
    reader.feed(': keep-alive\n\n', [])
    assert.equal(told({ tool_calls: [{ index: 0, function: { arguments: '":1}' } }] }), 2)
  })

  void it('is not the slowness of the consumer', async () => {
    const clock = manualClock()
    const events: ModelEvent[] = []
    for await (const batch of chain([fakeModel(answer)], { limits: { firstTokenMs: 5, betweenTokensMs: 5 }, clock }).generate(ask, never)) {
      events.push(...batch)
      clock.move(1_000)
      // The watch looks while nobody asks for more; after the end it is gone.
      if (events.at(-1)?.type !== 'finish') await clock.looked()
    }
    assert.equal(outcome(events), 'all well|stop')
  })

  void it('may not add up: all tries together have one deadline, and the error says so', async () => {
    const chatty = fakeModel(Array.from({ length: 100_000 }, () => [say('.')]))
    const clock = manualClock()
    const events: ModelEvent[] = []
    for await (const batch of chain([chatty, fakeModel(answer)], { limits: { totalMs: 10 }, clock }).generate(ask, never)) {
      events.push(...batch)
      clock.move(1)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(failureOf(events).code, 'timeout')
    assert.match(failureOf(events).message, /No answer was finished in 10 ms, all tries together/)
    assert.equal(chatty.running, 0)
  })
})

void describe('an end from outside', () => {
  void it('ends the wait between two tries at once', async () => {
    const model = fakeModel([[broken('model_rate_limited', { waitMs: 20_000 })]])
    const control = new AbortController()
    const events = collect(chain([model]), ask, control.signal)
    await model.asked(1)
    await new Promise((resolve) => setImmediate(resolve))
    control.abort()
    assert.equal(outcome(await events), '|cancelled')
  })

  void it('ends a running try, and tells what it used', async () => {
    const model = fakeModel([[say('so')], 'hang'])
    const control = new AbortController()
    const iterator = iterate(chain([model, fakeModel(answer)]), control.signal)
    await iterator.next()
    const next = iterator.next()
    control.abort()
    const { value } = (await next) as { value: readonly ModelEvent[] }
    assert.deepEqual(
      value.map((event) => event.type === 'error' && [event.failure.code, event.usage.inputTokens]),
      [['cancelled', 5]],
    )
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
  })

  void it('ends a try that is loading, or deaf', async () => {
    const control = new AbortController()
    const stuck = routeTo(fakeModel([]), 'a', { open: () => new Promise(() => undefined) })
    const loading = collect(chain([stuck]), ask, control.signal)
    const deaf = fakeModel(['deaf'])
    const unheard = collect(chain([deaf]), ask, control.signal)
    await deaf.asked(1)
    control.abort()
    assert.deepEqual([outcome(await loading), outcome(await unheard)], ['|cancelled', '|cancelled'])
  })

  void it('comes to a consumer that was not waiting, as the last batch', async () => {
    const control = new AbortController()
    const model = fakeModel([[say('1')], [say('2')], [say('3')], [finish(1)]])
    const iterator = iterate(chain([model]), control.signal)
    await iterator.next()
    control.abort()
    await new Promise((resolve) => setImmediate(resolve))
    const { value } = (await iterator.next()) as { value: readonly ModelEvent[] }
    assert.equal(outcome(value), '|cancelled')
    assert.equal((await iterator.next()).done, true)
  })

  void it('by a consumer that leaves closes the model, during a try and between two', async () => {
    const model = fakeModel([[say('so')], 'hang'])
    for await (const batch of chain([model]).generate(ask, never)) if (textOfEvents(batch) === 'so') break
    assert.equal(model.running, 0)
    const waiting = fakeModel([[broken('model_rate_limited', { waitMs: 20_000 })]])
    const iterator = iterate(chain([waiting]))
    const next = iterator.next()
    await waiting.asked(1)
    await new Promise((resolve) => setImmediate(resolve))
    await iterator.return?.()
    assert.deepEqual([(await next).done, (await iterator.next()).done], [true, true])
  })

  void it('leaves no listener on the signal and no timer behind', async () => {
    const control = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = control.signal
    control.signal.addEventListener = function (...given: Parameters<typeof addEventListener>) {
      listeners += 1
      addEventListener.apply(this, given)
    }
    control.signal.removeEventListener = function (...given: Parameters<typeof removeEventListener>) {
      listeners -= 1
      removeEventListener.apply(this, given)
    }
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    for (const model of [fakeModel(answer), fakeModel([[overloaded]]), fakeModel([[say('a')], [dropped]])]) {
      await collect(chain([model]), ask, control.signal)
      for await (const batch of chain([model]).generate(ask, control.signal)) if (batch.length > 0) break
    }
    assert.deepEqual([listeners, timers()], [0, before])
  })
})
