/**
 * The frames of the protocol: bytes to a checked client frame, a request to the kernel's answer, and answers and events to JSON. The
 * hot frames are written by hand; a test compares them with `JSON.stringify`. Events are serialized once for all terminals: the
 * kernel passes every follower the same object.
 */
import type { z } from 'zod'
import type { Kernel, KernelEvent } from '../kernel/index.ts'
import { assertNever, type Failure, headOf, isOxbowError, type Json, jsonText, nestsDeeper, ownValue } from '../base/index.ts'
import { type ClientFrame, clientFrameSchema, type ServerFrame } from '../protocol/index.ts'
import { maxInputDepth, maxNamedFields } from './limits.ts'

type ReadFrame =
  | { readonly ok: true; readonly frame: ClientFrame }
  /** `requestId` if it could be read, so that the error reaches its request. */
  | { readonly ok: false; readonly requestId: string | null; readonly failure: Failure }

const shape = 'A frame is {"type": "…", "payload": {"request_id": "…", …}}.'

/** Never throws. @param data a complete WebSocket message of acceptable size */
export function readFrame(data: Buffer, isBinary: boolean): ReadFrame {
  if (isBinary) return wrong(null, 'The frame is binary.', `Send text frames with JSON. ${shape}`)
  let value: unknown
  try {
    value = JSON.parse(data.toString())
  } catch {
    return wrong(null, 'The frame is not JSON.', shape)
  }
  const requestId = requestIdOf(value)
  // Only a call's input may nest; the schemas of all other frames are flat and drop unknown fields.
  if (fieldOf(value, 'type') === 'call' && nestsDeeper(value, maxInputDepth))
    return wrong(requestId, `The frame nests deeper than ${maxInputDepth} levels.`, 'Flatten the input.')
  const parsed = clientFrameSchema.safeParse(value)
  if (parsed.success) return { ok: true, frame: parsed.data }
  return wrong(requestId, ...describe(value, parsed.error.issues))
}

function describe(value: unknown, issues: readonly z.core.$ZodIssue[]): [message: string, hint: string] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['The frame is not a JSON object.', shape]
  const type = fieldOf(value, 'type')
  const unknownType = issues.find((issue) => issue.code === 'invalid_union')
  if (unknownType !== undefined && 'options' in unknownType) {
    const types = (unknownType.options as readonly string[] | undefined)?.join(', ') ?? ''
    const problem = typeof type === 'string' ? `No frame has the type ${JSON.stringify(headOf(type, 40))}.` : 'The frame has no type.'
    return [problem, `type: one of ${types}. ${shape}`]
  }
  const wrongFields = issues.slice(0, maxNamedFields).map((issue) => `${issue.path.join('.') || 'frame'}: ${issue.message}`)
  return [`The ${typeof type === 'string' ? type : ''} frame has wrong fields.`, wrongFields.join('; ')]
}

function requestIdOf(value: unknown): string | null {
  const id = fieldOf(fieldOf(value, 'payload'), 'request_id')
  return typeof id === 'string' && id.length > 0 && id.length <= 64 ? id : null
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? ownValue(value as Readonly<Record<string, unknown>>, name) : undefined
}

function wrong(requestId: string | null, message: string, hint: string): ReadFrame {
  return { ok: false, requestId, failure: { code: 'bad_input', message, hint } }
}

/** Frames that only the kernel answers. */
type Request = Exclude<ClientFrame, { type: 'hello' | 'subscribe' | 'unsubscribe' }>

/** @throws what the kernel throws; see `describeFailure` */
export async function answerRequest(kernel: Kernel, { type, payload }: Request): Promise<string> {
  const id = payload.request_id
  switch (type) {
    case 'send_turn': {
      const { session, client_id, text = '', model, attachments, client, results, source } = payload
      return ackText(id, await kernel.sendTurn({ session, clientId: client_id, text, model, attachments, client, results, source }))
    }
    case 'create_session':
      return resultText(id, await kernel.createSession(payload.title, payload.client_id))
    case 'list_sessions':
      return resultText(id, await kernel.listSessions(payload.limit))
    case 'cancel_turn':
      return resultText(id, { cancelled: await kernel.cancelTurn(payload.session) })
    case 'approve':
      return resultText(id, { next: await kernel.approve(payload.call, payload.allow) })
    case 'call':
      return resultText(id, await kernel.call(payload.name, payload.input, payload.session, payload.client_id))
    case 'status':
      return resultText(id, kernel.status())
    default:
      return assertNever(type)
  }
}

/** The failure that a terminal receives. An unknown error is a bug: it goes to `onBug`, and its text is not sent. */
export function describeFailure(error: unknown, onBug: (error: unknown) => void): Failure {
  if (isOxbowError(error)) return { code: error.code, message: error.message, hint: error.hint }
  onBug(error)
  return {
    code: 'internal_failure',
    message: 'Oxbow failed to handle this request; the request itself may be valid.',
    hint: 'Try again. If it fails again, report it with the guest’s log.',
  }
}

export interface EventTexts {
  /** @returns the frame of an event in UTF-8; not of a `snapshot`, which answers a single request */
  of(event: Exclude<KernelEvent, { type: 'snapshot' }>): Buffer
}

export function createEventTexts(): EventTexts {
  // Weak: an event is forgotten with its last follower.
  const cache = new WeakMap<object, Buffer>()
  return {
    of(event) {
      const key = event.type === 'record' ? event.record : event
      let bytes = cache.get(key)
      if (bytes === undefined) cache.set(key, (bytes = Buffer.from(eventText(event))))
      return bytes
    },
  }
}

function eventText(event: Exclude<KernelEvent, { type: 'snapshot' }>): string {
  switch (event.type) {
    case 'delta':
      return `{"type":"delta","payload":{"session":"${event.session}","turn":"${event.turn}","call":${jsonText(event.call)},"offset":${event.offset},"text":${jsonText(event.text)}}}`
    case 'record':
      return `{"type":"record","payload":{"cursor":${event.record.seq},"record":${recordText(event)}}}`
    case 'reply_restarted':
    case 'approval':
    case 'progress': {
      const { type, ...payload } = event
      return frameText({ type, payload } as ServerFrame)
    }
    default:
      return assertNever(event)
  }
}

function recordText({ record, body }: Extract<KernelEvent, { type: 'record' }>): string {
  const { seq, at, actor, session, turn, call, name, phase } = record
  const ids = `"session":${jsonText(session)},"turn":${jsonText(turn)},"call":${jsonText(call)}`
  const what = `"name":${jsonText(name)},"phase":"${phase}","body":${body ?? JSON.stringify(record.body)}`
  return `{"seq":${seq},"at":${at},"actor":${jsonText(actor)},${ids},${what}}`
}

export function ackText(requestId: string, sent: { readonly turn: string; readonly cursor: number; readonly duplicate: boolean }): string {
  return `{"type":"ack","payload":{"request_id":${jsonText(requestId)},"turn":"${sent.turn}","cursor":${sent.cursor},"duplicate":${sent.duplicate}}}`
}

export function resultText(requestId: string, result: unknown): string {
  return frameText({ type: 'result', payload: { request_id: requestId, result: result as Json } })
}

export function errorText(requestId: string | null, { code, message, hint }: Failure): string {
  return frameText({ type: 'error', payload: { request_id: requestId, code, message, hint } })
}

export function frameText(frame: ServerFrame): string {
  return JSON.stringify(frame)
}
