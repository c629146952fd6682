/** The wrapper around a wire over HTTP: what tests of the two alone cannot show. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ModelEvent } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { createHttpModel } from '../http/http-model.ts'
import { collect, collectExchanges, describeModelContract, type RawExchange, requestOf } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { contractScenario } from '../scripted/scenario-fixture.ts'
import type { Scenario, ScenarioStep } from '../scripted/scenario.ts'
import { startScriptedServer } from '../scripted/scripted-server.ts'
import { chain, type ChainOptions, facts, fastLimits, outcome, routeTo } from './chain-fixture.ts'

async function open(scenarios: readonly Scenario[], options: ChainOptions = {}) {
  const limits = { ...fastLimits, ...options.limits }
  const servers = await Promise.all(scenarios.map((scenario) => startScriptedServer(scenario)))
  const models = servers.map(({ url }) =>
    createHttpModel({
      wire: chatWire,
      baseUrl: new URL(url),
      key: 'private.key',
      headers: {},
      official: false,
      facts: () => facts,
      clock: systemClock,
      limits,
    }),
  )
  return {
    servers,
    model: chain(
      models.map((model, place) => routeTo(model, 'abc'.charAt(place), { endpoint: servers[place]?.url ?? '' })),
      options,
    ),
    close: async () => {
      for (const model of models) model.close()
      for (const server of servers) await server.close()
    },
  }
}

describeModelContract('the reliability wrapper around the chat-completions wire', async () => ({
  ...(await open([contractScenario])),
  text: requestOf('say'),
  toolCall: requestOf('call'),
  failure: requestOf('fail'),
  endless: requestOf('hang'),
}))

const steps = (...all: ScenarioStep[]): Scenario => ({ turns: [{ steps: all }] })
const whole: ScenarioStep = { events: [{ text: 'there' }], usage: { input: 7, output: 3 } }

async function run(scenarios: readonly Scenario[], options?: ChainOptions, onExchange?: (exchange: RawExchange) => void) {
  const { model, servers, close } = await open(scenarios, options)
  try {
    const events = await collect(model, requestOf('x', onExchange === undefined ? {} : { onExchange: collectExchanges(onExchange) }))
    return { events, end: outcome(events), requests: servers.map(({ requests }) => requests) }
  } finally {
    await close()
  }
}

const usageOf = (event: ModelEvent | undefined) => (event !== undefined && 'usage' in event ? event.usage : null)

void describe('over HTTP', () => {
  void it('an endpoint that recovers gives its answer, and each exchange is recorded', async () => {
    const statuses: number[] = []
    const recovers = steps({ ...whole, http: { status: 503, times: 2, headers: { 'retry-after': '0' } } })
    const tried = await run([recovers], {}, ({ status }) => void statuses.push(status))
    assert.deepEqual([tried.end, tried.requests, statuses], ['there|stop', [3], [503, 503, 200]])
  })

  void it('an answer that breaks off again and again goes to the fallback, and the usage of the failed tries is reported', async () => {
    const cuts = steps({ events: [{ text: 'some words' }, { delay_ms: 1 }, { drop: true }] })
    const { events, end, requests } = await run([cuts, steps(whole)])
    assert.deepEqual([end, requests], ['there|stop', [2, 1]])
    const restarts = events.filter(({ type }) => type === 'restarted')
    assert.deepEqual(
      restarts.map((event) => usageOf(event)?.outputTokens),
      [3, 3],
    )
    assert.deepEqual(usageOf(events.at(-1)), { inputTokens: 7, outputTokens: 3, estimated: false })
  })

  void it('a refused key goes to the fallback at once and stands in no event', async () => {
    const refuses = steps({ events: [], http: { status: 401, body: '{"error":{"message":"bad key private.key"}}' } })
    const { events, end, requests } = await run([refuses, steps(whole)])
    assert.deepEqual([end, requests], ['there|stop', [1, 1]])
    assert.equal(JSON.stringify(events).includes('private'), false)
    assert.deepEqual(
      events.filter(({ type }) => type === 'restarted').map((event) => usageOf(event)?.inputTokens),
      [0],
    )
  })

  void it('an answer that stalls is stopped with what it used, and its connection is closed', async () => {
    const stalls = steps({ events: [{ text: 'some words' }, { stall: true }] })
    const { events, end } = await run([stalls], { limits: { betweenTokensMs: 500 } })
    assert.equal(end, 'some words|model_stalled')
    assert.equal(usageOf(events.at(-1))?.outputTokens, 3)
  })
})
