/**
 * The client in a page that the gateway serves. A program of its own has a key, as in Node. Without one the browser sends the cookie of the session with the upgrade; the page has the other part of
 * the key in its addresses.
 *
 * A browser hides why an upgrade was refused. The client then asks for the session over HTTP: the answer tells a guest that is gone,
 * which may return, from a sign-in that has ended, which does not.
 */
import { type Client, connectBy, type ConnectOptions } from './client.ts'
import type { OpenSocket, Socket } from './connection.ts'

export type { InputOf, OutputOf } from '../protocol/index.ts'
export type { Client, ConnectOptions } from './client.ts'
export type { ConnectionState } from './connection.ts'
export type { FollowEvent } from './follower.ts'

/** Resolves when the guest has answered hello. @throws OxbowError `guest_unreachable`, `unauthenticated` … for the first connection */
export function connect(options: Omit<ConnectOptions, 'token'> & { readonly token?: string }): Promise<Client> {
  return connectBy(openSocket, { token: '', ...options, limits: { silenceMs, ...options.limits } })
}

/** A page does not see pings, so it asks for something small. */
const aliveMs = 20_000
const aliveFrame = JSON.stringify({ type: 'status', payload: { request_id: 'alive' } })
/** A browser wakes a page in the background once a minute. */
const silenceMs = 150_000

/** Answers 200 or 401 with a problem. */
export const sessionPath = '/web/session'

const openSocket: OpenSocket = ({ url, token }, events): Socket => {
  // A browser sends no headers of a page's own: the key is a second protocol.
  const socket = new WebSocket(url, token === '' ? 'oxbow' : ['oxbow', `bearer.${token}`])
  let isOpen = false
  let isOver = false
  const finish = (code: number, reason: string): void => {
    if (isOver) return
    isOver = true
    clearInterval(alive)
    events.onClose(code, reason)
  }
  const alive = setInterval(() => isOpen && socket.send(aliveFrame), aliveMs)
  socket.addEventListener('open', () => {
    isOpen = true
    events.onOpen()
  })
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string' && !isOver) events.onMessage(data)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    if (isOpen || isOver) return finish(code, reason)
    void askWhy(url).then((refusal) => {
      if (refusal === null || isOver) return finish(code, reason)
      isOver = true
      clearInterval(alive)
      events.onRefused(refusal.status, refusal.body)
    })
  })
  return {
    send: (text) => socket.send(text),
    close: () => socket.close(1000),
    terminate() {
      socket.close()
      // The close event may wait for a peer that is gone.
      queueMicrotask(() => finish(1006, ''))
    },
  }
}

/** @returns the refusal of the sign-in; null when nobody answers, or the sign-in is valid */
async function askWhy(url: string): Promise<{ readonly status: number; readonly body: string } | null> {
  try {
    const address = url.replace(/^ws/, 'http').replace(/\/ws$/, sessionPath)
    const response = await fetch(address, { credentials: 'same-origin', cache: 'no-store' })
    return response.status === 401 || response.status === 403 ? { status: response.status, body: await response.text() } : null
  } catch {
    return null
  }
}
