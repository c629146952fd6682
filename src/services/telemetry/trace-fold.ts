/**
 * Spans, folded from records in the order of the journal: the same for a turn that ends now and for one of a year ago. The id of a trace is the
 * turn's id and a span's follows from its call's, so that a turn that a crash interrupted is one trace, whoever exports which part of it, and a
 * span that is exported twice is one span.
 *
 * A turn is the root. Under it are its requests to models and its calls, and under a call the time it spent in the sandbox. Ids, names, counts
 * and times only, unless `content` is asked for.
 */
import { createRecentMap, isObject, type Json, type JsonObject, ownValue, textIn, truncate } from '../../base/index.ts'
import {
  completionCall,
  embeddingCall,
  generationCall,
  isEnd,
  isGeneration,
  isToolCall,
  isTurn,
  type RecordView,
  spanId,
  startsTurn,
  traceId,
} from '../../protocol/index.ts'
import { genAi, general, operations, oxbow, providerNames } from './names.ts'

export type Attribute = string | number | boolean | readonly string[]
export type Attributes = Readonly<Record<string, Attribute>>

interface SpanEvent {
  readonly name: string
  readonly at: number
  readonly attributes: Attributes
}

/** Times are Unix milliseconds. */
export interface Span {
  /** 32 hexadecimal digits. */
  readonly trace: string
  /** 16 hexadecimal digits. */
  readonly id: string
  /** Empty: it is the root. */
  readonly parent: string
  readonly name: string
  readonly kind: 'internal' | 'client'
  readonly start: number
  readonly end: number
  readonly attributes: Attributes
  readonly events: readonly SpanEvent[]
  /** The code of the failure; null: it went well. */
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface TraceFold {
  /** @returns the spans that end with this record */
  take(record: RecordView): readonly Span[]
  /** Whether the beginning of the turn was taken, or the turn is over. */
  knows(turn: string): boolean
}

/** What is known of a call that runs. */
interface OpenCall {
  readonly start: number
  readonly input: Json
  readonly events: readonly SpanEvent[]
}

interface OpenTurn {
  readonly start: number
  readonly text: string
  readonly agent: string
  readonly isKnown: boolean
  readonly events: readonly SpanEvent[]
}

/** Calls and turns that run at the same time; those behind are shown with what their last record says. */
const maxOpen = 10_000
/** Characters of a content that is exported. */
const maxContentChars = 32_768

export function createTraceFold({ content }: { readonly content: boolean }): TraceFold {
  const calls = createRecentMap<string, OpenCall>(maxOpen)
  const turns = createRecentMap<string, OpenTurn>(maxOpen)
  const turnOf = (record: RecordView): OpenTurn =>
    turns.get(record.turn) ?? { start: record.at, text: '', agent: '', isKnown: false, events: [] }

  const takeTurn = (record: RecordView, body: JsonObject): readonly Span[] => {
    if (startsTurn(record)) {
      const before = turns.get(record.turn)
      const text = typeof body['text'] === 'string' ? body['text'] : ''
      turns.put(record.turn, before?.isKnown === true ? before : { ...turnOf(record), start: record.at, text, isKnown: true })
      return []
    }
    if (!isEnd(record) || body['status'] === 'merged' || record.call !== record.turn) return []
    const span = turnSpan(record, body, turnOf(record), content)
    turns.put(record.turn, { ...turnOf(record), isKnown: true })
    return [span]
  }

  return {
    knows: (turn) => turns.get(turn)?.isKnown === true,
    take(record) {
      if (record.turn === '') return []
      const body = isObject(record.body) ? record.body : {}
      if (isTurn(record)) return takeTurn(record, body)
      const turn = turnOf(record)
      const agent = /^agent:(.+)$/.exec(record.actor)?.[1]
      if (agent !== undefined && turn.agent === '') turns.put(record.turn, { ...turn, agent })
      if (record.phase === 'exchange') {
        if (record.name === 'turn.interrupted') turns.put(record.turn, { ...turn, events: [...turn.events, eventOf('resumed', record)] })
        return []
      }
      const open = calls.get(record.call) ?? { start: record.at, input: null, events: [] }
      if (isEnd(record)) {
        calls.delete(record.call)
        return callSpans(record, body, open, content)
      }
      const isAsk = record.phase === 'parked' || record.phase === 'decided'
      const events = isAsk
        ? [...open.events, eventOf(record.phase === 'parked' ? 'approval.requested' : 'approval.decided', record)]
        : open.events
      calls.put(record.call, { ...open, events, ...(record.phase === 'intent' && { input: body['input'] ?? null }) })
      return []
    },
  }
}

function eventOf(name: string, record: RecordView): SpanEvent {
  return { name: `oxbow.${name}`, at: record.at, attributes: { [oxbow.call]: record.call } }
}

function turnSpan(record: RecordView, body: JsonObject, turn: OpenTurn, content: boolean): Span {
  const { agent, text, start, events } = turn
  return {
    ...rootOf(record),
    name: `${operations.invokeAgent}${agent === '' ? '' : ` ${agent}`}`,
    kind: 'internal',
    start: Math.min(start, record.at),
    end: record.at,
    events,
    error: errorIn(body),
    attributes: defined({
      [genAi.operation]: operations.invokeAgent,
      [genAi.agentName]: agent,
      [genAi.conversation]: record.session,
      ...commonOf(record, body),
      [oxbow.steps]: numberIn(body, 'steps'),
      ...(content && {
        [genAi.inputMessages]: asMessages('user', text),
        [genAi.outputMessages]: asMessages('assistant', textIn(body, 'reply')),
      }),
    }),
  }
}

function rootOf({ turn }: RecordView): Pick<Span, 'trace' | 'id' | 'parent'> {
  return { trace: traceId(turn), id: spanId(turn), parent: '' }
}

function callSpans(record: RecordView, body: JsonObject, { start, input, events }: OpenCall, content: boolean): readonly Span[] {
  const own = { trace: traceId(record.turn), id: spanId(record.call), parent: spanId(record.turn) }
  const ms = numberIn(body, 'ms') ?? 0
  const from = Math.min(start, record.at - ms)
  const times = { start: from, end: record.at, events, error: errorIn(body) }
  const given = isObject(input) ? input : {}
  const common = commonOf(record, body)
  const spans: readonly Span[] = [
    isModelCall(record)
      ? { ...own, ...times, ...modelPart(record, body, given, common, content) }
      : { ...own, ...times, ...toolPart(record, body, input, common, content) },
  ]
  const hands = isObject(body['hands'] ?? null) ? (body['hands'] as JsonObject) : null
  return hands === null ? spans : [...spans, handsSpan(record, hands, own, from)]
}

const isModelCall = ({ name }: RecordView): boolean => name === generationCall || name === completionCall || name === embeddingCall

type Part = Pick<Span, 'name' | 'kind' | 'attributes'>

function modelPart(record: RecordView, body: JsonObject, given: JsonObject, common: PartialAttributes, content: boolean): Part {
  const model = modelIn(given, body)
  const operation = record.name === embeddingCall ? operations.embeddings : operations.chat
  const settings = objectIn(given, 'settings')
  const message = objectIn(body, 'message')
  return {
    name: `${operation} ${model.name}`,
    kind: 'client',
    attributes: defined({
      [genAi.operation]: operation,
      [genAi.provider]: model.provider,
      [genAi.requestModel]: model.name,
      [genAi.responseModel]: model.answered,
      [genAi.requestMaxTokens]: numberIn(given, 'maxOutputTokens'),
      [genAi.requestTemperature]: numberIn(settings, 'temperature'),
      [genAi.requestTopP]: numberIn(settings, 'topP'),
      [genAi.finishReasons]: typeof body['finish'] === 'string' ? [body['finish']] : undefined,
      [genAi.conversation]: record.session,
      ...usageOf(body),
      ...common,
      ...(content && { [genAi.outputMessages]: partsText(message) }),
    }),
  }
}

/** @returns the model of a request, as `provider/model` tells it */
export function modelIn(
  given: JsonObject,
  body: JsonObject,
): { readonly provider: string; readonly name: string; readonly answered?: string } {
  const asked = textIn(given, 'model') || textIn(body, 'model')
  const [provider = '', ...rest] = asked.split('/')
  const answered = textIn(body, 'model')
  const name = rest.length === 0 ? provider : rest.join('/')
  return {
    provider: providerNames.get(provider) ?? provider,
    name,
    ...(answered !== '' && { answered: answered.includes('/') ? answered.slice(answered.indexOf('/') + 1) : answered }),
  }
}

/** @returns tokens as `usage` of a record tells them */
function usageOf(body: JsonObject): PartialAttributes {
  const usage = objectIn(body, 'usage')
  return {
    [genAi.inputTokens]: numberIn(usage, 'inputTokens'),
    [genAi.outputTokens]: numberIn(usage, 'outputTokens'),
    [genAi.cacheReadTokens]: numberIn(usage, 'cacheReadTokens'),
    [genAi.cacheCreationTokens]: numberIn(usage, 'cacheWriteTokens'),
    [genAi.reasoningTokens]: numberIn(usage, 'reasoningTokens'),
  }
}

function toolPart(record: RecordView, body: JsonObject, input: Json, common: PartialAttributes, content: boolean): Part {
  const { name, call, session } = record
  const isTool = isToolCall(record)
  return {
    name: isTool ? `${operations.executeTool} ${name}` : name,
    kind: 'internal',
    attributes: defined({
      ...(isTool && {
        [genAi.operation]: operations.executeTool,
        [genAi.toolName]: name,
        [genAi.toolCall]: call,
        [genAi.toolType]: 'function',
      }),
      [genAi.conversation]: session,
      ...common,
      ...(content &&
        isTool && {
          [genAi.toolArguments]: input === null ? undefined : truncate(JSON.stringify(input), maxContentChars),
          [genAi.toolResult]: truncate(textIn(body, 'text'), maxContentChars),
        }),
    }),
  }
}

function handsSpan(record: RecordView, hands: JsonObject, parent: Pick<Span, 'trace' | 'id'>, callStart: number): Span {
  const start = Math.min(callStart + (numberIn(hands, 'after') ?? 0), record.at)
  return {
    trace: parent.trace,
    id: spanId(record.call, 'hands'),
    parent: parent.id,
    name: 'hands',
    kind: 'internal',
    start,
    end: Math.min(start + (numberIn(hands, 'ms') ?? 0), record.at),
    events: [],
    error: null,
    attributes: defined({ [oxbow.requests]: numberIn(hands, 'requests'), [oxbow.call]: record.call }),
  }
}

type PartialAttributes = Readonly<Record<string, Attribute | undefined>>

function commonOf(record: RecordView, body: JsonObject): PartialAttributes {
  const spent = objectIn(body, 'spent')
  const error = errorIn(body)
  return {
    [oxbow.callName]: isTurn(record) || isGeneration(record) ? undefined : record.name,
    [oxbow.call]: record.call,
    [oxbow.turn]: record.turn,
    [oxbow.session]: record.session,
    [oxbow.actor]: record.actor,
    [oxbow.status]: textIn(body, 'status') || record.phase,
    [oxbow.costMicroDollars]: numberIn(spent, 'microDollars'),
    ...(error !== null && { [general.errorType]: error.code }),
  }
}

/** @returns why a call did not do what it was asked for; null: it did */
export function errorIn(body: JsonObject): Span['error'] {
  const failure = isObject(body['failure'] ?? null) ? (body['failure'] as JsonObject) : body
  const status = textIn(body, 'status')
  const isWell = ['ok', 'merged', 'cancelled', ''].includes(status) && body['ok'] !== false
  if (isWell && failure === body && (status !== '' || textIn(body, 'code') === '')) return null
  const code = textIn(failure, 'code') || (status === 'ok' ? 'tool_failed' : status) || 'failed'
  return { code, message: textIn(failure, 'message') }
}

/** Without what is not known. */
function defined(attributes: PartialAttributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, Attribute] => entry[1] !== undefined && entry[1] !== ''),
  )
}

