/**
 * The way out to one terminal. Frames of one round of the event loop leave in one write, at its end: what the round is about, a
 * request to a model or a commit, is on its way before that write, which is the dearest single step of a turn. A reader that falls
 * too far behind is sent away with advice instead of being buffered for: it comes back with its cursor and misses nothing.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { maxReasonBytes, patientMs } from './limits.ts'

export interface Outbox {
  /** Sends at the end of this round, or does nothing once the connection is closing. */
  send(text: string | Buffer): void
  /** Sends with whatever goes next, at the latest after `patientMs`: for what nobody waits for. */
  sendPatiently(text: string | Buffer): void
  /** Says goodbye, with as much of the reason as fits; what was sent before still arrives. */
  close(code: number, reason: string): void
  readonly open: boolean
}

const tooSlow: { readonly code: number; readonly reason: string } = { code: 1013, reason: 'too slow: reconnect with your cursor' }

/**
 * @param stream the stream under the socket, corked for the length of a round
 * @param onClose called once, as soon as nothing more will be sent: a reader that is too slow may take long to hear of it
 */
export function createOutbox(socket: WebSocket, stream: Duplex, maxBufferedBytes: number, onClose: () => void): Outbox {
  let open = true
  /** When what was sent leaves: the stream is corked until then. */
  let leaves: 'open' | 'later' | 'now' = 'open'
  let timer: NodeJS.Timeout | undefined
  const uncork = (): void => {
    clearTimeout(timer)
    leaves = 'open'
    stream.uncork()
  }
  const shut = (): void => {
    if (!open) return
    open = false
    onClose()
  }
  const close = (code: number, reason: string): void => {
    shut()
    socket.close(code, fitting(reason))
  }
  const put = (text: string | Buffer, when: 'later' | 'now'): void => {
    if (!open) return
    if (socket.bufferedAmount > maxBufferedBytes) return close(tooSlow.code, tooSlow.reason)
    if (leaves === 'open') stream.cork()
    if (leaves !== 'now' && when === 'now') setImmediate(uncork)
    if (leaves === 'open' && when === 'later') timer = setTimeout(uncork, patientMs)
    if (leaves !== 'now') leaves = when
    socket.send(text, sendOptions)
  }
  socket.once('close', () => {
    clearTimeout(timer)
    shut()
  })
  return {
    send: (text) => put(text, 'now'),
    sendPatiently: (text) => put(text, 'later'),
    close,
    get open() {
      return open
    },
  }
}

/** A longer reason would throw. What is cut in the middle of a character ends before it. */
function fitting(reason: string): string {
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, maxReasonBytes), { stream: true })
}

/** Buffers hold JSON text here, never binary data. */
const sendOptions = { binary: false } as const
