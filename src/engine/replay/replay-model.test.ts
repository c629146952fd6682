import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isOxbowError, type Model, type ModelEvent, plainFacts, systemClock, type RawExchange } from '../../types/index.ts'
import { createHttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { contractScenario } from '../scripted/contract-scenario.ts'
import { startScriptedServer } from '../scripted/scripted-server.ts'
import type { Wire } from '../wire.ts'
import { readRecording, type RecordedExchange } from './recording.ts'
import { createReplay, openReplay } from './replay-model.ts'

const facts = plainFacts({ name: 'm', provider: 'test', contextTokens: 1000, maxOutputTokens: 100, price: null })
const loadWire = async (name: string): Promise<Wire | null> => (name === 'openai-chat' ? chatWire : null)

/** What the scripted server answers to these messages, with the bytes that it took. */
async function record(...said: readonly string[]): Promise<{ events: ModelEvent[][]; exchanges: RawExchange[] }> {
  const server = await startScriptedServer(contractScenario)
  const options = { wire: chatWire, baseUrl: new URL(server.url), key: '', headers: {}, official: false, clock: systemClock }
  const model = createHttpModel({ ...options, facts: () => facts, limits: modelLimits })
  const exchanges: RawExchange[] = []
  const events: ModelEvent[][] = []
  for (const text of said) {
    events.push(await collect(model, { ...requestOf(text), onExchange: (exchange) => exchanges.push(exchange) }))
  }
  model.close()
  await server.close()
  return { events, exchanges }
}

/** As the journal keeps them. @param id of the generation and try */
function lineOf({ wire, model, url, status, request, response }: RawExchange, id: string): string {
  const text = (bytes: Uint8Array): object => ({ text: Buffer.from(bytes).toString() })
  return JSON.stringify({ id, wire, model, url, status, request: text(Buffer.concat(request)), response: text(response) })
}

function replayOf(exchanges: readonly RawExchange[], id = (place: number): string => `c${place}#${place}`): Model {
  const text = exchanges.map((exchange, place) => lineOf(exchange, id(place))).join('\n')
  return createReplay(readRecording(text, 'f'), modelLimits, loadWire)
}

const refused: RawExchange = {
  wire: 'openai-chat',
  model: 'm',
  url: 'http://127.0.0.1:1/v1/chat/completions',
  status: 503,
  request: [Buffer.from('{}')],
  response: Buffer.from('{"error":{"message":"busy"}}'),
}

describeModelContract('a replay', async () => {
  const { exchanges } = await record('say', 'call', 'fail', 'say')
  const cannot = { cannot: 'what was recorded has an end' }
  return {
    model: replayOf([...exchanges, ...exchanges]),
    text: requestOf('say'),
    toolCall: requestOf('call'),
    failure: requestOf('fail'),
    endless: cannot,
    close: async () => undefined,
  }
})

void describe('a replay', () => {
  void it('gives the events that the endpoint gave, for each request its own, in any order', async () => {
    const { events, exchanges } = await record('say', 'call')
    const model = replayOf(exchanges)
    assert.deepEqual(await collect(model, { ...requestOf('call'), model: 'any' }), events[1])
    assert.deepEqual(await collect(model, { ...requestOf('say'), model: 'any' }), events[0])
  })

  void it('answers a request that was not recorded with the next answer, and says when there is none left', async () => {
    const { events, exchanges } = await record('say')
    const model = replayOf(exchanges)
    assert.equal(textOfEvents(await collect(model, requestOf('something else'))), textOfEvents(events[0] ?? []))
    const [over] = await collect(model, requestOf('say'))
    assert.deepEqual([over?.type === 'error' && over.failure.code], ['model_refused'])
    assert.match(over?.type === 'error' ? over.failure.message : '', /recording is over/)
  })

  void it('of a generation that needed several tries plays the last one', async () => {
    const { events, exchanges } = await record('say')
    const tried = exchanges[0]!
    const busy: RawExchange = { ...tried, status: 503, response: refused.response }
    const down: RawExchange = { ...tried, status: 0, response: Buffer.alloc(0) }
    const model = replayOf([busy, down, tried], (place) => `c#${place + 1}`)
    assert.equal(textOfEvents(await collect(model, requestOf('say'))), textOfEvents(events[0] ?? []))
  })

  void it('of a generation that failed fails with the same code', async () => {
    const [busy] = await collect(replayOf([refused]), requestOf('x'))
    assert.deepEqual(busy?.type === 'error' && [busy.failure.code, /busy/.test(busy.failure.message)], ['model_overloaded', true])
    const [down] = await collect(replayOf([{ ...refused, status: 0, response: Buffer.alloc(0) }]), requestOf('x'))
    assert.equal(down?.type === 'error' && down.failure.code, 'model_unreachable')
  })

  void it('leaves out what no wire of ours can read', async () => {
    const { events, exchanges } = await record('say')
    const model = replayOf([{ ...refused, wire: '@ai-sdk/mistral' }, ...exchanges])
    assert.equal(textOfEvents(await collect(model, requestOf('x'))), textOfEvents(events[0] ?? []))
  })
})

const erased = { erased: 'a'.repeat(64), bytes: 12, reason: 'forgotten by memory.forget' }

void describe('a replay of what was erased in part', () => {
  void it('says so in the place of an exchange that is gone, and gives the others as they were', async () => {
    const { events, exchanges } = await record('say', 'call', 'say')
    const [first, second, third] = exchanges.map((exchange, place) => lineOf(exchange, `c${place}#${place}`))
    const lines = [first, JSON.stringify({ id: 'c1#0', erased }), third]
    assert.ok(second !== undefined)
    const model = createReplay(readRecording(lines.join('\n'), 'f'), modelLimits, loadWire)
    assert.equal(textOfEvents(await collect(model, requestOf('a'))), textOfEvents(events[0] ?? []))
    assert.equal(textOfEvents(await collect(model, requestOf('b'))), '(erased)')
    assert.equal(textOfEvents(await collect(model, requestOf('c'))), textOfEvents(events[2] ?? []))
  })

  void it('knows a request again whose beginning was told by an exchange that is gone', async () => {
    const { events, exchanges } = await record('say', 'call')
    const lines = exchanges.map((exchange, place) => {
      const { request, ...rest } = JSON.parse(lineOf(exchange, `c${place}#${place}`)) as { request: { text: string } }
      return JSON.stringify({ ...rest, request: { after: { id: 'gone#1', bytes: 20, erased: true }, text: request.text.slice(20) } })
    })
    const model = createReplay(readRecording(lines.join('\n'), 'f'), modelLimits, loadWire)
    assert.deepEqual(await collect(model, { ...requestOf('call'), model: 'any' }), events[1])
    assert.deepEqual(await collect(model, { ...requestOf('say'), model: 'any' }), events[0])
  })
})

void describe('a recording', () => {
  void it('goes on from a request whose own beginning is unknown', () => {
    const [, second, third, fourth] = read(
      { id: 'g#0', erased },
      { ...line, id: 'a', request: { after: { id: 'g#1', bytes: 5, erased: true }, text: 'abc' } },
      { ...line, id: 'b', request: { after: { id: 'a', bytes: 7 }, text: 'x' } },
      { ...line, id: 'c', request: { after: { id: 'a', bytes: 4 }, text: 'y' } },
    )
    assert.deepEqual(
      [second, third, fourth].map((each) => [each?.unknown, each?.request.toString()]),
      [
        [5, 'abc'],
        [5, 'abx'],
        [4, 'y'],
      ],
    )
  })

  const line = { id: 'a', wire: 'w', model: 'm', url: 'http://x/', status: 200, request: { text: 'abc' }, response: {} }
  const read = (...lines: readonly unknown[]): readonly RecordedExchange[] =>
    readRecording(lines.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n'), 'rec.jsonl')

  void it('may go on from an earlier request, and has empty lines', () => {
    const [, second] = read(line, '', { ...line, id: 'b', request: { after: { id: 'a', bytes: 2 }, text: 'x' } })
    assert.deepEqual([second?.request.toString(), second?.response.length], ['abx', 0])
  })

  void it('that is wrong names the file and the line', () => {
    const wrong = (says: RegExp, ...lines: readonly unknown[]): void =>
      assert.throws(
        () => read(...lines),
        (error) => isOxbowError(error, 'bad_config') && says.test(error.message),
        String(says),
      )
    wrong(/rec\.jsonl, line 2: no exchange/, line, 'no json')
    wrong(/line 1: no exchange \(status/, { ...line, status: -1 })
    wrong(/line 1: no exchange \(response\.base64/, { ...line, response: { base64: '***' } })
    wrong(/line 1: the request goes on/, { ...line, request: { after: { id: 'a', bytes: 1 } } })
    wrong(/line 2: the request goes on/, line, { ...line, request: { after: { id: 'a', bytes: 9 } } })
    wrong(/holds no exchange/, '')
  })

  void it('that is not there, or not named, is said at the start', async () => {
    await assert.rejects(openReplay('', modelLimits, loadWire), { code: 'bad_config' })
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-replay-'))
    await assert.rejects(openReplay(join(folder, 'none'), modelLimits, loadWire), { code: 'bad_config' })
    await writeFile(join(folder, 'rec'), lineOf(refused, 'c#1'))
    const [busy] = await collect(await openReplay(join(folder, 'rec'), modelLimits, loadWire), requestOf('x'))
    assert.equal(busy?.type, 'error')
    await rm(folder, { recursive: true })
  })
})
