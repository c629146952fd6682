import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Failure, isOxbowError, systemClock } from '../../base/index.ts'
import { type Model, type ModelEvent, plainFacts, userMessage } from '../../protocol/index.ts'
import { createHttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, collectExchanges, describeModelContract, type RawExchange, requestOf, textOfEvents } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { contractScenario } from '../scripted/scenario-fixture.ts'
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
    events.push(await collect(model, { ...requestOf(text), onExchange: collectExchanges((exchange) => void exchanges.push(exchange)) }))
  }
  model.close()
  await server.close()
  return { events, exchanges }
}

/** As the journal keeps them. @param id of the generation and try */
function lineOf({ wire, model, url, status, body, response }: RawExchange, id: string): string {
  const text = (bytes: Uint8Array): object => ({ text: Buffer.from(bytes).toString() })
  return JSON.stringify({ id, wire, model, url, status, request: text(Buffer.concat(body)), response: text(response) })
}

const options = { limits: modelLimits, loadWire }

function textOf(exchanges: readonly RawExchange[], id = (place: number): string => `c${place}#${place}`): string {
  return exchanges.map((exchange, place) => lineOf(exchange, id(place))).join('\n')
}

function replayOf(exchanges: readonly RawExchange[], id?: (place: number) => string): Promise<Model> {
  return createReplay(textOf(exchanges, id), 'rec.jsonl', options)
}

async function failureOf(model: Model, text: string): Promise<Failure | null> {
  const last = (await collect(model, requestOf(text))).at(-1)
  return last?.type === 'error' ? last.failure : null
}

const busyBody = '{"error":{"message":"busy"}}'

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'oxbow-replay-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

describeModelContract('a replay', async () => {
  const { exchanges } = await record('say', 'call', 'fail', 'say')
  const cannot = { cannot: 'what was recorded has an end' }
  return {
    model: await replayOf([...exchanges, ...exchanges]),
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
    const model = await replayOf(exchanges)
    assert.deepEqual(await collect(model, { ...requestOf('call'), model: 'any' }), events[1])
    assert.deepEqual(await collect(model, { ...requestOf('say'), model: 'any', maxOutputTokens: 7 }), events[0])
  })

  void it('refuses a request that was not recorded and names where it differs, without quoting it', async () => {
    const model = await replayOf((await record('say this')).exchanges)
    const failure = await failureOf(model, 'say that')
    assert.equal(failure?.code, 'replay_diverged')
    assert.match(failure.message, /rec\.jsonl: messages\[\d\]\.content differs from character 7 on \(exchange 1\)/)
    assert.doesNotMatch(failure.message, /say/)
    const longer = [userMessage('say this'), userMessage('and more')]
    const [more] = await collect(model, { ...requestOf(''), messages: longer })
    assert.match(more?.type === 'error' ? more.failure.message : '', /messages\[\d\]\.role is not in the recorded request/)
    assert.equal(await failureOf(model, 'say this'), null)
  })

  void it('gives different answers to the same request in order, also when a new process goes on, and then begins again', async () => {
    const { exchanges } = await record('say', 'say', 'say')
    const numbered = exchanges.map((exchange, place) => ({
      ...exchange,
      response: Buffer.from(Buffer.from(exchange.response).toString().replace('Grüße', `answer ${place}`)),
    }))
    await using folder = await temporaryFolder()
    const told: string[] = []
    for (let run = 0; run < 4; run += 1) {
      const model = await createReplay(textOf(numbered), 'f', { ...options, stateFolder: folder.path })
      told.push(textOfEvents(await collect(model, requestOf('say'))).slice(0, 8))
    }
    assert.deepEqual(told, ['answer 0', 'answer 1', 'answer 2', 'answer 0'])
    const other = await createReplay(textOf(numbered.toReversed()), 'f', { ...options, stateFolder: folder.path })
    assert.match(textOfEvents(await collect(other, requestOf('say'))), /^answer 2/)
  })

  void it('of a generation that needed several tries plays the last one', async () => {
    const { events, exchanges } = await record('say')
    const tried = exchanges[0]!
    const busy: RawExchange = { ...tried, status: 503, response: Buffer.from(busyBody) }
    const down: RawExchange = { ...tried, status: 0, response: Buffer.alloc(0) }
    const model = await replayOf([busy, down, tried], (place) => `c#${place + 1}`)
    assert.equal(textOfEvents(await collect(model, requestOf('say'))), textOfEvents(events[0] ?? []))
  })

  void it('of a generation that failed fails with the same code', async () => {
    const tried = (await record('say')).exchanges[0]!
    const busy = await failureOf(await replayOf([{ ...tried, status: 503, response: Buffer.from(busyBody) }]), 'say')
    assert.deepEqual([busy?.code, /busy/.test(busy?.message ?? '')], ['model_overloaded', true])
    const down = await failureOf(await replayOf([{ ...tried, status: 0, response: Buffer.alloc(0) }]), 'say')
    assert.equal(down?.code, 'model_unreachable')
  })

  void it('leaves out what no wire of ours can read', async () => {
    const { events, exchanges } = await record('say')
    const model = await replayOf([{ ...exchanges[0]!, wire: '@ai-sdk/mistral' }, ...exchanges])
    assert.equal(textOfEvents(await collect(model, requestOf('say'))), textOfEvents(events[0] ?? []))
  })
})

const erased = { erased: 'a'.repeat(64), bytes: 12, reason: 'forgotten by memory.forget' }

void describe('a replay of what was erased in part', () => {
  void it('reports an erased exchange in its place, and plays the others unchanged', async () => {
    const { events, exchanges } = await record('say', 'call', 'say it')
    const [first, second, third] = exchanges.map((exchange, place) => lineOf(exchange, `c${place}#${place}`))
    assert.ok(second !== undefined)
    const model = await createReplay([first, JSON.stringify({ id: 'c1#0', erased }), third].join('\n'), 'f', options)
    assert.equal(textOfEvents(await collect(model, requestOf('say'))), textOfEvents(events[0] ?? []))
    assert.equal(textOfEvents(await collect(model, requestOf('what is gone'))), '(erased)')
    assert.equal(textOfEvents(await collect(model, requestOf('say it'))), textOfEvents(events[2] ?? []))
  })

  void it('matches a request whose beginning was in an erased exchange', async () => {
    const { events, exchanges } = await record('say', 'call')
    const lines = exchanges.map((exchange, place) => {
      const { request, ...rest } = JSON.parse(lineOf(exchange, `c${place}#${place}`)) as { request: { text: string } }
      return JSON.stringify({ ...rest, request: { after: { id: 'gone#1', bytes: 20, erased: true }, text: request.text.slice(20) } })
    })
    const model = await createReplay(lines.join('\n'), 'f', options)
    assert.deepEqual(await collect(model, { ...requestOf('call'), model: 'any' }), events[1])
    assert.deepEqual(await collect(model, { ...requestOf('say'), model: 'any' }), events[0])
    assert.equal((await failureOf(model, 'something else'))?.code, 'replay_diverged')
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

  void it('that is missing or not named is reported at the start', async () => {
    await assert.rejects(openReplay('', options), { code: 'bad_config' })
    await using folder = await temporaryFolder()
    await assert.rejects(openReplay(join(folder.path, 'none'), options), { code: 'bad_config' })
    const { events, exchanges } = await record('say')
    await writeFile(join(folder.path, 'rec'), textOf(exchanges))
    const model = await openReplay(join(folder.path, 'rec'), options)
    assert.equal(textOfEvents(await collect(model, requestOf('say'))), textOfEvents(events[0] ?? []))
  })
})
