/**
 * Server frames as JSON text. The hot ones are put together by hand, which a test holds equal to `JSON.stringify`. Events are
 * serialised once however many terminals follow: the kernel hands every follower the same object.
 */
import type { KernelEvent } from '../kernel/index.ts'
import { assertNever, type Failure, type Json, type ServerFrame } from '../types/index.ts'

export interface EventTexts {
  /** The frame of an event in UTF-8. For all but `snapshot`, which answers one request. */
  of(event: Exclude<KernelEvent, { type: 'snapshot' }>): Buffer
}

export function createEventTexts(): EventTexts {
  // Weak: what nobody else holds any more costs nothing here.
  const known = new WeakMap<object, Buffer>()
  return {
    of(event) {
      const key = event.type === 'record' ? event.record : event
      let bytes = known.get(key)
      if (bytes === undefined) known.set(key, (bytes = Buffer.from(eventText(event))))
      return bytes
    },
  }
}

function eventText(event: Exclude<KernelEvent, { type: 'snapshot' }>): string {
  switch (event.type) {
    case 'delta':
      return `{"type":"delta","payload":{"session":"${event.session}","turn":"${event.turn}","call":${JSON.stringify(event.call)},"offset":${event.offset},"text":${JSON.stringify(event.text)}}}`
    case 'record':
      return `{"type":"record","payload":{"cursor":${event.record.seq},"record":${JSON.stringify(event.record)}}}`
    case 'reply_restarted':
    case 'progress': {
      const { type, ...payload } = event
      return frameText({ type, payload } as ServerFrame)
    }
    default:
      return assertNever(event)
  }
}

export function ackText(requestId: string, sent: { readonly turn: string; readonly cursor: number; readonly duplicate: boolean }): string {
  return `{"type":"ack","payload":{"request_id":${JSON.stringify(requestId)},"turn":"${sent.turn}","cursor":${sent.cursor},"duplicate":${sent.duplicate}}}`
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
