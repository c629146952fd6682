/**
 * What one record says of its turn, as plain data: the only reader of the bodies of these records. Lenient, because the records may come
 * from an older or newer guest, be partly erased, or be hostile: a field that is missing or of another type is left out, and nothing
 * throws. Who shows a session as it happens looks at steps; what a turn has come to is folded from them in `turn-fold.ts`.
 */
import { mediaCall } from '../recorded-calls.ts'
import { noSpend } from '../call.ts'
import type { Spend } from '../output-schema.ts'
import type { ClientTools } from '../frame.ts'
import { type Failure, forPeople, isErrorCode, isObject, type Json, ownValue, type SessionId, type TurnId } from '../../base/index.ts'
import type { PendingApproval } from '../view-schema.ts'
import type { KeptFile } from '../message-schema.ts'
import { erasedText, goneText, isErased } from '../record.ts'
import { isEnd, isGeneration, isToolCall, isTurn } from './turn-record.ts'
import type { ClientCall, RecordView, TurnDecision } from '../view-schema.ts'

/** What a reader needs of a record. */
export type StepRecord = Pick<RecordView, 'name' | 'phase' | 'call' | 'session' | 'turn' | 'at' | 'body'>

/**
 * - `sent`: a message was accepted; `taken`: a turn began with it, or took it in
 * - `asked`: a request to the model begins; `answered`: its answer; `dropped`: it has none, and what was streamed of it is void
 * - `call`: something happened to a call that the model has asked for
 * - `ended`: the turn ended
 * - `other`: a call of the runtime itself; only its cost counts
 */
export type TurnStep = { readonly spent: Spend } & (
  | { readonly kind: 'sent'; readonly message: TurnMessage }
  | { readonly kind: 'taken'; readonly message: TurnMessage; readonly into: string | null }
  | { readonly kind: 'asked'; readonly model: string }
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'call'; readonly change: CallChange }
  | { readonly kind: 'ended'; readonly end: TurnEnd }
  | { readonly kind: 'other' }
)

/** A message as it was sent. */
export interface TurnMessage {
  /** Null: it was erased. */
  readonly text: string | null
  readonly files: readonly KeptFile[]
  /** It carries results of the program's tools, and its text is for people. */
  readonly continues: boolean
  /** That the sender asked for; empty: the usual one. */
  readonly model: string
  readonly client: ClientTools | undefined
}

/** One answer of a model. */
export interface Answer {
  /** Of the request. */
  readonly call: string
  readonly parts: readonly AnswerPart[]
  /** Empty in records that leave it out. */
  readonly model: string
  readonly usage: AnswerUsage
}

type AnswerPart =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  /** `call` is the id under which the call is made, `input` as the model wrote it. */
  | { readonly type: 'tool_call'; readonly call: string; readonly name: string; readonly input: string }

/** Tokens. */
export interface AnswerUsage {
  readonly inputTokens: number
  /** Of these, read from the cache of the service. */
  readonly cachedTokens: number
  readonly outputTokens: number
  /** Of these, reasoning. */
  readonly reasoningTokens: number
}

export const noUsage: AnswerUsage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 }

export type CallStatus = 'waiting' | 'running' | 'ok' | 'failed' | 'cancelled' | 'refused' | 'unknown'

/** What a record says of a tool call. */
export interface CallChange {
  readonly call: string
  readonly name: string
  readonly status: CallStatus
  /** JSON text; empty where the record does not have it. */
  readonly input: string
  /** The result: for a refused call the reason, for any other the text that the model reads. Empty before the end. */
  readonly text: string
  readonly ms: number | null
  /** The question, where the record asks it. */
  readonly pending: PendingApproval | null
  /** The file that it has sent to the person. */
  readonly media: SentMedia | null
}

/** How a turn ended. */
export interface TurnEnd {
  /** `merged`: the message became part of the turn `into`. */
  readonly status: 'ok' | 'failed' | 'cancelled' | 'limit' | 'merged'
  readonly into: string | null
  readonly reply: string
  /** A turn that is `ok` can have one: its answer was truncated. */
  readonly failure: Failure | null
  /** As the turn counted them; 0: not known. */
  readonly steps: number
  readonly ms: number
  /** Calls of the program's own tools, which it runs. */
  readonly calls: readonly ClientCall[]
  /** It was stopped at the gate, before it began. */
  readonly refused: boolean
  /** Whether to answer; absent: the message was written to the agent itself. */
  readonly decision?: TurnDecision
}

