/**
 * The answers that are under way over HTTP. A reader that takes nothing of its answer for two checks is disconnected; a client that goes
 * on sending a body which nobody reads, too. An answer ends with the key that asked for it. When the gateway closes, answers have a moment to end; those that cannot are told when to
 * ask again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../kernel/index.ts'
import { OxbowError } from '../base/index.ts'
import { flushMs, retryAfterStopS, unreadBodyMs } from './limits.ts'

export interface Answers {
  /** Aborted, with the reason as an OxbowError, when the gateway closes. */
  readonly closing: AbortSignal
  add(request: IncomingMessage, response: ServerResponse): void
  /** The request comes from a client; its answer ends with the client's key. */
  belongs(request: IncomingMessage, client: Pick<Kernel, 'onEnd'>): void
  /** Called at intervals. */
  check(): void
  /** Resolves when all have ended, after `maxMs` at the latest. */
  drain(maxMs: number): Promise<void>
}

/** Knows the HTTP answers under way, so that a gateway that closes can let them end. */
export function createAnswers(): Answers {
  const closing = new AbortController()
  /** Bytes that waited for the reader at the last check. */
  const open = new Map<ServerResponse, number>()
  const byRequest = new WeakMap<IncomingMessage, ServerResponse>()
  let onEmpty = (): void => {}
  return {
    closing: closing.signal,
    add(request, response) {
      open.set(response, 0)
      byRequest.set(request, response)
      response.once('finish', () => {
        // What is left of the body would be read and thrown away for as long as it comes.
        if (!request.complete) setTimeout(() => request.destroy(), unreadBodyMs).unref()
      })
      response.once('close', () => {
        open.delete(response)
        if (open.size === 0) onEmpty()
      })
    },
    belongs(request, client) {
      const response = byRequest.get(request)
      if (response === undefined || response.closed) return
      // The kernel delivers nothing more: whoever answers has a moment to say why.
      const stop = client.onEnd?.(() => setTimeout(() => response.destroy(), flushMs).unref())
      response.once('close', () => stop?.())
    },
    check() {
      for (const [response, before] of open) {
        const waiting = response.writableLength + (response.socket?.writableLength ?? 0)
        if (waiting > 0 && waiting === before) response.destroy()
        else open.set(response, waiting)
      }
    },
    async drain(maxMs) {
      closing.abort(guestStops())
      if (open.size > 0) await within(maxMs, (resolve) => (onEmpty = resolve))
      for (const response of open.keys()) if (!response.headersSent) refuse(response)
      if (open.size > 0) await within(flushMs, (resolve) => (onEmpty = resolve))
    },
  }
}

function within(maxMs: number, wait: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, maxMs)
    wait(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** @returns the reason why nothing more is answered */
function guestStops(): OxbowError {
  return new OxbowError('guest_unreachable', 'The guest is stopping. What it was doing goes on at its next start.', {
    hint: 'Ask again in a few seconds.',
  })
}

function refuse(response: ServerResponse): void {
  const { code, message, hint } = guestStops()
  const text = JSON.stringify({
    type: `urn:oxbow:error:${code}`,
    title: 'The guest is stopping.',
    status: 503,
    detail: message,
    code,
    hint,
  })
  const headers = { 'content-type': 'application/problem+json', 'retry-after': String(retryAfterStopS), connection: 'close' }
  response.writeHead(503, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}
