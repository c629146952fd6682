/**
 * A model that answers from a recording: the bytes that an endpoint once sent are read again by the wire that read them then.
 * No network. A request that was recorded is answered with its own answer; any other with the next one that was not given yet.
 * Of a generation that needed several tries its last one is played: that is how it ended then. One that was erased keeps its place
 * and says so.
 */
import { readFile } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { erasedText, type GenerateRequest, type Model, type ModelEvent, OxbowError, plainFacts } from '../../types/index.ts'
import { bytesOf } from '../http/request-body.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled, noUsage, type Problem, problem, problemOfStatus } from '../model-problem.ts'
import type { Wire } from '../wire.ts'
import { readRecording, type RecordedExchange } from './recording.ts'

/** @throws OxbowError `bad_config` when the file cannot be used. */
export async function openReplay(file: string, limits: ModelLimits, loadWire: (name: string) => Promise<Wire | null>): Promise<Model> {
  if (file === '') throw new OxbowError('bad_config', 'The replay model has no recording.', { hint: 'Set model.replay to a recording.' })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new OxbowError('bad_config', `${file} cannot be read.`, { hint: 'Set model.replay to a recording.', cause })
  })
  return createReplay(readRecording(text, file), limits, loadWire)
}

export function createReplay(
  recorded: readonly RecordedExchange[],
  limits: ModelLimits,
  loadWire: (name: string) => Promise<Wire | null>,
): Model {
  const left = [...new Map(recorded.map((exchange) => [exchange.generation, exchange])).values()]
  return {
    async *generate(request, signal) {
      const next = signal.aborted ? null : await takeNext(left, request, loadWire)
      if (next?.exchange.erased === true) yield erasedAnswer
      else if (next === null) yield [{ type: 'error', failure: signal.aborted ? cancelled : over, usage: noUsage }]
      else if (next.exchange.status === 200 && next.wire !== null) yield* play(next.exchange, next.wire, limits)
      else yield [errorOf(refusalOf(next.exchange))]
    },
  }
}

const over = {
  code: 'model_refused',
  message: 'The recording is over: nothing was recorded for this request.',
  hint: 'Record a longer session, or choose another model.',
} as const

async function takeNext(left: RecordedExchange[], request: GenerateRequest, loadWire: (name: string) => Promise<Wire | null>) {
  const wires = new Map<string, Wire | null>()
  for (const { wire, erased } of left) if (!erased && !wires.has(wire)) wires.set(wire, await loadWire(wire))
  const readable = left.filter(({ wire, erased }) => erased || wires.get(wire))
  // Written once for each wire and model, however long the recording is.
  const bodies = new Map<string, Buffer>()
  const bodyFor = ({ wire, model }: RecordedExchange): Buffer => {
    const known = bodies.get(`${wire} ${model}`) ?? bodyOf(wires.get(wire)!, request, model)
    bodies.set(`${wire} ${model}`, known)
    return known
  }
  const same = readable.find((exchange) => !exchange.erased && isSame(bodyFor(exchange), exchange))
  const exchange = same ?? readable[0]
  if (exchange === undefined) return null
  left.splice(left.indexOf(exchange), 1)
  return { exchange, wire: wires.get(exchange.wire) ?? null }
}

/** What was erased of a request's beginning is compared with nothing; its length still counts. */
function isSame(body: Buffer, { request, unknown }: RecordedExchange): boolean {
  return body.length === unknown + request.length && body.subarray(unknown).equals(request)
}

const erasedAnswer: readonly ModelEvent[] = [
  { type: 'text', text: erasedText },
  { type: 'finish', reason: 'stop', usage: noUsage },
]

/** What the wire would send; facts of the model are not recorded, so that only a request which needs none of them is found. */
function bodyOf(wire: Wire, request: GenerateRequest, model: string): Buffer {
  const facts = plainFacts({ name: model, provider: 'replay', contextTokens: 1, maxOutputTokens: request.maxOutputTokens, price: null })
  return Buffer.concat(bytesOf(wire.createWriter({ facts: () => facts, official: false }).write({ ...request, model })))
}

function refusalOf({ url, status, response }: RecordedExchange): Problem {
  const origin = originOf(url)
  if (status === 0) return problem('model_unreachable', `${origin} did not answer.`, 'It did not then, either.')
  return problemOfStatus({ status, body: response.toString('utf8'), key: '', origin, retryAfterMs: null, redirect: '' })
}

/** A recording is a file that anybody may have written. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'The endpoint'
}

function* play({ url, model, response }: RecordedExchange, wire: Wire, limits: ModelLimits): Generator<readonly ModelEvent[]> {
  const origin = originOf(url)
  const reader = wire.createReader({ limits, origin, key: '', model, requestChars: 0 })
  const decoder = new StringDecoder('utf8')
  for (let at = 0; at < response.length; at += pieceBytes) {
    const batch: ModelEvent[] = []
    const more = reader.feed(decoder.write(response.subarray(at, at + pieceBytes)), batch)
    if (batch.length > 0) yield batch
    if (!more) break
  }
  const found = reader.problem(null)
  yield found === null ? reader.finish() : [errorOf(found, reader.usage())]
}

/** As a socket would give it. */
const pieceBytes: number = 64 * 1024

function errorOf({ failure }: Problem, usage = noUsage): ModelEvent {
  return { type: 'error', failure, usage }
}
