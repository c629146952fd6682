import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Model, ModelAsk, ModelEvent } from '../../protocol/index.ts'
import { collect, requestOf, textOfEvents } from '../model-contract.ts'
import { answer, broken, chain, dropped, failureOf, fakeModel, finish, outcome, overloaded, routeTo, say } from './chain-fixture.ts'

const ask = requestOf('x')
const never = new AbortController().signal
const iterate = (model: Model, signal = never) => model.generate(ask, signal)[Symbol.asyncIterator]()

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

  void it('ends a running try and reports its usage', async () => {
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

  void it('ends a try that is loading at once, and what is loaded later is not asked', async () => {
    const model = fakeModel(answer)
    for (const late of ['open', 'facts'] as const) {
      const control = new AbortController()
      const loaded = Promise.withResolvers<never>()
      const routes = [routeTo(model, 'a', { [late]: () => loaded.promise })]
      const iterator = iterate(chain(routes, { limits: { stopGraceMs: 1e8 } }), control.signal)
      const next = iterator.next()
      await new Promise((resolve) => setImmediate(resolve))
      control.abort()
      assert.equal(outcome(((await next) as { value: readonly ModelEvent[] }).value), '|cancelled')
      if (late === 'open') loaded.resolve(model as never)
      else loaded.reject(new Error('too late'))
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal((await iterator.next()).done, true)
    }
    assert.equal(model.requests.length, 0)
  })

  void it('ends a try that ignores it; later events are dropped', async () => {
    const released = Promise.withResolvers<void>()
    let pulls = 0
    const deaf: Model = {
      generate: () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            pulls += 1
            await released.promise
            return { done: false, value: [say('late')] }
          },
        }),
      }),
    }
    const control = new AbortController()
    const stopped = iterate(chain([deaf]), control.signal)
    const left = iterate(chain([deaf]))
    const next = stopped.next()
    const leftWaiting = left.next()
    await new Promise((resolve) => setImmediate(resolve))
    control.abort()
    await left.return?.()
    assert.equal(outcome(((await next) as { value: readonly ModelEvent[] }).value), '|cancelled')
    released.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([(await stopped.next()).done, (await leftWaiting).done, (await left.next()).done, pulls], [true, true, true, 2])
  })

  void it('reaches a consumer that was not waiting as the last batch', async () => {
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

  void it('by a consumer that leaves while it waits stops the model, and drops what waits for it', async () => {
    const silent = fakeModel(['hang'])
    const iterator = iterate(chain([silent]))
    const next = iterator.next()
    await silent.asked(1)
    await iterator.return?.()
    assert.equal((await next).done, true)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(silent.running, 0)

    const control = new AbortController()
    const late = iterate(chain([fakeModel([[say('1')], 'hang'])]), control.signal)
    await late.next()
    control.abort()
    await new Promise((resolve) => setImmediate(resolve))
    await late.return?.()
    assert.equal((await late.next()).done, true)
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
    const waiting = fakeModel([[broken('model_rate_limited', { waitMs: 20_000 })]])
    const iterator = iterate(chain([waiting]), control.signal)
    const next = iterator.next()
    await waiting.asked(1)
    await new Promise((resolve) => setImmediate(resolve))
    await iterator.return?.()
    await next
    assert.equal(listeners, 0)
    // Timers of other tests may end meanwhile.
    assert.ok(timers() <= before)
  })
})

void describe('a model that may not be asked', () => {
  const uncovered = { code: 'budget_exhausted', message: 'No budget covers it.', hint: 'Raise it.' } as const
  const refusing = (...names: readonly string[]) => {
    const asked: string[] = []
    const request = {
      ...ask,
      onAsk: async ({ unreported }: ModelAsk) => {
        const name = 'abc'.charAt(asked.length)
        asked.push(`${name}:${unreported.length}`)
        return names.includes(name) ? uncovered : null
      },
    }
    return { asked, request }
  }

  void it('is skipped for the next one, and nothing counts against its endpoint', async () => {
    const [first, dear, fair] = [fakeModel([[broken('model_auth')]]), fakeModel(answer), fakeModel(answer)]
    const { asked, request } = refusing('b')
    const events = await collect(chain([first, dear, fair]), request)
    assert.equal(outcome(events), 'all well|stop')
    assert.deepEqual([asked, dear.requests.length, fair.requests.length], [['a:0', 'b:0', 'c:0'], 0, 1])
  })

  void it('ends the generation with the refusal when there is no other', async () => {
    const [first, dear] = [fakeModel([[broken('model_auth')]]), fakeModel(answer)]
    const { request } = refusing('b')
    const failure = failureOf(await collect(chain([first, dear]), request))
    assert.deepEqual([failure.code, failure.hint, dear.requests.length], ['budget_exhausted', 'Raise it.', 0])
    assert.match(failure.message, /model_auth.*No budget covers it/s)
  })

  void it('is told what the tries before it used, which is not lost when it is cancelled in silence', async () => {
    const first = fakeModel([[say('half')], [broken('model_stalled', { used: { inputTokens: 7, outputTokens: 3, estimated: true } })]])
    const second = fakeModel(['hang'])
    const { asked, request } = refusing()
    const control = new AbortController()
    const events = collect(chain([first, second]), request, control.signal)
    await second.asked(1)
    control.abort()
    const all = await events
    const last = all.at(-1)
    assert.deepEqual(asked, ['a:0', 'b:1'])
    assert.equal(outcome(all), 'half|cancelled', 'the text that was shown stays')
    assert.ok(last?.type === 'error')
    assert.deepEqual([last.usage.inputTokens, last.unseen?.map((each) => [each.model, each.usage.inputTokens])], [7, [['fake/b', 5]]])
  })

  void it('costs what was sent when it does not say so in time', async () => {
    const deaf = fakeModel(['deaf'])
    const control = new AbortController()
    const events = collect(chain([deaf]), requestOf('x'.repeat(4_000)), control.signal)
    await deaf.asked(1)
    control.abort()
    const last = (await events).at(-1)
    assert.ok(last?.type === 'error' && last.usage.inputTokens >= 1_000 && last.usage.estimated)
  })
})
