import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Model, ModelEvent } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { createAiSdkModel } from '../ai-sdk/ai-sdk-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { createBreakers } from './breakers.ts'
import {
  answer,
  broken,
  chain,
  facts,
  failureOf,
  fakeModel,
  finish,
  manualClock,
  outcome,
  overloaded,
  routeTo,
  say,
  type Step,
} from './chain-fixture.ts'

const ask = requestOf('x')
const never = new AbortController().signal
const iterate = (model: Model, signal = never) => model.generate(ask, signal)[Symbol.asyncIterator]()

void describe('an endpoint that is down', () => {
  void it('is not asked after five failures in a row: the error says until when, and a fallback is asked at once', async () => {
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
      /a\.example failed 5 times in a row and will be asked again in 30 seconds, at 2026-11-21 00:00:31 UTC\. Last failure/,
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
    assert.match(failureOf(await collect(model, ask)).message, /once the request that is probing it now/)
    await first
    assert.equal(outcome(await collect(model, ask)), 'all well|stop')
    control.abort()
    await probe.next()
  })

  void it('is not suspected for errors that are not its own, nor for a model that cannot be loaded', async () => {
    const a = fakeModel([[broken('model_auth')]])
    const one = chain([a])
    for (let round = 0; round < 7; round += 1) await collect(one, ask)
    assert.equal(a.requests.length, 7)
    let loads = 0
    const open = () => new Promise<Model>(() => void (loads += 1))
    const stuck = chain([routeTo(a, 'a', { open })], { limits: { firstTokenMs: 1, betweenTokensMs: 1 } })
    for (let round = 0; round < 7; round += 1) await collect(stuck, ask)
    assert.equal(loads, 7)
  })

  void it('is trusted again after one whole answer', async () => {
    const four = Array.from({ length: 4 }, () => [[overloaded]])
    const a = fakeModel(...four, answer, ...four, answer)
    const one = chain([a])
    for (let round = 0; round < 3; round += 1) await collect(one, ask)
    assert.equal(outcome(await collect(one, ask)), 'all well|stop')
    assert.equal(a.requests.length, 10)
  })

  void it('may be tried by the next one when the probe was refused, cancelled or left', async () => {
    const down = Array.from({ length: 5 }, () => [[overloaded]])
    const open = async (probe: readonly Step[]) => {
      const clock = manualClock()
      const model = fakeModel(...down, probe, answer)
      const one = chain([model], { clock })
      for (let round = 0; round < 2; round += 1) await collect(one, ask)
      clock.move(30_000)
      return { model, one }
    }
    const refused = await open([[broken('model_auth')]])
    assert.equal(outcome(await collect(refused.one, ask)), '|model_auth')
    assert.equal(outcome(await collect(refused.one, ask)), 'all well|stop')

    const cancelled = await open(['hang'])
    const control = new AbortController()
    const events = collect(cancelled.one, ask, control.signal)
    await cancelled.model.asked(6)
    control.abort()
    assert.equal(outcome(await events), '|cancelled')
    assert.equal(outcome(await collect(cancelled.one, ask)), 'all well|stop')

    const left = await open(['hang'])
    const iterator = iterate(left.one)
    const next = iterator.next()
    await left.model.asked(6)
    await iterator.return?.()
    assert.equal((await next).done, true)
    assert.equal(outcome(await collect(left.one, ask)), 'all well|stop')
  })
})

void describe('silence', () => {
  const limits = { firstTokenMs: 40, betweenTokensMs: 20 }

  void it('before the first event ends the try, and the next model is asked', async () => {
    const models = [fakeModel(['hang']), fakeModel(answer)]
    const events = await collect(chain(models, { limits }), ask)
    assert.equal(outcome(events), 'all well|stop')
    const [first] = events
    assert.match(first?.type === 'restarted' ? first.why.message : '', /fake\/a did not start to answer within 40 ms/)
    assert.equal(models[0]?.running, 0)
  })

  void it('inside an answer is a stall, and the usage of the try is still reported', async () => {
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

  void it('is a stall, whatever the model reports when it is stopped, and is not retried', async () => {
    let tries = 0
    const used = { inputTokens: 3, outputTokens: 2, estimated: false }
    const sulking: Model = {
      generate: async function* (_request, signal) {
        tries += 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        yield [say('late')]
        yield []
        yield [broken('model_unreachable', { waitMs: 0, used })]
      },
    }
    const events = await collect(chain([sulking], { limits: { ...limits, stopGraceMs: 1e8 } }), ask)
    assert.deepEqual([outcome(events), tries], ['|model_stalled', 1])
    assert.deepEqual(
      events.map((event) => event.type === 'error' && event.usage),
      [used],
    )
  })

  void it('of a model that talks on for ever after it was stopped ends all the same', async () => {
    const deaf: Model = {
      generate: async function* (_request, signal) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        for (;;) yield [say('.')]
      },
    }
    assert.equal(outcome(await collect(chain([deaf], { limits }), ask)), '|model_stalled')
  })

  void it('after the beginning of a tool call is one in the middle of the answer', async () => {
    const writing: Model = {
      generate: async function* (request, signal) {
        request.onProgress?.()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        yield [broken('cancelled')]
      },
    }
    assert.match(failureOf(await collect(chain([writing], { limits }), ask)).message, /stopped in the middle/)
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

  void it('is ended by the wire for each piece of a tool call, and not for what is emitted or empty', () => {
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

  void it('is broken by a provider package in the same way', async () => {
    const text = { type: 'text-delta', id: 't', delta: 'x' }
    const input = { type: 'tool-input-delta', id: 'c', delta: '{}' }
    const call = { type: 'tool-call', toolCallId: 'c', toolName: 'f', input: '{}' }
    const parts = [text, input, input, call, { type: 'finish', finishReason: 'tool-calls', usage: { inputTokens: 1, outputTokens: 1 } }]
    const languageModel = () => ({
      specificationVersion: 'v2',
      provider: 'x',
      modelId: 'm',
      doStream: async () => ({
        stream: new ReadableStream({
          // One part for each turn of the loop, as from a network.
          pull: async (controller) => {
            await new Promise((resolve) => setImmediate(resolve))
            const part = parts.shift()
            if (part === undefined) controller.close()
            else controller.enqueue(part)
          },
        }),
      }),
    })
    const model = createAiSdkModel({
      packageName: 'x',
      provider: 'x',
      key: '',
      baseUrl: null,
      headers: {},
      facts: () => facts,
      clock: systemClock,
      limits: modelLimits,
      folders: [],
      load: async () => ({ createX: () => ({ languageModel }) }),
    })
    let pieces = 0
    const events = await collect(model, requestOf('x', { onProgress: () => void (pieces += 1) }))
    assert.deepEqual([outcome(events), pieces], ['x|tool_calls', 2])
    model.close()
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

  void it('is measured from when the consumer asks for more', async () => {
    const clock = manualClock()
    const slow: Model = {
      generate: async function* (_request, signal) {
        yield [say('a')]
        await clock.looked()
        yield signal.aborted ? [broken('cancelled')] : [finish(1)]
      },
    }
    const iterator = iterate(chain([slow], { limits: { firstTokenMs: 5, betweenTokensMs: 5 }, clock }))
    await iterator.next()
    clock.move(1_000)
    const { value } = (await iterator.next()) as { value: readonly ModelEvent[] }
    assert.equal(outcome(value), '|stop')
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
    assert.match(failureOf(events).message, /No try finished an answer within 10 ms in total/)
    assert.equal(chatty.running, 0)
  })
})