/** A file that an agent sent to the person. */
export interface SentMedia extends KeptFile {
  /** `photo`, `audio`, `document`, `voice` or `video`. */
  readonly kind: string
  readonly caption: string
}

/** @returns what the record says of its turn; null for one that says nothing */
export function readStep(record: StepRecord): TurnStep | null {
  const body = fields(record.body)
  const spent = spentIn(body)
  if (isTurn(record)) return turnStep(record, body, spent)
  if (isGeneration(record)) return generationStep(record, body, spent)
  if (isToolCall(record)) return { kind: 'call', change: changeIn(record, body), spent }
  return spent === noSpend ? null : { kind: 'other', spent }
}

function turnStep(record: StepRecord, body: Fields, spent: Spend): TurnStep | null {
  if (isEnd(record)) return { kind: 'ended', end: endIn(record, body), spent }
  if (record.phase === 'intent') return { kind: 'sent', message: messageIn(isObject(body['input']) ? body['input'] : body), spent }
  if (record.phase !== 'started') return null
  return { kind: 'taken', message: messageIn(body), into: typeof body['into'] === 'string' ? body['into'] : null, spent }
}

function messageIn({ text, attachments, continues, model, client, ...other }: Fields): TurnMessage {
  return {
    text: typeof text === 'string' ? text : archivedText(other),
    files: Array.isArray(attachments) ? attachments.filter(isFile) : [],
    continues: continues === true,
    model: textIn(model),
    client: isObject(client) ? (client as unknown as ClientTools) : undefined,
  }
}

/** @returns where an archived message is; null for one that was erased */
function archivedText(body: Fields): string | null {
  const gone = isErased(body) ? goneText(body) : erasedText
  return gone === erasedText ? null : gone
}

function isFile(file: Json): file is Json & KeptFile {
  return isObject(file) && typeof file['name'] === 'string' && Array.isArray(file['pieces'])
}

function endIn({ phase, body: whole }: StepRecord, body: Fields): TurnEnd {
  const ended = { into: null, steps: numberIn(body['steps']), ms: numberIn(body['ms']), calls: [], refused: phase === 'refused' }
  if (isErased(whole)) return { ...ended, status: 'ok', reply: goneText(whole), failure: null }
  const status = (['ok', 'cancelled', 'limit', 'merged'] as const).find((each) => each === body['status']) ?? 'failed'
  return {
    ...ended,
    status,
    into: typeof body['into'] === 'string' ? body['into'] : null,
    reply: textIn(body['reply']),
    failure: failureIn(body) ?? (status === 'failed' ? unexplained : null),
    calls: Array.isArray(body['calls']) ? body['calls'] : [],
    ...(isObject(body['decision']) && { decision: body['decision'] as unknown as TurnDecision }),
  }
}

const unexplained: Failure = { code: 'tool_failed', message: 'The turn failed.', hint: '`oxbow audit show` shows how far it came.' }

/** A turn that was refused or stopped by the gate has its failure in the body itself. */
function failureIn(body: Fields): Failure | null {
  const failure = body['failure'] == null && body['status'] !== 'ok' ? body : fields(body['failure'])
  const { code } = failure
  if (!isErrorCode(code)) return null
  return { code, message: textIn(failure['message']) || forPeople(textIn(failure['text'])), hint: textIn(failure['hint']) }
}

function generationStep({ phase, call }: StepRecord, body: Fields, spent: Spend): TurnStep | null {
  if (phase === 'intent') return { kind: 'asked', model: textIn(fields(body['input'])['model']), spent }
  if (phase === 'outcome') return { kind: 'answered', answer: answerIn(call, body), spent }
  return phase === 'reconciled' || phase === 'refused' ? { kind: 'dropped', spent } : null
}

function answerIn(call: string, body: Fields): Answer {
  const usage = fields(body['usage'])
  const count = (name: string): number => numberIn(ownValue(usage, name))
  return {
    call,
    parts: partsIn(call, fields(body['message'])['parts']),
    model: textIn(body['model']),
    usage: {
      inputTokens: count('inputTokens'),
      cachedTokens: count('cacheReadTokens'),
      outputTokens: count('outputTokens'),
      reasoningTokens: count('reasoningTokens'),
    },
  }
}