export function numberIn(body: JsonObject, name: string): number | undefined {
  const value = ownValue(body, name)
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** @returns the object of that name; an empty one where it is missing */
export function objectIn(body: JsonObject, name: string): JsonObject {
  const value = ownValue(body, name) ?? null
  return isObject(value) ? value : {}
}

/** Messages as the conventions write them. */
function asMessages(role: string, text: string): string | undefined {
  return text === '' ? undefined : JSON.stringify([{ role, parts: [{ type: 'text', content: truncate(text, maxContentChars) }] }])
}

function partsText({ parts }: JsonObject): string | undefined {
  if (!Array.isArray(parts)) return undefined
  const told = parts.flatMap((part): readonly JsonObject[] => {
    if (!isObject(part)) return []
    if (part['type'] === 'tool_call')
      return [
        {
          type: 'tool_call',
          id: textIn(part, 'id'),
          name: textIn(part, 'name'),
          arguments: truncate(textIn(part, 'arguments'), maxContentChars),
        },
      ]
    return part['type'] === 'text' || part['type'] === 'reasoning'
      ? [{ type: part['type'], content: truncate(textIn(part, 'text'), maxContentChars) }]
      : []
  })
  return told.length === 0 ? undefined : JSON.stringify([{ role: 'assistant', parts: told }])
}
