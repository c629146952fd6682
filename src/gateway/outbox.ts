/**
 * The way out to one terminal. Frames of one tick leave in one write. A reader that falls too far behind is sent away with
 * advice instead of being buffered for: it comes back with its cursor and misses nothing.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

export interface Outbox {
  /** Sends, or does nothing once the connection is closing. */
  send(text: string | Buffer): void
  /** Says goodbye; what was sent before still arrives. */
  close(code: number, reason: string): void
  readonly open: boolean
}

export const tooSlow: { readonly code: number; readonly reason: string } = { code: 1013, reason: 'too slow: reconnect with your cursor' }

/**
 * @param stream the stream under the socket, corked for the length of a tick
 * @param onClose called once, as soon as nothing more will be sent: a reader that is too slow may take long to hear of it
 */
export function createOutbox(socket: WebSocket, stream: Duplex, maxBufferedBytes: number, onClose: () => void): Outbox {
  let open = true
  let corked = false
  const uncork = (): void => {
    corked = false
    stream.uncork()
  }
  const shut = (): void => {
    if (!open) return
    open = false
    onClose()
  }
  const close = (code: number, reason: string): void => {
    shut()
    socket.close(code, reason)
  }
  socket.once('close', shut)
  return {
    send(text) {
      if (!open) return
      if (socket.bufferedAmount > maxBufferedBytes) return close(tooSlow.code, tooSlow.reason)
      if (!corked) {
        corked = true
        stream.cork()
        process.nextTick(uncork)
      }
      socket.send(text, sendOptions)
    },
    close,
    get open() {
      return open
    },
  }
}

/** Buffers hold JSON text here, never binary data. */
const sendOptions = { binary: false } as const
