/**
 * What a terminal shows of a turn, folded from its journal records. Pure and lenient: a field that an older or newer guest leaves out is
 * shown as missing and never throws.
 */
import {
  addSpend,
  erasedText,
  type Failure,
  forPeople,
  isErased,
  isErrorCode,
  type Json,
  type KeptFile,
  ownValue,
  type PendingApproval,
  type RecordView,
  type SessionId,
  type TurnId,
} from '../types/index.ts'
import { formatBytes, plainLine } from './terminal-text.ts'

type CallStatus = 'waiting' | 'running' | 'ok' | 'failed' | 'cancelled' | 'refused' | 'unknown'

/** One tool call. */
export interface CallView {
  readonly call: string
  readonly name: string
  /** JSON text. */
  readonly input: string
  readonly status: CallStatus
  /** The result: for a refused call the reason, for any other the text that the model reads. */
  readonly text: string
  readonly ms: number | null
}

export interface TurnView {
  readonly turn: string
  /** `merged`: the message became part of the turn `into`. */
  readonly status: 'running' | 'waiting' | 'ok' | 'failed' | 'cancelled' | 'limit' | 'merged'
  readonly into: string | null
  readonly reply: string
  readonly failure: Failure | null
  readonly calls: readonly CallView[]
  /** Files that were sent to the person. */
  readonly media: readonly SentMedia[]
  /** Text of the newest model answer. */
  readonly answer: string
  /** Inputs of its tool calls, by call: a refused call has no record of its input. */
  readonly inputs: Readonly<Record<string, string>>
  readonly model: string
  readonly steps: number
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number }
  readonly spent: { readonly microDollars: number; readonly tokens: number }
}

export function newTurnView(turn: string): TurnView {
  const usage = { inputTokens: 0, outputTokens: 0 }
  const spent = { microDollars: 0, tokens: 0 }
  return {
    turn,
    status: 'running',
    into: null,
    reply: '',
    failure: null,
    calls: [],
    media: [],
    answer: '',
    inputs: {},
    model: '',
    steps: 0,
    usage,
    spent,
  }
}

export function isOver(view: TurnView): boolean {
  return view.status !== 'running' && view.status !== 'waiting'
}

/** The failure, unless the reply already contains it. */
export function unreportedFailure({ failure, reply }: Pick<TurnView, 'failure' | 'reply'>): Failure | null {
  return failure === null || reply.includes(failure.message) ? null : failure
}

/** A tool call's id is its generation's id, a dot and its place; the runtime's own calls have no dot. */
export function isToolCall(record: Pick<RecordView, 'call'>): boolean {
  return record.call.includes('.')
}

/** @returns the view after the record; the same view for a record of another turn. */
export function foldRecord(view: TurnView, record: RecordView): TurnView {
  if (record.turn !== view.turn && record.call !== view.turn) return view
  if (record.name === 'turn.send') return record.call === view.turn ? foldTurn(view, record) : view
  const body = fields(record.body)
  const settled = withSpend(view, body)
  if (record.name === 'model.generate') return foldGeneration(settled, record, body)
  if (!isToolCall(record)) return settled
  const calls = foldCall(settled, record, body)
  const sent = record.name === 'media.send' && record.phase === 'outcome' ? mediaIn(record.body) : null
  const media = sent === null ? settled.media : [...settled.media, sent]
  if (isOver(settled)) return { ...settled, calls, media }
  return { ...settled, calls, media, status: calls.some((call) => call.status === 'waiting') ? 'waiting' : 'running' }
}

function foldTurn(view: TurnView, record: RecordView): TurnView {
  if (!isEnd(record)) return view
  if (isErased(record.body)) return { ...view, status: 'ok', reply: erasedText }
  const body = fields(record.body)
  const failure = failureOf(body)
  const status = ['ok', 'cancelled', 'limit', 'merged'].find((each) => each === body['status']) ?? 'failed'
  return {
    ...view,
    status: status as TurnView['status'],
    into: typeof body['into'] === 'string' ? body['into'] : null,
    reply: textIn(body['reply']),
    failure:
      status === 'failed' && failure === null
        ? { code: 'tool_failed', message: 'The turn failed.', hint: '`oxbow audit show` shows how far it came.' }
        : failure,
    steps: numberIn(body['steps']) || view.steps,
  }
}

function foldGeneration(view: TurnView, record: RecordView, body: Fields): TurnView {
  if (record.phase !== 'outcome') return view
  const usage = fields(body['usage'])
  const parts = fields(body['message'])['parts']
  const all = Array.isArray(parts) ? parts.map(fields) : []
  const ofType = (type: string): readonly Fields[] => all.filter((part) => part['type'] === type)
  const inputs = ofType('tool_call').map((part, at) => [`${record.call}.${at}`, textIn(part['arguments'])] as const)
  return {
    ...view,
    answer: ofType('text')
      .map((part) => textIn(part['text']))
      .join(''),
    inputs: Object.fromEntries(inputs),
    model: textIn(body['model']) || view.model,
    steps: view.steps + 1,
    usage: {
      inputTokens: view.usage.inputTokens + numberIn(usage['inputTokens']),
      outputTokens: view.usage.outputTokens + numberIn(usage['outputTokens']),
    },
  }
}