function partsIn(generation: string, parts: Json | undefined): readonly AnswerPart[] {
  let place = 0
  return (Array.isArray(parts) ? parts : []).filter(isObject).flatMap((part): readonly AnswerPart[] => {
    const { type } = part
    if (type === 'tool_call')
      return [{ type, call: `${generation}.${place++}`, name: textIn(part['name']), input: textIn(part['arguments']) }]
    const text = textIn(part['text'])
    return (type === 'text' || type === 'reasoning') && text !== '' ? [{ type, text }] : []
  })
}

/** @returns the parts of one type, joined */
export function textOfAnswer({ parts }: Pick<Answer, 'parts'>, type: 'text' | 'reasoning' = 'text', between = ''): string {
  return parts.flatMap((part) => (part.type === type ? [part.text] : [])).join(between)
}

function changeIn(record: StepRecord, body: Fields): CallChange {
  const { call, name, phase } = record
  const change = { call, name, input: inputIn(body['input']), text: '', ms: null, pending: null, media: null }
  if (!isEnd(record)) {
    const waits = phase === 'parked' || (phase === 'decided' && !isDecided(record))
    return { ...change, status: waits ? 'waiting' : 'running', pending: phase === 'parked' ? pendingOf(record) : null }
  }
  return {
    ...change,
    input: '',
    status: callStatus(phase, body),
    text: (phase === 'refused' && textIn(body['message'])) || textIn(body['text']),
    ms: typeof body['ms'] === 'number' ? body['ms'] : null,
    media: sentBy(record),
  }
}

/** An intent contains its input as JSON, an approval as exact text. */
function inputIn(input: Json | undefined): string {
  return input === undefined ? '' : typeof input === 'string' ? input : JSON.stringify(input)
}

/** A command that exited with 1 has the outcome `ok`, with `ok: false` in its body. */
function callStatus(phase: StepRecord['phase'], { status, ok }: Fields): CallStatus {
  if (phase === 'refused') return 'refused'
  if (status === 'ok') return ok === false ? 'failed' : 'ok'
  return status === 'failed' || status === 'cancelled' || status === 'refused' ? status : 'unknown'
}

/** The first of two decisions that a call needs leaves it waiting. */
export function isDecided({ phase, body }: Pick<StepRecord, 'phase' | 'body'>): boolean {
  return phase === 'decided' && fields(body)['partial'] !== true
}

/** @param record a `parked` record, which always has a session and a turn */
export function pendingOf({ call, session, turn, name, at, body: given }: StepRecord): PendingApproval {
  const { input, reason, personal, question } = fields(given)
  return {
    call,
    session: session as SessionId,
    turn: turn as TurnId,
    name,
    input: typeof input === 'string' ? input : JSON.stringify(input ?? null),
    ...(typeof reason === 'string' && { reason }),
    ...(personal === true && { personal: true }),
    ...(typeof question === 'string' && { question }),
    at,
  }
}

/** @returns what an answer names: the call, and the question that whoever answers has seen */
export function answerTo({ call, question }: Pick<PendingApproval, 'call' | 'question'>): Pick<PendingApproval, 'call' | 'question'> {
  return { call, ...(question !== undefined && { question }) }
}

/** @returns the file that an outcome of `media.send` has sent, or null */
export function mediaIn(body: Json): SentMedia | null {
  const media = isObject(body) ? ownValue(body, 'media') : undefined
  if (!isObject(media)) return null
  const text = (name: string): string => textIn(ownValue(media, name))
  const { bytes, pieces } = media
  if (typeof bytes !== 'number' || !isTexts(pieces)) return null
  return { kind: text('media_type'), name: text('name'), media_type: text('mime_type'), bytes, pieces, caption: text('caption') }
}

function isTexts(value: Json | undefined): value is readonly string[] & Json {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** @returns the files sent in these records, oldest first */
export function sentMedia(records: readonly Pick<RecordView, 'name' | 'phase' | 'body'>[]): readonly SentMedia[] {
  return records.flatMap((record) => sentBy(record) ?? [])
}

function sentBy({ name, phase, body }: Pick<RecordView, 'name' | 'phase' | 'body'>): SentMedia | null {
  return name === mediaCall && phase === 'outcome' ? mediaIn(body) : null
}

function spentIn(body: Fields): Spend {
  const { microDollars, tokens } = fields(body['spent'])
  const spent = { microDollars: numberIn(microDollars), tokens: numberIn(tokens) }
  return spent.microDollars === 0 && spent.tokens === 0 ? noSpend : spent
}

type Fields = { readonly [key: string]: Json | undefined }

function fields(value: Json | undefined): Fields {
  return isObject(value) ? value : {}
}

function textIn(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function numberIn(value: Json | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
