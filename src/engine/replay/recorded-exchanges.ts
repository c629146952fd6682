/**
 * Exchanges as the journal has them, read in order while a session is run again: the request that is made now is compared with the recorded one, and
 * the recorded answer is read from its bytes once more. Only the newest requests are held, from which later ones go on.
 */
import { createRecentMap, OxbowError } from '../../base/index.ts'
import type { ExchangeReader, ModelEvent, ModelFacts, RecordedAsk, RequestDifference } from '../../protocol/index.ts'
import { bytesOf } from '../http/request-body.ts'
import { maxReadRequestBytes, type ModelLimits } from '../limits.ts'
import type { RequestWriter, Wire } from '../wire.ts'
import { createLineReader, type RecordedExchange } from './recording.ts'
import { isOfficial, play } from './replay-model.ts'
import { type Conversation, endsWith, firstDifference, readConversation, readConversationEnd, systemIn } from './request-match.ts'

interface ReaderDeps {
  readonly limits: ModelLimits
  readonly loadWire: (name: string) => Promise<Wire | null>
  /** Facts of a model as it is known now; null where it is not. */
  readonly factsOf: (model: string) => Promise<ModelFacts | null>
}

export function createExchangeReader(deps: ReaderDeps): ExchangeReader {
  const held = createRecentMap<string, { readonly request: Buffer; readonly unknown: number }>(
    maxReadRequestBytes,
    ({ request }) => request.length,
  )
  const read = createLineReader({ get: held.get, set: held.put })
  const writers = new Map<string, RequestWriter>()
  const writerOf = (wire: Wire, facts: ModelFacts, official: boolean): RequestWriter => {
    const key = `${wire.name} ${official} ${facts.provider}/${facts.name}`
    const known = writers.get(key) ?? wire.createWriter({ facts: () => facts, official })
    writers.set(key, known)
    return known
  }
  const systemOf = createSystemReader()
  return {
    async take(body) {
      const exchange = read(body)
      if (typeof exchange === 'string')
        throw new OxbowError('bad_config', `A recorded exchange cannot be read: ${exchange}.`, { hint: unreadable })
      if (exchange.erased) return null
      const wire = await deps.loadWire(exchange.wire)
      // What a provider package has sent cannot be read again.
      return wire === null ? null : askOf(deps, wire, exchange, { writerOf, systemOf })
    },
  }
}

const unreadable = '`oxbow audit verify` says whether the journal is whole.'

/** The system prompt of a request mostly is the one before, at the same place: then the request need not be read. */
function createSystemReader(): (request: Buffer) => string {
  let held: { readonly start: Buffer; readonly system: string } = { start: Buffer.alloc(0), system: '' }
  return (request) => {
    const { start, system } = held
    if (start.length > 0 && request.length >= start.length && request.compare(start, 0, start.length, 0, start.length) === 0) return system
    const found = systemIn(request)
    const text = JSON.stringify(found).slice(1, -1)
    const at = text === '' ? -1 : request.indexOf(text)
    // With the quote behind it: a longer one begins the same.
    held = { start: at < 0 ? Buffer.alloc(0) : request.subarray(0, at + Buffer.byteLength(text) + 1), system: found }
    return found
  }
}

function askOf(
  { limits, factsOf }: ReaderDeps,
  wire: Wire,
  exchange: RecordedExchange,
  {
    writerOf,
    systemOf,
  }: {
    readonly writerOf: (wire: Wire, facts: ModelFacts, official: boolean) => RequestWriter
    readonly systemOf: (request: Buffer) => string
  },
): RecordedAsk {
  const { generation, model, status, url, request, unknown } = exchange
  return {
    generation,
    model,
    system: unknown > 0 ? '' : systemOf(request),
    async compare(now) {
      const facts = await factsOf(now.model)
      if (facts === null) return { where: `the model ${now.model} is not known any more`, was: model, now: '' }
      const body = Buffer.concat(bytesOf(writerOf(wire, facts, isOfficial(url)).write({ ...now, model })))
      // The same bytes: nothing has to be read.
      if (unknown === 0 && body.equals(request)) return null
      return differenceOf(exchange, body)
    },
    request,
    differs: (other) => (request.equals(other.request) ? null : bodiesDiffer(request, Buffer.from(other.request))),
    async answer() {
      if (status !== 200) return null
      const events: ModelEvent[] = []
      for (const batch of play(exchange, wire, limits)) events.push(...batch)
      return events
    },
  }
}

function differenceOf({ request, unknown }: RecordedExchange, body: Buffer): RequestDifference | null {
  if (unknown > 0) {
    const [rest, now] = [readConversationEnd(request), readConversation(body)]
    return rest === null || now === null || endsWith(now, rest)
      ? null
      : { where: 'the end of the request differs, and its beginning was erased', was: '', now: '' }
  }
  return bodiesDiffer(request, body)
}

function bodiesDiffer(recorded: Buffer, body: Buffer): RequestDifference | null {
  const [was, now] = [readConversation(recorded), readConversation(body)]
  if (was === null || now === null) return null
  const difference = firstDifference(was, now)
  return difference === null ? null : { where: difference.where, ...textsAt(was, now, difference.same) }
}

/** Characters of each text that are shown, from a little before the difference on. */
const shownChars = 400
const shownBefore = 60

function textsAt(was: Conversation, now: Conversation, at: number): Pick<RequestDifference, 'was' | 'now'> {
  const [before, after] = [was[at]?.text ?? '', now[at]?.text ?? '']
  let same = 0
  while (same < before.length && before[same] === after[same]) same += 1
  const from = Math.max(0, same - shownBefore)
  const part = (text: string): string =>
    `${from > 0 ? '…' : ''}${text.slice(from, from + shownChars)}${text.length > from + shownChars ? '…' : ''}`
  return { was: was[at] === undefined ? '' : part(before), now: now[at] === undefined ? '' : part(after) }
}