function foldCall({ calls, inputs }: TurnView, record: RecordView, body: Fields): readonly CallView[] {
  const empty: CallView = { call: record.call, name: record.name, input: inputs[record.call] ?? '', status: 'running', text: '', ms: null }
  const before = calls.find((call) => call.call === record.call) ?? empty
  const after = isEnd(record)
    ? {
        ...before,
        status: callStatus(record, body),
        text: (record.phase === 'refused' && textIn(body['message'])) || textIn(body['text']),
        ms: typeof body['ms'] === 'number' ? body['ms'] : before.ms,
      }
    : { ...before, input: inputOf(body) || before.input, status: stillWaits(record) ? ('waiting' as const) : ('running' as const) }
  return before === empty ? [...calls, after] : calls.map((call) => (call === before ? after : call))
}

function stillWaits(record: RecordView): boolean {
  return record.phase === 'parked' || (record.phase === 'decided' && !isDecided(record))
}

/** A command that exited with 1 has the outcome `ok`, with `ok: false` in its body. */
function callStatus(record: RecordView, body: Fields): CallStatus {
  if (record.phase === 'refused') return 'refused'
  const status = body['status']
  if (status === 'ok') return body['ok'] === false ? 'failed' : 'ok'
  return status === 'failed' || status === 'cancelled' || status === 'refused' ? status : 'unknown'
}

function withSpend(view: TurnView, body: Fields): TurnView {
  const spent = fields(body['spent'])
  const microDollars = numberIn(spent['microDollars'])
  const tokens = numberIn(spent['tokens'])
  return microDollars === 0 && tokens === 0 ? view : { ...view, spent: addSpend(view.spent, { microDollars, tokens }) }
}

/** @param record a `parked` record, which always has a session and a turn */
export function pendingOf(record: RecordView): PendingApproval {
  const body = record.body as { input?: unknown; reason?: unknown; personal?: unknown } | null
  const reason = typeof body?.reason === 'string' ? { reason: body.reason } : {}
  const input = typeof body?.input === 'string' ? body.input : JSON.stringify(body?.input ?? null)
  return {
    call: record.call,
    session: record.session as SessionId,
    turn: record.turn as TurnId,
    name: record.name,
    input,
    ...reason,
    ...(body?.personal === true && { personal: true }),
    at: record.at,
  }
}

export function isEnd(record: Pick<RecordView, 'phase'>): boolean {
  return record.phase === 'outcome' || record.phase === 'refused' || record.phase === 'reconciled'
}

/** The first of two decisions that a call needs leaves it waiting. */
export function isDecided({ phase, body }: Pick<RecordView, 'phase' | 'body'>): boolean {
  return phase === 'decided' && fields(body)['partial'] !== true
}

function failureOf(body: Fields): Failure | null {
  // A turn that is `ok` can have a failure, too: its answer was truncated.
  const failure = fields(body['failure'] ?? (body['status'] === 'ok' ? null : (body as Json)))
  const { code } = failure
  if (!isErrorCode(code)) return null
  return {
    code,
    message: textIn(failure['message']) || forPeople(textIn(failure['text'])),
    hint: textIn(failure['hint']),
  }
}

/** An intent contains its input as JSON, an approval as exact text. */
function inputOf(body: Fields): string {
  const input = body['input']
  return input === undefined ? '' : typeof input === 'string' ? input : JSON.stringify(input)
}

type Fields = { readonly [key: string]: Json | undefined }

function fields(value: Json | undefined): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function textIn(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function numberIn(value: Json | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

// Files that an agent sent, from their records.

export interface SentMedia extends KeptFile {
  /** `photo`, `audio`, `document`, `voice` or `video`. */
  readonly kind: string
  readonly caption: string
}

const maxFieldChars = 100

/** @returns the file that an outcome of `media.send` has sent, or null */
export function mediaIn(body: Json): SentMedia | null {
  const media = (body as { readonly media?: Partial<Record<string, unknown>> } | null)?.media
  if (typeof media !== 'object' || media === null) return null
  const text = (name: string): string => {
    const value = ownValue(media, name)
    return typeof value === 'string' ? value : ''
  }
  const { bytes, pieces } = media
  if (typeof bytes !== 'number' || !Array.isArray(pieces) || !pieces.every((piece) => typeof piece === 'string')) return null
  return { kind: text('media_type'), name: text('name'), media_type: text('mime_type'), bytes, pieces, caption: text('caption') }
}

/** @returns the files sent in these records, oldest first */
export function sentMedia(records: readonly Pick<RecordView, 'name' | 'phase' | 'body'>[]): readonly SentMedia[] {
  return records.flatMap(({ name, phase, body }) => (name === 'media.send' && phase === 'outcome' ? (mediaIn(body) ?? []) : []))
}

export function mediaLine({ kind, name, media_type: type, bytes, caption }: SentMedia): string {
  const plain = (text: string): string => plainLine(text, maxFieldChars)
  return `${plain(name)}  ${plain(kind)}, ${plain(type)}, ${formatBytes(bytes)}${caption === '' ? '' : `  “${plain(caption)}”`}`
}
